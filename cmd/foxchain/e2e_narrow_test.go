package main_test

import (
	"strings"
	"testing"
)

// TestNarrowLink has a node fetch blocks of 10,000 over a line of 1 Mbit/s, where a
// sign of life waits for seconds behind them. It keeps its peer, and needs little
// more than the 16 s that the bytes of the chain take.
func TestNarrowLink(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		const blocks, size = 3, 10_000
		l.addBridge("lan")
		near, far := l.addHost("lan"), l.addHost("lan")
		a := startNode(t, near, t.TempDir(), "-k", "10000", "-t", "100ms", "--max-wait", "0").connect()
		for b := range blocks {
			for at := 0; at < size; at += 1000 {
				var txs []string
				for i := range 1000 {
					txs = append(txs, issue(b*size+at+i+1, 1))
				}
				a.merge(strings.Join(txs, ","))
			}
			becomes(t, "a block", int64(b+1), func() int64 { return a.info().Blocks })
		}
		for _, h := range []*host{near, far} {
			l.sh("ip netns exec %s tc qdisc add dev eth0 root tbf rate 1mbit burst 3200 latency 400ms", h.netns)
		}
		b := startNode(t, far, t.TempDir(), "--build=false").connect()
		becomes(t, "all blocks come over the narrow line", blocks, func() int64 { return b.info().Blocks })
		for _, c := range []*client{a, b} {
			if out := c.n.out.String(); strings.Contains(out, "is silent") || strings.Contains(out, "disconnected") {
				t.Errorf("%s lost its peer", c.n.name)
			}
		}
	})
}
