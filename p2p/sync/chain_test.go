package sync

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

func TestSyncFiftyBlocks(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(50, 3)
		m.connect()
		b.untilTip(5*time.Second, a.Chain.Tip().Hash)
		if got := b.Stats.BodiesFetched.Load(); got != 50 {
			t.Errorf("fetched %d bodies, want 50", got)
		}
		settle()
		if st := a.peers.get(b.Host.ID()).latest(); st.Blocks != 50 || st.Tip != a.Chain.Tip().Hash {
			t.Errorf("status of b: %+v", st)
		}
		if got := b.Stats.HeadersPublished.Load(); got > 2 {
			t.Errorf("announced %d old blocks", got)
		}
	})
}

// TestSyncLongChain fetches a chain longer than one page of headers and one stretch of
// bodies, from two peers at once.
func TestSyncLongChain(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		a, b, c := m.nodes[0], m.nodes[1], m.nodes[2]
		a.buildBlocks(maxHeaders+100, 1)
		m.connect(0, 1)
		b.untilTip(time.Minute, a.Chain.Tip().Hash)
		before := a.Stats.SyncBytesOut.Load()
		m.connect()
		c.untilTip(time.Minute, a.Chain.Tip().Hash)
		if a.Stats.SyncBytesOut.Load() == before || b.Stats.SyncBytesOut.Load() < 10_000 {
			t.Error("the bodies came from one peer only")
		}
	})
}

func TestForkAfterPartition(t *testing.T) {
	testMesh(t, 4, func(m *mesh) {
		a, b, c, d := m.nodes[0], m.nodes[1], m.nodes[2], m.nodes[3]
		a.buildBlocks(3, 2)
		m.connect()
		for _, n := range m.nodes {
			n.untilTip(5*time.Second, a.Chain.Tip().Hash)
		}
		m.disconnect(0)
		m.disconnect(1)
		m.connect(0, 1)
		left, right := m.mint(4), m.mint(10)
		for i, tx := range left {
			a.submit(tx)
			b.untilPool(5*time.Second, 1)
			if a.build(); i == 3 {
				break
			}
			b.untilTip(5*time.Second, a.Chain.Tip().Hash)
		}
		for range 2 {
			c.submit(right[:5]...)
			right = right[5:]
			d.untilPool(5*time.Second, 5)
			c.build()
			d.untilTip(5*time.Second, c.Chain.Tip().Hash)
		}
		m.connect()
		for _, n := range m.nodes {
			n.untilTip(15*time.Second, a.Chain.Tip().Hash)
			n.untilPool(15*time.Second, 10) // the losing side's, none lost
		}
		d.build()
		for _, n := range m.nodes {
			n.untilTip(15*time.Second, d.Chain.Tip().Hash)
			n.untilPool(15*time.Second, 0)
		}
	})
}

// TestForkOfEqualWork checks that of two forks of equal work the lower hash wins on both
// sides, whichever was first.
func TestForkOfEqualWork(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(1, 1)
		b.buildBlocks(1, 1)
		want := a.Chain.Tip().Hash
		if h := b.Chain.Tip().Hash; h.String() < want.String() {
			want = h
		}
		m.connect()
		a.untilTip(5*time.Second, want)
		b.untilTip(5*time.Second, want)
	})
}

// TestVotedForkOfEqualWork checks that a block that lost by its hash, and of which only
// the header is here, is fetched as soon as the builders vote for it, though nothing else
// is new.
func TestVotedForkOfEqualWork(t *testing.T) {
	keys := []ledger.PublicKey{ledgertest.Public(ledgertest.Key(0)), ledgertest.Public(ledgertest.Key(1))}
	testMeshOn(t, ledger.Network{Name: "mesh", Bits: 4, Builders: keys}, 2, func(m *mesh) {
		winner, loser := m.nodes[0], m.nodes[1]
		winner.buildBlocks(1, 1)
		loser.buildBlocks(1, 1)
		if loser.Chain.Tip().Hash.String() < winner.Chain.Tip().Hash.String() {
			winner, loser = loser, winner
		}
		voted, err := loser.Chain.BlockByHash(loser.Chain.Tip().Hash)
		if err != nil {
			t.Fatal(err)
		}
		m.connect()
		loser.untilTip(5*time.Second, winner.Chain.Tip().Hash)
		cert := &finality.Certificate{Statement: finality.Statement{Kind: finality.Notarize, View: 1, Block: ledger.BlockRef{Hash: voted.Hash()}}}
		if err := loser.Chain.Votes().Apply(nil, cert, nil, nil); err != nil {
			t.Fatal(err)
		}
		loser.untilTip(time.Second, voted.Hash())
		if err := winner.Chain.AddHeaders(t.Context(), []*ledger.SealedHeader{&voted.SealedHeader}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if err := winner.Chain.Votes().Apply(nil, cert, nil, nil); err != nil {
			t.Fatal(err)
		}
		winner.untilTip(time.Second, voted.Hash())
	})
}

// TestSyncLargestBlock fetches a body in several parts, of 10,000 signed transactions.
func TestSyncLargestBlock(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 10,000 transactions")
	}
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.offer(pool.FromPeer, m.sign(m.mint(ledger.MaxBlockTxs))...)
		a.build()
		a.buildBlocks(relayStretch, 1) // too many for compact relay
		m.connect()
		b.untilTip(10*time.Second, a.Chain.Tip().Hash)
		if got := a.Stats.SyncBytesOut.Load(); got > 3<<20 {
			t.Errorf("sent %d bytes for one body", got)
		}
	})
}

func TestAddresses(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		m.connect()
		a, b, c := m.nodes[0], m.nodes[1], m.nodes[2]
		infos, err := a.Addresses(m.ctx, b.Host.ID())
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, info := range infos {
			found = found || info.ID == c.Host.ID() && len(info.Addrs) > 0
		}
		if len(infos) != 2 || !found {
			t.Errorf("got %v", infos)
		}
	})
}

// TestRunEndsWithLedger checks that a node whose ledger has stopped ends with that
// reason, and leaves nothing running.
func TestRunEndsWithLedger(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		m.nodes[0].buildBlocks(3, 1)
		stopped := m.nodes[1]
		if err := stopped.Chain.Close(); err != nil {
			t.Fatal(err)
		}
		m.connect()
		if err := <-stopped.ended; !errors.Is(err, ledger.ErrStopped) {
			t.Errorf("run ended with %v, want %v", err, ledger.ErrStopped)
		}
		stopped.ended <- nil // what the end of the test waits for
	})
}

// TestRivalsConverge has five nodes submit and build at once, fall apart and come
// together again, for thirty rounds. Afterwards all agree, and each has every transaction
// once, in its chain or its pool.
func TestRivalsConverge(t *testing.T) {
	testMesh(t, 5, func(m *mesh) {
		m.connect()
		random := rand.New(rand.NewPCG(1, 2))
		var all []*ledger.Transaction
		for range 30 {
			for i, n := range m.nodes {
				if random.IntN(2) == 0 {
					txs := m.mint(1 + random.IntN(5))
					all = append(all, txs...)
					n.submit(txs...)
				}
				if n.Chain.Status().Payable > 0 && random.IntN(3) == 0 {
					n.build()
				}
				if random.IntN(10) == 0 {
					m.disconnect(i)
				}
			}
			time.Sleep(time.Duration(random.IntN(2000)) * time.Millisecond)
			if random.IntN(3) == 0 {
				m.connect()
			}
		}
		m.connect()
		time.Sleep(15 * time.Second)
		want := m.nodes[0].Chain.Tip()
		for i, n := range m.nodes {
			if got := n.Chain.Tip(); got.Hash != want.Hash {
				t.Errorf("node %d ends with block %d (%s), node 0 with %d (%s)", i, got.Blocks, got.Hash.Short(), want.Blocks, want.Hash.Short())
			}
			n.checkHolds(all)
		}
	})
}

// checkHolds checks that each transaction is in the node's chain or pool, once.
func (n *meshNode) checkHolds(all []*ledger.Transaction) {
	n.m.t.Helper()
	v, err := n.Chain.View()
	if err != nil {
		n.m.t.Fatal(err)
	}
	defer v.Close()
	times := make(map[ledger.TxKey]int)
	for height := range v.Tip().Blocks {
		b, err := v.Block(height)
		if err != nil {
			n.m.t.Fatal(err)
		}
		for _, tx := range b.Txs {
			times[tx.Key()]++
		}
	}
	for _, e := range n.Chain.Pool().List(0, chain.MaxPool) {
		times[e.Tx.Key()]++
	}
	for _, tx := range all {
		if got := times[tx.Key()]; got != 1 {
			n.m.t.Errorf("node %d has transaction %s %d times", n.number(), tx.ID, got)
		}
	}
	if len(times) != len(all) {
		n.m.t.Errorf("node %d has %d transactions, want %d", n.number(), len(times), len(all))
	}
}

// TestBodiesOneByOne checks that a body that comes when those before it are in the chain
// already is taken for its block.
func TestBodiesOneByOne(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(maxBodies, 1) // all are asked for at once
		await := func(ctx context.Context, hash ledger.Hash) error {
			h, err := a.Chain.HeaderByHash(hash)
			if err != nil {
				return err
			}
			for {
				changed := b.Chain.Changed()
				if b.Chain.Tip().Blocks >= h.Height {
					return nil
				}
				select {
				case <-changed:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}
		a.replace(kindBody, func(ctx context.Context, req syncRequest, honest syncMessage) (syncMessage, error) {
			return honest, await(ctx, req.(*bodyRequest).Hash)
		})
		a.replace(kindShortIDs, func(ctx context.Context, req syncRequest, honest syncMessage) (syncMessage, error) {
			return honest, await(ctx, req.(*shortIDsRequest).Hash)
		})
		m.connect()
		b.untilTip(time.Second, a.Chain.Tip().Hash)
	})
}
