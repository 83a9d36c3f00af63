package finality

import (
	"maps"
	"slices"
	"time"

	"foxchain/ledger"
)

const (
	// delay is Δ, the time a message takes at most when all is well. It doubles with
	// every view that is nullified, up to maxDelay, until a block is final again.
	delay    = 250 * time.Millisecond
	maxDelay = 8 * time.Second
	// firstResend is after how long in a view own votes are sent again. The time
	// doubles up to maxDelay.
	firstResend = time.Second

	// ViewsBack and ViewsAhead are the views around the current one whose votes are
	// kept. Others are ignored. A node that is further behind gets certificates.
	ViewsBack  = 16
	ViewsAhead = 64
	// maxOpen is the most views that are kept since the last final block. The
	// certificates of those below are forgotten.
	maxOpen = 4096
	// Statements is how many different votes of a builder are kept of a kind and view:
	// one, and one more as evidence.
	Statements = 2
)

// Standing is what a node knows of the branch that ends in a block.
type Standing uint8

const (
	Absent  Standing = iota // a block is missing, or the branch breaks a rule
	Valid                   // whole and valid, beside the chain
	OnChain                 // a block of the chain
)

// Blocks is what a Machine asks of the chain. The answers may change only before the
// next call of Update.
type Blocks interface {
	// Tip returns the tip of the chain, the zero BlockRef when it is empty.
	Tip() ledger.BlockRef
	// Extends reports whether b is a or descends from it. The zero BlockRef comes
	// before every block. It reports false when a block between is not here.
	Extends(b, a ledger.BlockRef) bool
	// Standing reports how b stands. It may validate a branch.
	Standing(b ledger.BlockRef) Standing
}

// Config configures a Machine.
type Config struct {
	Builders int                  // how many there are, 1 to MaxBuilders
	Self     int                  // the number of this node's builder; -1: it only watches
	Sign     func(Statement) Vote // signs as Self
	Blocks   Blocks
	Away     func(builder int) bool // reports that a builder is known to be gone; nil: none is

	faults fault // seeded by tests
}

// A fault is a rule that tests leave out, to see that they notice.
type fault uint8

const (
	finalizeNullified fault = 1 << iota
	skipViews
	zeroLeads // builder 0 leads every view
)

// A Record is what a builder must remember of its own votes: those of View and of the
// view before. It must be durable before a vote in it is published.
type Record struct {
	View  uint64
	Votes []Vote
}

// Ready is what the caller must do, in the order of its fields.
type Ready struct {
	Record       *Record        // when set: store it and wait until it is durable
	Votes        []Vote         // publish them; own ones
	Certificates []*Certificate // new: store them and apply them to the chain
	Evidence     []Evidence     // new: store it and publish both votes
}

// A view is what is known of one view.
type view struct {
	said  [kinds]map[int][]Vote // by builder
	certs [kinds]*Certificate
}

// A Machine is the state of one node in the protocol. It is deterministic, and has no
// clock, disk, network or goroutine. It must not be used by several goroutines at once.
type Machine struct {
	Config
	quorum int

	view    uint64           // the current one
	entered ledger.BlockRef  // the tip when it began
	waited  time.Duration    // time in it with something to finalize
	resend  time.Duration    // when, in waited, own votes are sent again
	failed  int              // views nullified since the last final one
	views   map[uint64]*view // what is known, by view
	top     uint64           // the highest view with a certificate
	high    *Certificate     // of the highest view with a notarization or finalization
	base    uint64           // the view of high, 0 when that is nil
	gap     uint64           // all views above base up to here were nullified
	final   *Certificate     // of the highest final view

	floor    uint64 // this node casts no vote in views up to here
	mute     bool   // it casts none at all, see restored.go
	copied   *Vote  // a vote of this node's key that it did not cast
	ownHeard uint64 // the highest view of such a vote while mute
	told     bool   // a quorum of the others, or all, told a mute node what they hold

	ready Ready
}

// New returns a machine that continues from a record, and from certificates as they
// were stored, verified by the caller. A builder without a record (nil) has lost it, and
// votes only when that is safe again. One that never voted has an empty one.
func New(cfg Config, record *Record, certificates []*Certificate) *Machine {
	if cfg.Away == nil {
		cfg.Away = func(int) bool { return false }
	}
	m := &Machine{Config: cfg, quorum: Quorum(cfg.Builders), view: 1, resend: firstResend, views: make(map[uint64]*view)}
	for _, c := range certificates {
		m.adopt(c)
	}
	m.ready = Ready{}
	if m.mute = m.Self >= 0 && record == nil; record != nil {
		m.view = max(m.view, record.View)
		m.floor = max(record.View, 2) - 2
		for _, v := range record.Votes {
			m.add(v)
		}
	}
	m.entered = cfg.Blocks.Tip()
	m.act()
	return m
}

// Step takes a vote that was verified. Votes of views too far from the current one, and
// what is known, change nothing.
func (m *Machine) Step(v Vote) {
	if v.View+ViewsBack < m.view || v.Builder == m.Self && !m.ownVote(v) || v.View > m.view+ViewsAhead {
		return
	}
	m.add(v)
	m.act()
}

// Certify takes a certificate that was verified.
func (m *Machine) Certify(c *Certificate) {
	m.adopt(c)
	m.act()
}

// Update tells the machine that the answers of Blocks have changed.
func (m *Machine) Update() { m.act() }

// Tick lets time pass.
func (m *Machine) Tick(d time.Duration) {
	if m.silent() {
		return
	}
	m.waited += d
	m.act()
	if m.waited >= m.resend {
		m.Resend()
		m.resend = m.waited + min(2*m.resend, maxDelay)
	}
}

// Timer returns after how long Tick must be called, and false while only a vote, a
// certificate or a block can change anything.
func (m *Machine) Timer() (time.Duration, bool) {
	if m.silent() || m.Self < 0 {
		return 0, false
	}
	next := m.resend
	for i := range time.Duration(3) {
		if at := (i + 1) * m.delta(); at > m.waited {
			next = min(next, at)
		}
	}
	return max(next-m.waited, time.Millisecond), true
}

// Resend publishes own votes of this view and the last again, for nodes that were cut
// off. It does nothing while there is nothing to finalize, and while mute.
func (m *Machine) Resend() {
	if !m.silent() && !m.mute {
		m.ready.Votes = append(m.ready.Votes, m.record().Votes...)
	}
}

// Ready returns what is to be done since the last call.
func (m *Machine) Ready() Ready {
	r := m.ready
	m.ready = Ready{}
	return r
}

// View is the current view.
func (m *Machine) View() uint64 { return m.view }

// Final is the certificate of the highest final view, nil when nothing is final.
func (m *Machine) Final() *Certificate { return m.final }

// Notarized is the certificate of the highest view in which a block was notarized, nil
// when none was. The fork choice prefers its block.
func (m *Machine) Notarized() *Certificate { return m.high }

// Lacks is the lowest view that this node must know more of to vote. It is the current
// one, unless certificates of views below were missed.
func (m *Machine) Lacks() uint64 { return m.gap + 1 }

// Certificates returns what a node needs that lacks the views above from: the last final
// one, the highest notarization, and all of those views, lowest first.
func (m *Machine) Certificates(from uint64) []*Certificate {
	var list []*Certificate
	for _, c := range []*Certificate{m.final, m.high} {
		if c != nil && c.View < from && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(m.views)) {
		for _, c := range m.views[v].certs {
			if c != nil && v >= from {
				list = append(list, c)
			}
		}
	}
	return list
}

// Votes returns the votes that are known of a view.
func (m *Machine) Votes(of uint64) []Vote {
	var list []Vote
	if w := m.views[of]; w != nil {
		for _, said := range w.said {
			for _, b := range slices.Sorted(maps.Keys(said)) {
				list = append(list, said[b]...)
			}
		}
	}
	return list
}

func (m *Machine) knows(v uint64, k Kind) bool {
	w := m.views[v]
	return w != nil && w.certs[k] != nil
}

func (m *Machine) at(v uint64) *view {
	w := m.views[v]
	if w == nil {
		w = &view{}
		for k := range w.said {
			w.said[k] = make(map[int][]Vote)
		}
		m.views[v] = w
	}
	return w
}

// add keeps a vote, and makes the certificate that it completes.
func (m *Machine) add(v Vote) {
	w := m.at(v.View)
	known := w.said[v.Kind][v.Builder]
	if len(known) >= Statements || slices.ContainsFunc(known, func(k Vote) bool { return k.Statement == v.Statement }) {
		return
	}
	for _, said := range w.said {
		for _, other := range said[v.Builder] {
			if conflict(v.Statement, other.Statement) {
				m.ready.Evidence = append(m.ready.Evidence, Evidence{other, v})
			}
		}
	}
	w.said[v.Kind][v.Builder] = append(known, v)
	if w.certs[v.Kind] != nil {
		return
	}
	votes := make(map[int]ledger.Signature)
	for b, list := range w.said[v.Kind] {
		for _, o := range list {
			if o.Statement == v.Statement {
				votes[b] = o.Signature
			}
		}
	}
	if len(votes) >= m.quorum {
		m.adopt(newCertificate(m.Builders, v.Statement, votes))
	}
}

// adopt keeps a certificate.
func (m *Machine) adopt(c *Certificate) {
	if m.final != nil && c.View < m.final.View || c.Kind == Nullify && c.View+maxOpen < m.top {
		return
	}
	w := m.at(c.View)
	if w.certs[c.Kind] != nil {
		return
	}
	w.certs[c.Kind] = c
	m.top = max(m.top, c.View)
	m.ready.Certificates = append(m.ready.Certificates, c)
	if c.Kind != Nullify && (m.high == nil || c.View > m.high.View) {
		m.high, m.base, m.gap = c, c.View, max(m.gap, c.View)
	}
	for m.knows(m.gap+1, Nullify) {
		m.gap++
	}
	if c.Kind == Finalize && (m.final == nil || c.View > m.final.View) {
		m.final, m.failed = c, 0
		m.unmute(c)
		m.prune()
	}
}

// prune forgets the views that nothing depends on: those below the last final one, and
// the votes of those that are long over.
func (m *Machine) prune() {
	low := m.top - min(m.top, maxOpen)
	if m.final != nil {
		low = max(low, m.final.View)
	}
	for v, w := range m.views {
		switch {
		case v+ViewsBack >= m.view:
		case v < low && v != m.base:
			delete(m.views, v)
		default:
			for k := range w.said {
				clear(w.said[k])
			}
		}
	}
}
