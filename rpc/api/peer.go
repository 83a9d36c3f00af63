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
	Key        string   `json:"node_key"`             // what its blocks name as builder; empty with ID
	Name       string   `json:"name"`                 // what it calls itself: chosen by a stranger
	Version    string   `json:"version"`              // its program's
	Addrs      []string `json:"multiaddrs"`           // where it was met, or claims to listen
	WS         string   `json:"ws"`                   // its WebSocket URL when it can be reached from here, else empty
	Registered []string `json:"registered"`           // addresses given by register, without the tokens in them
	WantsToken bool     `json:"wants_token,omitzero"` // registered is a URL that lets nobody in without the token of its node
	Connected  bool     `json:"connected"`
	Direction  string   `json:"direction"`              // "in" or "out" when connected
	LatencyMS  float64  `json:"latency_ms"`             // round trip; 0: not measured
	Clock      float64  `json:"clock"`                  // how many seconds its clock is ahead of this node's; 0: at most a minute, or not known
	State      string   `json:"state"`                  // connected, missing, refused…: see the doc of package p2p
	Reason     string   `json:"reason"`                 // why it is in that state, in words for people
	Why        Reason   `json:",embed"`                 // the same for other languages
	Detail     string   `json:"detail,omitempty"`       // the error behind the reason, as the machine gave it
	Missing    float64  `json:"missing_since,omitzero"` // Unix seconds: when a node in state missing was last there
	Builds     bool     `json:"builds"`                 // these and what follows are from its last signed status
	Blocks     uint64   `json:"blocks"`
	Tip        string   `json:"tip"`
	Pool       int      `json:"pool"`
	Peers      int      `json:"peers"`         // 0: its peers are not known yet
	Seen       float64  `json:"seen"`          // Unix seconds of that status; 0: none yet
	Late       bool     `json:"late,omitzero"` // its next status is overdue, so it reports no connections now
	Links      []string `json:"-"`             // peer IDs that it reports to be connected to, for Links of the reply
}

// HeardOf is the state of a node that others are connected to, and this one is not.
const HeardOf = "heard of"

// Here reports whether a node is there now.
func (p *Peer) Here() bool { return p.Connected || p.State == HeardOf }

// Peers is the response of the op peers, and the data of its event.
type Peers struct {
	Peers []string `json:"peers"` // ws URLs as the original gave them, this node's own first; a multiaddr where there is no URL
	Nodes []Peer   `json:"nodes"` // all other nodes, with details
	// Links are the pairs of nodes that are connected, each node by its place: 0 is this
	// node, n is Nodes[n-1]. Each pair is there once, at most 1225, and only where both ends
	// report it now. They are in the event only.
	Links [][2]int `json:"links,omitzero"`
	// Former are at most 256 nodes that this one was connected to and does not know any more,
	// for the names of builders, until forget is asked for them once more.
	Former []Former `json:"former,omitempty"`
}

// A Former is a node that was once connected, and was forgotten since.
type Former struct {
	Key  string  `json:"node_key"`
	Name string  `json:"name"` // what it called itself
	Seen float64 `json:"seen"` // Unix seconds: when it was last there
}

// A Named is what people call the node behind a key.
type Named struct {
	Name string
	Gone bool
	Seen float64 // Unix seconds: when one that is gone was last there; 0: not known
}

// Called returns what the nodes are called, by their keys: as each called itself last, with
// the key's first digits where two did so alike. The first argument is the node that lists
// them.
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
