package finality

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
)

// The search visits every state that the real machines can reach in some views. One of
// four builders lies (or two do): it leads every view, and adds its vote to whatever
// completes a certificate. Messages may be late for ever, so an honest builder may be
// given any proposal, and any certificate whose votes exist somewhere, at any time. The
// order of the honest builders makes no difference.
//
// Every block counts as one of every chain. That allows each vote that some tip would
// allow, so tips need not change.
type search struct {
	views   uint64
	liars   int
	forget  bool // a builder may restart once, without its certificates and with an empty record
	restart bool // a builder may restart once, without its certificates

	statements []Statement
	index      map[Statement]int
	seen       map[key]struct{}
	visit      func(*world)
	bad        string

	finalizeNullified, skipViews bool // faults
}

// An honest is one honest builder: its machine, and all that it ever voted for, as bits
// of search.statements.
type honest struct {
	m         *Machine
	cast      uint64
	record    *Record
	restarted bool
}

type world struct{ nodes []honest }

// proposals are what leaders propose: in a view a child of what the parent's view
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
}

// run visits all states, or until the safety is broken.
func (s *search) run(t *testing.T) int {
	s.proposals()
	if len(s.statements) > 64 {
		t.Fatalf("%d statements do not fit", len(s.statements))
	}
	first := &world{}
	for i := s.liars; i < 4; i++ {
		m := s.start(Config{Builders: 4, Self: i, Sign: unsigned(i), Blocks: &stub{any: true}}, &Record{})
		first.nodes = append(first.nodes, honest{m: m, record: &Record{View: 1}})
	}
	s.seen = map[key]struct{}{first.key(): {}}
	for queue := []*world{first}; len(queue) > 0 && s.bad == ""; {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		s.check(w)
		if s.visit != nil {
			s.visit(w)
		}
		s.moves(w, func(next *world) {
			if _, ok := s.seen[next.key()]; !ok {
				s.seen[next.key()] = struct{}{}
				queue = append(queue, next)
			}
		})
	}
	return len(s.seen)
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

// certified reports whether the liars can complete a certificate.
func (s *search) certified(w *world, i int) bool {
	n := s.liars
	for _, h := range w.nodes {
		n += int(h.cast >> i & 1)
	}
	return n >= Quorum(4)
}

// check looks for two certificates that exclude each other.
func (s *search) check(w *world) {
	for i, a := range s.statements {
		for j, b := range s.statements[:i] {
			if a.Kind != Nullify && a.Kind == b.Kind && (a.Kind == Finalize || a.View == b.View) && s.certified(w, i) && s.certified(w, j) &&
				(a.View == b.View || !extends(a.Block, b.Block) && !extends(b.Block, a.Block)) {
				s.bad = fmt.Sprintf("%s of view %d for %q and of view %d for %q", a.Kind, b.View, path(b.Block), a.View, path(a.Block))
			}
		}
	}
}

func (s *search) moves(w *world, push func(*world)) {
	do := func(i int, f func(*honest)) {
		next := &world{nodes: append([]honest(nil), w.nodes...)}
		h := &next.nodes[i]
		h.m = h.m.clone(h.m.Blocks)
		if s.finalizeNullified {
			h.m.withoutNullified(func() { f(h) })
		} else {
			f(h)
		}
		r := h.m.Ready()
		for _, v := range r.Votes {
			h.cast |= 1 << s.index[v.Statement]
		}
		if r.Record != nil {
			h.record = r.Record
		}
		push(next)
	}
	for i, h := range w.nodes {
		for j, st := range s.statements {
			late := st.Kind == Notarize && len(h.m.own(Nullify, st.View))+len(h.m.own(Finalize, st.View)) == 0 || s.finalizeNullified
			if st.Kind != Finalize && (st.View >= h.m.view || late) && s.certified(w, j) {
				do(i, func(h *honest) { h.m.Certify(certificate(4, st, 0)) })
			}
			if st.Kind == Notarize && st.View == h.m.view && len(h.m.own(Notarize, st.View)) == 0 {
				do(i, func(h *honest) { s.propose(w, h.m, st) })
			}
		}
		if h.m.view <= s.views && len(h.m.own(Nullify, h.m.view))+len(h.m.own(Finalize, h.m.view)) == 0 {
			do(i, func(h *honest) {
				h.m.waited = 3 * h.m.delta()
				h.m.Tick(0)
				h.m.waited = 0
			})
		}
		if !h.restarted && (s.forget || s.restart) && h.cast != 0 {
			do(i, func(h *honest) {
				record := h.record
				if s.forget {
					record = &Record{}
				}
				h.m, h.restarted = s.start(h.m.Config, record), true
			})
		}
	}
}

// propose gives a proposal to a machine, with the certificates that it needs.
func (s *search) propose(w *world, m *Machine, st Statement) {
	for j, c := range s.statements {
		if (c.Kind == Notarize && c.View == st.Parent || c.Kind == Nullify && c.View > st.Parent && c.View < st.View) && s.certified(w, j) {
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

// A key is a state, the same for every order of the builders. What a builder knows is
// not in it, since all that exists can be known at any time.
type key [3][2]uint64

func (w *world) key() (k key) {
	for i, h := range w.nodes {
		k[i] = [2]uint64{h.cast, h.m.view<<16 | h.m.floor<<8}
		if h.restarted {
			k[i][1]++
		}
		for j := i; j > 0 && slices.Compare(k[j][:], k[j-1][:]) < 0; j-- {
			k[j], k[j-1] = k[j-1], k[j]
		}
	}
	return k
}

// TestSearchFindsFaults seeds faults, to see that the search would find them.
func TestSearchFindsFaults(t *testing.T) {
	for _, tt := range []struct {
		name string
		s    search
	}{
		{"finalize after nullify", search{views: 2, liars: 1, finalizeNullified: true}},
		{"skip views without a nullification", search{views: 2, liars: 1, skipViews: true}},
		{"forget one's votes", search{views: 2, liars: 1, forget: true}},
		{"two liars", search{views: 2, liars: 2}},
	} {
		n := tt.s.run(t)
		t.Logf("%s: %d states: %s", tt.name, n, tt.s.bad)
		if tt.s.bad == "" {
			t.Errorf("%s: not found", tt.name)
		}
	}
}

func TestSearchIsSafeWithRestarts(t *testing.T) {
	if os.Getenv("CI") == "" || testing.Short() {
		t.Skip("700,000 states take some 25 s: set CI=true")
	}
	s := &search{views: 2, liars: 1, restart: true}
	n := s.run(t)
	t.Logf("%d states", n)
	if s.bad != "" {
		t.Fatal(s.bad)
	}
}

// TestSearchIsSafeAndLive also looks, for some of the states, whether something becomes final within
// some views, once what was sent arrives, the liar is silent and timers fire.
func TestSearchIsSafeAndLive(t *testing.T) {
	every := 40
	if os.Getenv("CI") != "" && !testing.Short() {
		every = 8
	}
	s := &search{views: 2, liars: 1}
	visited, tried, most := 0, 0, uint64(0)
	s.visit = func(w *world) {
		if visited++; visited%every == 0 && s.bad == "" {
			tried++
			most = max(most, s.live(w))
		}
	}
	n := s.run(t)
	t.Logf("%d states; of %d something becomes final within %d views", n, tried, most)
	if s.bad != "" {
		t.Fatal(s.bad)
	}
}

// live lets the honest builders go on from a state, and returns how many views that took.
func (s *search) live(w *world) uint64 {
	var nodes []*Machine
	var votes []Vote
	first := uint64(0)
	for i, h := range w.nodes {
		m := h.m.clone(&stub{})
		m.leader = func(view uint64) int { return int(view % 4) }
		nodes = append(nodes, m)
		first = max(first, m.view)
		for j, st := range s.statements {
			if h.cast>>j&1 == 1 {
				votes = append(votes, Vote{Statement: st, Builder: s.liars + i})
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
					if st.Kind == Finalize && s.certified(w, j) && !extends(f.Block, st.Block) && !extends(st.Block, f.Block) {
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
