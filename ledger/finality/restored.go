package finality

import "slices"

// A builder that lost its record cannot know what it voted for. It is mute until no vote that it
// may have cast can matter any more.
//
// It voted in view w only with a certificate of w-1, so a quorum had voted in w-1. Of any quorum of
// the others that tells it now what it holds, an honest one was among these. It entered w-1 or a
// higher view with a certificate of the view before, and holds that or a higher one, also after a
// power cut, since it is in the record that was durable before its vote was out. So w is at most two
// above the highest certificate that it is told of ([Machine.Told]), and no liar can raise that. It
// votes in none of these views, nor in the one after, as a later record does not hold what it cast in
// them. It waits, besides, until a view above became final without it.
//
// Of three builders or fewer all are needed to end a view, so it cannot wait for that. But then no
// certificate needs fewer than all, and none of the others signs twice. It votes in views above the
// highest certificate, and its votes that the others hold count as its own.
//
// Of four or more the silence has no end when more have lost their records than may be away, since
// the rest is no quorum. Then their operators can end it ([Machine.VoteAgain]). Each does the same as
// one of three, when all others have told it what they hold. Not even that shows what it voted for in
// the two views above the highest certificate, if nobody here holds it. It may sign what excludes
// that, and a second block may become final, but only with votes of these two views that a node holds
// which is not there. It is not silent: the two votes are evidence, and whoever has the first block's
// certificate never takes it back, and stops with the reason.
//
// The record is a file beside the ledger, so a ledger that is put back, damaged or repaired alone
// takes none of it. If all around it is as old, as after a snapshot of a machine, an old record looks
// as the last one. Package builder waits for a first answer, so that a vote that others hold shows it
// ([Machine.Copied]). One that nobody holds who answers shows nothing. Who may sign what excludes such
// a vote counts as one of the f that lie.

// Told tells a mute builder that a quorum of the other builders, or all of them, have each sent all
// of their certificates and votes since the start, and that it took these.
func (m *Machine) Told() {
	if !m.mute || m.told {
		return
	}
	m.told = true
	if m.Builders == m.quorum {
		m.VoteAgain()
		return
	}
	m.floor = max(m.top+2, m.ownHeard) + 1
}

// VoteAgain ends the silence of a builder. All others must have told it what they hold.
func (m *Machine) VoteAgain() {
	if m.mute {
		m.mute, m.floor = false, m.top
		m.act()
	}
}

// unmute ends the silence when a certificate shows that the others go on without this node.
func (m *Machine) unmute(c *Certificate) {
	if m.mute && m.told && c.View > m.floor && !slices.Contains(c.Builders(), m.Self) {
		m.mute, m.floor = false, max(m.floor, m.ownHeard+1)
	}
}

// Mute reports whether this node is a builder that must not vote yet, since its record was lost.
func (m *Machine) Mute() bool { return m.mute }

// Copied returns a vote of this node's key that it did not cast, also one in a certificate, nil when
// there is none. Another node uses the key, or did. Until a restart this node casts no vote.
func (m *Machine) Copied() *Vote { return m.copied }

// ownVote looks at a vote of this node's key that came from elsewhere, and reports whether to keep
// it.
func (m *Machine) ownVote(v Vote) bool {
	if m.mute {
		m.ownHeard = max(m.ownHeard, v.View)
		return true
	}
	same := func(o Vote) bool { return o.Statement == v.Statement }
	if m.copied == nil && v.View > m.floor && !slices.ContainsFunc(m.own(v.Kind, v.View), same) {
		m.copied = &v
	}
	return false
}
