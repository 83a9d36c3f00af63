package main_test

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The benchmarks of processes run the program as people do, and look at it only from
// outside, by its WebSocket and by what Linux reports of a process.

// startNetwork starts n nodes on this machine that know each other, each with
// the given further arguments, and waits until all are connected.
func startNetwork(b *testing.B, n int, args ...string) []*node {
	b.Helper()
	h := &host{base: freePorts(b)}
	var nodes []*node
	for i := range n {
		words := []string{
			"-p", strconv.Itoa(h.base + i), "--mdns=false", "--log-level", "warn",
			"--listen", fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", h.base+10_000+i),
		}
		for j := range i {
			words = append(words, "--peer", fmt.Sprintf("ws://localhost:%d/ws", h.base+j))
		}
		nodes = append(nodes, startNode(b, h, b.TempDir(), append(words, args...)...))
	}
	for _, node := range nodes {
		c := node.connect()
		becomes(b, node.name+" is connected", n, func() int { return len(c.peers()) })
	}
	return nodes
}

// clockTick is the unit of CPU time in /proc on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuTime returns how long the process has run on a CPU.
func (p *process) cpuTime() time.Duration {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	// The second field is the program's name in brackets, and may hold anything.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	user, err := strconv.Atoi(fields[11]) // utime, the 14th of all
	if err != nil {
		p.t.Fatal(err)
	}
	system, err := strconv.Atoi(fields[12])
	if err != nil {
		p.t.Fatal(err)
	}
	return time.Duration(user+system) * clockTick
}

// memory returns a line of the process's status in MiB. VmRSS is what it holds now, VmHWM
// the most that it ever held.
func (p *process) memory(line string) float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	for l := range strings.Lines(string(text)) {
		if name, rest, _ := strings.Cut(l, ":"); name == line {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				p.t.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	p.t.Fatalf("no %s in the status of %s", line, p.name)
	return 0
}

// BenchmarkIdle measures what part of one core each of six connected nodes uses when they
// have nothing to do.
func BenchmarkIdle(b *testing.B) {
	const (
		nodes = 6
		span  = 30 * time.Second
		goal  = 0.01 // of a core
	)
	all := startNetwork(b, nodes)
	time.Sleep(10 * time.Second) // addresses are exchanged, LevelDB has tidied up
	var used, most time.Duration
	for b.Loop() {
		before := make([]time.Duration, nodes)
		for i, n := range all {
			before[i] = n.cpuTime()
		}
		time.Sleep(span)
		for i, n := range all {
			cpu := n.cpuTime() - before[i]
			used, most = used+cpu, max(most, cpu)
		}
	}
	core := used.Seconds() / (nodes * span.Seconds() * float64(b.N))
	b.ReportMetric(100*core, "%core")
	b.ReportMetric(core/goal, "of-goal")
	b.ReportMetric(100*most.Seconds()/span.Seconds(), "most-%core")
	b.ReportMetric(all[0].memory("VmRSS"), "rss-MiB")
}
