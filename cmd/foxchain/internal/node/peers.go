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
	known := make(map[string]bool)
	network := s.Statuses()
	links := make(map[string][]string)
	for _, heard := range network {
		links[heard.ID] = heard.Peers
	}
	for _, p := range s.Peers() {
		known[p.ID] = true
		n := peerNode(&p)
		n.Links = links[p.ID]
		nodes = append(nodes, n)
	}
	for _, heard := range network {
		if !heard.Self && !known[heard.ID] {
			nodes = append(nodes, heardNode(&heard))
		}
	}
	return nodes
}

func peerNode(p *p2p.Peer) api.Peer {
	n := api.Peer{
		ID: p.ID, Name: p.Name, Version: p.Version, Addrs: p.Addrs, WS: p.WS, Registered: p.Registered,
		Connected: p.Connected, LatencyMS: float64(p.Latency.Microseconds()) / 1e3,
		State: string(p.State), Reason: p.Reason,
		Builds: p.Status.Builds, Blocks: p.Status.Blocks, Pool: p.Status.Pool, Peers: p.Status.Peers,
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
	if !p.Status.Seen.IsZero() {
		n.Tip, n.Seen = p.Status.Tip.String(), float64(p.Status.Seen.UnixMilli())/1e3
	}
	return n
}

func heardNode(s *p2p.NodeStatus) api.Peer {
	return api.Peer{
		ID: s.ID, Key: s.Key.String(), Links: s.Peers, Name: s.Name, Version: s.Version, State: "heard of",
		Reason: "it is on the network, and reached through others",
		Builds: s.Builds, Blocks: s.Blocks, Tip: s.Tip.String(), Pool: int(s.Pool), Peers: len(s.Peers),
		Seen: float64(s.Seen.UnixMilli()) / 1e3,
	}
}
