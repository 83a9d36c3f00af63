package ledger

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// The benchmarks run on real files. Each prints its rate as a ratio against raw
// LevelDB in the same run, which says more than a figure of one machine.

// minted makes n transactions from the issuer to random accounts.
func minted(n int) []*Transaction {
	txs := make([]*Transaction, n)
	for i := range txs {
		txs[i] = &Transaction{ID: uuid.New(), Receiver: uuid.New(), Amount: 1, T: 1620811762.5}
	}
	return txs
}

func openBench(b *testing.B) *lab {
	l := newLab(b)
	l.chain.Close()
	c, err := Open(Config{Network: l.net, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	l.chain = c
	return l
}

// rawRate writes two random records of 100 bytes for each transaction, in
// synced batches, and gives the transactions a second.
func rawRate(b *testing.B, batch, batches int) float64 {
	db, err := leveldb.OpenFile(b.TempDir(), options(opt.DefaultStrict, 0))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	value := make([]byte, 100)
	start := time.Now()
	for range batches {
		w := new(leveldb.Batch)
		for range 2 * batch {
			key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, rand.Uint64()), rand.Uint64())
			w.Put(key, value)
		}
		if err := db.Write(w, &opt.WriteOptions{Sync: true}); err != nil {
			b.Fatal(err)
		}
	}
	return float64(batch*batches) / time.Since(start).Seconds()
}

// packed seals a block of the pool's first payable transactions.
func (l *lab) packed(max int) *Block {
	tpl := l.chain.Template(max)
	b := &Block{Txs: tpl.Txs}
	b.Header = tpl.Header
	b.Builder = l.builder()
	b.SealedHeader = b.Header.Sign(l.net, l.key)
	return b
}

func reportRate(b *testing.B, txs int, raw float64) {
	rate := float64(txs) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "tx/s")
	b.ReportMetric(rate/raw, "of-raw")
}

// BenchmarkAccept: batches of 1,000, accepted and durable.
func BenchmarkAccept(b *testing.B) {
	raw := rawRate(b, 1000, 50)
	l := openBench(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		txs := minted(1000)
		if l.chain.Status().Pool+1000 > MaxPool {
			l.chain.Close()
			l = openBench(b)
		}
		b.StartTimer()
		if _, err := l.chain.Submit(context.Background(), txs, FromClient); err != nil {
			b.Fatal(err)
		}
		n += 1000
	}
	reportRate(b, n, raw)
}

// BenchmarkCommit: blocks of 1,000 that stand in the pool already: indexed,
// balances, history.
func BenchmarkCommit(b *testing.B) {
	raw := rawRate(b, 1000, 50)
	l := openBench(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		if _, err := l.chain.Submit(context.Background(), minted(1000), FromClient); err != nil {
			b.Fatal(err)
		}
		block := l.packed(1000)
		b.StartTimer()
		if _, err := l.chain.AddBlock(context.Background(), block); err != nil {
			b.Fatal(err)
		}
		n += 1000
	}
	reportRate(b, n, raw)
}

// BenchmarkSmallBlock: a block of 4 taken from a pool of 4 and from one of
// 100,000: its cost must not follow the pool.
func BenchmarkSmallBlock(b *testing.B) {
	for _, pool := range []int{4, MaxPool - 4} {
		b.Run(map[bool]string{true: "pool=4", false: "pool=100000"}[pool == 4], func(b *testing.B) {
			l := openBench(b)
			for pool > 0 {
				n := min(pool, 10_000)
				if _, err := l.chain.Submit(context.Background(), minted(n), FromClient); err != nil {
					b.Fatal(err)
				}
				pool -= n
			}
			for b.Loop() {
				b.StopTimer()
				if _, err := l.chain.Submit(context.Background(), minted(4), FromClient); err != nil {
					b.Fatal(err)
				}
				block := l.packed(4)
				b.StartTimer()
				if _, err := l.chain.AddBlock(context.Background(), block); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen: a chain of 10,000 blocks, and the pool of 100,000, from disk.
func BenchmarkOpen(b *testing.B) {
	l := newLab(b)
	l.chain.Close()
	dir := b.TempDir()
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	parent, txs := l.net.ID(), minted(10_000)
	for height, tx := range txs {
		block := &Block{Txs: []*Transaction{tx}}
		block.Header = Header{Version: 1, Height: uint64(height), Parent: parent, Count: 1, Root: Root(block.Txs), Builder: l.builder()}
		block.SealedHeader = block.Header.Sign(l.net, l.key)
		if _, err := c.AddBlock(context.Background(), block); err != nil {
			b.Fatal(err)
		}
		parent = block.Hash()
	}
	for range MaxPool / 10_000 {
		if _, err := c.Submit(context.Background(), minted(10_000), FromClient); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		c.Close()
		if c, err = Open(Config{Network: l.net, Dir: dir}); err != nil {
			b.Fatal(err)
		}
	}
	if st := c.Status(); st.Tip.Blocks != 10_000 || st.Pool != MaxPool {
		b.Fatalf("opened %d blocks and a pool of %d", st.Tip.Blocks, st.Pool)
	}
	c.Close()
}

// BenchmarkMemory reports the live heap of an open chain of 10,000 and of 40,000
// blocks of 10: it must not follow the chain's length.
func BenchmarkMemory(b *testing.B) {
	for _, blocks := range []int{10_000, 40_000} {
		b.Run(fmt.Sprintf("blocks=%d", blocks), func(b *testing.B) {
			l := openBench(b)
			parent := l.net.ID()
			for height := range blocks {
				block := &Block{Txs: minted(10)}
				block.Header = Header{Version: 1, Height: uint64(height), Parent: parent, Count: 10, Root: Root(block.Txs), Builder: l.builder()}
				block.SealedHeader = block.Header.Sign(l.net, l.key)
				if _, err := l.chain.AddBlock(context.Background(), block); err != nil {
					b.Fatal(err)
				}
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
