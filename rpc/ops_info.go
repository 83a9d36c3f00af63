package rpc

import (
	"context"

	"foxchain/ledger"
)

// opTime gives this node's clock, as the original's Python did.
func (s *Server) opTime(_ context.Context, _ *request, out *reply) error {
	now := s.cfg.Now()
	zone, _ := now.Zone()
	out.ok()
	out.raw(`{"time":`)
	out.buf = appendSeconds(out.buf, unixSeconds(now))
	out.raw(`,"time_zone":`)
	out.quote(zone)
	out.raw(`}`)
	return nil
}

// Info is what a node says of itself: the response of the op info, and the data
// of status events. Times are Unix seconds unless said otherwise.
type Info struct {
	Name    string      `json:"name"`    // what the node calls itself
	Version string      `json:"version"` // of its program
	Network NetworkInfo `json:"network"`

	Key        ledger.PublicKey `json:"node_key"`   // what its blocks name as builder
	PeerID     string           `json:"peer_id"`    // how other nodes know it
	Multiaddrs []string         `json:"multiaddrs"` // where it listens for them, each with /p2p/ and its ID
	WS         string           `json:"ws"`         // its WebSocket's URL, with the host that the asker used

	Blocks   uint64      `json:"blocks"`    // of the chain
	Tip      ledger.Hash `json:"tip"`       // the last one's hash; the network's ID while there is none
	TipTime  *uint64     `json:"tip_time"`  // Unix milliseconds, its builder's claim; nil: there is none
	TipSince float64     `json:"tip_since"` // when it became the tip here
	Work     string      `json:"work"`      // of the chain, decimal: the sum of 2^bits

	Pool          int      `json:"pool"`           // transactions in the pool
	Payable       int      `json:"payable"`        // of which a block could hold now
	Waiting       int      `json:"waiting"`        // of which cannot be paid yet
	Expired       uint64   `json:"expired"`        // that waited too long, since start
	NextArrival   uint64   `json:"next_arrival"`   // the number that the next transaction will get
	OldestPayable *float64 `json:"oldest_payable"` // when the oldest payable one was first seen; nil: there is none

	Peers  int   `json:"peers"`  // connected nodes
	Nodes  int   `json:"nodes"`  // other nodes that it knows of
	Builds bool  `json:"builds"` // blocks of its own can be expected
	Sync   *Sync `json:"sync"`   // nil: it is not catching up

	Reorgs     uint64 `json:"reorgs"`       // switches to another branch, since start
	DeepReorgs uint64 `json:"deep_reorgs"`  // of which took back more than 10 blocks
	Rivals     uint64 `json:"rivals"`       // blocks that competed for a height with another, since start
	Side       int    `json:"side_headers"` // known headers that are not on the chain

	Connections int      `json:"connections"`  // open WebSockets
	Refusals    uint64   `json:"refusals"`     // requests that were not let in, since start
	LastRefusal *Refusal `json:"last_refusal"` // nil: there was none

	DiskFree *uint64 `json:"disk_free"` // bytes left for the data directory, in whole 16 MiB; nil: not known

	Copied string `json:"copied"` // another node runs with this one's key: what is known of it; empty: none does

	Started float64 `json:"started"`
	Uptime  float64 `json:"uptime"` // seconds
	Time    float64 `json:"time"`   // the node's clock
}

// A NetworkInfo is the rules of a node's network.
type NetworkInfo struct {
	Name      string             `json:"name"`
	ID        ledger.Hash        `json:"id"`
	Bits      uint8              `json:"bits"`       // of work a block
	Issuers   []string           `json:"issuers"`    // accounts that mint
	Builders  []ledger.PublicKey `json:"builders"`   // whose blocks count; none: anybody's
	KeyedOnly bool               `json:"keyed_only"` // only accounts made from keys may send
}

// A Refusal is a request that a node did not let in.
type Refusal struct {
	Time   float64 `json:"time"`
	Remote string  `json:"remote"` // the address it came from
	Origin string  `json:"origin"` // the web origin it named; empty: none
	Reason string  `json:"reason"`
}

// A Sync is how far a node is that catches up with its peers.
type Sync struct {
	Best   uint64   `json:"best"`   // blocks of the longest chain that a connected peer tells of: its claim
	Behind uint64   `json:"behind"` // how many of them are not here yet
	Rate   float64  `json:"rate"`   // transactions a second that came with blocks lately
	ETA    *float64 `json:"eta"`    // seconds until all are here at the pace of late; nil: nothing came lately
}

func (s *Server) opInfo(_ context.Context, q *request, out *reply) error {
	in, err := s.info(q.host)
	if err != nil {
		return err
	}
	out.ok()
	return out.value(in)
}

func (s *Server) info(host string) (*Info, error) {
	st, now := s.cfg.Chain.Status(), s.cfg.Now()
	nodes := s.cfg.Network.Nodes()
	in := &Info{
		Name: s.cfg.Name, Version: s.cfg.Version, Network: s.networkInfo(),
		Key: s.cfg.Key, PeerID: s.cfg.Network.ID(), Multiaddrs: s.cfg.Network.Addrs(), WS: ownURL(host),
		Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, TipSince: unixSeconds(st.Tip.Since),
		Work: s.cfg.Chain.Network().Work(st.Tip.Blocks).String(),
		Pool: st.Pool, Payable: st.Payable, Waiting: st.Waiting, Expired: st.Expired, NextArrival: st.NextArrival,
		Peers: connected(nodes), Nodes: len(nodes), Builds: s.cfg.Builds(), Sync: s.cfg.Sync(),
		Reorgs: st.Reorgs, DeepReorgs: st.DeepReorgs, Rivals: st.Rivals, Side: st.SideHeaders,
		Connections: s.connections(),
		Started:     unixSeconds(s.started), Uptime: seconds(now.Sub(s.started)), Time: unixSeconds(now),
	}
	if !st.OldestPayable.IsZero() {
		t := unixSeconds(st.OldestPayable)
		in.OldestPayable = &t
	}
	in.Copied = s.cfg.Copied()
	if free := s.cfg.DiskFree(); free != nil {
		whole := *free &^ (16<<20 - 1) // so that not every write is a change of the status
		in.DiskFree = &whole
	}
	total, last, _ := s.noted.read()
	in.Refusals = total
	if last != nil {
		in.LastRefusal = &Refusal{Time: last.Time, Remote: last.Remote, Origin: last.Origin, Reason: last.Reason}
	}
	if st.Tip.Blocks > 0 {
		h, err := s.cfg.Chain.HeaderByHash(st.Tip.Hash)
		if err != nil {
			return nil, err
		}
		in.TipTime = &h.Time
	}
	return in, nil
}

func (s *Server) networkInfo() NetworkInfo {
	n := s.cfg.Chain.Network()
	out := NetworkInfo{Name: n.Name, ID: n.ID(), Bits: n.Bits, Issuers: []string{}, Builders: n.Builders, KeyedOnly: n.KeyedOnly}
	for _, id := range n.Issuers {
		out.Issuers = append(out.Issuers, id.String())
	}
	return out
}

func connected(nodes []Node) int {
	n := 0
	for _, node := range nodes {
		if node.Connected {
			n++
		}
	}
	return n
}
