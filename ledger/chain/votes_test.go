package chain

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/store"
)

// newVotedLab has the tree
//
//	g ── a1 ── a2 ── a3 ── a4
//	  \
//	   b1 ── b2
func newVotedLab(t testing.TB) *lab {
	var keys []ledger.PublicKey
	for i := range 4 {
		keys = append(keys, ledgertest.Public(ledgertest.Key(i)))
	}
	slices.SortFunc(keys, func(a, b ledger.PublicKey) int { return slices.Compare(a[:], b[:]) })
	l := newRulesLab(t, ledger.Network{Name: "lab", Builders: keys})
	for _, name := range [][2]string{{"g", ""}, {"a1", "g"}, {"a2", "a1"}, {"a3", "a2"}, {"a4", "a3"}, {"b1", "g"}, {"b2", "b1"}} {
		l.next(name[0], name[1], l.tx(0, 1, 1))
	}
	return l
}

// cert makes a certificate whose signatures are not checked, as if they had been verified.
func (l *lab) cert(k finality.Kind, view uint64, name string) *finality.Certificate {
	return &finality.Certificate{
		Statement:  finality.Statement{Kind: k, View: view, Parent: view - 1, Block: l.ref(name)},
		Signers:    []byte{0b111},
		Signatures: make([]byte, 3*64),
	}
}

// vote gives the chain a final and a notarized certificate, as a voter does.
func (l *lab) vote(fin, high *finality.Certificate) error {
	var certs []*finality.Certificate
	for _, c := range []*finality.Certificate{fin, high} {
		if c != nil {
			certs = append(certs, c)
		}
	}
	return l.chain.Votes().Apply(fin, high, certs, nil)
}

func (l *lab) mustVote(fin, high *finality.Certificate) {
	l.t.Helper()
	if err := l.vote(fin, high); err != nil {
		l.t.Fatal(err)
	}
	l.check()
}

// again runs a check now, and after the chain was closed and opened.
func (l *lab) again(check func()) {
	l.t.Helper()
	check()
	l.reopen()
	check()
}

// A final block stays against a branch with more work, and against one that was
// notarized in a higher view.
func TestFinalBlockStays(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("b1", Extended)
	l.mustVote(l.cert(finality.Finalize, 1, "b1"), nil)
	for _, name := range []string{"a1", "a2", "a3"} {
		l.add(name, Side)
	}
	l.again(func() { l.expectTip("b1") })
	l.mustVote(l.cert(finality.Finalize, 1, "b1"), l.cert(finality.Notarize, 2, "a3"))
	l.again(func() { l.expectTip("b1") })
	l.add("a4", Side)
	l.add("b2", Extended)
	l.again(func() {
		l.expectTip("b2")
		if f := l.chain.Status().Final; f == nil || f.Block != l.ref("b1") {
			t.Fatalf("final is %+v", f)
		}
	})
}

// A ledger that holds nothing but a certificate takes no other network, whose votes it
// would compare with that certificate.
func TestCertificateOfAnotherNetwork(t *testing.T) {
	l := newVotedLab(t)
	l.mustVote(nil, l.cert(finality.Notarize, 1, "b1"))
	if err := l.chain.Close(); err != nil {
		t.Fatal(err)
	}
	other := ledgertest.Network(t, ledger.Network{Name: "other", Builders: l.net.Builders})
	if _, err := Open(Config{Network: other, Storage: l.storage}); !errors.Is(err, store.ErrForeign) {
		t.Errorf("got %v, want %v", err, store.ErrForeign)
	}
}

// A block has one height. A liar that proposes it under another gets no votes.
func TestVotedHeight(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("a1", Extended)
	l.add("a2", Extended)
	l.add("b1", Side)
	for _, name := range []string{"g", "b1"} {
		ref := l.ref(name)
		if !l.chain.Votes().Valid(ref) || !l.chain.Votes().Extends(ref, l.ref("g")) {
			t.Errorf("%s is not known", name)
		}
		ref.Height++
		if l.chain.Votes().Valid(ref) || l.chain.Votes().Extends(l.ref(name), ref) || l.chain.Votes().Extends(l.ref("a2"), ref) {
			t.Errorf("%s stands at a wrong height", name)
		}
	}
}

// The branch that was notarized in the highest view wins over more work, until another
// is notarized in a higher view.
func TestNotarizedBranchWins(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("a1", Extended)
	l.add("a2", Extended)
	l.add("b1", Side)
	l.mustVote(nil, l.cert(finality.Notarize, 1, "b1"))
	l.again(func() { l.expectTip("b1") })
	l.add("a3", Side)
	l.add("b2", Extended)
	l.mustVote(nil, l.cert(finality.Notarize, 3, "a2"))
	l.again(func() { l.expectTip("a3") })
}

// When a lower block is notarized in a higher view, more work decides again, at once.
func TestNotarizedBelowTheFork(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("b1", Extended)
	l.mustVote(nil, l.cert(finality.Notarize, 1, "b1"))
	l.add("a1", Side)
	l.add("a2", Side)
	l.mustVote(nil, l.cert(finality.Notarize, 2, "g"))
	l.again(func() { l.expectTip("a2") })
}

// The kept ranks of a random tree are what a walk down each branch finds, whatever the
// builders voted for before.
func TestRanks(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("b1", Extended)
	f, r := l.chain.forks, rand.New(rand.NewPCG(1, 1))
	refs := growForks(f, []ledger.BlockRef{l.ref("g"), l.ref("b1")}, 300, func(i int) int { return r.IntN(i) })
	for range 50 {
		f.want(r.IntN(preferences), refs[r.IntN(len(refs))])
		for _, at := range r.Perm(len(refs))[:100] {
			want := uint8(0)
			for i, w := range f.wanted {
				if f.extends(refs[at], w) {
					want |= 1 << (preferences - 1 - i)
				}
			}
			if got := f.rank(refs[at].Hash); got != want {
				t.Fatalf("block %d has rank %b, want %b", at, got, want)
			}
		}
	}
}

// growForks adds headers that are not checked, each on one of the blocks before it.
func growForks(f *forks, refs []ledger.BlockRef, n int, parent func(i int) int) []ledger.BlockRef {
	for range n {
		on := refs[parent(len(refs))]
		h := &ledger.SealedHeader{Header: ledger.Header{Version: 1, Height: on.Height + 1, Parent: on.Hash, Time: uint64(len(refs))}}
		refs = append(refs, f.add(h, h.Hash(), false).ref())
	}
	return refs
}

// BenchmarkVotedEnds measures the fork choice over 1,000 ends of a trunk of 20,000
// headers, after each vote and without a new one.
func BenchmarkVotedEnds(b *testing.B) {
	l := newVotedLab(b)
	l.add("g", Extended)
	l.add("b1", Extended)
	f := l.chain.forks
	refs := growForks(f, []ledger.BlockRef{l.ref("g")}, 20_000, func(i int) int { return i - 1 })
	growForks(f, refs, 1_000, func(int) int { return 20_000 })
	for name, vote := range map[string]bool{"vote": true, "same": false} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				if vote || i == 0 {
					f.want(notarized, l.ref([]string{"g", "b1"}[i%2]))
				}
				for _, end := range f.ends {
					f.wins(end.ref())
				}
			}
		})
	}
}

// A final block that is not here yet is asked for, and preferred when its bodies come.
func TestFinalBlockComesLater(t *testing.T) {
	l := newVotedLab(t)
	for _, name := range []string{"g", "a1", "a2"} {
		l.add(name, Extended)
	}
	fin := l.cert(finality.Finalize, 1, "b1")
	l.mustVote(fin, nil)
	l.again(func() {
		l.expectTip("a2")
		if !l.chain.Votes().Lacking() {
			t.Fatal("the final block is not asked for")
		}
	})
	l.add("a3", Extended)
	l.headers(l.blocks["b1"], l.blocks["b2"])
	if l.chain.Votes().Lacking() {
		t.Error("a header is asked for that is here")
	}
	list, err := l.chain.Candidates(4, 4, nil)
	if err != nil || len(list) == 0 || list[0].Missing[0] != l.ref("b1") {
		t.Fatalf("candidates %+v, %v", list, err)
	}
	l.add("b1", Reorged)
	l.again(func() { l.expectTip("b1") })
	l.add("b2", Extended)
}

// A final block stays while the next one, which stands on it, is not known here.
func TestFinalBlockStaysBeforeTheNext(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("b1", Extended)
	l.mustVote(l.cert(finality.Finalize, 1, "b1"), nil)
	l.mustVote(l.cert(finality.Finalize, 2, "b2"), nil)
	for _, name := range []string{"a1", "a2", "a3"} {
		l.add(name, Side)
		l.again(func() {
			l.expectTip("b1")
			if f, _, err := l.chain.Votes().FinalFrom(1); f == nil || f.Block != l.ref("b1") || err != nil {
				t.Errorf("b1 is final with %+v, %v", f, err)
			}
		})
	}
	l.add("b2", Extended)
	l.again(func() { l.expectTip("b2") })
}

// A second final block beside the first, or below it, stops the chain. One that stands
// higher on another branch does so when its bodies are here. A restart hides nothing.
func TestSecondFinalBlock(t *testing.T) {
	for _, other := range []string{"a1", "a2", "g"} {
		for _, late := range []bool{false, true} {
			l := newVotedLab(t)
			l.add("g", Extended)
			l.add("b1", Extended)
			l.mustVote(l.cert(finality.Finalize, 1, "b1"), nil)
			l.reopen()
			give := func() {
				for _, name := range []string{"a1", "a2"} {
					_, _ = l.chain.AddBlock(context.Background(), l.blocks[name])
				}
			}
			if !late {
				give()
			}
			err := l.vote(l.cert(finality.Finalize, 2, other), nil)
			if late && other == "a2" {
				if err != nil {
					t.Fatal(err)
				}
				l.reopen()
				give()
				err = l.chain.Err()
			}
			if !errors.Is(err, ErrFinal) || !errors.Is(l.chain.Err(), ErrFinal) {
				t.Errorf("final %s beside b1, blocks late %v: %v", other, late, err)
			}
			l.reopen()
			l.expectTip("b1")
		}
	}
}

// Two final blocks stop the chain also when the first one's block never comes, when both
// certificates come at once, and when that of the lower view is the later.
func TestTwoFinalBlocks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		views map[string]uint64 // of the final blocks
		order []string          // of the certificates, of which the highest view's is the last
	}{
		{"the first is replaced", map[string]uint64{"b1": 5, "a2": 7}, []string{"b1", "a2"}},
		{"the lower view comes later", map[string]uint64{"b1": 5, "a2": 7}, []string{"a2", "b1"}},
		{"one height", map[string]uint64{"b1": 5, "a1": 7}, []string{"b1", "a1"}},
		{"one view", map[string]uint64{"b1": 7, "a2": 7}, []string{"b1", "a2"}},
		{"the lower view is higher", map[string]uint64{"b2": 5, "a1": 7}, []string{"b2", "a1"}},
		{"the lower view is higher and later", map[string]uint64{"b2": 5, "a1": 7}, []string{"a1", "b2"}},
	} {
		for _, way := range []string{"at once", "one by one", "after the blocks"} {
			l := newVotedLab(t)
			l.add("g", Extended)
			give := func() {
				for _, name := range []string{"a1", "a2"} {
					_, _ = l.chain.AddBlock(context.Background(), l.blocks[name])
				}
			}
			if way == "after the blocks" {
				give()
			}
			var certs []*finality.Certificate
			var last *finality.Certificate
			for _, name := range tt.order {
				c := l.cert(finality.Finalize, tt.views[name], name)
				certs = append(certs, c)
				if last == nil || c.View > last.View {
					last = c
				}
				if way != "at once" {
					_ = l.chain.Votes().Apply(last, last, []*finality.Certificate{c}, nil)
				}
			}
			if way == "at once" {
				_ = l.chain.Votes().Apply(last, last, certs, nil)
			}
			if l.chain.Err() == nil {
				l.reopen()
			}
			give()
			if !errors.Is(l.chain.Err(), ErrFinal) {
				t.Errorf("%s, %s: the chain ended with %v", tt.name, way, l.chain.Err())
			}
		}
	}
}

// The evidence against the builders that signed two final blocks is kept, though the
// second stops the chain.
func TestEvidenceOfWhatStopsTheChain(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.add("b1", Extended)
	first, second := l.cert(finality.Finalize, 1, "b1"), l.cert(finality.Finalize, 1, "a1")
	l.mustVote(first, nil)
	e := finality.Evidence{A: finality.Vote{Statement: first.Statement}, B: finality.Vote{Statement: second.Statement}}
	if err := l.chain.Votes().Apply(second, nil, []*finality.Certificate{second}, []finality.Evidence{e}); !errors.Is(err, ErrFinal) {
		t.Fatal(err)
	}
	l.reopen()
	if list, err := l.chain.Votes().Evidence(); len(list) != 1 || list[0] != e || err != nil {
		t.Errorf("%v is kept, %v", list, err)
	}
}

// A final block that breaks a rule stops the chain, whichever comes first, and also
// when it stands on the one that does.
func TestFinalBlockBreaksRule(t *testing.T) {
	for _, bodyFirst := range []bool{true, false} {
		for _, fin := range []string{"bad", "child"} {
			l := newVotedLab(t)
			l.next("bad", "g", l.tx(1, 2, 1_000))
			l.next("child", "bad", l.tx(0, 1, 1))
			l.add("g", Extended)
			give := func() error {
				l.headers(l.blocks["bad"], l.blocks["child"])
				_, err := l.chain.AddBlock(context.Background(), l.blocks["bad"])
				return err
			}
			if bodyFirst {
				if err := give(); !breaksRule(err) {
					t.Fatal(err)
				}
			} else {
				l.mustVote(l.cert(finality.Finalize, 1, fin), nil)
				l.reopen()
			}
			var err error
			if bodyFirst {
				err = l.vote(l.cert(finality.Finalize, 1, fin), nil)
			} else {
				err = give()
			}
			if err == nil || !errors.Is(l.chain.Err(), ErrFinal) {
				t.Errorf("%s is final, its body first %v: %v, the chain ended with %v", fin, bodyFirst, err, l.chain.Err())
			}
		}
	}
}

// A reorg to a final block that a crash interrupts goes on at the start.
func TestFinalReorgInterrupted(t *testing.T) {
	for _, when := range []string{"before", "after"} {
		for n := range 5 {
			l := newVotedLab(t)
			for _, name := range []string{"g", "a1", "a2"} {
				l.add(name, Extended)
			}
			l.add("b1", Side)
			commits := 0
			l.chain.store.Hook = func(step string) error {
				if step == when {
					if commits++; commits > n {
						return errCrash
					}
				}
				return nil
			}
			if err := l.vote(l.cert(finality.Finalize, 1, "b1"), nil); n < 2 && err == nil {
				t.Fatalf("%s commit %d: no crash", when, n)
			}
			l.reopen()
			l.check()
			if _, err := l.chain.Candidates(4, 4, nil); err != nil { // as sync asks
				t.Fatal(err)
			}
			l.expectTip("b1")
		}
	}
}

// Verify compares what is final with the chain. A final block that is not here yet, whose branch
// the node would take, is no fault.
func TestVerifyFinal(t *testing.T) {
	l := newVotedLab(t)
	for _, name := range []string{"g", "a1", "a2", "a3"} {
		l.add(name, Extended)
	}
	builders := committee.New(l.net)
	signed := func(view uint64, name string) *finality.Certificate {
		c := l.cert(finality.Finalize, view, name)
		c.Signatures = nil
		for i := range 3 {
			for k := range 4 {
				if key := ledgertest.Key(k); ledgertest.Public(key) == builders.Key(i) {
					v := builders.Sign(c.Statement, i, key)
					c.Signatures = append(c.Signatures, v.Signature[:]...)
				}
			}
		}
		return c
	}
	for _, tt := range []struct {
		add     *finality.Certificate
		awaited int
		problem string
	}{
		{signed(1, "b1"), 1, ""},
		{signed(3, "a2"), 0, "block 1: a certificate makes " + l.ref("b1").Hash.Short() + " final, and the chain has " + l.ref("a1").Hash.Short() + " there"},
	} {
		err := errors.Join(l.chain.store.PutCertificates([]*finality.Certificate{tt.add}, nil), l.chain.Close())
		report, verr := Verify(t.Context(), VerifyConfig{Network: l.net, Storage: l.storage})
		if err = errors.Join(err, verr); err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprint(report.Problems); report.Awaited != tt.awaited || text != "["+tt.problem+"]" || report.Tip != l.ref("a3").Hash {
			t.Errorf("%d awaited, tip %s, %s", report.Awaited, report.Tip.Short(), text)
		}
		if tt.problem == "" {
			l.open()
		}
	}
}
