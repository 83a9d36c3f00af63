package main_test

import (
	"testing"
	"time"
)

// BenchmarkFourNodes measures how many transactions a second get into blocks on all four
// nodes of this machine. They come in messages of 1,000, a quarter at each node.
func BenchmarkFourNodes(b *testing.B) {
	const goal = 34_000 // committed a second on all four nodes, which share two cores
	nodes := startNetwork(b, 4)
	var clients []*client
	for _, n := range nodes {
		clients = append(clients, n.connect())
	}
	txs := benchTxs(b)
	cpu := func() (sum time.Duration) {
		for _, n := range nodes {
			sum += n.cpuTime()
		}
		return sum
	}
	var accepted time.Duration
	before := cpu()
	for b.Loop() {
		b.StopTimer()
		messages := mergeMessages(txs)
		b.StartTimer()
		begin := time.Now()
		pour(b, nodes, messages)
		accepted += time.Since(begin)
		settle(b, 10*time.Minute, clients)
	}
	all := float64(b.N * txs)
	b.ReportMetric(all/b.Elapsed().Seconds(), "committed-tx/s")
	b.ReportMetric(all/b.Elapsed().Seconds()/goal, "of-goal")
	b.ReportMetric(all/accepted.Seconds(), "accepted-tx/s")
	// The CPU time of all four. On a busy machine it means more than the rate.
	b.ReportMetric(float64((cpu()-before).Microseconds())/all, "cpu-us/tx")
	b.ReportMetric(nodes[0].memory("VmHWM"), "peak-rss-MiB")
}
