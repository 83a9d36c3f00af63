package node

import (
	"context"
	"testing"
	"time"

	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

// BenchmarkLatency measures the time from the 202 for the last of k transactions
// until the block that holds them is on the chain of every one of five nodes of
// the built-in network. Each operation is a burst of k, given to one node after
// the other, more than the least time between two blocks apart.
func BenchmarkLatency(b *testing.B) {
	const (
		nodes    = 5
		burst    = 4
		interval = 250 * time.Millisecond
		halfGoal = 100 * time.Millisecond // half of the bursts are faster
		tailGoal = 400 * time.Millisecond // 99 of 100 are
	)
	net, ctx := newLabNet(b)
	for range nodes {
		net.start(ctx, b.TempDir(), func(c *Config) { c.BlockTxs, c.Interval = burst, Duration(interval) })
	}
	net.meet()
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		chain := net.nodes[i%nodes].Chain
		blocks := chain.Tip().Blocks
		b.StopTimer()
		time.Sleep(interval + interval/5) // bursts are further apart than blocks may be
		b.StartTimer()
		if _, err := chain.Submit(context.Background(), ledgertest.Minted(burst), pool.FromClient); err != nil {
			b.Fatal(err)
		}
		accepted := time.Now()
		for _, n := range net.nodes {
			reach(b, n.Chain, blocks+1, 10*time.Second)
		}
		took = append(took, time.Since(accepted))
	}
	half, tail := percentile(took, 0.5), percentile(took, 0.99)
	reportMillis(b, "p50-ms", half)
	reportMillis(b, "p99-ms", tail)
	b.ReportMetric(float64(half)/float64(halfGoal), "p50/goal")
	b.ReportMetric(float64(tail)/float64(tailGoal), "p99/goal")
}
