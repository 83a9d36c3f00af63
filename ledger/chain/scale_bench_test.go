package chain

import (
	"context"
	"flag"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// How the ledger does when it is large: go test -run '^$' -bench Scale -txs 1000000 -timeout 1h ./ledger

var txsFlag = flag.Int("txs", 100_000, "how many transactions the benchmarks of scale write")

// A growth writes a chain of blocks of 1,000 transactions to random accounts, and
// raw LevelDB beside it, and keeps what each thousand took.
type growth struct {
	*lab
	raw         *rawLevel
	ours, level []time.Duration
	ids         []uuid.UUID // some of the transactions
	accounts    []uuid.UUID // and of the accounts
}

func grow(b *testing.B, txs int) *growth {
	g := &growth{lab: openBench(b), raw: openRaw(b)}
	parent := g.net.ID()
	for height := range uint64(txs / 1000) {
		before := g.raw.spent
		g.raw.write(b, 1000)
		g.level = append(g.level, g.raw.spent-before)
		block := g.sealed(height, parent, ledgertest.Minted(1000))
		parent = block.Hash()
		start := time.Now()
		g.commit(block)
		g.ours = append(g.ours, time.Since(start))
		some := block.Txs[rand.IntN(1000)]
		g.ids, g.accounts = append(g.ids, some.ID), append(g.accounts, some.Receiver)
	}
	return g
}

func sum(ds []time.Duration) (all time.Duration) {
	for _, d := range ds {
		all += d
	}
	return all
}

// dearer returns how much dearer the last tenth is than the first twentieth (50,000 of a million).
func dearer(ds []time.Duration) float64 {
	first, last := ds[:max(1, len(ds)/20)], ds[len(ds)-max(1, len(ds)/10):]
	return (float64(sum(last)) / float64(len(last))) / (float64(sum(first)) / float64(len(first)))
}

func diskBytes(b *testing.B, dir string) (all int64) {
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		all += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return all
}

// BenchmarkScale grows a chain, as a node does that syncs, and reports its rate
// and raw LevelDB's, how much dearer a transaction becomes against how much
// dearer it becomes there, the disk that each takes, what a random look-up takes
// behind it, and how fast Verify derives all of it again.
func BenchmarkScale(b *testing.B) {
	for b.Loop() {
		g := grow(b, *txsFlag)
		n := float64(*txsFlag)
		rate, raw := n/sum(g.ours).Seconds(), n/g.raw.spent.Seconds()
		b.ReportMetric(rate, "tx/s")
		b.ReportMetric(rate/raw, "of-raw")
		b.ReportMetric(dearer(g.ours)/dearer(g.level), "growth-of-raw")
		g.reportReads(b)
		g.chain.Close()
		b.ReportMetric(float64(diskBytes(b, g.dir))/n, "disk-bytes/tx")
		start := time.Now()
		report, err := Verify(context.Background(), VerifyConfig{Network: g.net, Dir: g.dir})
		if err != nil || len(report.Problems) > 0 {
			b.Fatal(err, report)
		}
		b.ReportMetric(rate*time.Since(start).Seconds()/n, "verify-time-of-sync")
	}
	b.ReportMetric(0, "ns/op")
}

// readP99 looks up random ones of what was written, and returns the 99th percentile in
// microseconds.
func (g *growth) readP99(b *testing.B, look func(v *store.View, height int) error) float64 {
	took := make([]time.Duration, 2000)
	for i := range took {
		height := rand.IntN(len(g.ids))
		start := time.Now()
		v, err := g.chain.View()
		if err == nil {
			err = look(v, height)
			v.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Nanoseconds()) / 1000
}

func (g *growth) reportReads(b *testing.B) {
	b.ReportMetric(g.readP99(b, func(v *store.View, height int) error {
		found, err := v.Find(g.ids[height], nil, 1)
		if err == nil && len(found) != 1 {
			err = ledger.ErrUnknown
		}
		return err
	}), "us-tx-p99")
	b.ReportMetric(g.readP99(b, func(v *store.View, height int) error {
		a, err := v.Account(g.accounts[height])
		if err == nil && a.Balance == 0 {
			err = ledger.ErrUnknown
		}
		return err
	}), "us-account-p99")
	b.ReportMetric(g.readP99(b, func(v *store.View, height int) error {
		_, err := v.Block(uint64(height))
		return err
	}), "us-block-p99")
}

// BenchmarkReorg goes back and forth between two branches of 100 blocks of 1,000, and
// compares with applying one of them twice.
func BenchmarkReorg(b *testing.B) {
	const blocks = 100
	for b.Loop() {
		l := openBench(b)
		branch := func(blocks uint64) (list []*ledger.Block) {
			parent := l.net.ID()
			for height := range blocks {
				list = append(list, l.sealed(height, parent, ledgertest.Minted(1000)))
				parent = list[height].Hash()
			}
			return list
		}
		first, second := branch(blocks), branch(blocks+1)
		start := time.Now()
		for _, block := range first {
			l.commit(block)
		}
		applied := time.Since(start)
		for _, block := range second[:blocks-1] {
			l.commit(block)
		}
		start = time.Now()
		for _, block := range second[blocks-1:] { // of two as high, the lower hash wins
			l.commit(block)
		}
		reorgs := time.Since(start)
		if st := l.chain.Status(); st.Tip.Blocks != blocks+1 || st.Reorgs == 0 || st.Pool != blocks*1000 {
			b.Fatalf("%+v", st)
		}
		b.ReportMetric(float64(reorgs)/float64(2*applied), "of-applying-twice")
		b.ReportMetric(reorgs.Seconds(), "s/reorg")
	}
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSides offers 10,000 branches of one block of 10 transactions that never win,
// where the store has room for a tenth of these, and reports the disk that they take after
// the first tenth and after all.
func BenchmarkSides(b *testing.B) {
	const branches = 10_000
	for b.Loop() {
		l := openBench(b)
		l.chain.forks.room = branches
		trunk := []ledger.Hash{l.net.ID()}
		for height := range uint64(100) {
			block := l.sealed(height, trunk[height], ledgertest.Minted(100))
			l.commit(block)
			trunk = append(trunk, block.Hash())
		}
		before := diskBytes(b, l.dir)
		for i := range uint64(branches) {
			l.commit(l.sealed(i%99, trunk[i%99], ledgertest.Minted(10)))
			if i+1 == branches/10 {
				b.ReportMetric(float64(diskBytes(b, l.dir)-before)/1e6, "MB-of-a-tenth")
			}
		}
		if l.chain.forks.txs > branches {
			b.Errorf("%d transactions beside the chain", l.chain.forks.txs)
		}
		l.chain.Close()
		b.ReportMetric(float64(diskBytes(b, l.dir)-before)/1e6, "MB")
	}
	b.ReportMetric(0, "ns/op")
}
