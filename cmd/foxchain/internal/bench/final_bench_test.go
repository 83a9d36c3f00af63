package bench

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"foxchain/cmd/foxchain/internal/node"
)

// The benchmarks of finality run builders in this process, each a whole node, that are
// joined over loopback. A block and a final block are dated by the node that sees them
// (chain.Status), so that nothing but the nodes runs meanwhile.

const benchInterval = 250 * time.Millisecond

// office returns a run of n nodes, which are the builders that their network names. An open
// one names none, and has no finality.
func office(b *testing.B, n int, open bool) *run {
	b.Helper()
	r := &run{dir: b.TempDir(), network: "bench", Config: Config{
		Nodes: n, BlockTxs: 4, Interval: benchInterval, Log: slog.New(slog.DiscardHandler), Say: func(string, ...any) {},
	}}
	node.QuietLibraries()
	if open {
		return r
	}
	var builders []string
	for i := range n {
		dir, err := node.OpenDataDir(filepath.Join(r.dir, nodeName(i)))
		if err != nil {
			b.Fatal(err)
		}
		key, _, err := dir.NodeKey()
		if err != nil {
			b.Fatal(err)
		}
		builders = append(builders, key.String())
	}
	r.network = filepath.Join(r.dir, "bench.json")
	text := `{"name":"bench","builders":["` + strings.Join(builders, `","`) + `"]}`
	if err := os.WriteFile(r.network, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	return r
}

func isFinal(n *benchNode) bool {
	s := n.Chain.Status()
	return s.Pool == 0 && s.Final != nil && s.Final.Block.Hash == s.Tip.Hash
}

// awaitFinal waits until the tip of all is the same and final, and returns when the
// last of them had the tip, and when the last saw that it is final.
func awaitFinal(b *testing.B, all net, blocks uint64) (tip, final time.Time) {
	b.Helper()
	for _, n := range all {
		err := n.await(b.Context(), "nothing is final", func() bool {
			s := n.Chain.Status()
			return isFinal(n) && s.Tip.Blocks >= blocks && s.Tip.Hash == all[0].Chain.Tip().Hash
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, n := range all {
		s := n.Chain.Status()
		_, at, err := n.Chain.Votes().FinalFrom(s.Tip.Blocks - 1)
		if err != nil {
			b.Fatal(err)
		}
		tip, final = later(tip, s.Tip.Since), later(final, at)
	}
	return tip, final
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// pay has a node accept a burst that makes one block, and returns when it was accepted.
func pay(b *testing.B, r *run, n *benchNode) time.Time {
	b.Helper()
	c, err := n.dial(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := merge(b.Context(), c, batch(r.BlockTxs)); err != nil {
		b.Fatal(err)
	}
	return time.Now()
}

// BenchmarkFinal measures how long it takes from the block on every builder, and from the
// answer 202, until every builder knows that it is final. With four it also counts the votes
// of a minute in which there is nothing to finalize.
//
//	go test -run '^$' -bench 'Final$' -benchtime 100x ./cmd/foxchain/internal/bench
func BenchmarkFinal(b *testing.B) {
	for _, bench := range []struct{ builders, p50, p99, from202 int }{{4, 10, 50, 40}, {7, 25, 0, 0}, {30, 250, 0, 0}} {
		b.Run(fmt.Sprint(bench.builders), func(b *testing.B) {
			r := office(b, bench.builders, false)
			all, err := r.startNet(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer all.stop()
			pay(b, r, all[0])
			awaitFinal(b, all, 1)
			var fromBlock, from202 []time.Duration
			for i := 0; b.Loop(); i++ {
				time.Sleep(benchInterval + 50*time.Millisecond)
				blocks := all[0].Chain.Tip().Blocks
				accepted := pay(b, r, all[i%len(all)])
				tip, final := awaitFinal(b, all, blocks+1)
				fromBlock, from202 = append(fromBlock, final.Sub(tip)), append(from202, final.Sub(accepted))
			}
			block, answer := newTimings(0, fromBlock), newTimings(0, from202)
			b.ReportMetric(*block.at(0.5), "block-p50-ms")
			b.ReportMetric(*block.at(0.99), "block-p99-ms")
			b.ReportMetric(*answer.at(0.5), "202-p50-ms")
			b.ReportMetric(*answer.at(0.99), "202-p99-ms")
			b.ReportMetric(*block.at(0.5)/float64(bench.p50), "block-p50-of-goal")
			if bench.from202 > 0 {
				b.ReportMetric(*block.at(0.99)/float64(bench.p99), "block-p99-of-goal")
				b.ReportMetric(*answer.at(0.5)/float64(bench.from202), "202-p50-of-goal")
				b.ReportMetric(float64(votesOfAMinute(b, all)), "votes/idle-min")
			}
		})
	}
}

// votesOfAMinute counts the votes that all nodes see in a minute of silence.
func votesOfAMinute(b *testing.B, all net) (votes uint64) {
	b.Helper()
	count := func() (sum uint64) {
		for _, n := range all {
			c, err := n.dial(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			in, err := c.Info(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
			for _, k := range in.Voting.VoteCount {
				sum += k
			}
		}
		return sum
	}
	time.Sleep(2 * time.Second)
	before := count()
	time.Sleep(time.Minute)
	return count() - before
}

// BenchmarkHeal lets two pairs of four builders build apart, and joins them. It measures
// from the tip on all four until all four know that it is final.
//
//	go test -run '^$' -bench Heal -benchtime 10x ./cmd/foxchain/internal/bench
func BenchmarkHeal(b *testing.B) {
	var each []time.Duration
	for b.Loop() {
		r := office(b, 4, false)
		var all net
		for i := range 4 {
			n, err := r.start(b.Context(), nodeName(i), true, all[i/2*2:])
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, n)
		}
		for _, pair := range []net{all[:2], all[2:]} {
			if err := r.awaitMesh(b.Context(), pair); err != nil {
				b.Fatal(err)
			}
			for range 3 {
				blocks := pair[0].Chain.Tip().Blocks
				pay(b, r, pair[0])
				awaitBlocks(b, pair, blocks+1)
			}
		}
		if err := all[3].P2P.Register(all[0].P2P.Addrs()); err != nil {
			b.Fatal(err)
		}
		tip, final := awaitFinal(b, all, 3)
		each = append(each, final.Sub(tip))
		all.stop()
	}
	t := newTimings(0, each)
	b.ReportMetric(*t.at(0.5), "agreed-p50-ms")
	b.ReportMetric(*t.at(1), "agreed-most-ms")
	b.ReportMetric(*t.at(1)/3000, "of-goal")
}

func awaitBlocks(b *testing.B, all net, blocks uint64) {
	b.Helper()
	for _, n := range all {
		err := n.await(b.Context(), "no blocks are built", func() bool {
			s := n.Chain.Status()
			return s.Pool == 0 && s.Tip.Blocks >= blocks && s.Tip.Hash == all[0].Chain.Tip().Hash
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThroughputFinal measures how many transactions a second four nodes have in
// blocks on all of them, on an open network and among builders that vote, one after
// the other. Then a new node gets the chain of each, with its certificates.
//
//	go test -run '^$' -bench ThroughputFinal -benchtime 5x ./cmd/foxchain/internal/bench
func BenchmarkThroughputFinal(b *testing.B) {
	const txs = 50_000
	var nets [2]net
	var runs [2]*run
	for i := range nets {
		runs[i] = office(b, 4, i == 0)
		var err error
		if nets[i], err = runs[i].startNet(b.Context()); err != nil {
			b.Fatal(err)
		}
		defer nets[i].stop()
	}
	var rates, syncs [2][]float64
	for b.Loop() {
		for i, all := range nets {
			messages, begin := batches(txs), time.Now()
			if _, err := runs[i].load(b.Context(), all[0], messages); err != nil {
				b.Fatal(err)
			}
			awaitBlocks(b, all, 1)
			rates[i] = append(rates[i], txs/time.Since(begin).Seconds())
			if i == 1 {
				awaitFinal(b, all, 1)
			}
			syncs[i] = append(syncs[i], txs*float64(len(rates[i]))/joins(b, runs[i], all, len(rates[i]), i == 1).Seconds())
		}
	}
	b.ReportMetric(slices.Max(rates[0]), "open-tx/s")
	b.ReportMetric(slices.Max(rates[1]), "final-tx/s")
	b.ReportMetric(medianRatio(rates), "final/open")
	b.ReportMetric(slices.Max(syncs[0]), "open-sync-tx/s")
	b.ReportMetric(slices.Max(syncs[1]), "final-sync-tx/s")
	b.ReportMetric(medianRatio(syncs), "final/open-sync")
}

// joins returns how long a new node takes for the chain. With final it also waits until the
// last block is final.
func joins(b *testing.B, r *run, all net, number int, final bool) time.Duration {
	b.Helper()
	n, err := r.start(b.Context(), fmt.Sprint("newcomer", number), false, all)
	if err != nil {
		b.Fatal(err)
	}
	defer n.stop()
	begin, two := time.Now(), net{all[0], n}
	awaitBlocks(b, two, 1)
	if final {
		awaitFinal(b, two, 1)
	}
	return time.Since(begin)
}

// medianRatio returns the median of how many times as much the second is in each run.
func medianRatio(rates [2][]float64) float64 {
	var ratios []float64
	for i := range rates[0] {
		ratios = append(ratios, rates[1][i]/rates[0][i])
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
