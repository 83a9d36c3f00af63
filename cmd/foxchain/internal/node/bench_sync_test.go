package node

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// syncTxsEnv is how many transactions the chain of BenchmarkSync holds;
// without it 100,000. 1,000,000 takes some minutes.
const syncTxsEnv = "FOXCHAIN_BENCH_TXS"

func benchTxs(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv(syncTxsEnv), "100000"))
	if err != nil || n < 1_000 {
		b.Fatalf("%s must be a number of transactions, 1,000 or more", syncTxsEnv)
	}
	return n
}

// BenchmarkSync has a new node fetch, verify and write the whole chain of its
// peers, in blocks of 1,000 and of 10 transactions. heap-MiB is the largest heap
// of all nodes together, progress-seen how often the node told how far it was.
func BenchmarkSync(b *testing.B) {
	network := filepath.Join(b.TempDir(), "network.json")
	if err := os.WriteFile(network, []byte(`{"name":"bench","bits":1}`), 0o600); err != nil {
		b.Fatal(err)
	}
	rules, err := LoadNetwork(network)
	if err != nil {
		b.Fatal(err)
	}
	for _, perBlock := range []int{1_000, 10} {
		txs, dir := benchTxs(b), b.TempDir()
		blocks := writeChain(b, filepath.Join(dir, "chain"), rules, txs, perBlock)
		for _, peers := range []int{1, 3} {
			b.Run(fmt.Sprintf("txs=%d/perblock=%d/peers=%d", txs, perBlock, peers), func(b *testing.B) {
				benchSync(b, network, dir, peers, blocks, txs)
			})
		}
	}
}

func benchSync(b *testing.B, network, chain string, peers int, blocks uint64, txs int) {
	raw := rawRate(b, txs)
	net, ctx := newLabNet(b)
	follow := func(c *Config) { c.Network, c.Build = network, false }
	for range peers {
		dir := filepath.Join(b.TempDir(), "peer")
		copyChain(b, chain, dir)
		net.start(ctx, dir, follow)
	}
	var progress atomic.Int64
	var heap uint64
	for b.Loop() {
		watched, stop := make(chan struct{}), make(chan struct{})
		n := net.start(ctx, b.TempDir(), follow)
		go func() {
			defer close(watched)
			heap = max(heap, watchSync(n, stop, &progress))
		}()
		reach(b, n.Chain, blocks, 30*time.Minute)
		close(stop)
		<-watched
	}
	rate := float64(b.N*txs) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "tx/s")
	b.ReportMetric(rate/raw, "of-raw")
	b.ReportMetric(float64(heap)/(1<<20), "heap-MiB")
	b.ReportMetric(float64(progress.Load())/float64(b.N), "progress-seen")
}

// copyChain makes dir the data directory of a node of its own that holds a copy
// of the chain.
func copyChain(b *testing.B, chain, dir string) {
	b.Helper()
	if err := os.CopyFS(dir, os.DirFS(chain)); err != nil {
		b.Fatal(err)
	}
	d, err := OpenDataDir(dir)
	if err == nil {
		_, err = d.key(false)
	}
	if err != nil {
		b.Fatal(err)
	}
}

// watchSync looks ten times a second at how a node catches up until stop: it
// counts how often progress shows, and gives the highest heap.
func watchSync(n *Node, stop <-chan struct{}, progress *atomic.Int64) (heap uint64) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var m runtime.MemStats
	for {
		select {
		case <-stop:
			return heap
		case <-tick.C:
			if s := n.sync(); s != nil {
				progress.Add(1)
			}
			runtime.ReadMemStats(&m)
			heap = max(heap, m.HeapAlloc)
		}
	}
}
