package api

import "cmp"

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
