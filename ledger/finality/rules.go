package finality

import (
	"cmp"
	"slices"
	"time"

	"foxchain/ledger"
)

// act applies the rules until none of them casts a vote.
func (m *Machine) act() {
	m.enter()
	for m.Self >= 0 && !m.mute && m.copied == nil && !m.silent() && (m.finalize() || m.propose() || m.notarize() || m.nullify()) {
		m.enter()
	}
	if m.silent() {
		m.waited = 0
	}
}

// silent reports whether there is nothing to finalize.
func (m *Machine) silent() bool {
	tip := m.Blocks.Tip()
	return tip == ledger.BlockRef{} || m.final != nil && tip == m.final.Block
}

func (m *Machine) delta() time.Duration { return min(delay<<min(m.failed, 10), maxDelay) }

// enter moves to the view above the highest one with a certificate.
func (m *Machine) enter() {
	if m.top < m.view {
		return
	}
	if certs := m.views[m.top].certs; certs[Notarize] == nil && certs[Finalize] == nil {
		m.failed++
	}
	m.view, m.entered, m.waited = m.top+1, m.Blocks.Tip(), 0
	m.prune()
}

// own returns this node's votes of a kind and view.
func (m *Machine) own(k Kind, v uint64) []Vote { return m.views[v].votes(k, m.Self) }

// cast signs and publishes a vote, unless this node must not vote in its view.
func (m *Machine) cast(s Statement) bool {
	if s.View <= m.floor || s.View > maxView {
		return false
	}
	v := m.Sign(s)
	m.ready.Votes = append(m.ready.Votes, v)
	m.add(v)
	// A vote of an older view need not be in the record, since after a start this node casts none
	// there.
	last := m.views[m.view-1].certs
	m.ready.Record = &Record{View: m.view, Certificate: cmp.Or(last[Notarize], last[Finalize], last[Nullify]), Floor: m.floor}
	for _, w := range []uint64{m.view - 1, m.view} {
		for k := range Kind(kinds) {
			m.ready.Record.Votes = append(m.ready.Record.Votes, m.own(k, w)...)
		}
	}
	return true
}

// propose casts the leader's vote for its tip. A tip that was notarized in the last view will
// probably be final soon, so it is proposed again only after Δ.
func (m *Machine) propose() bool {
	if m.leader(m.view) != m.Self || len(m.own(Notarize, m.view)) > 0 || !m.nullified(m.base+1, m.view) {
		return false
	}
	tip := m.Blocks.Tip()
	last, _ := m.notarized(m.base)
	if !m.Blocks.Extends(tip, last) || tip == last && m.base == m.view-1 && m.waited < m.delta() {
		return false
	}
	return m.cast(Statement{Notarize, m.view, m.base, tip})
}

// nullified reports whether all views in [from, to) are known to be nullified.
func (m *Machine) nullified(from, to uint64) bool {
	for v := from; v < to; v++ {
		if (v <= m.base || v > m.gap) && m.views[v].certs[Nullify] == nil {
			return false
		}
	}
	return true
}

// notarized returns the block that was notarized in a view, the network's ID for view 0.
func (m *Machine) notarized(v uint64) (ledger.BlockRef, bool) {
	if c := cmp.Or(m.views[v].certs[Notarize], m.views[v].certs[Finalize]); c != nil {
		return c.Block, true
	}
	return ledger.BlockRef{}, v == 0
}

// proposals returns what the current view's leader proposed.
func (m *Machine) proposals() []Vote { return m.views[m.view].votes(Notarize, m.leader(m.view)) }

// notarize votes, once a view, for what its leader proposed.
func (m *Machine) notarize() bool {
	if m.view <= m.floor || len(m.own(Notarize, m.view)) > 0 {
		return false
	}
	list := m.proposals()
	i := slices.IndexFunc(list, func(v Vote) bool { return m.acceptable(v.Statement) })
	return i >= 0 && m.cast(list[i].Statement)
}

// acceptable reports whether an honest builder votes for a proposal of this view.
func (m *Machine) acceptable(s Statement) bool {
	base, known := m.notarized(s.Parent)
	if !known || !m.nullified(s.Parent+1, s.View) || !m.Blocks.Extends(s.Block, base) || m.final != nil && !m.Blocks.Extends(s.Block, m.final.Block) {
		return false
	}
	if m.Blocks.Extends(m.Blocks.Tip(), s.Block) {
		return true
	}
	longer := m.entered == ledger.BlockRef{} || s.Block.Height >= m.entered.Height
	return longer && (m.high == nil || m.Blocks.Extends(s.Block, m.high.Block)) && m.Blocks.Valid(s.Block)
}

// nullify votes to nullify the current view when it takes too long, or at once when its
// leader did.
func (m *Machine) nullify() bool {
	if len(m.own(Nullify, m.view))+len(m.own(Finalize, m.view)) > 0 {
		return false
	}
	leader, proposals := m.leader(m.view), m.proposals()
	givenUp := len(m.views[m.view].votes(Nullify, leader)) > 0
	if leader == m.Self {
		givenUp = len(proposals) > 0 && m.passed(proposals[0].Block)
	}
	away := leader != m.Self && m.Away != nil && m.Away(leader)
	late := givenUp || m.waited >= 3*m.delta() || len(proposals) == 0 && (m.waited >= 2*m.delta() || away)
	return late && m.cast(Statement{Kind: Nullify, View: m.view})
}

// passed reports whether this node's chain left b for a branch that is longer, or contains the
// block notarized last. A builder with that branch does not vote for b. With a branch as long as
// b's it does.
func (m *Machine) passed(b ledger.BlockRef) bool {
	tip := m.Blocks.Tip()
	return !m.Blocks.Extends(tip, b) && (tip.Height > b.Height || m.high != nil && !m.Blocks.Extends(b, m.high.Block))
}

// finalize votes for what was notarized in a view that this node did not nullify, also a past
// one.
func (m *Machine) finalize() (cast bool) {
	for v := max(m.view, ViewsBack+1) - ViewsBack; v < m.view; v++ {
		c := m.views[v].certs[Notarize]
		if c == nil || len(m.own(Finalize, v)) > 0 || len(m.own(Nullify, v)) > 0 {
			continue
		}
		if m.final == nil || v > m.final.View && c.Block.Height > m.final.Block.Height {
			cast = m.cast(Statement{Finalize, v, c.Parent, c.Block}) || cast
		}
	}
	return cast
}
