package sync

import (
	"sync/atomic"
	"testing"
	"time"

	"foxchain/ledger/pool"
)

// TestPoolSync compares a pool of several pages, some of it signed, that was there before
// the connection.
func TestPoolSync(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.offer(pool.FromPeer, m.mint(2*maxPoolKeys)...)
		a.offer(pool.FromPeer, m.sign(m.mint(500))...)
		common := m.mint(100)
		a.offer(pool.FromPeer, common...)
		b.offer(pool.FromPeer, common...)
		m.connect()
		b.untilPool(5*time.Second, 2*maxPoolKeys+600)

		// Once the pools are compared, only status goes over the line.
		time.Sleep(statusEvery)
		before := b.Stats.SyncBytesIn.Load()
		time.Sleep(3 * statusEvery)
		if got := b.Stats.SyncBytesIn.Load() - before; got > 6*128 {
			t.Errorf("%d bytes in three rounds without news", got)
		}

		// What gossip does not carry comes with the next round.
		a.offer(pool.FromPeer, m.mint(3)...)
		b.untilPool(2*statusEvery, 2*maxPoolKeys+603)
	})
}

// TestPoolDigest checks that pools with equal digests are compared only after a minute,
// and then whole. Others are compared in the next round, and a node with an empty pool is
// not asked.
func TestPoolDigest(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		var compared atomic.Int32
		b.replace(kindPoolSince, answerWith(func(honest syncMessage) syncMessage {
			compared.Add(1)
			return honest
		}))
		m.connect()
		settle()
		both := func(n int, wait time.Duration, want int32) {
			t.Helper()
			txs := m.mint(n)
			a.offer(pool.FromPeer, txs...)
			b.offer(pool.FromPeer, txs...)
			time.Sleep(wait)
			if got := compared.Load(); got != want {
				t.Errorf("b's pool was asked for %d times, want %d", got, want)
			}
		}
		both(3, digestTime-2*statusEvery, 0)
		b.offer(pool.FromPeer, m.mint(1)...)
		a.untilPool(2*statusEvery, 4)
		both(3, digestTime-2*statusEvery, 1)
		both(3, 4*statusEvery, 2)
		b.offer(pool.FromPeer, m.mint(1)...)
		b.build()
		a.untilTip(2*statusEvery, b.Chain.Tip().Hash)
		settle()
		if got := compared.Load(); got != 2 {
			t.Errorf("b's pool was asked for %d times, want 2, since it is empty", got)
		}
		both(maxPoolKeys+1, digestTime+2*statusEvery, 4) // two pages
	})
}

// TestPoolSyncPastRefused checks that a transaction that is refused for the moment, since
// our pool has another under its ID, holds up none of the later ones.
func TestPoolSyncPastRefused(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		txs := m.mint(2 * maxPoolKeys)
		a.offer(pool.FromPeer, txs...)
		conflict := *txs[10]
		conflict.Amount++
		b.offer(pool.FromPeer, &conflict)
		m.connect()
		b.untilPool(5*time.Second, len(txs))
		// The chain decides. a's transaction is in a block, and b's is gone.
		a.build()
		b.untilTip(2*statusEvery, a.Chain.Tip().Hash)
		b.untilPool(time.Second, 0)
	})
}

func TestPoolCursor(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var c poolCursor
	expect := func(what string, settled, seen uint64) {
		t.Helper()
		if c.settled != settled || c.seen != seen {
			t.Fatalf("%s: settled %d, seen %d, want %d, %d", what, c.settled, c.seen, settled, seen)
		}
	}
	c.at(7)
	c.advance(1000, true, now)
	expect("a settled page", 1000, 1000)
	c.at(7)
	expect("the same instance", 1000, 1000)
	c.advance(2000, false, now)
	expect("an unsettled page", 1000, 2000)
	c.advance(3000, true, now.Add(time.Second))
	expect("a settled page after it", 1000, 3000)
	c.rewind(now.Add(poolRetry - 1))
	expect("too early to retry", 1000, 3000)
	c.rewind(now.Add(poolRetry))
	expect("retry", 1000, 1000)
	c.advance(2000, true, now.Add(poolRetry))
	c.advance(3000, true, now.Add(poolRetry))
	expect("settled now", 3000, 3000)
	c.advance(4000, false, now)
	c.empty(3500)
	expect("an older status without transactions", 3500, 4000)
	c.empty(5000)
	expect("an empty pool", 5000, 5000)
	c.at(8)
	expect("the peer restarted", 0, 0)
}
