package finality

// A builder that lost its record cannot know what it voted for. It is mute until no
// vote that it may have cast can matter any more:
//
//   - with four or more builders, when a view that began after its start became final
//     without it. Its lost votes are of views below, or its peers hold them;
//   - with three or fewer, where every certificate needs all builders, when each of the
//     others has sent what it holds ([Machine.Told]). A vote that none of them holds is in
//     no certificate.
//
// It then votes in views above that one, and above all of its own votes that it heard.

// unmute ends the silence when a certificate shows that the others go on without this
// node.
func (m *Machine) unmute(c *Certificate) {
	if m.mute && m.Builders-m.quorum > 0 && m.live > 0 && c.View >= m.live && !c.Signed(m.Self) {
		m.mute, m.floor = false, max(c.View, m.ownHeard)
	}
}

// Told tells a mute builder that all other builders have sent their votes and
// certificates.
func (m *Machine) Told() {
	if m.mute && m.Builders == m.quorum {
		m.mute, m.floor = false, m.ownHeard
		m.act()
	}
}

// Mute reports whether this node is a builder that must not vote yet, since its record
// was lost.
func (m *Machine) Mute() bool { return m.mute }

// Copied returns a vote of this node's key that this node did not cast, nil when there
// is none. Another node uses the key. Until a restart this node casts no vote.
func (m *Machine) Copied() *Vote { return m.copied }

// ownVote looks at a vote of this node's key that came from elsewhere, and reports
// whether to keep it.
func (m *Machine) ownVote(v Vote) bool {
	if m.mute {
		m.ownHeard = max(m.ownHeard, v.View)
		return true
	}
	known := v.View <= m.floor
	for _, o := range m.own(v.Kind, v.View) {
		known = known || o.Statement == v.Statement
	}
	if !known && m.copied == nil {
		m.copied = &v
	}
	return false
}
