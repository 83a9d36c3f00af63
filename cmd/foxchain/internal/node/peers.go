package node

import (
	"foxchain/ledger"
	"foxchain/p2p"
	"foxchain/rpc/api"
)

// A peers shows the WebSocket server the node's side of the network.
type peers struct{ *p2p.Node }

// Nodes returns all other nodes: those with a known address first, then those known
// from status lines alone.
func (s peers) Nodes() []api.Peer {
	var nodes []api.Peer
	for _, p := range s.Peers() {
		nodes = append(nodes, peerNode(&p))
	}
	return nodes
}

func peerNode(p *p2p.Peer) api.Peer {
	n := api.Peer{
		ID: p.ID, Name: p.Name, Version: p.Version, Addrs: p.Addrs, WS: p.WS, Registered: p.Registered,
		Connected: p.Connected, LatencyMS: float64(p.Latency.Microseconds()) / 1e3,
		State: string(p.State), Reason: p.Reason,
		Builds: p.Builds, Blocks: p.Blocks, Pool: p.Pool, Peers: len(p.Peers), Links: p.Peers,
	}
	if p.Key != (ledger.PublicKey{}) {
		n.Key = p.Key.String()
	}
	switch {
	case p.Connected && p.Inbound:
		n.Direction = "in"
	case p.Connected:
		n.Direction = "out"
	}
	if !p.Seen.IsZero() {
		n.Tip, n.Seen = p.Tip.String(), float64(p.Seen.UnixMilli())/1e3
	}
	return n
}
