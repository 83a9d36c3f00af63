package main

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// errTakenBack ends a node whose chain lost a block that was final.
var errTakenBack = errors.New("a final block was taken back")

// How long, in simulated time, the nodes may take from the moment when they agree on a
// tip, after all trouble, until it is final.
const (
	simFinal = 3 * time.Second
	// simLied is that of networks in which a builder lies or is mute. It may lead the view
	// that the others are in, and Δ may have grown to 2 s before.
	simLied = 10 * time.Second
)

// A simLie is how a builder lies.
type simLie int

const (
	noLie   simLie = iota
	twinLie        // two nodes run with its key, and take no notice of each other
	echoLie        // it signs all that it hears, and what excludes that
	simLies
)

// A simOffice is one story of a network that names builders.
type simOffice struct {
	*simScript
	lie    simLie
	lose   bool // a builder starts with an old directory
	finals *simFinals
	stats  simFinalFigures
}

// simFinalFigures count what happened.
type simFinalFigures struct {
	Networks, Liars, Proven, Named, Blocks, Final, Cuts, Stops, Lost int // of the liars some were proven and named; lost are records
	Slowest, Lied                                                    time.Duration
}

// newSimOffice makes 4 to 7 builders, up to two nodes that watch, and the node of a twin.
func newSimOffice(t *testing.T, seed uint64) *simOffice {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0xf1a1))
	c := &simOffice{lie: simLie(seed % uint64(simLies)), lose: seed%4 == 3}
	builders := []int{4, 4, 4, 5, 7}[random.IntN(5)]
	var keys []ledger.PublicKey
	for i := range builders {
		keys = append(keys, ledgertest.Public(ledgertest.Key(i)))
	}
	n := builders + random.IntN(3)
	if c.lie == twinLie {
		n++
	}
	delays := []time.Duration{2 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond}[random.IntN(3)]
	c.simScript = &simScript{
		simNet: newSimNet(t, random, n, delays, 24*time.Hour, ledger.Network{Builders: keys}),
		t:      t, random: random, delays: delays, made: make(map[ledger.TxKey][]*ledger.Transaction),
	}
	c.makeAccounts()
	c.finals = &simFinals{committee: committee.New(c.rules), liar: -1, blocks: make(map[ledger.BlockRef]bool)}
	if c.lie != noLie {
		c.finals.liar = c.finals.committee.Index(keys[0])
	}
	for i, node := range c.nodes {
		node.skew = simSkew(random)
		node.build = builder.Config{MinTxs: 1 + random.IntN(3), MaxWait: time.Duration(1+random.IntN(3)) * time.Second}
		node.votes = &simVotes{all: c.finals, record: &finality.Record{}}
		if twin := c.lie == twinLie && i == n-1; twin || c.lie != noLie && i == 0 {
			node.signs, node.votes.liar, node.votes.echo = ledgertest.Key(0), true, c.lie == echoLie
		}
	}
	return c
}

// play lets one thing after another happen to the nodes. One in five joins late.
func (c *simOffice) play() {
	for i, node := range c.nodes {
		if i == 0 || c.random.IntN(5) > 0 {
			node.start()
		}
	}
	for range 6 + c.random.IntN(6) {
		c.mint(1 + c.random.IntN(6))
		c.pause(1500 * time.Millisecond)
		switch at := c.random.IntN(100); {
		case at < 30:
			c.split()
		case at < 45:
			c.heal()
		case at < 55:
			c.slowLink()
		case at < 75:
			c.stopOne()
		default:
			c.startOne()
		}
	}
	if c.random.IntN(3) == 0 { // a split that lasts
		c.split()
		for range 3 {
			c.mint(2)
			time.Sleep(2 * time.Second)
		}
	}
}

// split cuts the hosts 2-2, 3-1 or as it comes.
func (c *simOffice) split() {
	sides := make([]int, len(c.nodes))
	switch c.random.IntN(3) {
	case 0:
		for i := range sides {
			sides[i] = i % 2
		}
	case 1:
		sides[c.random.IntN(len(sides))] = 1
	default:
		for i := range sides {
			sides[i] = c.random.IntN(2)
		}
	}
	c.stats.Cuts++
	c.cut(sides)
}

// stopOne stops a node, and may let it start with a directory without its votes.
func (c *simOffice) stopOne() {
	node := c.oneOfTwo()
	if node == nil {
		return
	}
	c.stats.Stops++
	node.stop()
	if node.number < len(c.rules.Builders) && c.lose && !node.votes.liar && node.votes.record != nil && node.votes.record.View > 0 {
		c.lose, node.votes.restored = false, true
		c.stats.Lost++
	}
}

// settle ends all trouble, and returns how long the nodes took from the moment when they
// agreed on a tip until it was final. A network in which a builder lies and another has
// no record of its votes need not get there, since two of its builders are faulty.
func (c *simOffice) settle() (took time.Duration) {
	c.heal()
	c.startAll()
	began, agreed := time.Now(), time.Time{}
	var last ledger.Hash
	for {
		tip := c.nodes[0].chain.Tip().Hash
		same, final := true, true
		for _, n := range c.nodes {
			same = same && n.chain.Tip().Hash == tip
			final = final && n.votes.isFinal()
		}
		switch {
		case !same:
			agreed = time.Time{}
		case agreed.IsZero() || tip != last:
			agreed = time.Now()
		}
		last = tip
		if same && final {
			return time.Since(agreed)
		}
		if time.Since(began) > simBound {
			if c.stats.Lost > 0 && c.lie != noLie {
				return 0
			}
			c.report()
			c.t.Fatalf("not final within %s", simBound)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// report logs the state of each node, and what it has logged.
func (c *simOffice) report() {
	for _, n := range c.nodes {
		c.t.Logf("node %d: %+v\n%+v\n%s", n.number, n.chain.Status(), n.votes.voter.State(), &n.logs)
	}
}

// verify checks that each block that any honest node ever saw final is on the chain of
// each, so that no two final blocks exclude each other. It also checks which builders are
// named as liars.
func (c *simOffice) verify() {
	c.finals.mu.Lock()
	defer c.finals.mu.Unlock()
	proven, named := false, false
	for _, n := range c.nodes {
		if n.votes.liar {
			continue
		}
		for b := range c.finals.blocks {
			if tip := n.chain.Tip(); b.Height < tip.Blocks && !n.votes.holds(b) {
				c.t.Errorf("node %d lacks block %d %s, which was final", n.number, b.Height, b.Hash.Short())
			}
		}
		st := n.votes.voter.State()
		if st.Copied {
			c.t.Errorf("node %d takes its own votes for those of another", n.number)
		}
		for _, liar := range st.Liars {
			if liar != c.finals.liar {
				c.t.Errorf("node %d names the honest builder %d", n.number, liar)
			}
		}
		names := slices.Contains(st.Liars, c.finals.liar)
		n.votes.mu.Lock()
		if n.votes.proven && !names {
			c.t.Errorf("node %d heard two votes that exclude each other, and names nobody", n.number)
		}
		proven, named = proven || n.votes.proven, named || names
		n.votes.mu.Unlock()
	}
	if c.lie != noLie {
		c.stats.Liars = 1
	}
	if proven {
		c.stats.Proven = 1
	}
	if named {
		c.stats.Named = 1
	}
	c.stats.Networks, c.stats.Blocks, c.stats.Final = 1, int(c.nodes[0].chain.Tip().Blocks), len(c.finals.blocks)
}

// TestFinalSimulation takes networks of builders through splits, crashes, slow links,
// wrong clocks and late joins, and in two of three a builder lies. Nothing final is ever
// taken back, and no two final blocks exclude each other. A builder that signed two votes
// that exclude each other is named by each node that received both. After the trouble the
// tip is final within simFinal of the agreement.
func TestFinalSimulation(t *testing.T) {
	var all simFinalFigures
	playSeeds(t, *simOffices, 3, simulateFinal, &all)
	t.Logf("%+v", all)
}

func simulateFinal(t *testing.T, seed uint64) (f simFinalFigures) {
	ledgertest.Bubble(t, func(t *testing.T) {
		c := newSimOffice(t, seed)
		defer c.close()
		c.play()
		took := c.settle()
		c.verify()
		if c.lie == noLie && c.stats.Lost == 0 {
			if c.stats.Slowest = took; took > simFinal {
				c.report()
				t.Errorf("final %s after the agreement", took)
			}
		} else if c.stats.Lied = took; took > simLied {
			t.Errorf("final %s after the agreement, with a builder that lies or is mute", took)
		}
		f = c.stats
	})
	return f
}
