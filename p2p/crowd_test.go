package p2p

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
)

// What a node of a crowd may take of its process, its host of the simulated wire
// included, with a connection to each of some 50 others.
const (
	crowdGoroutines = 700
	crowdBytes      = 30 << 20
)

// crowdSize returns 50, or FOXCHAIN_CROWD. It is a few in a short test and with the race
// detector, which does not live through 8128 goroutines.
//
//	FOXCHAIN_CROWD=100 go test ./p2p -run TestCrowd -v
//
// With FOXCHAIN_IDLE=1 it also prints what an idle node sends, which takes most of
// the time.
func crowdSize(t *testing.T) int {
	t.Helper()
	if s := os.Getenv("FOXCHAIN_CROWD"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 2 || n > 200 {
			t.Fatalf("FOXCHAIN_CROWD is %q, it must be a number from 2 to 200", s)
		}
		return n
	}
	if testing.Short() || ledgertest.Race == 1 {
		return 10
	}
	return 50
}

// TestCrowd runs many whole nodes in one process, each of which is given three others
// only. They find each other, and a transaction and a block reach all. What they take of
// the process is bounded.
func TestCrowd(t *testing.T) {
	size := crowdSize(t)
	inLab(t, func(t *testing.T, l *lab) {
		goroutines, bytes := usage()
		for i := range size {
			l.start(i, func(c *Config) {
				for _, seed := range l.runs[:min(3, i)] {
					c.Peers = append(c.Peers, seed.Addrs()...)
				}
			})
		}
		l.all(time.Minute, "connections", func(n *labNode) bool { return n.connectedTo() >= min(8, size-1) })
		if os.Getenv("FOXCHAIN_IDLE") != "" {
			t.Logf("idle, each sends %.3g kB/s", l.idle()/1e3)
		}
		last := l.runs[size-1]
		begin := time.Now()
		last.mint()
		l.all(10*time.Second, "the transaction", func(n *labNode) bool { return n.chain.Status().Pool == 1 })
		took := time.Since(begin)
		begin = time.Now()
		tip := last.build()
		l.all(10*time.Second, "the block", func(n *labNode) bool {
			st := n.chain.Status()
			return st.Tip.Hash == tip && st.Pool == 0
		})
		goroutinesNow, bytesNow := usage()
		each, eachBytes := (goroutinesNow-goroutines)/size, (bytesNow-bytes)/int64(size)
		t.Logf("%d nodes: the transaction was everywhere after %s, the block after %s; %d goroutines and %.1f MiB for each node",
			size, took, time.Since(begin), each, float64(eachBytes)/(1<<20))
		if each > crowdGoroutines || eachBytes > crowdBytes {
			t.Errorf("each node takes %d goroutines and %d MiB, over the bounds of %d and %d", each, eachBytes>>20, crowdGoroutines, crowdBytes>>20)
		}
	})
}

// idle returns the bytes that each node sends a second while nothing happens, which are
// signs of life, status lines and questions for the status. It takes a minute of the
// bubble.
func (l *lab) idle() float64 {
	const while = peersEvery
	time.Sleep(while) // until all are connected
	sent := uint64(0)
	for _, n := range l.runs {
		sent -= n.wire.BytesOut.Load()
	}
	time.Sleep(while)
	for _, n := range l.runs {
		sent += n.wire.BytesOut.Load()
	}
	return float64(sent) / float64(len(l.runs)) / while.Seconds()
}

// usage returns the number of goroutines of the process, and its live heap and stacks.
func usage() (goroutines int, bytes int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapAlloc + m.StackInuse)
}

// all waits until cond holds at all nodes.
func (l *lab) all(within time.Duration, what string, cond func(n *labNode) bool) {
	l.t.Helper()
	l.until(within, what+" at all nodes", func() bool {
		return !slices.ContainsFunc(l.runs, func(n *labNode) bool { return !cond(n) })
	})
}

// mint gives the node a new transaction of the issuer, as a client does.
func (n *labNode) mint() {
	n.l.t.Helper()
	chaintest.Submit(n.l.t, n.chain, pool.FromClient, ledgertest.Mint(1, 1)...)
}

// build makes a block of the node's pool.
func (n *labNode) build() ledger.Hash {
	n.l.t.Helper()
	tpl := n.chain.Template(ledger.MaxBlockTxs)
	b := ledgertest.Seal(n.net, n.key, tpl.Header, tpl.Txs)
	if _, err := n.chain.AddBlock(n.l.t.Context(), b); err != nil {
		n.l.t.Fatal(err)
	}
	return b.Hash()
}
