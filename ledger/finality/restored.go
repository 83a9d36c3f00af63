package finality

import "slices"

// A builder that lost its record cannot know what it voted for. It is mute until no vote that it
// may have cast can matter any more.
//
// It voted in view w only with a certificate of w-1, so a quorum had voted in w-1. Any quorum of the
// others that now sends it what they hold has an honest builder of that quorum. That one had entered
// w-1 or a higher view with a certificate of the view before, and holds it or a higher one, even after
// a power cut, since its record was durable before its vote was published. So w is at most two above
// the highest certificate that the mute builder receives ([Machine.Told]), and no liar can raise w.
// It votes in none of these views, nor in the one after, since a later record does not hold what it
// cast in them. It also waits until a view above became final without it.
//
// With three builders or fewer all are needed to end a view, so it cannot wait for that. But then
// every certificate needs all, and no other builder signs twice (f is 0). It votes in views above the
// highest certificate, and its votes that the others hold count as its own.
//
// With four or more, if more than f have lost their records, the rest is no quorum and the silence
// does not end. Then their operators can end it ([Machine.VoteAgain]). Each builder then acts as one of
// three does, once all others have sent it what they hold. That does not show what it voted for in the
// two views above the highest certificate if no answering node holds it. So it may sign what excludes
// such a vote, and a second block may become final, but only by votes of these two views which only an
// absent node holds. That is noticed. The two votes are evidence, and a node with the first block's
// certificate never takes the block back, and stops with the reason.
//
// The record is a file beside the ledger, so a ledger that is put back, damaged or repaired alone does
// not affect it. If the whole directory is old, as after a snapshot of a machine, an old record looks
// like the last one. Package builder waits for a first answer, so that a vote which others hold shows
// it ([Machine.Copied]). A vote that no answering node holds does not. A builder that may sign what
// excludes such a vote counts as one of the f liars.

// Told reports to a mute builder that a quorum of the other builders, or all of them, have each
// sent all of their certificates and votes since the start, and that it has taken these.
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

// VoteAgain ends the silence of a builder. All others must have sent it what they hold.
func (m *Machine) VoteAgain() {
	if m.mute {
		m.mute, m.floor = false, m.top
		m.act()
	}
}

// unmute ends the silence if a certificate shows that the others go on without this node.
func (m *Machine) unmute(c *Certificate) {
	if m.mute && m.told && c.View > m.floor && !slices.Contains(c.Builders(), m.Self) {
		m.mute, m.floor = false, max(m.floor, m.ownHeard+1)
	}
}

// Mute reports whether this node is a builder that must not vote yet, since its record was lost.
func (m *Machine) Mute() bool { return m.mute }

// Copied returns a vote of this node's key that it did not cast, also one in a certificate, or nil.
// Another node uses the key, or did. Until a restart this node casts no vote.
func (m *Machine) Copied() *Vote { return m.copied }

// ownVote checks a vote of this node's key that came from another node, and reports whether to
// keep it.
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
