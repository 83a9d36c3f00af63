package sync

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
)

// A mesh is a simulated network of nodes that have only the ledger side. They have real
// chains in memory, real hosts and gossip, and the least of a host side.
type mesh struct {
	t     testing.TB
	ctx   context.Context
	net   *ledger.Network
	nodes []*meshNode
	ids   uint64 // of transactions made so far
}

// A meshNode is a node of a mesh.
type meshNode struct {
	*Syncer
	m       *mesh
	traffic *gossip.Counters
	key     ed25519.PrivateKey
	bans    chan string // reasons for which this node banned peers
	ended   chan error  // what run returned

	followers sync.WaitGroup

	mu      sync.Mutex // guards what follows
	banned  map[peer.ID]bool
	follows map[peer.ID]context.CancelFunc
}

// ban reports whether p was not banned before.
func (n *meshNode) ban(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := !n.banned[p]
	n.banned[p] = true
	return first
}

// follow follows a connected peer until unfollow.
func (n *meshNode) follow(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.follows[p] != nil {
		return
	}
	ctx, cancel := context.WithCancel(n.m.ctx)
	n.follows[p] = cancel
	n.followers.Go(func() {
		if err := n.Follow(ctx, p); err != nil && !fatal(err) { // a test that stops the ledger looks at Run
			n.m.t.Errorf("follow %s: %v", p, err)
		}
	})
}

func (n *meshNode) unfollow(p peer.ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cancel := n.follows[p]; cancel != nil {
		cancel()
		delete(n.follows, p)
	}
}

func (n *meshNode) isBanned(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.banned[p]
}

// testMesh runs f in a bubble with n nodes that are not connected.
func testMesh(t *testing.T, n int, f func(m *mesh)) {
	testMeshOn(t, ledger.Network{Name: "mesh", Bits: 4}, n, f)
}

// testMeshOn is testMesh on a network of these rules.
func testMeshOn(t *testing.T, rules ledger.Network, n int, f func(m *mesh)) {
	ledgertest.Bubble(t, func(t *testing.T) {
		link := simnet.NodeBiDiLinkSettings{
			Downlink: simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps},
			Uplink:   simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps},
		}
		wire, hosts, err := simlibp2p.SimpleLibp2pNetwork(
			[]simlibp2p.NodeLinkSettingsAndCount{{LinkSettings: link, Count: n}},
			simnet.StaticLatency(time.Millisecond), simlibp2p.NetworkSettings{})
		if err != nil {
			t.Fatal(err)
		}
		wire.Start()
		// The zero account mints, and so does the signed account of node 0.
		signed := ledger.AccountOf(ledgertest.Public(ledgertest.Key(0)))
		rules.Issuers = []uuid.UUID{{}, signed}
		ctx, cancel := context.WithCancel(t.Context())
		m := &mesh{t: t, ctx: ctx, net: ledgertest.Network(t, rules)}
		for i, h := range hosts.Nodes {
			m.start(i, h, chain.Config{Storage: storage.NewMemStorage()}, new(gossip.Counters))
		}
		defer func() {
			cancel()
			m.end()
			wire.Close()
			time.Sleep(2 * time.Second) // LevelDB's buffer pool drains that long after Close
		}()
		f(m)
	})
}

// start runs node i on h, with a chain in store.
func (m *mesh) start(i int, h host.Host, store chain.Config, traffic *gossip.Counters) {
	m.t.Helper()
	store.Network = m.net
	chain, err := chain.Open(store)
	if err != nil {
		m.t.Fatal(err)
	}
	node := &meshNode{
		m: m, traffic: traffic, key: ledgertest.Key(i), bans: make(chan string, 100), ended: make(chan error, 1),
		banned: make(map[peer.ID]bool), follows: make(map[peer.ID]context.CancelFunc),
	}
	ps, err := gossip.New(m.ctx, h, m.net, gossip.BanList(node.isBanned), traffic)
	if err != nil {
		m.t.Fatal(err)
	}
	node.Syncer, err = New(Config{
		Chain: chain, Host: h, PubSub: ps, Log: slog.New(slog.DiscardHandler), Stats: new(Counters),
		Alive: func(peer.ID, time.Duration, time.Time) {},
		Dead:  func(peer.ID, error) {},
		Heard: func(peer.ID) time.Time { return time.Time{} },
		Ban: func(p peer.ID, reason string) {
			if node.ban(p) {
				node.bans <- reason
			}
			h.Network().ClosePeer(p)
		},
		Addrs: func() []peer.AddrInfo {
			var infos []peer.AddrInfo
			for _, p := range h.Network().Peers() {
				infos = append(infos, h.Peerstore().PeerInfo(p))
			}
			return infos
		},
	})
	if err != nil {
		m.t.Fatal(err)
	}
	h.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) { node.follow(c.RemotePeer()) },
		DisconnectedF: func(n network.Network, c network.Conn) {
			if n.Connectedness(c.RemotePeer()) != network.Connected {
				node.unfollow(c.RemotePeer())
			}
		},
	})
	m.nodes = append(m.nodes, node)
	go func() { node.ended <- node.Run(m.ctx) }()
}

// end waits for the nodes, whose context has ended, and closes what they held.
func (m *mesh) end() {
	for _, node := range m.nodes {
		if err := <-node.ended; err != nil {
			m.t.Errorf("run: %v", err)
		}
		node.followers.Wait()
	}
	for _, node := range m.nodes {
		node.Host.Close()
		node.Chain.Close()
	}
}

// connect connects the nodes of these numbers with each other, or all if none is given.
func (m *mesh) connect(numbers ...int) {
	m.t.Helper()
	if len(numbers) == 0 {
		for i := range m.nodes {
			numbers = append(numbers, i)
		}
	}
	for i, a := range numbers {
		for _, b := range numbers[i+1:] {
			h := m.nodes[b].Host
			if err := m.nodes[a].Host.Connect(m.ctx, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
				m.t.Fatalf("connect %d to %d: %v", a, b, err)
			}
		}
	}
}

// disconnect closes all connections of a node.
func (m *mesh) disconnect(number int) {
	h := m.nodes[number].Host
	for _, p := range h.Network().Peers() {
		h.Network().ClosePeer(p)
	}
	synctest.Wait()
}

// mint makes n transactions of the issuer, each with an ID of its own.
func (m *mesh) mint(n int) []*ledger.Transaction {
	txs := ledgertest.Mint(m.ids+1, n)
	m.ids += uint64(n)
	return txs
}

// sign makes transactions those of node 0's account.
func (m *mesh) sign(txs []*ledger.Transaction) []*ledger.Transaction {
	for _, tx := range txs {
		tx.Sign(m.net, ledgertest.Key(0))
	}
	return txs
}

// submit offers transactions to the node as a client does.
func (n *meshNode) submit(txs ...*ledger.Transaction) {
	n.m.t.Helper()
	n.offer(pool.FromClient, txs...)
}

func (n *meshNode) offer(from pool.Origin, txs ...*ledger.Transaction) {
	n.m.t.Helper()
	chaintest.Submit(n.m.t, n.Chain, from, txs...)
}

// build makes a block of all payable transactions of the node's pool.
func (n *meshNode) build() *ledger.Block {
	n.m.t.Helper()
	b := n.seal(n.Chain.Template(ledger.MaxBlockTxs))
	if _, err := n.Chain.AddBlock(n.m.ctx, b); err != nil {
		n.m.t.Fatal(err)
	}
	return b
}

// seal makes a block of a template, without giving it to the chain.
func (n *meshNode) seal(t chain.Template) *ledger.Block {
	return ledgertest.Seal(n.m.net, n.key, t.Header, t.Txs)
}

// buildBlocks builds count blocks of size new transactions each.
func (n *meshNode) buildBlocks(count, size int) {
	n.m.t.Helper()
	for range count {
		n.offer(pool.FromPeer, n.m.mint(size)...)
		n.build()
	}
}

// until waits for changes of the node's chain until cond holds.
func (n *meshNode) until(within time.Duration, what string, cond func(chain.Status) bool) {
	n.m.t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		changed := n.Chain.Changed()
		st := n.Chain.Status()
		if cond(st) {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			n.m.t.Fatalf("node %d: not within %v: %s (blocks %d, pool %d)", n.number(), within, what, st.Tip.Blocks, st.Pool)
		}
	}
}

// when sends the time at which has holds.
func (n *meshNode) when(has func(chain.Status) bool) <-chan time.Time {
	at := make(chan time.Time, 1)
	go func() {
		for {
			changed := n.Chain.Changed()
			if has(n.Chain.Status()) {
				at <- time.Now()
				return
			}
			select {
			case <-changed:
			case <-n.m.ctx.Done():
				return
			}
		}
	}()
	return at
}

// untilTip waits until the node has the tip of another.
func (n *meshNode) untilTip(within time.Duration, tip ledger.Hash) {
	n.m.t.Helper()
	n.until(within, "the same tip", func(st chain.Status) bool { return st.Tip.Hash == tip })
}

// untilPool waits until the node's pool has so many transactions.
func (n *meshNode) untilPool(within time.Duration, count int) {
	n.m.t.Helper()
	n.until(within, "the whole pool", func(st chain.Status) bool { return st.Pool == count })
}

func (n *meshNode) number() int {
	for i, o := range n.m.nodes {
		if o == n {
			return i
		}
	}
	return -1
}

// banReason waits for the node to ban a peer.
func (n *meshNode) banReason(within time.Duration) string {
	n.m.t.Helper()
	select {
	case reason := <-n.bans:
		return reason
	case <-time.After(within):
		n.m.t.Fatalf("node %d banned no peer within %v", n.number(), within)
		return ""
	}
}

// replace puts f in the place of the node's answers to requests of one kind. The node is
// then hostile, and otherwise a real one.
func (n *meshNode) replace(k kind, f func(ctx context.Context, req syncRequest, honest syncMessage) (syncMessage, error)) {
	honest := n.server.answer
	n.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
		ans, err := honest(ctx, p, req)
		if err != nil || req.kind() != k {
			return ans, err
		}
		return f(ctx, req, ans)
	}
}
