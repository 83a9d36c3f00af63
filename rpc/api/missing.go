package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxMissing bounds the nodes that a Missing names.
const maxMissing = 8

// A Missing is the nodes that were there in the last hours and have not answered
// lately. While it is not nil, this node may be on a branch of its own.
type Missing struct {
	Count int           `json:"count"` // nodes in state missing
	Of    int           `json:"of"`    // all nodes: the missing, those that are there, and this one
	Since float64       `json:"since"` // Unix seconds: none of them has answered since
	Nodes []MissingNode `json:"nodes"` // at most 8, the one that left last first
}

// A MissingNode is one node of a Missing.
type MissingNode struct {
	ID    string  `json:"id"`
	Name  string  `json:"name"`
	Since float64 `json:"since"` // Unix seconds
}

// MissingOf returns those of nodes that are missing, or nil if none is.
func MissingOf(nodes []Peer) *Missing {
	m := &Missing{Of: 1}
	for _, n := range nodes {
		switch {
		case n.Missing > 0:
			m.Nodes = append(m.Nodes, MissingNode{n.ID, n.Name, n.Missing})
		case n.Here():
			m.Of++
		}
	}
	if len(m.Nodes) == 0 {
		return nil
	}
	slices.SortFunc(m.Nodes, func(a, b MissingNode) int { return cmp.Or(cmp.Compare(b.Since, a.Since), cmp.Compare(a.ID, b.ID)) })
	m.Count, m.Since = len(m.Nodes), m.Nodes[0].Since
	m.Of += m.Count
	m.Nodes = m.Nodes[:min(m.Count, maxMissing)]
	return m
}

// Words returns, in words for people, who is missing and since when, at a time of
// the node's clock in Unix seconds.
func (m *Missing) Words(now float64) string {
	have, them := "nodes have", "they may be switched off, or on a branch of their own"
	if m.Count == 1 {
		have, them = "nodes has", "it may be switched off, or on a branch of its own"
	}
	if 2*m.Count >= m.Of {
		them = "you may be on a branch of your own"
	}
	var names []string
	for _, n := range m.Nodes {
		names = append(names, fmt.Sprintf("%s (%s)", cmp.Or(n.Name, "…"+n.ID[max(0, len(n.ID)-8):]), lasted(now-n.Since)))
	}
	if m.Count > len(m.Nodes) {
		names = append(names, fmt.Sprintf("%d more", m.Count-len(m.Nodes)))
	}
	return fmt.Sprintf("%d of %d %s not answered for %s; %s: %s", m.Count, m.Of, have, lasted(now-m.Since), them, strings.Join(names, ", "))
}

// lasted returns seconds by their largest unit, in words.
func lasted(seconds float64) string {
	d := time.Duration(max(0, seconds) * float64(time.Second))
	n, unit := int(d/time.Second), "second"
	switch {
	case d >= time.Hour:
		n, unit = int(d/time.Hour), "hour"
	case d >= time.Minute:
		n, unit = int(d/time.Minute), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}
