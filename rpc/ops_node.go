package rpc

import (
	"context"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/rpc/api"
)

// A nodeOps answers what the node is, and which others it knows.
type nodeOps struct {
	cfg         *Config
	started     time.Time
	refusals    *refusalLog
	connections func() int           // open WebSockets
	committee   *committee.Committee // nil: the network has no finality
}

// time returns this node's clock, as the original's Python did.
func (s *nodeOps) time(_ context.Context, _ *request, out *reply) error {
	now := s.cfg.Now()
	zone, _ := now.Zone()
	return out.respond(api.Clock{Time: api.Seconds(ledger.UnixSeconds(now)), Zone: zone})
}

func (s *nodeOps) info(_ context.Context, q *request, out *reply) error {
	in, err := s.readInfo(q.host)
	if err != nil {
		return err
	}
	return out.respond(in)
}

// readInfo returns the node's state for a client that calls the node by this host.
func (s *nodeOps) readInfo(host string) (in *api.Info, err error) {
	st, now := s.cfg.Chain.Status(), s.cfg.Now()
	nodes := s.cfg.Network.Nodes()
	in = &api.Info{
		Name: s.cfg.Name, Version: s.cfg.Version, Network: s.networkInfo(),
		Key: s.cfg.Key, PeerID: s.cfg.Network.ID(), Multiaddrs: s.cfg.Network.Addrs(), WS: ownURL(host),
		Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, TipSince: api.Shown(st.Tip.Since, now),
		Work: s.cfg.Chain.Network().Work(st.Tip.Blocks).String(),
		Pool: st.Pool, Payable: st.Payable, Waiting: st.Waiting, Expired: st.Expired, NextArrival: st.NextArrival,
		Peers: connected(nodes), Nodes: len(nodes), Missing: api.MissingOf(nodes), Builds: s.cfg.Builds(), Sync: s.cfg.Sync(),
		Reorgs: st.Reorgs, DeepReorgs: st.DeepReorgs, Rivals: st.Rivals, Side: st.SideHeaders,
		Connections: s.connections(),
		Started:     api.Shown(s.started, now), Uptime: api.SecondsOf(time.Since(s.started)), Time: ledger.UnixSeconds(now),
	}
	if !st.OldestPayable.IsZero() {
		t := api.Shown(st.OldestPayable, now)
		in.OldestPayable = &t
	}
	in.BlockTxs, in.MaxWait = s.cfg.BlockTxs, s.cfg.MaxWait.Seconds()
	in.Copied = s.cfg.Copied()
	if in.Voting = s.voting(); in.Voting != nil {
		in.Final = new(api.MaybeFinal{})
		if st.Final != nil {
			if in.Final.Final, err = s.final(st.Final.Block.Height, s.names()); err != nil {
				return nil, err
			}
		}
	}
	if free := s.cfg.DiskFree(); free != nil {
		whole := *free &^ (16<<20 - 1) // so that not every write is a change of the status
		in.DiskFree = &whole
	}
	total, last, _ := s.refusals.read()
	in.Refusals = total
	if last != nil {
		shown := last.Refusal
		shown.Time = api.Shown(last.at, now)
		in.LastRefusal = &shown
	}
	if st.Tip.Blocks > 0 {
		h, err := s.cfg.Chain.HeaderByHash(st.Tip.Hash)
		if err != nil {
			return nil, err
		}
		built := float64(h.Time) / 1000
		in.TipTime, in.TipBuilt = &h.Time, &built
	}
	return in, nil
}

func (s *nodeOps) networkInfo() api.NetworkInfo {
	n := s.cfg.Chain.Network()
	out := api.NetworkInfo{Name: n.Name, ID: n.ID(), Bits: n.Bits, Issuers: []string{}, Builders: n.Builders, KeyedOnly: n.KeyedOnly, NoSelfPay: n.NoSelfPay, Caution: n.Caution(),
		Credit: make(map[string]uint64, len(n.Credit)), CreditDefault: n.CreditDefault, MaxUnfinal: n.MaxUnfinal}
	for account, floor := range n.Credit {
		out.Credit[account.String()] = floor
	}
	for _, id := range n.Issuers {
		out.Issuers = append(out.Issuers, id.String())
	}
	if len(out.Issuers) > 0 {
		out.Issuer = out.Issuers[0]
	}
	return out
}

func connected(nodes []api.Peer) int {
	n := 0
	for _, node := range nodes {
		if node.Connected {
			n++
		}
	}
	return n
}
