package finality

import (
	"time"

	"foxchain/ledger"
)

// act applies the rules until none of them gives a vote. The order is that of the doc.
func (m *Machine) act() {
	m.enter()
	for m.finalize() || m.propose() || m.notarize() || m.nullify() {
		m.enter()
	}
	if m.silent() {
		m.waited, m.resend = 0, firstResend
	}
}

// silent reports whether there is nothing to finalize.
func (m *Machine) silent() bool {
	tip := m.Blocks.Tip()
	return tip == ledger.BlockRef{} || m.final != nil && tip == m.final.Block
}

func (m *Machine) delta() time.Duration { return min(delay<<min(m.failed, 10), maxDelay) }

// leader is the builder that proposes in a view.
func (m *Machine) leader(v uint64) int {
	if m.faults&zeroLeads != 0 {
		return 0
	}
	return int(v % uint64(m.Builders))
}

// enter moves to the view above the highest with a certificate.
func (m *Machine) enter() {
	if m.top < m.view {
		return
	}
	if certs := m.views[m.top].certs; certs[Notarize] == nil && certs[Finalize] == nil {
		m.failed++
	}
	m.view, m.entered = m.top+1, m.Blocks.Tip()
	m.waited, m.resend = 0, firstResend
	m.prune()
}

// own returns this node's votes of a kind and view.
func (m *Machine) own(k Kind, v uint64) []Vote {
	if w := m.views[v]; w != nil {
		return w.said[k][m.Self]
	}
	return nil
}

// cast signs and publishes a vote, unless this node must not vote there.
func (m *Machine) cast(s Statement) bool {
	if m.Self < 0 || m.mute || m.copied != nil || s.View <= m.floor || s.View > maxView {
		return false
	}
	v := m.Sign(s)
	m.ready.Votes = append(m.ready.Votes, v)
	m.add(v)
	m.ready.Record = m.record()
	return true
}

// record returns own votes of the current and the last view. A vote of an older view is
// in none, and need not be: after a start this node casts none there.
func (m *Machine) record() *Record {
	r := &Record{View: m.view}
	for v := max(m.view, 2) - 1; v <= m.view; v++ {
		for k := range Kind(kinds) {
			r.Votes = append(r.Votes, m.own(k, v)...)
		}
	}
	return r
}

// propose casts the leader's vote for its tip. A tip that was notarized in the last
// view will be final in a moment, so it is proposed again only after Δ.
func (m *Machine) propose() bool {
	if m.leader(m.view) != m.Self || m.silent() || len(m.own(Notarize, m.view)) > 0 {
		return false
	}
	parent, base, ok := m.continues()
	tip := m.Blocks.Tip()
	if !ok || !m.Blocks.Extends(tip, base) || tip == base && parent == m.view-1 && m.waited < m.delta() {
		return false
	}
	return m.cast(Statement{Notarize, m.view, parent, tip})
}

// continues returns the highest view with a notarized block, and that block, when all
// views from there to the current one are known to be nullified.
func (m *Machine) continues() (uint64, ledger.BlockRef, bool) {
	block, _ := m.notarized(m.base)
	return m.base, block, m.nullified(m.base+1, m.view)
}

// nullified reports whether all views in [from, to) are known to be nullified.
func (m *Machine) nullified(from, to uint64) bool {
	for v := from; v < to && m.faults&skipViews == 0; v++ {
		if known := v > m.base && v <= m.gap || m.knows(v, Nullify); !known {
			return false
		}
	}
	return true
}

// notarized returns the block that was notarized in a view. The network's ID was in
// view 0.
func (m *Machine) notarized(v uint64) (ledger.BlockRef, bool) {
	if w := m.views[v]; w != nil {
		for _, k := range []Kind{Notarize, Finalize} {
			if w.certs[k] != nil {
				return w.certs[k].Block, true
			}
		}
	}
	return ledger.BlockRef{}, v == 0
}

// notarize votes, once a view, for what its leader proposed.
func (m *Machine) notarize() bool {
	w := m.views[m.view]
	if w == nil || m.silent() || len(m.own(Notarize, m.view)) > 0 {
		return false
	}
	for _, proposal := range w.said[Notarize][m.leader(m.view)] {
		if m.acceptable(proposal.Statement) {
			return m.cast(proposal.Statement)
		}
	}
	return false
}

// acceptable reports whether an honest builder votes for a proposal of this view.
func (m *Machine) acceptable(s Statement) bool {
	base, known := m.notarized(s.Parent)
	if !known || !m.nullified(s.Parent+1, s.View) || !m.Blocks.Extends(s.Block, base) {
		return false
	}
	if m.final != nil && !m.Blocks.Extends(s.Block, m.final.Block) {
		return false
	}
	if m.Blocks.Extends(m.Blocks.Tip(), s.Block) {
		return true
	}
	longer := m.entered == ledger.BlockRef{} || s.Block.Height >= m.entered.Height
	return longer && (m.high == nil || m.Blocks.Extends(s.Block, m.high.Block)) && m.Blocks.Standing(s.Block) != Absent
}

// nullify gives the current view up when it takes too long.
func (m *Machine) nullify() bool {
	if m.Self < 0 || m.silent() || len(m.own(Nullify, m.view)) > 0 || len(m.own(Finalize, m.view)) > 0 {
		return false
	}
	proposed := len(m.at(m.view).said[Notarize][m.leader(m.view)]) > 0
	late := m.waited >= 3*m.delta() || !proposed && m.waited >= 2*m.delta()
	leader := m.leader(m.view)
	if !late && (proposed || leader == m.Self || !m.Away(leader)) {
		return false
	}
	return m.cast(Statement{Kind: Nullify, View: m.view})
}

// finalize votes for what was notarized in a view that this node did not give up, also
// when the view is over.
func (m *Machine) finalize() bool {
	if m.silent() {
		return false
	}
	cast := false
	for v := max(m.view, ViewsBack+1) - ViewsBack; v < m.view; v++ {
		w := m.views[v]
		if w == nil || w.certs[Notarize] == nil || len(w.said[Finalize][m.Self]) > 0 {
			continue
		}
		c := w.certs[Notarize]
		over := m.final != nil && (v <= m.final.View || c.Block.Height <= m.final.Block.Height)
		if over || len(w.said[Nullify][m.Self]) > 0 && m.faults&finalizeNullified == 0 {
			continue
		}
		cast = m.cast(Statement{Finalize, v, c.Parent, c.Block}) || cast
	}
	return cast
}
