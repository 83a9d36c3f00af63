package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"golang.org/x/sync/errgroup"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p"
	"foxchain/p2p/gossip"
	"foxchain/p2p/vote"
	"foxchain/rpc/api"
)

// simCut is the latency between hosts that are cut apart. The simulated wire cannot lose
// a packet, but it may deliver it when no call waits any more.
const simCut = 1000 * time.Hour

// A simNet is a simulated LAN of whole nodes in a synctest bubble: chains on
// LevelDB in memory, libp2p over a simulated wire, gossip, sync and builders.
// Host i has the address 10.0.i/256.(i%256+1).
type simNet struct {
	t      *testing.T
	rules  *ledger.Network
	expiry time.Duration // of waiting transactions
	wire   *simnet.Simnet
	nodes  []*simNode

	mu    sync.Mutex // guards what follows
	delay [][]time.Duration
	spike [][]time.Duration // added to delay
	side  []int             // hosts of different sides are cut apart
}

// newSimNet makes a LAN of n hosts that do not run yet. Delays are up to most
// each way, drawn for each pair.
func newSimNet(t *testing.T, random *rand.Rand, n int, most, expiry time.Duration, rules ledger.Network) *simNet {
	t.Helper()
	rules.Name, rules.Bits = "simulation", 4
	s := &simNet{t: t, rules: ledgertest.Network(t, rules), expiry: expiry, side: make([]int, n)}
	s.wire = &simnet.Simnet{LatencyFunc: s.latency, Logger: slog.New(slog.DiscardHandler)}
	s.wire.Start()
	for i := range n {
		s.delay = append(s.delay, make([]time.Duration, n))
		s.spike = append(s.spike, make([]time.Duration, n))
		for j := range i {
			s.delay[i][j] = time.Millisecond + time.Duration(random.Int64N(int64(most)))
			s.delay[j][i] = s.delay[i][j]
		}
		s.nodes = append(s.nodes, &simNode{s: s, number: i, key: ledgertest.Key(i), store: storage.NewMemStorage()})
	}
	return s
}

// close ends what still runs.
func (s *simNet) close() {
	for _, n := range s.nodes {
		n.stop()
	}
	s.wire.Close()
	time.Sleep(2 * time.Second) // LevelDB's buffer pool drains that long after Close
}

func (s *simNet) latency(p *simnet.Packet) time.Duration {
	from, to := simNumber(p.From), simNumber(p.To)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case from == to:
		return time.Millisecond
	case s.side[from] != s.side[to]:
		return simCut
	}
	return s.delay[from][to] + s.spike[from][to]
}

// cut puts each host on a side, or with nil all on one.
func (s *simNet) cut(sides []int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.side)
	copy(s.side, sides)
}

// slow adds to the delay between two hosts.
func (s *simNet) slow(i, j int, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spike[i][j], s.spike[j][i] = by, by
}

// heal joins all hosts again and takes the slow links away.
func (s *simNet) heal() {
	s.cut(nil)
	for i := range s.nodes {
		for j := range s.nodes {
			s.slow(i, j, 0)
		}
	}
}

// startAll starts the nodes that do not run.
func (s *simNet) startAll() {
	for _, n := range s.nodes {
		if !n.runs() {
			n.start()
		}
	}
}

func simIP(i int) string { return fmt.Sprintf("10.0.%d.%d", i/200, i%200+1) }

func simNumber(a net.Addr) int {
	ip := a.(*net.UDPAddr).IP.To4()
	return int(ip[2])*200 + int(ip[3]) - 1
}

// A simNode is one host, whose node may run or not. Its storage outlives it.
type simNode struct {
	s      *simNet
	number int
	key    ed25519.PrivateKey
	store  storage.Storage
	skew   time.Duration // of its clock
	build  builder.Config
	signs  ed25519.PrivateKey // what it builds and votes with, where that is not its own key
	votes  *simVotes          // nil where nodes do not vote

	chain  *chain.Chain // nil while it does not run
	p2p    *p2p.Node
	cancel context.CancelFunc
	ended  chan error
	logs   simLog
}

func (n *simNode) runs() bool { return n.chain != nil }

func (n *simNode) signer() ed25519.PrivateKey {
	if n.signs != nil {
		return n.signs
	}
	return n.key
}

// start runs the node on its storage, as cmd does.
func (n *simNode) start() {
	t := n.s.t
	t.Helper()
	chain, err := chain.Open(chain.Config{Network: n.s.rules, Storage: n.store, Expiry: n.s.expiry, Log: slog.New(&n.logs)})
	if err != nil {
		t.Fatalf("node %d: open: %v", n.number, err)
	}
	var peers []string
	for i := range 3 { // any of them that runs knows the others
		if i != n.number && i < len(n.s.nodes) {
			peers = append(peers, n.s.nodes[i].addr())
		}
	}
	var voter vote.Voter // nil where nodes do not vote
	if n.votes != nil {
		voter = n.votes.start(n, chain)
	}
	traffic := gossip.NewTraffic(new(gossip.Counters))
	node, err := p2p.New(p2p.Config{
		Chain:  chain,
		Voter:  voter,
		Name:   fmt.Sprintf("node %d", n.number),
		Peers:  peers,
		Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Builds: func() bool { return true },
		Host:   n.host(traffic),
		Key:    n.key,
		Log:    slog.New(&n.logs),

		Traffic: traffic,
	})
	if err != nil {
		t.Fatalf("node %d: %v", n.number, err)
	}
	sealer, err := builder.NewSealer(builder.SealerConfig{
		Chain: chain, Key: n.signer(), Live: node.Builders, Coming: node.Coming, Announce: node.Announce,
	})
	if err != nil {
		t.Fatalf("node %d: %v", n.number, err)
	}
	cfg := n.build
	cfg.Node = &wrongClock{Sealer: sealer, n: n, chain: chain, jobs: make(map[uint64]api.Template)}
	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return node.Run(ctx) })
	g.Go(func() error { return builder.Run(ctx, cfg) })
	g.Go(func() error { return chain.Run(ctx) })
	if n.votes != nil {
		n.votes.run(g, ctx, node)
	}
	n.chain, n.p2p, n.cancel, n.ended = chain, node, cancel, make(chan error, 1)
	go func() { n.ended <- errors.Join(g.Wait(), chain.Close()) }()
}

// stop ends the node and leaves its storage.
func (n *simNode) stop() {
	if !n.runs() {
		return
	}
	n.cancel()
	if err := <-n.ended; err != nil {
		n.s.t.Errorf("node %d ended: %v", n.number, err)
	}
	n.chain, n.p2p = nil, nil
}

func (n *simNode) listen() string { return "/ip4/" + simIP(n.number) + "/udp/8000/quic-v1" }

func (n *simNode) addr() string {
	id, err := crypto.UnmarshalEd25519PrivateKey(n.key)
	if err != nil {
		n.s.t.Fatal(err)
	}
	return n.listen() + "/p2p/" + simPeerID(n.s.t, id)
}

// host makes a libp2p host on the LAN.
func (n *simNode) host(traffic *gossip.Traffic) host.Host {
	id, err := crypto.UnmarshalEd25519PrivateKey(n.key)
	if err != nil {
		n.s.t.Fatal(err)
	}
	link := simnet.LinkSettings{BitsPerSecond: 100 * simlibp2p.OneMbps}
	h, err := libp2p.New(
		libp2p.Identity(id),
		libp2p.ListenAddrStrings(n.listen()),
		simlibp2p.QUICSimnet(n.s.wire, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.BandwidthReporter(traffic),
	)
	if err != nil {
		n.s.t.Fatal(err)
	}
	return h
}

// A wrongClock is the sealer of a node whose clock is wrong. The times in its headers are
// wrong by skew.
type wrongClock struct {
	*builder.Sealer
	n     *simNode
	chain *chain.Chain
	jobs  map[uint64]api.Template // the last few; Run calls on one goroutine
}

func (d *wrongClock) Template(ctx context.Context, most int) (api.Template, error) {
	job, err := d.Sealer.Template(ctx, most)
	if err != nil || d.n.skew == 0 {
		return job, err
	}
	job.Header.Time = uint64(int64(job.Header.Time) + d.n.skew.Milliseconds())
	clear(d.jobs)
	d.jobs[job.Number] = job
	return job, nil
}

func (d *wrongClock) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	job, ok := d.jobs[number]
	if !ok {
		return d.Sealer.Submit(ctx, number, nonce)
	}
	job.Header.Nonce = nonce
	block := &ledger.Block{SealedHeader: job.Header.Sign(d.chain.Network(), d.n.signer()), Txs: job.Txs}
	if d.chain.Tip().Hash != job.Header.Parent {
		return ledger.BlockRef{}, builder.ErrStale
	}
	_, err := d.chain.AddBlock(ctx, block)
	return ledger.BlockRef{Height: job.Header.Height, Hash: block.Hash()}, err
}
