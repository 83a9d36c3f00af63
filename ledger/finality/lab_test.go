package finality

import (
	"maps"
	"slices"

	"foxchain/ledger"
)

// Tests name blocks by one letter per height. The block "ab" is the child of "a".

func block(path string) ledger.BlockRef {
	r := ledger.BlockRef{Height: uint64(len(path))}
	copy(r.Hash[:], path)
	return r
}

func path(r ledger.BlockRef) string { return string(r.Hash[:min(r.Height, 32)]) }

// extends reports whether b is a or descends from it.
func extends(b, a ledger.BlockRef) bool {
	return a.Height <= b.Height && path(b)[:a.Height] == path(a)
}

// A stub is a chain that has all blocks, or all but some.
type stub struct {
	tip    ledger.BlockRef
	any    bool // every block counts as one of the chain
	absent map[ledger.BlockRef]bool
	asked  int // calls of Valid
}

func (s *stub) Tip() ledger.BlockRef { return s.tip }

func (s *stub) Extends(b, a ledger.BlockRef) bool {
	return s.any && b == s.tip || extends(b, a)
}

func (s *stub) Valid(b ledger.BlockRef) bool {
	s.asked++
	return !s.absent[b]
}

// clone returns a copy of a machine that shares nothing that changes.
func (m *Machine) clone(blocks Blocks) *Machine {
	c := *m
	c.Blocks = blocks
	c.views = maps.Clone(m.views)
	for v, w := range c.views {
		for k := range w.said {
			w.said[k] = slices.Clip(w.said[k])
		}
		c.views[v] = w
	}
	c.ready = Ready{}
	return &c
}

// unsigned returns the Sign of a builder whose signatures are not checked.
func unsigned(builder int) func(Statement) Vote {
	return func(s Statement) Vote { return Vote{Statement: s, Builder: builder} }
}

func machine(n, self int, tip string) (*Machine, *stub) {
	s := &stub{tip: block(tip)}
	return New(Config{Builders: n, Self: self, Sign: unsigned(self), Blocks: s}, &Record{}, nil), s
}

func certificate(n int, s Statement, builders ...int) *Certificate {
	var votes []Vote
	for _, b := range builders {
		votes = append(votes, Vote{Statement: s, Builder: b})
	}
	return newCertificate(n, votes)
}

// withoutNullified runs f with a fault. The builder does not know what it gave up, and
// votes to finalize it.
func (m *Machine) withoutNullified(f func()) {
	for v, w := range m.views {
		own := func(o Vote) bool { return o.Builder == m.Self }
		at := slices.IndexFunc(w.said[Nullify], own)
		if v >= m.view || at < 0 {
			continue
		}
		vote := w.said[Nullify][at]
		w.said[Nullify] = slices.DeleteFunc(slices.Clone(w.said[Nullify]), own)
		m.views[v] = w
		defer func() {
			if w, ok := m.views[v]; ok {
				w.said[Nullify] = append(slices.Clip(w.said[Nullify]), vote)
				m.views[v] = w
			}
		}()
	}
	f()
}

func statements3(votes []Vote) []Statement {
	var list []Statement
	for _, v := range votes {
		list = append(list, v.Statement)
	}
	return list
}

func kept(m *Machine) (votes, certs int) {
	for w := range maps.Values(m.views) {
		for k := range w.said {
			votes += len(w.said[k])
			if w.certs[k] != nil {
				certs++
			}
		}
	}
	return votes, certs
}
