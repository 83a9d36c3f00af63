package finality

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"foxchain/ledger"
)

var seeds = flag.Int("seeds", 0, "how many seeds TestTwins tries; 0: some hundred")

// A sim is a network of machines in simulated time, in which builder 0 runs twice. It
// loses, delays and repeats messages, splits, and restarts nodes.
type sim struct {
	rng    *rand.Rand
	now    time.Duration
	events map[time.Duration][]func()
	nodes  []*simNode
	n      int
	loss   float64
	next   byte // of the next block
	certs  map[Statement]bool
	err    string
	faulty bool // builders finalize what they gave up
}

const simStep = 20 * time.Millisecond

type simNode struct {
	s       *sim
	m       *Machine
	builder int
	group   int
	known   map[string]bool
	tip     ledger.BlockRef

	record *Record
	certs  []*Certificate
	told   map[int]bool // nil: it lost nothing

	heard    []Vote       // of builder 0, as Step took them
	evidence map[int]bool // by builder
}

func newSim(seed uint64, n int, faulty bool) *sim {
	s := &sim{rng: rand.New(rand.NewPCG(seed, 1)), events: make(map[time.Duration][]func()), n: n, certs: make(map[Statement]bool), next: 1, loss: 0.1, faulty: faulty}
	for i := range n + 1 { // the last is builder 0 again
		d := &simNode{s: s, builder: i % n, known: map[string]bool{}, record: &Record{}, evidence: map[int]bool{}}
		s.nodes = append(s.nodes, d)
		d.start()
	}
	return s
}

func (d *simNode) start() {
	d.heard = nil
	d.m = New(Config{Builders: d.s.n, Self: d.builder, Sign: unsigned(d.builder), Blocks: d}, d.record, d.certs)
	d.pump()
}

func (d *simNode) Tip() ledger.BlockRef { return d.tip }
func (d *simNode) Extends(b, a ledger.BlockRef) bool {
	return extends(b, a) && (b.Height == 0 || d.known[path(b)])
}
func (d *simNode) Valid(b ledger.BlockRef) bool { return d.known[path(b)] }

// choose is the fork choice.
func (d *simNode) choose() {
	rank := func(b ledger.BlockRef) (r int) {
		if f := d.m.Final(); f != nil && extends(b, f.Block) {
			r += 1000
		}
		if h := d.m.Notarized(); h != nil && extends(b, h.Block) {
			r += 100
		}
		return r + int(b.Height)
	}
	for p := range d.known {
		b := block(p)
		if x, y := rank(b), rank(d.tip); x > y || x == y && p < path(d.tip) {
			d.tip = b
		}
	}
}

func (d *simNode) learn(p string) {
	for i := range len(p) {
		d.known[p[:i+1]] = true
	}
	d.choose()
	d.m.Tick(0)
	d.pump()
}

func (d *simNode) step(v Vote) {
	if v.Builder == d.builder && d.builder == 0 {
		return // the liar's copies take no notice of each other
	}
	if v.Builder == 0 && v.View+ViewsBack >= d.m.view && v.View <= d.m.view+ViewsAhead {
		for _, o := range d.heard {
			if o.View+ViewsBack >= d.m.view && o.Excludes(v.Statement) {
				defer func() {
					if !d.evidence[0] {
						d.s.err = fmt.Sprintf("no evidence: %v, %v", o, v)
					}
				}()
				break
			}
		}
		d.heard = append(d.heard, v)
	}
	if d.s.faulty && v.Builder != d.builder {
		d.m.withoutNullified(func() { d.m.Step(v) })
	} else {
		d.m.Step(v)
	}
	d.pump()
}

// pump does what the machine asks for.
func (d *simNode) pump() {
	for {
		r := d.m.Ready()
		if r.Record != nil {
			d.record = r.Record
		}
		for _, v := range r.Votes {
			d.s.send(d, func(to *simNode) { to.step(v) })
		}
		for _, e := range r.Evidence {
			d.evidence[e.A.Builder] = true
			if e.A.Builder != 0 && d.s.nodes[e.A.Builder].told == nil {
				d.s.err = fmt.Sprintf("evidence against an honest builder: %v", e)
			}
		}
		for _, c := range r.Certificates {
			d.s.certified(c.Statement)
			d.certs = append(d.certs, c)
		}
		if before := d.tip; len(r.Certificates) > 0 {
			if d.choose(); before != d.tip {
				d.m.Tick(0)
			}
		}
		if len(r.Votes)+len(r.Certificates) == 0 {
			return
		}
	}
}

// certified checks a certificate against all others that there ever were.
func (s *sim) certified(c Statement) {
	if s.certs[c] {
		return
	}
	for o := range s.certs {
		if c.Excludes(o) || c.Kind == Finalize && o.Kind == Finalize && !extends(c.Block, o.Block) && !extends(o.Block, c.Block) {
			s.err = fmt.Sprintf("certificates for %v and %v", c, o)
		}
	}
	s.certs[c] = true
}

func (s *sim) after(d time.Duration, f func()) {
	at := s.now + max(d/simStep, 1)*simStep
	s.events[at] = append(s.events[at], f)
}

func (s *sim) send(from *simNode, f func(*simNode)) {
	for _, to := range s.nodes {
		if to == from || to.group != from.group || s.rng.Float64() < s.loss {
			continue
		}
		d := time.Duration(s.rng.IntN(150)) * time.Millisecond
		if s.rng.Float64() < s.loss/2 {
			d *= 20
		}
		s.after(d, func() { f(to) })
	}
}

// sync gives a node what another holds.
func (d *simNode) sync(from *simNode) {
	for p := range from.known {
		if !d.known[p] {
			d.known[p] = true
		}
	}
	for _, c := range from.m.Certificates(d.m.Lacks()) {
		d.m.Certify(c)
	}
	for v := max(from.m.View(), 2) - 1; v <= from.m.View(); v++ {
		for _, o := range from.m.Votes(v) {
			d.step(o)
		}
	}
	d.learn("")
	if d.told != nil {
		d.told[from.builder] = true
		if len(d.told) >= min(Quorum(d.s.n), d.s.n-1) {
			d.m.Told()
		}
	}
	d.pump()
}

func (d *simNode) build() {
	if d.tip.Height < 30 && d.s.next < 250 {
		p := path(d.tip) + string(rune('0'+d.s.next%64)) + ""
		d.s.next++
		d.learn(p)
		d.s.send(d, func(to *simNode) { to.learn(p) })
	}
}

// run lets time pass. With trouble nodes split, restart and build.
func (s *sim) run(d time.Duration, trouble, lose bool) {
	for end := s.now + d; s.now < end && s.err == ""; s.now += simStep {
		for _, f := range s.events[s.now] {
			f()
		}
		delete(s.events, s.now)
		for _, d := range s.nodes {
			if _, runs := d.m.Timer(); runs && s.now%(5*simStep) == 0 {
				d.m.Tick(5 * simStep)
				d.pump()
			}
		}
		if s.now%(5*simStep) == 0 {
			to, from := s.any(), s.any()
			if to != from && to.group == from.group {
				to.sync(from)
			}
		}
		if trouble {
			s.trouble(lose)
		}
	}
}

func (s *sim) any() *simNode { return s.nodes[s.rng.IntN(len(s.nodes))] }

func (s *sim) trouble(lose bool) {
	chance := func(every time.Duration) bool { return s.rng.Float64() < float64(simStep)/float64(every) }
	if chance(700 * time.Millisecond) {
		s.any().build()
	}
	if chance(2 * time.Second) {
		for _, d := range s.nodes {
			d.group = s.rng.IntN(2) * s.rng.IntN(2)
		}
	}
	if chance(3 * time.Second) {
		d := s.any() // what was written without a sync may be lost
		d.certs = d.certs[:len(d.certs)-s.rng.IntN(min(len(d.certs), 4)+1)]
		d.start()
	}
	if d := s.nodes[s.n-1]; lose && d.told == nil && s.now > 5*time.Second && chance(time.Second) {
		d.record, d.told = nil, map[int]bool{} // a backup of some time ago
		d.certs = d.certs[:s.rng.IntN(len(d.certs)+1)]
		d.start()
	}
}

// settled reports whether the tip of all nodes is the same and final.
func (s *sim) settled() bool {
	tip := s.nodes[0].tip
	return !slices.ContainsFunc(s.nodes, func(d *simNode) bool {
		return d.tip != tip || d.m.Final() == nil || d.m.Final().Block != tip
	})
}

// heal ends all trouble, and returns how long the network took to make its tip final.
func (s *sim) heal(most time.Duration) time.Duration {
	s.loss = 0
	for _, d := range s.nodes {
		d.group = 0
	}
	start := s.now
	s.nodes[1].build()
	for !s.settled() && s.now < start+most && s.err == "" {
		s.run(100*time.Millisecond, false, false)
	}
	return s.now - start
}

// story is trouble, calm, trouble, and calm again. It returns the longest time until the
// tip of all was final.
func (s *sim) story(lose bool) (longest time.Duration) {
	for range 2 {
		s.run(8*time.Second, true, lose)
		for range 6 {
			longest = max(longest, s.heal(3*time.Minute))
		}
		s.loss = 0.1
	}
	return longest
}

func TestTwins(t *testing.T) {
	n := *seeds
	switch {
	case n > 0:
	case testing.Short():
		n = 100
	default:
		n = 400
	}
	var slowest time.Duration
	finals, proofs, mute := 0, 0, 0
	for seed := range uint64(n) {
		lose := seed%3 == 0
		s := newSim(seed, []int{4, 4, 5, 7}[seed%4], false)
		took := s.story(lose)
		if s.err != "" {
			t.Fatalf("seed %d at %v: %s", seed, s.now, s.err)
		}
		if !s.settled() && !lose {
			for _, d := range s.nodes {
				t.Logf("builder %d: view %d, lacks %d, tip %q, final %v, Δ %v", d.builder, d.m.View(), d.m.Lacks(), path(d.tip), d.m.Final(), d.m.delta())
			}
			t.Fatalf("seed %d: nothing final %v after the heal", seed, took)
		}
		if !lose {
			slowest = max(slowest, took)
		}
		if s.settled() {
			finals++
		}
		if s.nodes[s.n-1].m.Mute() {
			mute++
		}
		for _, d := range s.nodes {
			proofs += len(d.evidence)
		}
	}
	t.Logf("%d seeds: final in %d, at most %v after the heal; %d proofs; %d nodes still mute", n, finals, slowest, proofs, mute)
}

// TestTwinsFindFaults seeds a fault, to see that the seeds would find it. A chain's own
// fork choice hides the others, which the search finds.
func TestTwinsFindFaults(t *testing.T) {
	for seed := range uint64(100) {
		s := newSim(seed, 4, true)
		if s.story(false); s.err != "" {
			return
		}
	}
	t.Error("finalize after nullify is not found")
}

// TestFourHonestBuildersDoNotLockThemselves replays how votes for checkpoints of the
// branch with the most work lock four honest builders. They vote for both branches, at
// heights that cross, and then all follow one.
func TestFourHonestBuildersDoNotLockThemselves(t *testing.T) {
	s := newSim(1, 4, false)
	s.nodes = s.nodes[:4] // no twin
	s.loss = 0
	split := func(groups ...int) {
		for i, d := range s.nodes {
			d.group = groups[i]
		}
	}
	for _, groups := range [][]int{{0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 1, 0}} {
		split(groups...)
		for i := range 3 {
			s.nodes[i].build()
			s.nodes[3-i].build()
			s.run(400*time.Millisecond, false, false)
		}
	}
	if took := s.heal(time.Minute); !s.settled() || s.err != "" {
		t.Fatalf("nothing final %v after the heal %s", took, s.err)
	} else {
		t.Logf("final %v after the heal", took)
	}
}
