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

// info is the response of the op info, and the data of status events. Package
// doc explains each key.
type info struct {
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Network networkInfo `json:"network"`

	Key        ledger.PublicKey `json:"node_key"`
	PeerID     string           `json:"peer_id"`
	Multiaddrs []string         `json:"multiaddrs"`
	WS         string           `json:"ws"`

	Blocks   uint64      `json:"blocks"`
	Tip      ledger.Hash `json:"tip"`
	TipTime  *uint64     `json:"tip_time"`
	TipSince float64     `json:"tip_since"`
	Work     string      `json:"work"`

	Pool          int      `json:"pool"`
	Payable       int      `json:"payable"`
	Waiting       int      `json:"waiting"`
	Expired       uint64   `json:"expired"`
	NextArrival   uint64   `json:"next_arrival"`
	OldestPayable *float64 `json:"oldest_payable"`

	Peers  int  `json:"peers"`
	Nodes  int  `json:"nodes"`
	Builds bool `json:"builds"`

	Reorgs     uint64 `json:"reorgs"`
	DeepReorgs uint64 `json:"deep_reorgs"`
	Rivals     uint64 `json:"rivals"`
	Side       int    `json:"side_headers"`

	Connections int          `json:"connections"`
	Refusals    uint64       `json:"refusals"`
	LastRefusal *refusalInfo `json:"last_refusal"`

	Started float64 `json:"started"`
	Uptime  float64 `json:"uptime"`
	Time    float64 `json:"time"`
}

type networkInfo struct {
	Name      string             `json:"name"`
	ID        ledger.Hash        `json:"id"`
	Bits      uint8              `json:"bits"`
	Issuers   []string           `json:"issuers"`
	Builders  []ledger.PublicKey `json:"builders"`
	KeyedOnly bool               `json:"keyed_only"`
}

type refusalInfo struct {
	Time   float64 `json:"time"`
	Remote string  `json:"remote"`
	Origin string  `json:"origin"`
	Reason string  `json:"reason"`
}

func (s *Server) opInfo(_ context.Context, q *request, out *reply) error {
	in, err := s.info(q.host)
	if err != nil {
		return err
	}
	out.ok()
	return out.value(in)
}

func (s *Server) info(host string) (*info, error) {
	st, now := s.cfg.Chain.Status(), s.cfg.Now()
	nodes := s.cfg.Network.Nodes()
	in := &info{
		Name: s.cfg.Name, Version: s.cfg.Version, Network: s.networkInfo(),
		Key: s.cfg.Key, PeerID: s.cfg.Network.ID(), Multiaddrs: s.cfg.Network.Addrs(), WS: ownURL(host),
		Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, TipSince: unixSeconds(st.Tip.Since),
		Work: s.cfg.Chain.Network().Work(st.Tip.Blocks).String(),
		Pool: st.Pool, Payable: st.Payable, Waiting: st.Waiting, Expired: st.Expired, NextArrival: st.NextArrival,
		Peers: connected(nodes), Nodes: len(nodes), Builds: s.cfg.Builds(),
		Reorgs: st.Reorgs, DeepReorgs: st.DeepReorgs, Rivals: st.Rivals, Side: st.SideHeaders,
		Connections: s.connections(),
		Started:     unixSeconds(s.started), Uptime: seconds(now.Sub(s.started)), Time: unixSeconds(now),
	}
	if !st.OldestPayable.IsZero() {
		t := unixSeconds(st.OldestPayable)
		in.OldestPayable = &t
	}
	total, last, _ := s.noted.read()
	in.Refusals = total
	if last != nil {
		in.LastRefusal = &refusalInfo{Time: last.Time, Remote: last.Remote, Origin: last.Origin, Reason: last.Reason}
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

func (s *Server) networkInfo() networkInfo {
	n := s.cfg.Chain.Network()
	out := networkInfo{Name: n.Name, ID: n.ID(), Bits: n.Bits, Issuers: []string{}, Builders: n.Builders, KeyedOnly: n.KeyedOnly}
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
