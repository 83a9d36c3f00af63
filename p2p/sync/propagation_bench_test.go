package sync

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/marcopolo/simnet"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/simhost"
	"foxchain/p2p/internal/wait"
)

// BenchmarkBlockPropagation sends a block of 5,000 transactions that every pool has
// already from the node that has it to the last of a line of two or three, on
// real files. The links are loopback with what nodes run on (TCP, TLS, yamux),
// or simulated ones of 10 ms and 1 Gbit/s, in real time.
//
//	wire-%    what the last link carried, both ways and before encryption, in
//	          percent of the body's bytes, of which at most 10 are wanted
//	of-limit  the time (the median) in parts of one round trip plus apply for each
//	          hop, of which at most 2 are wanted
//
// One round trip is the fastest of some questions for a status over one link. apply is
// the time that a chain on its own with the same pool takes for the same block.
func BenchmarkBlockPropagation(b *testing.B) {
	for _, link := range []struct {
		name string
		make func(b *testing.B) func(i int, stats *gossip.Counters) host.Host
	}{{"loopback", loopback}, {"10ms", delayed(10 * time.Millisecond)}} {
		for _, nodes := range []int{2, 3} {
			for _, pool := range []int{5_000, 100_000} {
				b.Run(fmt.Sprintf("link=%s/nodes=%d/pool=%d", link.name, nodes, pool), func(b *testing.B) {
					benchPropagation(b, link.make(b), nodes, pool)
				})
			}
		}
	}
}

const relayedTxs = 5_000

func benchPropagation(b *testing.B, newHost func(i int, stats *gossip.Counters) host.Host, nodes, pool int) {
	ctx, cancel := context.WithCancel(b.Context())
	rules := ledgertest.Network(b, ledger.Network{Name: "line", Bits: 4})
	m := &mesh{t: b, ctx: ctx, net: rules}
	var stats *gossip.Counters
	for i := range nodes {
		stats = new(gossip.Counters)
		m.start(i, newHost(i, stats), chain.Config{Dir: b.TempDir()}, stats)
		if i > 0 {
			m.connect(i-1, i)
		}
	}
	apart, err := chain.Open(chain.Config{Network: rules, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		cancel()
		m.end()
		apart.Close()
	}()
	first, last := m.nodes[0], m.nodes[nodes-1]
	var times, ofLimit []float64
	var wire, body uint64
	for b.Loop() {
		b.StopTimer()
		m.fill(apart, pool)
		m.quiet()
		block := first.seal(first.Chain.Template(relayedTxs))
		trip := last.roundTrip(m.nodes[nodes-2])
		before := stats.BytesIn.Load() + stats.BytesOut.Load()
		b.StartTimer()

		arrived := last.when(func(st chain.Status) bool { return st.Tip.Hash == block.Hash() })
		first.add(block)
		begin := time.Now()
		took := (<-arrived).Sub(begin)

		b.StopTimer()
		wire += stats.BytesIn.Load() + stats.BytesOut.Load() - before
		body += uint64(len(ledger.EncodeTransactions(block.Txs)))
		begin = time.Now()
		if _, err := apart.AddBlock(ctx, block); err != nil {
			b.Fatal(err)
		}
		limit := time.Duration(nodes-1) * (trip + time.Since(begin))
		times = append(times, took.Seconds()*1e3)
		ofLimit = append(ofLimit, float64(took)/float64(limit))
		b.StartTimer()
	}
	slices.Sort(times)
	slices.Sort(ofLimit)
	b.ReportMetric(0, "ns/op") // it includes the time between measurements
	b.ReportMetric(times[len(times)/2], "ms")
	b.ReportMetric(ofLimit[len(ofLimit)/2], "of-limit")
	b.ReportMetric(100*float64(wire)/float64(body), "wire-%")
}

// fill fills the pools of all nodes, and of a chain apart, up to size.
func (m *mesh) fill(apart *chain.Chain, size int) {
	for count := size - apart.Status().Pool; count > 0; {
		n := min(count, 10_000)
		txs := make([]*ledger.Transaction, n)
		for i := range txs {
			txs[i] = &ledger.Transaction{ID: uuid.New(), Receiver: uuid.New(), Amount: 1 + rand.Uint64N(1000), T: 1620811762.5}
		}
		for _, node := range m.nodes {
			node.offer(pool.FromPeer, txs...)
		}
		if _, err := apart.Submit(m.ctx, txs, pool.FromPeer); err != nil {
			m.t.Fatal(err)
		}
		count -= n
	}
}

func (n *meshNode) add(b *ledger.Block) {
	n.m.t.Helper()
	if _, err := n.Chain.AddBlock(n.m.ctx, b); err != nil {
		n.m.t.Fatal(err)
	}
}

// quiet waits until the nodes have compared their pools and send no more.
func (m *mesh) quiet() {
	for _, node := range m.nodes {
		for _, r := range node.peers.all() {
			wait.Signal(r.hurry)
		}
	}
	for before := uint64(0); m.ctx.Err() == nil; {
		var now uint64
		for _, node := range m.nodes {
			now += node.traffic.BytesIn.Load()
		}
		if now-before < 1_000*uint64(len(m.nodes)) { // gossip's heartbeats
			return
		}
		before = now
		select {
		case <-time.After(500 * time.Millisecond):
		case <-m.ctx.Done():
		}
	}
}

// roundTrip returns the fastest of some exchanges with a peer.
func (n *meshNode) roundTrip(o *meshNode) time.Duration {
	n.m.t.Helper()
	var trips []time.Duration
	for range 10 {
		begin := time.Now()
		if err := n.ask(n.m.ctx, o.Host.ID(), new(statusRequest), new(statusAnswer)); err != nil {
			n.m.t.Fatal(err)
		}
		trips = append(trips, time.Since(begin))
	}
	return slices.Min(trips)
}

// loopback makes hosts on TCP sockets, as nodes have them.
func loopback(b *testing.B) func(int, *gossip.Counters) host.Host {
	return func(i int, stats *gossip.Counters) host.Host {
		id, err := crypto.UnmarshalEd25519PrivateKey(ledgertest.Key(i))
		if err != nil {
			b.Fatal(err)
		}
		h, err := libp2p.New(libp2p.Identity(id), libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.Transport(tcp.NewTCPTransport),
			libp2p.DisableRelay(), libp2p.DisableMetrics(), libp2p.BandwidthReporter(gossip.NewTraffic(stats)))
		if err != nil {
			b.Fatal(err)
		}
		return h
	}
}

// delayed makes hosts on simulated links with the one-way delay way.
func delayed(way time.Duration) func(b *testing.B) func(int, *gossip.Counters) host.Host {
	return func(b *testing.B) func(int, *gossip.Counters) host.Host {
		wire := &simnet.Simnet{LatencyFunc: simnet.StaticLatency(way)}
		wire.Start()
		b.Cleanup(wire.Close)
		return func(i int, stats *gossip.Counters) host.Host {
			return simhost.New(b, wire, i, ledgertest.Key(i), 1_000_000_000, gossip.NewTraffic(stats))
		}
	}
}
