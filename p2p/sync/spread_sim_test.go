package sync

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/marcopolo/simnet"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/simhost"
)

// simulated plays a case with real nodes (their chains, gossip, relay and sync) on
// a simulated network, in its time. Its times are those of the network alone, since
// what nodes compute takes none.
func simulated(t *testing.T, c spreadCase) (tx, block spread) {
	ledgertest.Bubble(t, func(t *testing.T) {
		g := c.graph()
		wire := &simnet.Simnet{LatencyFunc: func(p *simnet.Packet) time.Duration {
			return g.delay[simhost.Number(p.From)][simhost.Number(p.To)]
		}}
		wire.Start()
		rules := ledgertest.Network(t, ledger.Network{Name: "mesh", Bits: 4})
		ctx, cancel := context.WithCancel(t.Context())
		m := &mesh{t: t, ctx: ctx, net: rules}
		defer func() {
			cancel()
			m.end()
			wire.Close()
			time.Sleep(2 * time.Second) // LevelDB's buffer pool drains that long after Close
		}()
		for i := range c.nodes {
			stats := new(gossip.Counters)
			m.start(i, simhost.New(t, wire, i, ledgertest.Key(i), c.wire.bits, gossip.NewTraffic(stats)), chain.Config{Storage: storage.NewMemStorage()}, stats)
		}
		compared := m.skipComparing()
		m.connectAs(g)
		settle()
		idle := m.sentIn(2*statusEvery, func() {})
		tx = m.spread(idle, func(st chain.Status) bool { return st.Pool == 1 },
			func(n *meshNode) { n.submit(m.mint(1)...) })
		compared.Store(true)
		txs := m.mint(c.txs - 1) // and the one that all have
		for i, n := range m.nodes {
			common := txs
			if i > 0 {
				common = txs[:len(txs)-c.lacks]
			}
			n.offer(pool.FromPeer, common...)
		}
		settle()
		block = m.spread(idle, func(st chain.Status) bool { return st.Tip.Blocks == 1 }, func(n *meshNode) { n.build() })
	})
	return tx, block
}

// connectAs connects the nodes as in g, each with all of its peers at once.
func (m *mesh) connectAs(g graph) {
	for i, peers := range g.peers {
		var connecting errgroup.Group
		for _, j := range peers {
			if i < j {
				h := m.nodes[j].Host
				connecting.Go(func() error {
					return m.nodes[i].Host.Connect(m.ctx, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
				})
			}
		}
		if err := connecting.Wait(); err != nil {
			m.t.Fatalf("connect %d: %v", i, err)
		}
	}
}

// skipComparing lets pools seem compared once its result is true. A node then lists
// nothing that has come in. Otherwise most bytes would go to comparing pools that were
// filled a moment ago.
func (m *mesh) skipComparing() *atomic.Bool {
	compared := new(atomic.Bool)
	for _, n := range m.nodes {
		n.replace(kindPoolSince, func(_ context.Context, _ syncRequest, honest syncMessage) (syncMessage, error) {
			ans := *honest.(*poolSinceAnswer)
			if compared.Load() {
				ans.Keys = nil
			}
			return &ans, nil
		})
	}
	return compared
}

// spread does something at node 0. It returns the times at which the others have it, and
// what all send because of it, beside what they send anyway.
func (m *mesh) spread(idle []int, has func(chain.Status) bool, do func(n *meshNode)) spread {
	m.t.Helper()
	var arrivals []<-chan time.Time
	for _, n := range m.nodes[1:] {
		arrivals = append(arrivals, n.when(has))
	}
	var s spread
	s.bytes = m.sentIn(2*statusEvery, func() {
		begin := time.Now()
		do(m.nodes[0])
		for _, at := range arrivals {
			s.times = append(s.times, (<-at).Sub(begin))
		}
		slices.Sort(s.times)
	})
	for i := range s.bytes {
		s.bytes[i] -= idle[i]
	}
	return s
}

// sentIn returns what each node sends while f runs, and then until the time d since its start.
func (m *mesh) sentIn(d time.Duration, f func()) []int {
	sent := make([]int, len(m.nodes))
	for i, n := range m.nodes {
		sent[i] = -int(n.traffic.BytesOut.Load())
	}
	begin := time.Now()
	f()
	time.Sleep(d - time.Since(begin))
	synctest.Wait()
	for i, n := range m.nodes {
		sent[i] += int(n.traffic.BytesOut.Load())
	}
	return sent
}
