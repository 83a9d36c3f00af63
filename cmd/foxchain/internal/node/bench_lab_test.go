package node

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
)

// The benchmarks of several nodes (bench_*_test.go) run whole nodes in this
// process, wired as the program wires them, on real files and real sockets of
// this machine. Each prints its figure as a ratio against its limit in the same
// run, which says more than a figure of one machine.

// A labNet is a few running nodes that are connected with each other.
type labNet struct {
	b     *testing.B
	nodes []*Node
	group errgroup.Group
	stop  context.CancelFunc
}

func newLabNet(b *testing.B) (*labNet, context.Context) {
	QuietLibraries()
	ctx, stop := context.WithCancel(context.Background())
	net := &labNet{b: b, stop: stop}
	b.Cleanup(net.end)
	return net, ctx
}

// start starts a node on dir that knows the others, with what change sets.
func (net *labNet) start(ctx context.Context, dir string, change func(*Config)) *Node {
	net.b.Helper()
	cfg := Config{
		Dir: dir, Name: filepath.Base(dir), Network: "foxchain", Loopback: true,
		BlockTxs: 4, Interval: Duration(time.Second), Expiry: Duration(24 * time.Hour), Build: true,
	}
	for _, n := range net.nodes {
		cfg.Peers = append(cfg.Peers, n.P2P.Addrs()[0])
	}
	change(&cfg)
	n, err := New(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		net.b.Fatal(err)
	}
	net.nodes = append(net.nodes, n)
	net.group.Go(func() error { return n.Run(ctx) })
	return n
}

func (net *labNet) end() {
	net.stop()
	if err := net.group.Wait(); err != nil {
		net.b.Error(err)
	}
}

// meet waits until each node counts all as live builders: then gossip runs
// between all of them, and they take turns.
func (net *labNet) meet() {
	net.b.Helper()
	deadline := time.After(30 * time.Second)
	for _, n := range net.nodes {
		for {
			changed := n.P2P.Changed()
			if len(n.P2P.Builders()) == len(net.nodes) {
				break
			}
			select {
			case <-changed:
			case <-deadline:
				net.b.Fatalf("%s counts %d builders of %d", n.Cfg.Name, len(n.P2P.Builders()), len(net.nodes))
			}
		}
	}
}

// reach waits until the chain has so many blocks.
func reach(b *testing.B, c *chain.Chain, blocks uint64, within time.Duration) {
	b.Helper()
	deadline := time.After(within)
	for {
		changed := c.Changed()
		if c.Tip().Blocks >= blocks {
			return
		}
		select {
		case <-changed:
		case <-c.Failed():
			b.Fatal(c.Err())
		case <-deadline:
			b.Fatalf("%d blocks of %d after %s", c.Tip().Blocks, blocks, within)
		}
	}
}

// rawRate writes two random records of 100 bytes for each of n transactions to
// LevelDB, in synced batches of 1,000, and gives the transactions a second: what
// any ledger on it can reach at most.
func rawRate(b *testing.B, n int) float64 {
	b.Helper()
	const batch = 1_000
	db, err := leveldb.OpenFile(b.TempDir(), &opt.Options{
		Filter: filter.NewBloomFilter(10), DisableSeeksCompaction: true,
		WriteBuffer: 8 * opt.MiB, BlockCacheCapacity: 16 * opt.MiB, OpenFilesCacheCapacity: 64,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var key [16]byte
	value := make([]byte, 100)
	start := time.Now()
	for range n / batch {
		w := new(leveldb.Batch)
		for range 2 * batch {
			binary.BigEndian.PutUint64(key[:8], rand.Uint64())
			binary.BigEndian.PutUint64(key[8:], rand.Uint64())
			w.Put(key[:], value)
		}
		if err := db.Write(w, &opt.WriteOptions{Sync: true}); err != nil {
			b.Fatal(err)
		}
	}
	return float64(n) / time.Since(start).Seconds()
}

// writeChain makes a ledger in dir whose chain holds txs transactions in blocks
// of perBlock, and gives the number of blocks. Little work stands in them: what
// is measured is not the search.
func writeChain(b *testing.B, dir string, rules *ledger.Network, txs, perBlock int) uint64 {
	b.Helper()
	chain, err := chain.Open(chain.Config{Network: rules, Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	defer chain.Close()
	parent := rules.ID()
	for height := range txs / perBlock {
		h := ledger.Header{Version: 1, Height: uint64(height), Parent: parent, Bits: rules.Bits}
		block := ledgertest.Seal(rules, ledgertest.Key(0), h, ledgertest.Minted(perBlock))
		if _, err := chain.AddBlock(context.Background(), block); err != nil {
			b.Fatal(err)
		}
		parent = block.Hash()
	}
	return uint64(txs / perBlock)
}

// percentile gives the value below which p of all stand.
func percentile(all []time.Duration, p float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(p*float64(len(all))))]
}

func reportMillis(b *testing.B, what string, d time.Duration) {
	b.ReportMetric(float64(d)/float64(time.Millisecond), what)
}
