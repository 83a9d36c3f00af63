package main_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A ran is the time and memory that a command of the program took.
type ran struct {
	cpu, wall time.Duration
	peak      float64 // MiB, looked up every 10 ms
}

// measure runs a command of the program to its end.
func measure(b *testing.B, args ...string) (r ran) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), binary(b), args...)
	cmd.Stdout = io.Discard
	begin := time.Now()
	p := startCommand(b, args[0], cmd, b.TempDir())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-p.ended:
			running = false
		case <-tick.C:
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
			if _, rest, found := strings.Cut(string(text), "VmHWM:"); found {
				kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				r.peak = max(r.peak, kib/1024)
			}
		}
	}
	if r.wall = time.Since(begin); p.err != nil {
		b.Fatalf("%v: %v", args, p.err)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	r.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	return r
}

func benchNode(b *testing.B, args ...string) *node {
	h := &host{base: freePorts(b)}
	return startNode(b, h, b.TempDir(), append([]string{"-p", strconv.Itoa(h.base), "-r", "n.db", "--mdns=false", "--log-level", "warn",
		"--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", h.base+10_000)}, args...)...)
}

// BenchmarkProofCheck measures the whole command, and beside it the start of the program alone.
func BenchmarkProofCheck(b *testing.B) {
	const goal = 50 * time.Millisecond
	n := benchNode(b, "-k", "1000", "-t", "0s")
	id := numbered(77)
	c := n.connect()
	c.takes(strings.Replace(mergeMessages(loadBatch)[0], `"pool":[`, `"pool":[{"id":"`+id+`","sender":"`+numbered(0)+`","receiver":"`+numbered(1)+`","amount":5},`, 1))
	settle(b, time.Minute, []*client{c})
	file := save(b, b.TempDir(), "proof.json", must(b, n.host, n.dir, "proof", "get", id, "--node", n.url()))
	n.stop()
	best, start := ran{cpu: time.Hour, wall: time.Hour}, time.Hour
	for b.Loop() {
		r := measure(b, "proof", "check", file)
		best.cpu, best.wall = min(best.cpu, r.cpu), min(best.wall, r.wall)
		start = min(start, measure(b, "--version").cpu)
	}
	b.ReportMetric(float64(best.wall.Microseconds())/1e3, "best-ms")
	b.ReportMetric(float64(best.cpu.Microseconds())/1e3, "best-cpu-ms")
	b.ReportMetric(float64(start.Microseconds())/1e3, "start-cpu-ms")
	b.ReportMetric(best.wall.Seconds()/goal.Seconds(), "of-goal")
}

// BenchmarkStatement measures a statement of an account with all transactions, as a table.
func BenchmarkStatement(b *testing.B) {
	const goal = 2 * time.Second
	n, txs := benchNode(b, "-k", "10000", "-t", "0s"), benchTxs(b)
	pour(b, []*node{n}, mergeMessages(txs))
	settle(b, 10*time.Minute, []*client{n.connect()})
	best := ran{wall: time.Hour}
	for b.Loop() {
		r := measure(b, "statement", "issuer", "--csv", "--node", n.url())
		best.wall, best.peak = min(best.wall, r.wall), max(best.peak, r.peak)
	}
	b.ReportMetric(best.wall.Seconds(), "best-s")
	b.ReportMetric(best.wall.Seconds()/goal.Seconds(), "of-goal")
	b.ReportMetric(best.peak, "peak-MiB")
}

// BenchmarkBackup compares the rates at which a node commits transactions without and with
// a backup of its ledger. The backup is started again until all is committed.
func BenchmarkBackup(b *testing.B) {
	const goal = 0.7
	n, txs := benchNode(b, "-k", "10000", "-t", "0s"), benchTxs(b)
	clients := []*client{n.connect()}
	for left := txs; left > 0; left -= 100_000 {
		pour(b, []*node{n}, mergeMessages(min(left, 100_000)))
	}
	settle(b, 10*time.Minute, clients)
	load := func() time.Duration {
		messages := mergeMessages(100_000)
		begin := time.Now()
		pour(b, []*node{n}, messages)
		settle(b, 10*time.Minute, clients)
		return time.Since(begin)
	}
	var without, with, took time.Duration
	backups := 0
	for b.Loop() {
		without += load()
		done, all := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(all)
			for {
				took += measure(b, "backup", "-r", filepath.Join(n.dir, "n.db"), "-o", filepath.Join(b.TempDir(), "b.backup")).wall
				backups++
				select {
				case <-done:
					return
				default:
				}
			}
		}()
		with += load()
		close(done)
		<-all
	}
	rate := float64(b.N) * 100_000
	b.ReportMetric(rate/without.Seconds(), "tx/s-without")
	b.ReportMetric(rate/with.Seconds(), "tx/s-with")
	b.ReportMetric(without.Seconds()/with.Seconds(), "ratio")
	b.ReportMetric(without.Seconds()/with.Seconds()/goal, "of-goal")
	b.ReportMetric(took.Seconds()/float64(backups), "backup-s")
}
