package finality

import (
	"maps"
	"slices"

	"foxchain/ledger"
)

// Tests name blocks by a letter a height: the
// block "ab" is the child of "a".

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
	asked  int // calls of Standing
}

func (s *stub) Tip() ledger.BlockRef { return s.tip }

func (s *stub) Extends(b, a ledger.BlockRef) bool {
	return s.any && b == s.tip || extends(b, a)
}

func (s *stub) Standing(b ledger.BlockRef) Standing {
	s.asked++
	switch {
	case s.absent[b]:
		return Absent
	case extends(s.tip, b):
		return OnChain
	}
	return Valid
}

// clone returns a copy of a machine that shares nothing that changes.
func (m *Machine) clone(blocks Blocks) *Machine {
	c := *m
	c.Blocks = blocks
	c.views = make(map[uint64]*view, len(m.views))
	for v, w := range m.views {
		n := &view{certs: w.certs}
		for k := range w.said {
			n.said[k] = make(map[int][]Vote, len(w.said[k]))
			for b, list := range w.said[k] {
				n.said[k][b] = slices.Clip(list)
			}
		}
		c.views[v] = n
	}
	c.ready = Ready{}
	return &c
}

// unsigned returns the Sign of a builder whose signatures nobody checks.
func unsigned(builder int) func(Statement) Vote {
	return func(s Statement) Vote { return Vote{Statement: s, Builder: builder} }
}

func machine(n, self int, tip string) (*Machine, *stub) {
	s := &stub{tip: block(tip)}
	return New(Config{Builders: n, Self: self, Sign: unsigned(self), Blocks: s}, &Record{}, nil), s
}

func certificate(n int, s Statement, builders ...int) *Certificate {
	votes := make(map[int]ledger.Signature)
	for _, b := range builders {
		votes[b] = ledger.Signature{}
	}
	return newCertificate(n, s, votes)
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
			for _, list := range w.said[k] {
				votes += len(list)
			}
			if w.certs[k] != nil {
				certs++
			}
		}
	}
	return votes, certs
}
