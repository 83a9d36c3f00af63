package finality

import (
	"maps"
	"slices"
	"time"

	"foxchain/ledger"
)

const (
	// delay is Δ. It doubles with every nullified view, up to maxDelay, until a block is final.
	delay    = 250 * time.Millisecond
	maxDelay = 8 * time.Second

	// Votes of views further back or ahead are ignored. A node that is further behind
	// asks.
	ViewsBack  = 16
	ViewsAhead = 64
	// MaxOpen bounds the views of which certificates are kept, however old the last final one
	// is. The caller answers other nodes with those of older views.
	MaxOpen = 4096
	// Statements is how many votes of one builder, kind and view are kept, the second as evidence.
	Statements = 2
)

// Blocks is what a Machine asks of the chain.
type Blocks interface {
	// Tip returns the tip of the chain, the zero BlockRef if it is empty. It may change only
	// before a call of Tick. The results of the other methods may change at any time.
	Tip() ledger.BlockRef
	// Extends reports whether b is a or descends from it. Every block descends from the zero
	// BlockRef. It reports false if a block between is not here.
	Extends(b, a ledger.BlockRef) bool
	// Valid reports whether the branch that ends in b is whole and valid. It may try it.
	Valid(b ledger.BlockRef) bool
}

// Config configures a Machine.
type Config struct {
	Builders int                  // how many there are, 1 to ledger.MaxVoters
	Self     int                  // the number of this node's builder; -1 if it only watches
	Sign     func(Statement) Vote // signs as Self
	Blocks   Blocks
	Away     func(builder int) bool // reports that a builder is known to be gone; nil if none is
}

// A Record is what a builder must remember of its own votes. It has the votes of View and of the
// view before, and the certificate of the latter with which the builder entered View. It must be
// durable before a vote in it is published.
type Record struct {
	View        uint64
	Votes       []Vote
	Certificate *Certificate // nil in view 1
	Floor       uint64       // the builder casts no vote in views up to here, since it may have forgotten some
}

// Ready is what the caller must do, in the order of its fields.
type Ready struct {
	Record       *Record        // if set, store it and wait until it is durable
	Votes        []Vote         // own ones, to publish
	Certificates []*Certificate // new ones, to store and apply to the chain
	Evidence     []Evidence     // new, to store
}

// A view is what is known of one view, in the zero value nothing.
type view struct {
	said  [kinds][]Vote
	certs [kinds]*Certificate
}

// A Machine is the state of one node in the protocol, for one goroutine.
type Machine struct {
	Config
	quorum int
	leader func(view uint64) int // the builder that proposes in a view

	view    uint64          // the current one
	entered ledger.BlockRef // the tip when view began
	waited  time.Duration   // time in view with something to finalize
	failed  int             // views nullified since the last final one
	views   map[uint64]view // what is known, by view
	top     uint64          // the highest view with a certificate
	high    *Certificate    // of the highest view with a notarization or finalization
	base    uint64          // the view of high, 0 if that is nil
	gap     uint64          // all views above base up to gap were nullified
	final   *Certificate    // of the highest final view
	liars   [ledger.MaxVoters]bool

	floor    uint64 // this node casts no vote in views up to here
	mute     bool   // this node casts no vote at all, see restored.go
	copied   *Vote  // a vote of this node's key that it did not cast
	ownHeard uint64 // the highest view of such a vote while mute
	told     bool   // a quorum of the others, or all, sent a mute node what they hold

	ready Ready
}

// New returns a machine that continues from a record, and from stored certificates that the caller
// has verified. A nil record was lost. Then the builder votes only when that is safe again. A
// builder that never voted has an empty record.
func New(cfg Config, record *Record, certificates []*Certificate) *Machine {
	m := &Machine{Config: cfg, quorum: Quorum(cfg.Builders), view: 1, views: make(map[uint64]view)}
	m.leader = func(view uint64) int { return int(view % uint64(cfg.Builders)) }
	for _, c := range certificates {
		m.adopt(c)
	}
	m.ready = Ready{}
	if m.mute = m.Self >= 0 && record == nil; record != nil {
		m.view = max(m.view, record.View)
		m.floor = max(record.Floor, max(record.View, 2)-2)
		if record.Certificate != nil { // after a crash the stored ones may lack it
			m.adopt(record.Certificate)
		}
		for _, v := range record.Votes {
			m.add(v)
		}
	}
	m.entered = cfg.Blocks.Tip()
	m.act()
	return m
}

// Step takes a verified vote, and reports whether it is new. Votes of views too far back or ahead
// are ignored.
func (m *Machine) Step(v Vote) bool {
	if v.View+ViewsBack < m.view || v.Builder == m.Self && !m.ownVote(v) || v.View > m.view+ViewsAhead {
		return false
	}
	kept := m.add(v)
	m.act()
	return kept
}

// Certify takes a verified certificate.
func (m *Machine) Certify(c *Certificate) {
	for _, v := range c.votes() { // but for own votes of views that this node has forgotten
		if v.Builder == m.Self && !m.mute && v.View+ViewsBack >= m.view {
			m.ownVote(v)
		}
	}
	m.adopt(c)
	m.act()
}

// Tick reports to the machine that time has passed, and that the tip may have changed.
func (m *Machine) Tick(d time.Duration) {
	if !m.silent() {
		m.waited += d
	}
	m.act()
}

// Timer returns after how long to call Tick, and false while time alone changes nothing.
func (m *Machine) Timer() (time.Duration, bool) {
	if m.silent() || m.Self < 0 || m.waited >= 3*m.delta() {
		return 0, false
	}
	return m.delta() - m.waited%m.delta(), true
}

// Ready returns what is to be done. It is new since the last call.
func (m *Machine) Ready() Ready {
	r := m.ready
	m.ready = Ready{}
	return r
}

// View is the current view.
func (m *Machine) View() uint64 { return m.view }

// Final is the certificate of the highest final view, nil when nothing is final.
func (m *Machine) Final() *Certificate { return m.final }

// Notarized is the certificate of the highest view in which a block was notarized, or nil. The
// fork choice prefers its block.
func (m *Machine) Notarized() *Certificate { return m.high }

// Lacks is the lowest view of which this node must learn more to vote. It is the current one,
// unless certificates of lower views were missed.
func (m *Machine) Lacks() uint64 { return m.gap + 1 }

// Certificates returns the certificates for a node that lacks the views from one on, lowest
// first: the last final one, the highest notarization, and all of these views.
func (m *Machine) Certificates(from uint64) []*Certificate {
	var list []*Certificate
	for _, v := range slices.Sorted(maps.Keys(m.views)) {
		for _, c := range m.views[v].certs {
			if c != nil && (v >= from || c == m.final || c == m.high) {
				list = append(list, c)
			}
		}
	}
	return list
}

// Votes returns the votes that are known of a view.
func (m *Machine) Votes(of uint64) []Vote {
	w := m.views[of]
	return slices.Concat(w.said[:]...)
}

// votes returns the votes of a builder and kind.
func (w view) votes(k Kind, builder int) (list []Vote) {
	for _, v := range w.said[k] {
		if v.Builder == builder {
			list = append(list, v)
		}
	}
	return list
}

// add keeps a new vote, and makes the certificate that it completes. It reports whether
// the vote is new.
func (m *Machine) add(v Vote) bool {
	w := m.views[v.View]
	same := func(o Vote) bool { return o.Statement == v.Statement }
	if known := w.votes(v.Kind, v.Builder); len(known) >= Statements || slices.ContainsFunc(known, same) {
		return false
	}
	for _, said := range w.said {
		m.Accuse(v, said...)
	}
	w.said[v.Kind] = append(w.said[v.Kind], v)
	m.views[v.View] = w
	if w.certs[v.Kind] != nil {
		return true
	}
	agree := slices.DeleteFunc(slices.Clone(w.said[v.Kind]), func(o Vote) bool { return !same(o) })
	if len(agree) >= m.quorum {
		m.adopt(newCertificate(m.Builders, agree))
	}
	return true
}

// Accuse takes verified votes, of any view. If one of said excludes v and has its builder, the
// two are kept as evidence, once for each builder.
func (m *Machine) Accuse(v Vote, said ...Vote) {
	if m.liars[v.Builder] {
		return
	}
	i := slices.IndexFunc(said, func(o Vote) bool { return o.Builder == v.Builder && o.Excludes(v.Statement) })
	if i >= 0 {
		m.liars[v.Builder] = true
		m.ready.Evidence = append(m.ready.Evidence, Evidence{said[i], v})
	}
}

// adopt keeps a certificate.
func (m *Machine) adopt(c *Certificate) {
	for k, o := range m.views[c.View].certs {
		said := m.views[c.View].said[k]
		if o != nil && o.Excludes(c.Statement) {
			said = slices.Concat(said, o.votes())
		}
		said = slices.DeleteFunc(slices.Clone(said), func(v Vote) bool { return !v.Excludes(c.Statement) })
		for _, v := range c.votes() {
			if len(said) == 0 { // always, while no builder lies
				break
			}
			m.Accuse(v, said...)
		}
	}
	if c.Kind == Finalize && m.final != nil && c.View <= m.final.View && !m.Blocks.Extends(m.final.Block, c.Block) {
		m.ready.Certificates = append(m.ready.Certificates, c) // the chain checks it
		return
	}
	old := c.Kind == Nullify && c.View+MaxOpen < m.top // it is applied, but only the caller keeps it
	if m.final != nil && c.View < m.final.View || old && c.View != m.gap+1 || m.views[c.View].certs[c.Kind] != nil {
		return
	}
	if old {
		m.gap++
	} else {
		w := m.views[c.View]
		w.certs[c.Kind] = c
		m.views[c.View] = w
	}
	m.top = max(m.top, c.View)
	m.ready.Certificates = append(m.ready.Certificates, c)
	if c.Kind != Nullify && (m.high == nil || c.View > m.high.View) {
		m.high, m.base, m.gap = c, c.View, max(m.gap, c.View)
	}
	for m.views[m.gap+1].certs[Nullify] != nil {
		m.gap++
	}
	if c.Kind == Finalize && (m.final == nil || c.View > m.final.View) {
		m.final, m.failed = c, 0
		m.unmute(c)
		m.prune()
	}
}

// prune forgets the views below the last final one, and the votes of old views.
func (m *Machine) prune() {
	low, last := m.top-min(m.top, MaxOpen), uint64(0)
	if m.final != nil {
		last = m.final.View
	}
	for v, w := range m.views {
		switch {
		case v+ViewsBack >= m.view:
		case v < max(low, last) && v != m.base && v != last:
			delete(m.views, v)
		default:
			m.views[v] = view{certs: w.certs}
		}
	}
}
