package finality

import (
	"slices"
	"testing"
	"time"

	"foxchain/ledger"
)

func null(v uint64) Statement { return Statement{Kind: Nullify, View: v} }

// ready checks which votes a machine wants to publish, and returns all.
func ready(t *testing.T, m *Machine, want ...Statement) Ready {
	t.Helper()
	r := m.Ready()
	if got := statements3(r.Votes); !slices.Equal(got, want) {
		t.Fatalf("votes %v, want %v", got, want)
	}
	if len(want) > 0 && r.Record == nil {
		t.Fatal("votes without a record")
	}
	return r
}

func vote(b int, s Statement) Vote { return Vote{Statement: s, Builder: b} }

func TestView(t *testing.T) {
	m, s := machine(4, 0, "a")
	ready(t, m)
	a := Statement{Notarize, 1, 0, block("a")}
	m.Step(vote(1, a))
	ready(t, m, a)
	m.Step(vote(2, a))
	ready(t, m, Statement{Finalize, 1, 0, block("a")})
	if m.View() != 2 || m.Lacks() != 2 {
		t.Fatalf("view %d, lacks %d", m.View(), m.Lacks())
	}
	m.Step(vote(1, Statement{Finalize, 1, 0, block("a")}))
	m.Step(vote(3, Statement{Finalize, 1, 0, block("a")}))
	if m.Final() == nil || m.Final().Block != block("a") {
		t.Fatal("not final")
	}
	if r := ready(t, m); len(r.Certificates) != 1 {
		t.Fatal("no certificate of the final block")
	}
	if _, runs := m.Timer(); runs {
		t.Fatal("a timer runs in silence")
	}
	m.Tick(time.Hour)
	ready(t, m)
	s.tip = block("ab") // view 2 has another leader
	m.Tick(0)
	m.Step(vote(2, Statement{Notarize, 2, 1, block("ab")}))
	ready(t, m, Statement{Notarize, 2, 1, block("ab")})
}

func TestNotarizeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, tip string
		certs     []Statement
		absent    string
		s         Statement
		ok        bool
	}{
		{"on the chain", "ab", nil, "", Statement{Notarize, 1, 0, block("a")}, true},
		{"beside it, no shorter", "ab", nil, "", Statement{Notarize, 1, 0, block("xy")}, true},
		{"beside it, shorter", "ab", nil, "", Statement{Notarize, 1, 0, block("x")}, false},
		{"absent or invalid", "ab", nil, "xy", Statement{Notarize, 1, 0, block("xy")}, false},
		{"continues the view before", "ab", []Statement{{Notarize, 1, 0, block("a")}}, "", Statement{Notarize, 2, 1, block("ab")}, true},
		{"another branch than it", "ab", []Statement{{Notarize, 1, 0, block("a")}}, "", Statement{Notarize, 2, 1, block("xyz")}, false},
		{"skips a view that is not nullified", "ab", []Statement{{Notarize, 1, 0, block("a")}}, "", Statement{Notarize, 2, 0, block("ab")}, false},
		{"skips a nullified view", "ab", []Statement{null(1)}, "", Statement{Notarize, 2, 0, block("ab")}, true},
		{"continues a view that is not notarized", "ab", []Statement{null(1)}, "", Statement{Notarize, 2, 1, block("ab")}, false},
		{"below a lower view, both certificates known", "abc", []Statement{{Notarize, 1, 0, block("a")}, {Notarize, 2, 1, block("ab")}, null(2)}, "", Statement{Notarize, 3, 1, block("abc")}, true},
		{"beside the block notarized last", "ab", []Statement{{Notarize, 1, 0, block("a")}, {Notarize, 2, 1, block("ab")}, null(2)}, "", Statement{Notarize, 3, 1, block("axy")}, false},
		{"beside the final block", "ab", []Statement{{Finalize, 1, 0, block("a")}, null(1)}, "", Statement{Notarize, 2, 0, block("xyz")}, false},
	} {
		m, s := machine(4, 0, tt.tip)
		s.absent = map[ledger.BlockRef]bool{block(tt.absent): tt.absent != ""}
		for _, c := range tt.certs {
			m.Certify(certificate(4, c, 1, 2, 3))
		}
		m.Ready()
		m.Step(vote(int(tt.s.View%4), tt.s))
		if got := slices.Contains(statements3(m.Ready().Votes), tt.s); got != tt.ok {
			t.Errorf("%s: voted %v", tt.name, got)
		}
	}
}

func TestLeaderProposesTwoBlocks(t *testing.T) {
	m, _ := machine(4, 0, "a")
	m.Step(vote(1, Statement{Notarize, 1, 0, block("a")}))
	m.Step(vote(1, Statement{Notarize, 1, 0, block("x")}))
	m.Step(vote(1, Statement{Notarize, 1, 0, block("y")}))
	r := ready(t, m, Statement{Notarize, 1, 0, block("a")})
	if len(r.Evidence) != 1 || len(m.Votes(1)) != 3 {
		t.Errorf("%d proofs, %d votes", len(r.Evidence), len(m.Votes(1)))
	}
}

func TestNullify(t *testing.T) {
	m, _ := machine(4, 0, "a")
	m.Tick(2*delay - 1)
	ready(t, m)
	m.Tick(1)
	ready(t, m, null(1))
	m.Step(vote(2, null(1)))
	m.Step(vote(3, null(1)))
	ready(t, m)
	if m.View() != 2 || m.delta() != 2*delay {
		t.Errorf("view %d, Δ %v", m.View(), m.delta())
	}
	m.Step(vote(2, Statement{Notarize, 2, 0, block("x")})) // not refused, since x is as high as the tip
	ready(t, m, Statement{Notarize, 2, 0, block("x")})
	m.Tick(6*delay - 1)
	if r := m.Ready(); slices.Contains(statements3(r.Votes), null(2)) {
		t.Error("gave up too early")
	}
	m.Tick(1)
	if r := m.Ready(); !slices.Contains(statements3(r.Votes), null(2)) {
		t.Error("did not give up")
	}
	m.Certify(certificate(4, Statement{Notarize, 2, 0, block("x")}, 1, 2, 3))
	if r := m.Ready(); len(r.Votes) != 0 {
		t.Errorf("finalizes a view that it gave up: %v", r.Votes)
	}
}

// TestAlone checks that a builder without others enters the next view with its own vote, at once.
func TestAlone(t *testing.T) {
	m, _ := machine(1, 0, "a")
	ready(t, m, Statement{Notarize, 1, 0, block("a")}, Statement{Finalize, 1, 0, block("a")})
	if m.View() != 2 || m.Final() == nil {
		t.Errorf("view %d, final %v", m.View(), m.Final())
	}
}

// TestFinalizesOnlyAbove checks that a block that is final is not finalized again in a later view.
func TestFinalizesOnlyAbove(t *testing.T) {
	m, s := machine(4, 0, "a")
	m.Certify(certificate(4, Statement{Finalize, 1, 0, block("a")}, 1, 2, 3))
	s.tip = block("ab")
	m.Certify(certificate(4, Statement{Notarize, 2, 1, block("a")}, 1, 2, 3))
	ready(t, m)
	m.Certify(certificate(4, Statement{Notarize, 3, 2, block("ab")}, 1, 2, 3))
	if got := statements3(m.Ready().Votes); !slices.Contains(got, Statement{Finalize, 3, 2, block("ab")}) {
		t.Errorf("votes %v", got)
	}
}

// TestWaitsAnew checks that the time that a view took before a silence does not count after it.
func TestWaitsAnew(t *testing.T) {
	m, s := machine(4, 0, "a")
	m.Certify(certificate(4, Statement{Notarize, 1, 0, block("a")}, 1, 2, 3))
	m.Tick(2*delay - 1)
	m.Certify(certificate(4, Statement{Finalize, 1, 0, block("a")}, 1, 2, 3))
	ready(t, m, Statement{Finalize, 1, 0, block("a")})
	s.tip = block("ab")
	m.Tick(2*delay - 1)
	ready(t, m)
	m.Tick(1)
	ready(t, m, null(2))
}

func TestLeaderIsAway(t *testing.T) {
	s := &stub{tip: block("a")}
	m := New(Config{Builders: 4, Self: 0, Sign: unsigned(0), Blocks: s, Away: func(b int) bool { return b == 1 }}, &Record{}, nil)
	ready(t, m, null(1))
}

// TestLeaderGivesUp checks that a leader whose chain left the block that it proposed for
// a longer branch gives its view up at once, and so do the others when its vote arrives.
func TestLeaderGivesUp(t *testing.T) {
	leader, s := machine(4, 1, "a")
	proposal := Statement{Notarize, 1, 0, block("a")}
	ready(t, leader, proposal)
	s.tip = block("ab")
	leader.Tick(0)
	ready(t, leader)
	s.tip = block("b") // a competing block, for which no builder refuses to vote
	leader.Tick(0)
	ready(t, leader)
	s.tip = block("xy")
	leader.Tick(0)
	ready(t, leader, null(1))

	m, _ := machine(4, 0, "xy")
	m.Step(vote(1, proposal))
	m.Step(vote(2, null(1)))
	ready(t, m)
	m.Step(vote(1, null(1)))
	ready(t, m, null(1))
	m.Step(vote(3, null(1)))
	if m.View() != 2 {
		t.Errorf("view %d", m.View())
	}
}

func TestLeaderWaitsForWhatWillBeFinal(t *testing.T) {
	m, _ := machine(4, 2, "a")
	m.Certify(certificate(4, Statement{Notarize, 1, 0, block("a")}, 0, 1, 3))
	ready(t, m, Statement{Finalize, 1, 0, block("a")})
	m.Tick(delay)
	ready(t, m, Statement{Notarize, 2, 1, block("a")})
	m, s := machine(4, 2, "a")
	m.Certify(certificate(4, Statement{Notarize, 1, 0, block("a")}, 0, 1, 3))
	s.tip = block("ab")
	m.Ready()
	m.Tick(0)
	ready(t, m, Statement{Notarize, 2, 1, block("ab")})
}

func TestRestartWithRecord(t *testing.T) {
	m, _ := machine(4, 0, "a")
	m.Tick(3 * delay)
	ready(t, m, null(1))
	m.Step(vote(2, null(1)))
	m.Step(vote(3, null(1)))
	m.Step(vote(2, Statement{Notarize, 2, 0, block("a")}))
	record := ready(t, m, Statement{Notarize, 2, 0, block("a")}).Record
	again := New(m.Config, record, nil)
	if again.View() != 2 {
		t.Errorf("view %d", again.View())
	}
	again.Certify(certificate(4, Statement{Notarize, 1, 0, block("a")}, 1, 2, 3))
	again.Step(vote(2, Statement{Notarize, 2, 0, block("x")}))
	ready(t, again)
	for _, v := range record.Votes { // its peers get them when they ask
		if !slices.Contains(again.Votes(v.View), v) {
			t.Errorf("%v is forgotten", v)
		}
	}
}

// TestPowerCutKeepsTheView checks that a crash that takes all stored certificates leaves
// the one with which a builder entered its view. A mute builder that gets it learns how
// far that builder was.
func TestPowerCutKeepsTheView(t *testing.T) {
	m, _ := machine(4, 0, "a")
	for v := range uint64(500) {
		m.Certify(certificate(4, null(v+1), 1, 2, 3))
	}
	m.Tick(time.Minute)
	cut := New(m.Config, m.Ready().Record, nil)
	if r := cut.Ready(); cut.View() != 501 || len(r.Certificates) != 1 {
		t.Errorf("view %d, %d certificates are new", cut.View(), len(r.Certificates))
	}
	mute := New(Config{Builders: 4, Self: 1, Sign: unsigned(1), Blocks: m.Blocks}, nil, nil)
	for _, c := range cut.Certificates(mute.Lacks()) {
		mute.Certify(c)
	}
	mute.Told()
	if mute.floor != 503 { // it may have voted in 502, after the quorum that voted in 501
		t.Errorf("it votes above view %d", mute.floor)
	}
}

// TestRestartWithCertificates checks that what was stored is known again, and is not new.
func TestRestartWithCertificates(t *testing.T) {
	m, _ := machine(4, -1, "a")
	m.Certify(certificate(4, Statement{Finalize, 1, 0, block("a")}, 1, 2, 3))
	m.Certify(certificate(4, null(2), 1, 2, 3))
	again := New(m.Config, nil, m.Ready().Certificates)
	if again.View() != 3 || again.Final() == nil || len(again.Ready().Certificates) > 0 {
		t.Errorf("view %d, final %v", again.View(), again.Final())
	}
}

// TestStepBounds takes votes of views at exactly the bounds, and each once, also behind a
// certificate.
func TestStepBounds(t *testing.T) {
	m, _ := machine(4, -1, "a")
	m.Certify(certificate(4, null(99), 1, 2, 3))
	for view, want := range map[uint64]bool{
		100 - ViewsBack - 1: false, 100 - ViewsBack: true, 100 + ViewsAhead: true, 100 + ViewsAhead + 1: false,
	} {
		if got := m.Step(vote(3, null(view))); got != want || len(m.Votes(view)) > 0 != want {
			t.Errorf("a vote of view %d is kept: %t", view, got)
		}
	}
	for _, c := range []struct {
		vote Vote
		new  bool
	}{{vote(1, null(100)), true}, {vote(1, null(100)), false}, {vote(2, null(100)), true}, {vote(0, null(100)), true}, {vote(3, null(100)), true}} {
		if got := m.Step(c.vote); got != c.new {
			t.Errorf("%v is new: %t", c.vote, got)
		}
	}
}

// TestRestoredNodeIsMute checks that a builder of four whose directory is old does not
// vote before the others report where they are. It knows old certificates alone, and a
// final one above these does not show that the view began after its start.
func TestRestoredNodeIsMute(t *testing.T) {
	s := &stub{tip: block("abc")}
	cfg := Config{Builders: 4, Self: 0, Sign: unsigned(0), Blocks: s}
	m := New(cfg, nil, []*Certificate{certificate(4, Statement{Finalize, 5, 0, block("a")}, 0, 1, 2)})
	m.Certify(certificate(4, Statement{Finalize, 900, 5, block("ab")}, 1, 2, 3))
	if !m.Mute() {
		t.Fatal("an old view ended the silence")
	}
	m.Step(vote(0, Statement{Notarize, 1002, 900, block("abc")})) // far ahead
	m.Certify(certificate(4, null(998), 1, 2, 3))
	m.Told()
	m.Told()
	m.Tick(time.Minute)
	m.Certify(certificate(4, Statement{Finalize, 1003, 900, block("abc")}, 1, 2, 3))
	if !m.Mute() {
		t.Error("a view in which it may have voted ended the silence")
	}
	m.Told() // again, which does not put the end off further
	s.tip = block("abcd")
	m.Certify(certificate(4, Statement{Finalize, 1004, 1003, block("abcd")}, 0, 1, 2))
	if !m.Mute() {
		t.Error("a certificate with its own vote ended the silence")
	}
	ready(t, m)
	m.Certify(certificate(4, Statement{Finalize, 1005, 1004, block("abcd")}, 1, 2, 3))
	if m.Mute() {
		t.Error("mute for ever")
	}
	s.tip = block("abcde")
	m.Tick(0)
	m.Step(vote(1006%4, Statement{Notarize, 1006, 1005, block("abcde")}))
	ready(t, m, Statement{Notarize, 1006, 1005, block("abcde")})
}

// TestRestoredNodeOfThree checks that the votes of a restored builder that the others
// hold are its own again, since they cannot end a view without it.
func TestRestoredNodeOfThree(t *testing.T) {
	s := &stub{tip: block("ab")}
	m := New(Config{Builders: 3, Self: 0, Sign: unsigned(0), Blocks: s}, nil, nil)
	for v := range uint64(7) {
		m.Certify(certificate(3, null(v+1), 0, 1, 2))
	}
	m.Step(vote(0, Statement{Notarize, 8, 0, block("xy")}))
	m.Tick(time.Minute)
	ready(t, m)
	m.Told()
	ready(t, m, null(8))
	m.Step(vote(2, Statement{Notarize, 8, 0, block("ab")}))
	ready(t, m)
}

// TestRestartKeepsTheFloor checks that a builder that votes again after its record was
// lost casts no vote in the views before, also after another start, and takes none of
// these for a copy's.
func TestRestartKeepsTheFloor(t *testing.T) {
	m := New(Config{Builders: 4, Self: 0, Sign: unsigned(0), Blocks: &stub{tip: block("a")}}, nil, nil)
	m.Certify(certificate(4, null(7), 1, 2, 3))
	m.Certify(certificate(4, Statement{Notarize, 6, 0, block("a")}, 1, 2, 3))
	m.VoteAgain()
	m.Tick(time.Minute)
	again := New(m.Config, m.Ready().Record, nil)
	again.Step(vote(0, Statement{Finalize, 7, 6, block("a")}))
	again.Certify(certificate(4, Statement{Notarize, 7, 6, block("a")}, 1, 2, 3))
	if ready(t, again); again.Copied() != nil {
		t.Errorf("%v counts as a copy's", again.Copied())
	}
}

func TestCopied(t *testing.T) {
	for _, view := range []uint64{1, 3, 1000} {
		m, _ := machine(4, 0, "a")
		m.Tick(3 * delay)
		ready(t, m, null(1))
		m.Step(vote(0, null(1)))
		if m.Copied() != nil {
			t.Error("its own vote is a copy's")
		}
		m.Step(vote(0, Statement{Notarize, view, 0, block("x")}))
		if m.Copied() == nil {
			t.Errorf("a vote in view %d that it did not cast went unnoticed", view)
		}
		m.Certify(certificate(4, null(1), 1, 2, 3))
		m.Tick(time.Minute)
		for _, v := range m.Ready().Votes {
			if v.View > 1 {
				t.Errorf("voted: %v", v)
			}
		}
	}
}

// TestCopiedShownByCertificate checks that the certificates that a key signed show that
// it voted, before it votes again. A key that was put alone into a new directory looks as
// if it had never voted.
func TestCopiedShownByCertificate(t *testing.T) {
	fin := Statement{Finalize, 1, 0, block("a")}
	m, _ := machine(4, 0, "x")
	m.Certify(certificate(4, fin, 0, 1, 2))
	m.Tick(time.Minute)
	if ready(t, m); m.Copied() == nil {
		t.Error("a certificate with a vote that it did not cast went unnoticed")
	}
	m, _ = machine(4, 0, "x")
	m.Certify(certificate(4, fin, 1, 2, 3))
	m.Certify(certificate(4, null(900), 1, 2, 3))
	m.Certify(certificate(4, null(900-ViewsBack), 0, 2, 3)) // it cannot know any more
	if m.Copied() != nil {
		t.Error("certificates without a vote of its own, or with a forgotten one, are a copy's")
	}
	m.Certify(certificate(4, null(901-ViewsBack), 0, 2, 3))
	if m.Copied() == nil {
		t.Error("the oldest vote that it would know went unnoticed")
	}
	m, _ = machine(4, 0, "a")
	m.Step(vote(1, Statement{Notarize, 1, 0, block("a")}))
	m.Step(vote(2, Statement{Notarize, 1, 0, block("a")}))
	again := New(m.Config, m.Ready().Record, nil)
	for _, m := range []*Machine{m, again} {
		m.Certify(certificate(4, fin, 0, 1, 2))
		if m.Copied() != nil {
			t.Error("a certificate with its own vote is a copy's")
		}
	}
}

// TestMissedViews checks that a node that jumped over views asks for their certificates,
// not for those of its view, since it cannot vote before it has them.
func TestMissedViews(t *testing.T) {
	full, _ := machine(4, -1, "a")
	for v := range uint64(20) {
		full.Certify(certificate(4, null(v+1), 1, 2, 3))
	}
	late, _ := machine(4, 0, "a")
	late.Certify(certificate(4, null(20), 1, 2, 3))
	if late.View() != 21 || late.Lacks() != 1 {
		t.Fatalf("view %d, lacks %d", late.View(), late.Lacks())
	}
	leader, _ := machine(4, 3, "a")
	leader.Certify(certificate(4, null(2), 0, 1, 2))
	ready(t, leader) // it leads view 3, and view 1 may have notarized a block
	leader.Certify(certificate(4, null(1), 0, 1, 2))
	ready(t, leader, Statement{Notarize, 3, 0, block("a")})
	propose := vote(1, Statement{Notarize, 21, 0, block("a")})
	late.Step(propose)
	ready(t, late)
	for _, c := range full.Certificates(late.Lacks()) {
		late.Certify(c)
	}
	ready(t, late, propose.Statement)
}

// TestManyNullifiedViews checks that memory is bounded however long the builders cannot
// agree, and that the next view in which they do makes a block final.
func TestManyNullifiedViews(t *testing.T) {
	for _, first := range []bool{false, true} {
		m, s := machine(4, 0, "a")
		var parent uint64
		if first {
			parent = 1
			m.Certify(certificate(4, Statement{Finalize, 1, 0, block("a")}, 1, 2, 3))
			s.tip = block("ab")
		}
		v := parent
		for range MaxOpen + 500 {
			v++
			m.Certify(certificate(4, null(v), 1, 2, 3))
			m.Ready()
		}
		if _, certs := kept(m); certs > MaxOpen+ViewsAhead {
			t.Errorf("%d certificates are kept", certs)
		}
		if first && !slices.Contains(m.Certificates(v), m.Final()) {
			t.Error("the last final certificate is not given to others")
		}
		for m.leader(m.View()) == 0 {
			v++
			m.Certify(certificate(4, null(v), 1, 2, 3))
		}
		m.Ready()
		p := Statement{Notarize, v + 1, parent, s.tip}
		m.Step(vote(m.leader(v+1), p))
		ready(t, m, p)
	}
}

// TestOldNullifications checks that a node that is far behind takes one view after the
// other, and keeps none that is more than MaxOpen views old.
func TestOldNullifications(t *testing.T) {
	m, _ := machine(4, -1, "a")
	const behind = 1000
	m.Certify(certificate(4, null(MaxOpen+behind+1), 1, 2, 3))
	m.Ready()
	m.Certify(certificate(4, null(2), 1, 2, 3))
	if r := m.Ready(); m.Lacks() != 1 || len(r.Certificates) > 0 {
		t.Errorf("took view 2 before view 1, lacks %d", m.Lacks())
	}
	for v := range uint64(behind) {
		m.Certify(certificate(4, null(v+1), 1, 2, 3))
		if r := m.Ready(); m.Lacks() != v+2 || len(r.Certificates) != 1 {
			t.Fatalf("behind view %d lacks %d, %d certificates are new", v+1, m.Lacks(), len(r.Certificates))
		}
	}
	if _, certs := kept(m); certs != 1 {
		t.Errorf("%d certificates are kept", certs)
	}
}

// TestOldFinalCertificates checks that a final certificate below the last final one is
// not new, however often it comes, unless the last block does not stand on it.
func TestOldFinalCertificates(t *testing.T) {
	m, _ := machine(4, 0, "abc")
	m.Certify(certificate(4, Statement{Finalize, 100, 0, block("ab")}, 1, 2, 3))
	m.Ready()
	m.Certify(certificate(4, Statement{Finalize, 50, 0, block("a")}, 1, 2, 3))
	if r := m.Ready(); len(r.Certificates) != 0 {
		t.Error("taken as new")
	}
	for _, view := range []uint64{50, 100} {
		beside := certificate(4, Statement{Finalize, view, 0, block("x")}, 1, 2, 3)
		m.Certify(beside)
		if r := m.Ready(); !slices.Equal(r.Certificates, []*Certificate{beside}) || m.Final().Block != block("ab") {
			t.Errorf("one that the last does not stand on, of view %d, is not shown to the chain", view)
		}
	}
}

// TestPrune checks that the views below the final one are forgotten, and the votes of
// those that are long over.
func TestPrune(t *testing.T) {
	m, _ := machine(4, -1, "a")
	for v := range uint64(70) {
		m.Step(vote(3, null(v+1)))
		s := null(v + 1)
		if s.View == 51 {
			s = Statement{Finalize, 51, 0, block("a")}
		}
		m.Certify(certificate(4, s, 0, 1, 2))
	}
	if votes, certs := kept(m); certs != 20 || votes != ViewsBack || len(m.Votes(71-ViewsBack)) != 1 {
		t.Errorf("%d certificates and %d votes are kept", certs, votes)
	}
}

// TestCertificateForm checks that each signature stands at its builder's place, whatever
// order votes come in.
func TestCertificateForm(t *testing.T) {
	m, _ := machine(10, -1, "a")
	for _, b := range []int{9, 3, 8, 7, 1, 5, 4} {
		v := vote(b, null(1))
		v.Signature[0] = byte(b)
		m.Step(v)
	}
	r := m.Ready()
	if len(r.Certificates) != 1 || !slices.Equal(r.Certificates[0].Builders(), []int{1, 3, 4, 5, 7, 8, 9}) {
		t.Fatalf("%d certificates", len(r.Certificates))
	}
	for _, v := range r.Certificates[0].votes() {
		if int(v.Signature[0]) != v.Builder {
			t.Errorf("builder %d has the signature of %d", v.Builder, v.Signature[0])
		}
	}
}

// TestToldWithItsRecord checks that a builder that has its record votes on when all have answered.
func TestToldWithItsRecord(t *testing.T) {
	m, _ := machine(4, 0, "a")
	m.Told()
	m.Step(vote(1, Statement{Notarize, 1, 0, block("a")}))
	ready(t, m, Statement{Notarize, 1, 0, block("a")})
}

// TestFlood checks that a builder that sends votes of every view, kind and block takes a
// bounded place.
func TestFlood(t *testing.T) {
	m, s := machine(4, 0, "a")
	start := time.Now()
	for i := range 50_000 {
		b := block(string(rune('a' + i%26)))
		m.Step(vote(3, Statement{Kind(i % 3 / 2 * 2), uint64(i % 500), 0, b}))
		m.Step(vote(3, null(uint64(i%500))))
		m.Ready()
	}
	votes, _ := kept(m)
	if most := (ViewsBack + ViewsAhead + 1) * (2*Statements + 1); votes > most {
		t.Errorf("%d votes are kept, and %d may be", votes, most)
	}
	if s.asked > 1000 {
		t.Errorf("asked %d times how a block stands", s.asked)
	}
	t.Logf("%d votes are kept; 100,000 took %v", votes, time.Since(start))
}

func TestEvidence(t *testing.T) {
	fin := func(b string) Statement { return Statement{Finalize, 1, 0, block(b)} }
	not := func(b string) Statement { return Statement{Notarize, 1, 0, block(b)} }
	for _, tt := range []struct {
		a, b Statement
		want int
	}{
		{not("a"), not("b"), 1}, {fin("a"), fin("b"), 1}, {fin("a"), null(1), 1}, {null(1), fin("a"), 1},
		{not("a"), null(1), 0}, {not("a"), fin("a"), 0}, {not("a"), fin("b"), 0}, {null(1), null(1), 0}, {null(2), fin("a"), 0},
	} {
		m, _ := machine(4, 0, "a")
		m.Step(vote(3, tt.a))
		m.Step(vote(3, tt.b))
		m.Step(vote(3, tt.b))
		if got := len(m.Ready().Evidence); got != tt.want {
			t.Errorf("%v and %v: %d proofs, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestEvidenceFromCertificates checks that two certificates that exclude each other name
// each common signer once, also when a later block is final.
func TestEvidenceFromCertificates(t *testing.T) {
	fin := func(v uint64, b string) Statement { return Statement{Finalize, v, v - 1, block(b)} }
	for _, tt := range []struct{ a, b Statement }{
		{fin(5, "a"), null(5)}, {null(5), fin(5, "a")}, {fin(5, "a"), fin(5, "x")},
		{Statement{Notarize, 5, 0, block("a")}, Statement{Notarize, 5, 0, block("x")}},
	} {
		for _, later := range []bool{false, true} {
			m, _ := machine(4, 0, "abc")
			m.Certify(certificate(4, tt.a, 1, 2, 3))
			if later { // of the other side of a split
				m.Certify(certificate(4, fin(9, "abc"), 1, 2, 3))
			}
			m.Ready()
			m.Certify(certificate(4, tt.b, 1, 2, 3))
			m.Certify(certificate(4, tt.b, 1, 2, 3))
			var liars []int
			for _, e := range m.Ready().Evidence {
				if !e.A.Excludes(e.B.Statement) || e.A.Builder != e.B.Builder {
					t.Errorf("%v proves nothing", e)
				}
				liars = append(liars, e.A.Builder)
			}
			if !slices.Equal(liars, []int{1, 2, 3}) {
				t.Errorf("%v and %v, later %v: %v lie", tt.a, tt.b, later, liars)
			}
		}
	}
	m, _ := machine(4, 0, "a") // with a vote
	m.Step(vote(3, null(1)))
	m.Certify(certificate(4, fin(1, "a"), 1, 2, 3))
	if r := m.Ready(); len(r.Evidence) != 1 || r.Evidence[0].A.Builder != 3 {
		t.Errorf("a certificate and a vote: %v", r.Evidence)
	}
}
