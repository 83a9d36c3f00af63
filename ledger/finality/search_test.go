package finality

import (
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
	"testing"
)

// The search visits every state that the real machines can reach in some views. One of
// four builders lies, or two do. The liar leads every view, and adds its vote to whatever
// completes a certificate. Messages may be late for ever, so an honest builder may be
// given any proposal, and any certificate whose votes exist somewhere, at any time. The
// order of the honest builders makes no difference, nor which of the two blocks of the
// first view is which.
//
// Every block counts as one of every chain. That allows each vote that some tip would
// allow, so tips need not change.
//
// What a machine does with one message depends on itself alone. So each machine that was ever
// met is kept once, with what became of it by each message, and a state of the network is
// three numbers. With three views some thousand machines make millions of states.
type search struct {
	views   uint64
	liars   int
	forget  bool // a builder may restart once, without its certificates and with an empty record
	restart bool // a builder may restart once, without the certificates that are not in its record
	final   bool // only two final blocks are of interest

	statements []Statement
	index      map[Statement]int
	mirror     []int    // of each statement, that of the other block of the first view
	excluded   []uint64 // of each statement, which it excludes, as bits
	needs      []uint64 // of each proposal, the certificates that it continues

	locals  []*honest
	known   map[local]uint32 // of locals
	shapes  map[shape]uint64
	mirrors []uint64 // of each shape
	after   map[move]uint32
	seen    map[uint64]struct{}
	visit   func(*world)
	bad     string

	finalizeNullified, skipViews bool // faults
}

// An honest is one honest builder: its machine, and all that it ever voted for, as bits
// of search.statements.
type honest struct {
	m         *Machine
	cast      uint64
	record    *Record
	restarted bool
	shape     uint64

	notarized, decided uint64 // views, as bits, in which it voted to notarize, and to nullify or finalize
}

// A shape is what distinguishes states. What a builder knows is not in it, since all that exists
// can be known at any time.
type shape struct {
	cast, view, floor uint64
	restarted         bool
}

// A local is all that decides what a builder does.
type local struct {
	shape
	knows, record, recorded uint64
}

// A move is what happens to a builder. It is given certificates, or a proposal and those
// that this needs as far as they exist. With the other numbers, time passes or it restarts.
type move struct {
	of    uint32
	what  int
	given uint64
}

const (
	tick = -1 - iota
	again
)

// A world is a state: the machines of the honest builders, by number.
type world [3]uint32

// proposals lists what leaders propose: in a view a child of what the parent's view
// notarized, in the first view two, and what was notarized itself.
func (s *search) proposals() {
	s.index = make(map[Statement]int)
	add := func(st Statement) {
		if _, ok := s.index[st]; !ok {
			s.index[st] = len(s.statements)
			s.statements = append(s.statements, st)
		}
	}
	blocks := make([][]string, s.views+1) // by view
	blocks[0] = []string{""}
	for v := uint64(1); v <= s.views; v++ {
		add(Statement{Kind: Nullify, View: v})
		for p := range v {
			for _, b := range blocks[p] {
				next := []string{b + string(rune('a'+2*v))}
				if v == 1 {
					next = append(next, "b")
				} else if p > 0 && s.views < 3 {
					next = append(next, b)
				}
				for _, n := range next {
					blocks[v] = append(blocks[v], n)
					add(Statement{Notarize, v, p, block(n)})
					add(Statement{Finalize, v, p, block(n)})
				}
			}
		}
	}
	for _, a := range s.statements {
		mirrored := a
		if first := a.Block.Hash[0]; first == 'b' || first == 'c' {
			mirrored.Block.Hash[0] = 'b' + 'c' - first
		}
		s.mirror = append(s.mirror, s.index[mirrored])
		var excluded, needs uint64
		for j, b := range s.statements {
			apart := !extends(a.Block, b.Block) && !extends(b.Block, a.Block)
			if a.Kind == b.Kind && a != b && (a.Kind == Notarize && !s.final && a.View == b.View || a.Kind == Finalize && (apart || a.View == b.View && !s.final)) {
				excluded |= 1 << j
			}
			if b.Kind == Notarize && b.View == a.Parent || b.Kind == Nullify && b.View > a.Parent && b.View < a.View {
				needs |= 1 << j
			}
		}
		s.excluded, s.needs = append(s.excluded, excluded), append(s.needs, needs)
	}
}

// run visits all states, or stops when safety is broken.
func (s *search) run(t *testing.T) int {
	s.proposals()
	if len(s.statements) > 64 {
		t.Fatalf("%d statements do not fit", len(s.statements))
	}
	s.known, s.shapes, s.after = make(map[local]uint32), make(map[shape]uint64), make(map[move]uint32)
	s.seen = make(map[uint64]struct{})
	s.locals = []*honest{nil} // of a world with two honest builders
	var first world
	for i := s.liars; i < 4; i++ {
		m := s.start(Config{Builders: 4, Self: 3, Sign: unsigned(3), Blocks: &stub{any: true}}, &Record{})
		first[i-1] = s.keep(&honest{m: m, record: &Record{View: 1}})
	}
	var queue []world
	push := func(w world) {
		k := s.key(w)
		if _, ok := s.seen[k]; !ok {
			s.seen[k] = struct{}{}
			queue = append(queue, w)
		}
	}
	for push(first); len(queue) > 0 && s.bad == ""; {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		certified := s.certified(w)
		s.check(certified)
		if s.visit != nil {
			s.visit(&w)
		}
		s.moves(w, certified, push)
	}
	return len(s.seen)
}

// keep numbers a builder. One that is the same in all that decides gets the same number.
func (s *search) keep(h *honest) uint32 {
	sh := shape{h.cast, h.m.view, h.m.floor, h.restarted}
	l := local{shape: sh, record: h.record.View}
	if h.record.Certificate != nil {
		l.record |= uint64(s.index[h.record.Certificate.Statement]+1) << 8
	}
	for _, v := range h.record.Votes {
		l.recorded |= 1 << s.index[v.Statement]
	}
	for _, w := range h.m.views {
		for _, c := range w.certs {
			if c != nil {
				l.knows |= 1 << s.index[c.Statement]
			}
		}
	}
	if n, ok := s.known[l]; ok {
		return n
	}
	h.shape, h.notarized, h.decided = s.shapeOf(sh), 0, 0
	for v, w := range h.m.views {
		if len(w.votes(Notarize, h.m.Self)) > 0 {
			h.notarized |= 1 << v
		}
		if len(w.votes(Nullify, h.m.Self))+len(w.votes(Finalize, h.m.Self)) > 0 {
			h.decided |= 1 << v
		}
	}
	s.locals = append(s.locals, h)
	s.known[l] = uint32(len(s.locals) - 1)
	return s.known[l]
}

func (s *search) shapeOf(sh shape) uint64 {
	if n, ok := s.shapes[sh]; ok {
		return n
	}
	n := uint64(len(s.shapes)) + 1
	s.shapes[sh] = n
	s.mirrors = append(s.mirrors, 0)
	other := sh
	other.cast = 0
	for i, j := range s.mirror {
		other.cast |= sh.cast >> i & 1 << j
	}
	s.mirrors[n-1] = s.shapeOf(other)
	return n
}

// start makes a machine for which builder 0 leads every view.
func (s *search) start(cfg Config, record *Record) *Machine {
	chain := cfg.Blocks.(*stub)
	chain.tip = block("")
	m := New(cfg, record, nil) // it is silent
	m.leader = func(uint64) int { return 0 }
	chain.tip = block("zzzzzzzz")
	m.entered = chain.tip
	m.Tick(0)
	return m
}

// certified returns the statements for which the liars can complete a certificate.
func (s *search) certified(w world) uint64 {
	var cast [3]uint64
	for i, n := range w {
		if n > 0 {
			cast[i] = s.locals[n].cast
		}
	}
	if s.liars == 2 {
		return cast[0] | cast[1] | cast[2]
	}
	return cast[0]&cast[1] | cast[0]&cast[2] | cast[1]&cast[2]
}

// check looks for two certificates that exclude each other.
func (s *search) check(certified uint64) {
	for i, a := range s.statements {
		if both := certified >> i & 1 * certified & s.excluded[i]; both != 0 {
			b := s.statements[bits.TrailingZeros64(both)]
			s.bad = fmt.Sprintf("%s of view %d for %q and of view %d for %q", a.Kind, b.View, path(b.Block), a.View, path(a.Block))
		}
	}
}

func (s *search) moves(w world, certified uint64, push func(world)) {
	for i, n := range w {
		if n == 0 {
			continue
		}
		h := s.locals[n]
		do := func(what int, given uint64) {
			next := w
			if next[i] = s.move(move{n, what, given}); next[i] != n {
				push(next)
			}
		}
		for j, st := range s.statements {
			late := st.Kind == Notarize && h.decided>>st.View&1 == 0 || s.finalizeNullified
			if st.Kind != Finalize && (st.View >= h.m.view || late) && certified>>j&1 == 1 {
				do(j, 1<<j)
			}
			if st.Kind == Notarize && st.View == h.m.view && h.notarized>>st.View&1 == 0 {
				do(j, certified&s.needs[j])
			}
		}
		if h.m.view <= s.views && h.decided>>h.m.view&1 == 0 {
			do(tick, 0)
		}
		if !h.restarted && (s.forget || s.restart) && h.cast != 0 {
			do(again, 0)
		}
	}
}

// move returns what becomes of a builder.
func (s *search) move(mv move) uint32 {
	if n, ok := s.after[mv]; ok {
		return n
	}
	h := *s.locals[mv.of]
	h.m = h.m.clone(h.m.Blocks)
	f := func() {
		switch {
		case mv.what == tick:
			h.m.waited = 3 * h.m.delta()
			h.m.Tick(0)
			h.m.waited = 0
		case mv.what == again:
			record := h.record
			if s.forget {
				record = &Record{}
			}
			h.m, h.restarted = s.start(h.m.Config, record), true
		case mv.given == 1<<mv.what:
			h.m.Certify(certificate(4, s.statements[mv.what], 0))
		default:
			s.propose(h.m, s.statements[mv.what], mv.given)
		}
	}
	if s.finalizeNullified {
		h.m.withoutNullified(f)
	} else {
		f()
	}
	r := h.m.Ready()
	for _, v := range r.Votes {
		h.cast |= 1 << s.index[v.Statement]
	}
	if r.Record != nil {
		h.record = r.Record
	}
	s.after[mv] = s.keep(&h)
	return s.after[mv]
}

// propose gives a proposal to a machine, with the certificates that it needs.
func (s *search) propose(m *Machine, st Statement, given uint64) {
	for j, c := range s.statements {
		if given>>j&1 == 1 {
			m.Certify(certificate(4, c, 0))
		}
	}
	if s.skipViews {
		defer func(before map[uint64]view) {
			for v := st.Parent + 1; v < st.View; v++ {
				known := m.views[v]
				known.certs[Nullify] = before[v].certs[Nullify]
				m.views[v] = known
			}
		}(maps.Clone(m.views))
		for v := st.Parent + 1; v < st.View; v++ {
			known := m.views[v]
			known.certs[Nullify] = certificate(4, null(v), 0)
			m.views[v] = known
		}
	}
	m.Step(Vote{Statement: st})
	known := m.views[st.View] // the votes of liars are in certificates
	known.said[Notarize] = slices.DeleteFunc(slices.Clone(known.said[Notarize]), func(v Vote) bool { return v.Builder == 0 })
	m.views[st.View] = known
}

// key is the same for every order of the builders, and for both names of the first blocks.
func (s *search) key(w world) uint64 {
	var a, b [3]uint64
	for i, n := range w {
		if n > 0 {
			a[i] = s.locals[n].shape
			b[i] = s.mirrors[a[i]-1]
		}
	}
	return min(packed(a), packed(b))
}

func packed(a [3]uint64) uint64 {
	x, y, z := min(a[0], a[1]), max(a[0], a[1]), a[2]
	x, z = min(x, z), max(x, z)
	y, z = min(y, z), max(y, z)
	return x<<42 | y<<21 | z
}

// TestSearchFindsFaults seeds faults, to see that the search would find them.
func TestSearchFindsFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    search
	}{
		{"finalize after nullify", search{views: 2, liars: 1, final: true, finalizeNullified: true}},
		{"skip views without a nullification", search{views: 2, liars: 1, final: true, skipViews: true}},
		{"forget one's votes", search{views: 2, liars: 1, final: true, forget: true}},
		{"two liars", search{views: 2, liars: 2, final: true}},
	} {
		n := tt.s.run(t)
		t.Logf("%s: %d states of %d builders: %s", tt.name, n, len(tt.s.locals)-1, tt.s.bad)
		if tt.s.bad == "" {
			t.Errorf("%s: not found", tt.name)
		}
	}
}

func TestSearchIsSafeWithRestarts(t *testing.T) {
	s := &search{views: 2, liars: 1, restart: true}
	n := s.run(t)
	t.Logf("%d states", n)
	if s.bad != "" {
		t.Fatal(s.bad)
	}
}

// TestSearchIsSafeAndLive also checks, for some of the states, that something becomes
// final within some views, once what was sent arrives, the liar is silent and timers fire.
func TestSearchIsSafeAndLive(t *testing.T) {
	views, every := uint64(2), 40
	if os.Getenv("CI") != "" && !testing.Short() {
		views, every = 3, 2000 // 3,600,000 states take some 20 s of a processor
	}
	s := &search{views: views, liars: 1}
	visited, tried, most := 0, 0, uint64(0)
	s.visit = func(w *world) {
		if visited++; visited%every == 0 && s.bad == "" {
			tried++
			most = max(most, s.live(w))
		}
	}
	n := s.run(t)
	t.Logf("%d states of %d builders; of %d something becomes final within %d views", n, len(s.locals)-1, tried, most)
	if s.bad != "" {
		t.Fatal(s.bad)
	}
}

// live lets the honest builders go on from a state, and returns how many views that took.
func (s *search) live(w *world) uint64 {
	var nodes []*Machine
	var votes []Vote
	first, certified := uint64(0), s.certified(*w)
	for i, n := range w {
		if n == 0 {
			continue
		}
		h := s.locals[n]
		m := h.m.clone(&stub{})
		m.Self, m.Sign = i+1, unsigned(i+1)
		for v, known := range m.views { // all votes that it holds are its own
			for k := range known.said {
				known.said[k] = slices.Clone(known.said[k])
				for j := range known.said[k] {
					known.said[k][j].Builder = m.Self
				}
			}
			m.views[v] = known
		}
		m.leader = func(view uint64) int { return int(view % 4) }
		nodes = append(nodes, m)
		first = max(first, m.view)
		for j, st := range s.statements {
			if h.cast>>j&1 == 1 {
				votes = append(votes, Vote{Statement: st, Builder: m.Self})
			}
		}
	}
	for range 400 {
		for _, m := range nodes {
			for _, from := range nodes {
				for _, c := range from.Certificates(m.Lacks()) {
					m.Certify(c)
				}
			}
			tip := "zz"
			if high := m.Notarized(); high != nil {
				tip = path(high.Block) + "zz"
			}
			m.Blocks.(*stub).tip = block(tip)
			m.Tick(0)
			for _, v := range votes {
				if v.Builder != m.Self {
					m.Step(v)
				}
			}
		}
		votes = votes[:0]
		finals := 0
		for _, m := range nodes {
			m.Tick(delay / 2)
			for v := max(m.view, 2) - 1; v <= m.view; v++ { // as nodes ask each other
				for _, o := range m.Votes(v) {
					if o.Builder == m.Self {
						votes = append(votes, o)
					}
				}
			}
			m.Ready()
			if f := m.Final(); f != nil {
				finals++
				for j, st := range s.statements {
					if st.Kind == Finalize && certified>>j&1 == 1 && !extends(f.Block, st.Block) && !extends(st.Block, f.Block) {
						s.bad = fmt.Sprintf("%q became final beside %q", path(f.Block), path(st.Block))
					}
				}
			}
		}
		if finals == len(nodes) {
			return nodes[0].view - first
		}
	}
	s.bad = fmt.Sprintf("nothing final in views %d, %d, %d", nodes[0].view, nodes[1].view, nodes[2].view)
	return 0
}
