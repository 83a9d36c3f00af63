package chain

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// The benchmarks run on real files. Each prints its rate as a ratio against raw LevelDB
// in the same run, which means more than a figure of one machine.

func openBench(b *testing.B) *lab {
	l := newLab(b)
	l.chain.Close()
	l.dir = b.TempDir()
	l.open()
	return l
}

// A rawLevel is LevelDB alone, with the store's options. The ledger's rates are measured
// against it.
type rawLevel struct {
	db    *leveldb.DB
	spent time.Duration
	txs   int
}

func openRaw(b *testing.B) *rawLevel {
	s, _, err := store.Open(store.Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return &rawLevel{db: s.DB}
}

// write puts two random records of 100 bytes for each of n transactions, in one
// synced batch. It is called beside each measured step, so that both see the
// same machine.
func (r *rawLevel) write(b *testing.B, n int) {
	value := make([]byte, 100)
	start := time.Now()
	w := new(leveldb.Batch)
	for range 2 * n {
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, rand.Uint64()), rand.Uint64())
		w.Put(key, value)
	}
	if err := r.db.Write(w, &opt.WriteOptions{Sync: true}); err != nil {
		b.Fatal(err)
	}
	r.spent += time.Since(start)
	r.txs += n
}

// report prints the rate of txs in the benchmark's time, and its ratio to LevelDB's.
func (r *rawLevel) report(b *testing.B, txs int) {
	rate := float64(txs) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "tx/s")
	b.ReportMetric(rate/(float64(r.txs)/r.spent.Seconds()), "of-raw")
}

// packed seals a block of the pool's first payable transactions.
func (l *lab) packed(max int) *ledger.Block {
	tpl := l.chain.Template(max)
	b := &ledger.Block{Txs: tpl.Txs}
	b.Header = tpl.Header
	b.Builder = l.builder()
	b.SealedHeader = b.Header.Sign(l.net, l.key)
	return b
}

// sealed seals a block of txs.
func (l *lab) sealed(height uint64, parent ledger.Hash, txs []*ledger.Transaction) *ledger.Block {
	b := &ledger.Block{Txs: txs}
	b.Header = ledger.Header{Version: 1, Height: height, Parent: parent, Count: uint32(len(txs)), Root: ledger.Root(txs), Builder: l.builder()}
	b.SealedHeader = b.Header.Sign(l.net, l.key)
	return b
}

func (l *lab) accept(txs []*ledger.Transaction) {
	if _, err := l.chain.Submit(context.Background(), txs, pool.FromClient); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) commit(b *ledger.Block) {
	if _, err := l.chain.AddBlock(context.Background(), b); err != nil {
		l.t.Fatal(err)
	}
}

// BenchmarkAccept accepts batches of 1,000 durably.
func BenchmarkAccept(b *testing.B) {
	raw, l := openRaw(b), openBench(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		raw.write(b, 1000)
		txs := ledgertest.Minted(1000)
		if l.chain.Status().Pool+1000 > MaxPool {
			l.chain.Close()
			l = openBench(b)
		}
		b.StartTimer()
		l.accept(txs)
		n += 1000
	}
	raw.report(b, n)
}

// perThousand times what ready returns, for 1,000 transactions at a time.
func perThousand(b *testing.B, ready func(l *lab) func()) {
	raw, l := openRaw(b), openBench(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		raw.write(b, 1000)
		timed := ready(l)
		b.StartTimer()
		timed()
		n += 1000
	}
	raw.report(b, n)
}

// BenchmarkCommit commits blocks of 1,000 that are in the pool already, with index,
// balances and history.
func BenchmarkCommit(b *testing.B) {
	perThousand(b, func(l *lab) func() {
		l.accept(ledgertest.Minted(1000))
		block := l.packed(1000)
		return func() { l.commit(block) }
	})
}

// BenchmarkWhole goes the whole way on one core. Batches of 1,000 are accepted durably,
// then packed, sealed (8 bits) and committed.
func BenchmarkWhole(b *testing.B) {
	perThousand(b, func(l *lab) func() {
		txs := ledgertest.Minted(1000)
		return func() {
			l.accept(txs)
			l.commit(l.packed(1000))
		}
	})
}

// BenchmarkSyncBlock commits blocks of 1,000 that the pool does not know, as a node that
// syncs gets them.
func BenchmarkSyncBlock(b *testing.B) {
	parent, height := ledger.Hash{}, uint64(0)
	perThousand(b, func(l *lab) func() {
		if height == 0 {
			parent = l.net.ID()
		}
		block := l.sealed(height, parent, ledgertest.Minted(1000))
		parent, height = block.Hash(), height+1
		return func() { l.commit(block) }
	})
}

// BenchmarkSmallBlock commits a block of 4 from a pool of 4 and from one of 100,000. Its
// cost must not grow with the pool.
func BenchmarkSmallBlock(b *testing.B) {
	for _, pool := range []int{4, MaxPool - 4} {
		b.Run(map[bool]string{true: "pool=4", false: "pool=100000"}[pool == 4], func(b *testing.B) {
			l := openBench(b)
			for pool > 0 {
				n := min(pool, 10_000)
				l.accept(ledgertest.Minted(n))
				pool -= n
			}
			for b.Loop() {
				b.StopTimer()
				l.accept(ledgertest.Minted(4))
				block := l.packed(4)
				b.StartTimer()
				l.commit(block)
			}
		})
	}
}

// BenchmarkOpen opens a chain of 10,000 blocks, and the pool of 100,000, from disk.
func BenchmarkOpen(b *testing.B) {
	l := openBench(b)
	parent := l.net.ID()
	for height, tx := range ledgertest.Minted(10_000) {
		block := l.sealed(uint64(height), parent, []*ledger.Transaction{tx})
		l.commit(block)
		parent = block.Hash()
	}
	for range MaxPool / 10_000 {
		l.accept(ledgertest.Minted(10_000))
	}
	for b.Loop() {
		l.chain.Close()
		l.open()
	}
	if st := l.chain.Status(); st.Tip.Blocks != 10_000 || st.Pool != MaxPool {
		b.Fatalf("opened %d blocks and a pool of %d", st.Tip.Blocks, st.Pool)
	}
}

// BenchmarkMemory reports the live heap of an open chain of 10,000 and of 40,000 blocks
// of 10. It must not grow with the chain's length.
func BenchmarkMemory(b *testing.B) {
	for _, blocks := range []int{10_000, 40_000} {
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			l := openBench(b)
			parent := l.net.ID()
			for height := range blocks {
				block := l.sealed(uint64(height), parent, ledgertest.Minted(10))
				l.commit(block)
				parent = block.Hash()
			}
			var m runtime.MemStats
			for b.Loop() {
				runtime.GC()
				runtime.ReadMemStats(&m)
			}
			b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "MiB-live")
			b.ReportMetric(0, "ns/op")
		})
	}
}
