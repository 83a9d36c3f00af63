package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// BenchmarkResident measures the resident memory of processes: of a node that
// took all transactions from clients and built the chain, of the same started
// again, of one that fetches that chain, and of one whose pool is full.
func BenchmarkResident(b *testing.B) {
	const (
		chainGoal = 150.0 // MiB
		poolGoal  = 250.0
		maxPool   = 100_000
	)
	h := &host{base: freePorts(b)}
	start := func(dir string, port int, args ...string) *node {
		return startNode(b, h, dir, append([]string{"-p", strconv.Itoa(h.base + port), "--mdns=false", "--log-level", "warn",
			"--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", h.base+10_000+port)}, args...)...)
	}
	for b.Loop() {
		txs, dir := benchTxs(b), b.TempDir()
		builder := start(dir, 0)
		for left := txs; left > 0; left -= maxPool {
			pour(b, []*node{builder}, mergeMessages(min(left, maxPool)))
		}
		settle(b, 10*time.Minute, []*client{builder.connect()})
		b.ReportMetric(builder.memory("VmHWM"), "built-peak-MiB")
		b.ReportMetric(builder.memory("VmRSS"), "built-MiB")
		builder.stop()
		builder = builder.again()
		b.ReportMetric(builder.memory("VmRSS"), "restarted-MiB")

		newcomer := start(b.TempDir(), 1, "--build=false", "--peer", builder.url())
		settle(b, 30*time.Minute, []*client{builder.connect(), newcomer.connect()})
		b.ReportMetric(newcomer.memory("VmHWM"), "synced-peak-MiB")
		b.ReportMetric(newcomer.memory("VmRSS"), "synced-MiB")
		b.ReportMetric(newcomer.memory("VmRSS")/chainGoal, "synced/goal")
		b.ReportMetric(float64(diskUse(b, newcomer.dir))/float64(txs), "disk-B/tx")

		pool := start(b.TempDir(), 2, "--build=false")
		pour(b, []*node{pool}, mergeMessages(maxPool))
		b.ReportMetric(pool.memory("VmRSS"), "full-pool-MiB")
		b.ReportMetric(pool.memory("VmRSS")/poolGoal, "full-pool/goal")
		for _, n := range []*node{pool, newcomer, builder} {
			n.stop()
		}
	}
}

// diskUse returns the size of all files under dir.
func diskUse(b *testing.B, dir string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
