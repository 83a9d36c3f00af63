package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Peer is another node, as "nodes" in the reply of peers shows it.
type Peer struct {
	ID         string   `json:"id"`                   // peer ID; empty while a registered URL has not answered yet
	Key        string   `json:"node_key"`             // the builder in its blocks; empty if ID is
	Name       string   `json:"name"`                 // as it calls itself, so not trusted
	Version    string   `json:"version"`              // of its program
	Addrs      []string `json:"multiaddrs"`           // where it was met, or claims to listen
	WS         string   `json:"ws"`                   // its WebSocket URL if it can be reached from here, else empty
	Registered []string `json:"registered"`           // registered addresses, without tokens
	WantsToken bool     `json:"wants_token,omitzero"` // Registered has a URL whose node requires its token
	Connected  bool     `json:"connected"`
	Direction  string   `json:"direction"`              // "in" or "out" if connected
	LatencyMS  float64  `json:"latency_ms"`             // round trip; 0 if not measured
	Clock      float64  `json:"clock"`                  // seconds by which its clock is ahead of this node's; 0 if at most a minute, or not known
	State      string   `json:"state"`                  // see the doc of package p2p
	Reason     string   `json:"reason"`                 // why it is in that state, in words for people
	Why        Reason   `json:",embed"`                 // the same for other languages
	Detail     string   `json:"detail,omitempty"`       // the error that caused the reason
	Missing    float64  `json:"missing_since,omitzero"` // when a node in state missing was last there, Unix seconds
	Builds     bool     `json:"builds"`                 // this and what follows are from its last signed status
	Blocks     uint64   `json:"blocks"`
	Tip        string   `json:"tip"`
	Pool       int      `json:"pool"`
	Peers      int      `json:"peers"`         // 0 if its peers are not known yet
	Seen       float64  `json:"seen"`          // when that status came, Unix seconds; 0 for none yet
	Late       bool     `json:"late,omitzero"` // its next status is overdue, so its connections are not known now
	Links      []string `json:"-"`             // peer IDs that it reports to be connected to, for Peers.Links
}

// HeardOf is the state of a node that is known only by its status line, through other
// nodes.
const HeardOf = "heard of"

// Here reports whether a node runs now, as far as is known.
func (p *Peer) Here() bool { return p.Connected || p.State == HeardOf }

// Peers is the response of the op peers, and the data of its event.
type Peers struct {
	Peers []string `json:"peers"` // ws URLs as in the original, this node's own first; a multiaddr if there is no URL
	Nodes []Peer   `json:"nodes"` // all other nodes, with details
	// Links are the pairs of connected nodes, 0 for this node and n for Nodes[n-1]. Each
	// pair is there once, at most 1225, and only if both ends report it now. Only the event
	// has them.
	Links [][2]int `json:"links,omitzero"`
	// Former are at most 256 forgotten nodes that were once connected, for the names of
	// builders. To forget such a node again removes it.
	Former []Former `json:"former,omitempty"`
}

// A Former is a node that was once connected, and was forgotten since.
type Former struct {
	Key  string  `json:"node_key"`
	Name string  `json:"name"` // its last own name
	Seen float64 `json:"seen"` // when it was last there, Unix seconds
}

// A Named is a node with the name that is shown for its key.
type Named struct {
	Name string
	Gone bool
	Seen float64 // when one that is gone was last there, Unix seconds; 0 if not known
}

// Called returns the nodes with the names to show, by their keys. A name is the node's last
// own name, with the key's first digits if two nodes have the same. key and name are those
// of the node that lists them.
func (p *Peers) Called(key, name string) map[string]Named {
	called := map[string]Named{key: {Name: name}}
	for _, n := range p.Nodes {
		if was, known := called[n.Key]; n.Key != "" && n.Name != "" && (!known || was.Name == "") {
			called[n.Key] = Named{Name: n.Name, Gone: !n.Here(), Seen: cmp.Or(n.Missing, n.Seen)}
		}
	}
	for _, f := range p.Former {
		if _, known := called[f.Key]; !known {
			called[f.Key] = Named{Name: f.Name, Gone: true, Seen: f.Seen}
		}
	}
	bearers := make(map[string]int)
	for _, n := range called {
		bearers[n.Name]++
	}
	for key, n := range called {
		if bearers[n.Name] > 1 {
			n.Name += " (" + key[:min(8, len(key))] + ")"
			called[key] = n
		}
	}
	return called
}

// maxMissing bounds the nodes that a Missing names.
const maxMissing = 8

// A Missing lists the nodes that were there in the last 12 hours and are not now. While
// it is not nil, this node may be on a branch of its own.
type Missing struct {
	Count int           `json:"count"` // nodes in state missing
	Of    int           `json:"of"`    // the missing, those that are there, and this node
	Since float64       `json:"since"` // since when none of the missing has answered, Unix seconds
	Nodes []MissingNode `json:"nodes"` // at most 8, the one that left last first
}

// A MissingNode is one node of a Missing.
type MissingNode struct {
	ID    string  `json:"id"`
	Name  string  `json:"name"`
	Since float64 `json:"since"` // Unix seconds
}

// MissingOf returns the missing ones of nodes, or nil.
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

// Words returns, in words for people, which nodes are missing and since when. now is by
// the node's clock, in Unix seconds.
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

// lasted returns seconds in words, in the largest unit.
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
