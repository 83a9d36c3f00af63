package node

import (
	"context"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"foxchain/ledger"
	"foxchain/p2p"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// A peers shows the WebSocket server the node's side of the network.
type peers struct{ *p2p.Node }

// Nodes returns all other nodes: those with a known address first, then those known
// from status lines alone.
func (s peers) Nodes() []api.Peer {
	var nodes []api.Peer
	now := time.Now()
	for _, p := range s.Peers() {
		nodes = append(nodes, peerNode(&p, now))
	}
	return nodes
}

func peerNode(p *p2p.Peer, now time.Time) api.Peer {
	n := api.Peer{
		ID: p.ID, Name: p.Name, Version: p.Version, Addrs: p.Addrs, WS: p.WS, Registered: p.Registered,
		Connected: p.Connected, LatencyMS: float64(p.Latency.Microseconds()) / 1e3, Clock: p.Clock.Round(time.Second).Seconds(),
		State: string(p.State), Reason: p.Reason, Detail: p.Detail,
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
	if !p.Since.IsZero() {
		n.Missing = api.Shown(p.Since, now)
	}
	if !p.Seen.IsZero() {
		n.Tip, n.Seen = p.Tip.String(), api.Shown(p.Seen, now)
	}
	return n
}

// resolveTimeout bounds the question to the node behind a URL.
const resolveTimeout = 30 * time.Second

// resolveWS returns the multiaddrs of the node behind a WebSocket's URL, so that a
// registered ws URL can be dialled. The loopback addresses of a node on another
// machine are left out, because here they would name this machine.
func resolveWS(ctx context.Context, wsURL string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	c, err := client.Dial(ctx, wsURL, "")
	if err != nil {
		return nil, err
	}
	defer c.Close()
	in, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	addrs := reachable(in.Multiaddrs, isLoopbackURL(wsURL))
	if len(addrs) == 0 {
		return nil, errors.New("it has no address for other nodes that can be reached from here")
	}
	return addrs, nil
}

func reachable(addrs []string, sameMachine bool) []string {
	var list []string
	for _, text := range addrs {
		addr, err := multiaddr.NewMultiaddr(text)
		if err == nil && (sameMachine || !manet.IsIPLoopback(addr)) {
			list = append(list, text)
		}
	}
	return list
}

func isLoopbackURL(wsURL string) bool {
	u, err := url.Parse(wsURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
