package sync

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A wireKind is a kind of network. Its links each take a time of their own one way,
// between least and most. bits is what each node can send and receive.
type wireKind struct {
	name        string
	least, most time.Duration
	bits        int // a second
}

var (
	lanWire = wireKind{"LAN", time.Millisecond / 2, 3 * time.Millisecond / 2, 100_000_000}
	wanWire = wireKind{"WAN", 20 * time.Millisecond, 150 * time.Millisecond, 20_000_000}
)

// A spreadCase is a network in which node 0 has a new transaction, and then a new
// block. The same case is the same graph and delays for the model and real nodes.
type spreadCase struct {
	wire  wireKind
	nodes int
	peers int // a node dials until it has so many
	txs   int // in the block
	lacks int // of them are in no pool but node 0's
	seed  uint64

	meshOnly bool // in the model, node 0 publishes along the mesh, and not to all its peers
}

func (c spreadCase) String() string {
	return fmt.Sprintf("%s, %d nodes, peers %d, %d transactions of which %d lack, seed %d",
		c.wire.name, c.nodes, c.peers, c.txs, c.lacks, c.seed)
}

// A graph holds which nodes are connected, and how long a packet takes.
type graph struct {
	peers [][]int
	delay [][]time.Duration
}

// graph lets the nodes come one after another. Each dials random ones of those that are
// there, until it has its peers. A node that is there already takes all that come, so
// that many have more.
func (c spreadCase) graph() graph {
	rng := rand.New(rand.NewPCG(c.seed, 1))
	g := graph{peers: make([][]int, c.nodes), delay: make([][]time.Duration, c.nodes)}
	for i := range c.nodes {
		g.delay[i] = make([]time.Duration, c.nodes)
		for j := range i {
			g.delay[i][j] = c.wire.least + time.Duration(rng.Int64N(int64(c.wire.most-c.wire.least)))
			g.delay[j][i] = g.delay[i][j]
		}
	}
	came := rng.Perm(c.nodes)
	for n, i := range came {
		for _, at := range rng.Perm(n)[:min(n, c.peers)] {
			j := came[at]
			g.peers[i], g.peers[j] = append(g.peers[i], j), append(g.peers[j], i)
		}
	}
	return g
}

// A spread is how something went through a network.
type spread struct {
	times []time.Duration // when each node but node 0 had it, in order
	bytes []int           // that each node sent for it
}

// after returns the time after which a part of the nodes had it.
func (s spread) after(part float64) time.Duration {
	return s.times[min(int(part*float64(len(s.times))), len(s.times)-1)]
}

// each returns what a node sent on average, which is what it received.
func (s spread) each() int {
	sum := 0
	for _, b := range s.bytes {
		sum += b
	}
	return sum / len(s.bytes)
}
