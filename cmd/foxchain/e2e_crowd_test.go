package main_test

import (
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	"foxchain/ledger/ledgertest"
)

// peerLine matches the --peer line for another machine among a node's first lines.
var peerLine = regexp.MustCompile(`--peer (/ip\S+)`)

// peerAddr returns the address that the node's first lines name for others.
func (n *node) peerAddr() string {
	n.t.Helper()
	var addr string
	eventually(n.t, n.name+" prints its --peer line", func() error {
		found := peerLine.FindStringSubmatch(n.out.String())
		if found == nil {
			return fmt.Errorf("no --peer line in\n%s", n.out.String())
		}
		addr = found[1]
		return nil
	})
	return addr
}

// TestThirtyBehindOneAddress connects 30 nodes that share one address, as a
// class behind one router, to a node on another machine.
func TestThirtyBehindOneAddress(t *testing.T) {
	if ledgertest.Race == 1 {
		t.Skip("30 processes with the race detector do not fit into a small machine")
	}
	inLab(t, func(t *testing.T, l *lab) {
		const crowd = 30
		l.addBridge("lan")
		hub := startNode(t, l.addHost("lan"), t.TempDir(), "--mdns=false", "--build=false")
		address := hub.peerAddr()
		shared, dir := l.addHost("lan"), t.TempDir()
		begin := time.Now()
		for i := range crowd {
			launch(t, shared, dir, "-p", strconv.Itoa(9000+i), "--mdns=false", "--build=false", "--peer", address)
		}
		c := hub.connect()
		for n := range crowd {
			eventually(t, "one more of 30 behind one address is connected", func() error {
				if got := len(c.peers()) - 1; got <= n {
					return fmt.Errorf("%d are", got)
				}
				return nil
			})
		}
		t.Logf("%d processes started and connected in %s", crowd, time.Since(begin).Round(time.Millisecond))
	})
}

// BenchmarkStart measures the time from the start of a process on an empty
// directory until the node is ready.
func BenchmarkStart(b *testing.B) {
	h := &host{base: freePorts(b)}
	binary(b)
	var total time.Duration
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for b.Loop() {
		begin := time.Now()
		n := launch(b, h, b.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false")
		for ready := false; !ready; <-tick.C {
			status, _, err := n.get("/readyz", nil)
			ready = err == nil && status == 200
		}
		total += time.Since(begin)
		n.stop()
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ready-ms")
}
