package rpc

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/rpc/api"
)

// A nodeOps answers about the node and the others that it knows.
type nodeOps struct {
	cfg         *Config
	started     time.Time
	refusals    *refusalLog
	connections func() int           // see Server.connections
	committee   *committee.Committee // nil if the network has no finality
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

// readInfo returns the node's state for a client that reaches it by this host.
func (s *nodeOps) readInfo(host string) (in *api.Info, err error) {
	st, now := s.cfg.Chain.Status(), s.cfg.Now()
	nodes := s.cfg.Peers.Nodes()
	in = &api.Info{
		Name: s.cfg.Name, Version: s.cfg.Version, Network: s.networkInfo(),
		Key: s.cfg.Key, PeerID: s.cfg.Peers.ID(), Multiaddrs: s.cfg.Peers.Addrs(), WS: ownURL(host),
		Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, TipSince: api.Shown(st.Tip.Since, now),
		Work: s.cfg.Chain.Network().Work(st.Tip.Blocks).String(),
		Pool: st.Pool, Payable: st.Payable, Waiting: st.Waiting, Expired: st.Expired, NextArrival: st.NextArrival,
		Peers: connected(nodes), Nodes: len(nodes), Missing: api.MissingOf(nodes), Builds: s.cfg.Peers.Builds(), Sync: s.cfg.Sync(),
		Reorgs: st.Reorgs, DeepReorgs: st.DeepReorgs, Rivals: st.Rivals, Side: st.SideHeaders,
		Connections: s.connections(),
		Started:     api.Shown(s.started, now), Uptime: api.SecondsOf(time.Since(s.started)), Time: ledger.UnixSeconds(now),
	}
	if !st.OldestPayable.IsZero() {
		t := api.Shown(st.OldestPayable, now)
		in.OldestPayable = &t
	}
	in.BlockTxs, in.MaxWait = s.cfg.BlockTxs, s.cfg.MaxWait.Seconds()
	in.Copied = s.cfg.Peers.Copied()
	if in.Voting = s.voting(); in.Voting != nil {
		in.Final = new(api.MaybeFinal{})
		if st.Final != nil {
			if in.Final.Final, err = s.final(st.Final.Block.Height, s.names()); err != nil {
				return nil, err
			}
		}
	}
	if free := s.cfg.DiskFree(); free != nil {
		whole := *free &^ (16<<20 - 1) // so that not every write changes the status
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

// Bounds of one register.
const (
	maxRegister = 256  // addresses
	maxAddr     = 1024 // bytes of each
)

// register takes addresses of other nodes.
func (s *nodeOps) register(_ context.Context, q *request, out *reply) error {
	v := q.args.get("addr")
	if v == nil {
		return missing("register", `"addr"`)
	}
	addrs, err := registerAddrs(v)
	if err != nil {
		return err
	}
	if err := s.cfg.Peers.Register(addrs); err != nil {
		return badArg("args.addr", err.Error())
	}
	out.accepted()
	return nil
}

// forget drops a node that is not connected.
func (s *nodeOps) forget(_ context.Context, q *request, out *reply) error {
	v := q.args.get("node")
	if v == nil {
		return missing("forget", `"node"`)
	}
	node, ok := unquote(v)
	if !ok || node == "" || len(node) > maxAddr {
		return badArg("args.node", fmt.Sprintf("must be a node's peer ID, name or registered address, at most %d bytes", maxAddr))
	}
	if err := s.cfg.Peers.Forget(node); err != nil {
		return badArg("args.node", err.Error())
	}
	out.accepted()
	return nil
}

func registerAddrs(v jsontext.Value) ([]string, error) {
	list := []jsontext.Value{v}
	if v.Kind() == '[' {
		if err := json.Unmarshal(v, &list); err != nil {
			return nil, err
		}
		if len(list) == 0 || len(list) > maxRegister {
			return nil, badArg("args.addr", fmt.Sprintf("must be one address or a list of 1 to %d", maxRegister))
		}
	}
	addrs := make([]string, len(list))
	for i, item := range list {
		var ok bool
		if addrs[i], ok = unquote(item); !ok || addrs[i] == "" || len(addrs[i]) > maxAddr {
			name := "args.addr"
			if v.Kind() == '[' {
				name = fmt.Sprintf("args.addr[%d]", i)
			}
			return nil, badArg(name, fmt.Sprintf("must be the text of a ws:// or wss:// URL or a multiaddr, at most %d bytes", maxAddr))
		}
	}
	return addrs, nil
}

// peers lists the known nodes: the original's list of URLs, and the details of each.
func (s *nodeOps) peers(_ context.Context, q *request, out *reply) error {
	return out.respond(s.listPeers(q.host))
}

func (s *nodeOps) listPeers(host string) api.Peers {
	peers := s.known()
	peers.Peers = peerURLs(host, peers.Nodes)
	return peers
}

// known returns the nodes that are or were known.
func (s *nodeOps) known() api.Peers {
	return api.Peers{Nodes: s.cfg.Peers.Nodes(), Former: s.cfg.Peers.Former()}
}

// maxLinks bounds the connections that the page draws, those of 50 nodes that are all
// connected with each other.
const maxLinks = 1225

// maxReported is how many peers a status line holds at most.
const maxReported = 64

// links returns which nodes are connected, as pairs of numbers, 0 for this node, n for nodes[n-1],
// each pair once and in order, at most maxLinks. Peer IDs would make this the largest part of the
// reply. Both ends must report the link, with a status that is not late. A peer of this node whose
// peers are not known yet, or fill its status line, is taken to report the link to this node.
func links(own string, nodes []api.Peer) [][2]int {
	place := map[string]int{}
	for i, n := range nodes {
		if n.ID != "" && n.Here() && !n.Late {
			place[n.ID] = i + 1
		}
	}
	reports := make(map[[2]int]bool)
	for i, n := range nodes {
		if n.Connected && !n.Late {
			reports[[2]int{0, i + 1}] = true
			if len(n.Links) == 0 || len(n.Links) >= maxReported || slices.Contains(n.Links, own) {
				reports[[2]int{i + 1, 0}] = true
			}
		}
		if place[n.ID] != i+1 {
			continue
		}
		for _, id := range n.Links {
			if at := place[id]; at != 0 && at != i+1 {
				reports[[2]int{i + 1, at}] = true
			}
		}
	}
	pairs := [][2]int{}
	for pair := range reports {
		if pair[0] < pair[1] && reports[[2]int{pair[1], pair[0]}] {
			pairs = append(pairs, pair)
		}
	}
	slices.SortFunc(pairs, func(x, y [2]int) int { return slices.Compare(x[:], y[:]) })
	return pairs[:min(len(pairs), maxLinks)]
}

// ownURL is this node's WebSocket URL for a client that reaches it by host.
func ownURL(host string) string { return "ws://" + host + "/ws" }

// peerURLs returns this node's own URL, then every registered URL that the client can use, and one
// address of each other connected node: its ws URL if the client can use it, else its multiaddr.
// URLs come before multiaddrs, each sorted. From another machine a node's WebSocket needs its
// token, so a client can use only URLs of this machine, if it is on it. A registered URL of another
// machine is listed unless its node is known to want a token, since it may be an original node's.
// URLs of this machine have the name by which the client reached this node, so that none is listed
// in two spellings.
func peerURLs(host string, nodes []api.Peer) []string {
	name, _ := splitHost(host)
	local := isLoopbackName(name)
	if !local {
		name = "localhost"
	}
	var urls []string
	for _, n := range nodes {
		for _, u := range n.Registered {
			// A connected node's registered multiaddr is replaced by its ws URL.
			if usable(&n, u) || !isWS(u) && !n.Connected {
				urls = append(urls, spelled(u, name))
			}
		}
		switch {
		case !n.Connected || slices.ContainsFunc(n.Registered, func(u string) bool { return usable(&n, u) }):
		case n.WS != "" && local && onLoopback(n.WS):
			urls = append(urls, spelled(n.WS, name))
		case len(n.Addrs) > 0:
			urls = append(urls, n.Addrs[0])
		}
	}
	// nodes is in the order of IDs, which means nothing to people.
	slices.SortFunc(urls, func(a, b string) int {
		if isWS(a) != isWS(b) {
			return cmp.Compare(b, a) // a multiaddr begins with a slash
		}
		return cmp.Compare(a, b)
	})
	own := ownURL(host)
	urls = slices.DeleteFunc(slices.Compact(urls), func(u string) bool { return u == spelled(own, name) })
	return slices.Insert(urls, 0, own)
}

// usable reports whether u, as registered for n, is a URL that admits clients without a
// token.
func usable(n *api.Peer, u string) bool {
	return isWS(u) && (onLoopback(u) || n.ID == "" && !n.WantsToken)
}

func isWS(addr string) bool {
	return strings.HasPrefix(addr, "ws://") || strings.HasPrefix(addr, "wss://")
}

func onLoopback(addr string) bool {
	u, err := url.Parse(addr)
	return err == nil && isLoopbackName(plainHost(u.Hostname()))
}

// spelled returns a URL of this machine with name in place of localhost, 127.0.0.1 or
// [::1], and any other URL unchanged.
func spelled(addr, name string) string {
	if !isWS(addr) || !onLoopback(addr) {
		return addr
	}
	u, err := url.Parse(addr)
	if err != nil {
		return addr
	}
	u.Host = strings.TrimSuffix(net.JoinHostPort(name, u.Port()), ":")
	return u.String()
}
