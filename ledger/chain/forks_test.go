package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// TestTrimKeepsTheBest checks that over the bound one long branch loses its end, and that
// a flood of short ones does not evict the best.
func TestTrimKeepsTheBest(t *testing.T) {
	hash := func(branch, height int) (h ledger.Hash) {
		binary.BigEndian.PutUint32(h[:], uint32(branch+1))
		binary.BigEndian.PutUint32(h[4:], uint32(height+1))
		return h
	}
	node := func(b *forks, branch, height int) {
		h := &ledger.SealedHeader{}
		h.Height, h.Parent = uint64(height), hash(branch, height-1)
		b.add(h, hash(branch, height), false)
	}
	t.Run("long", func(t *testing.T) {
		b := newForks(nil, nil)
		for height := range maxSideHeaders + 500 {
			node(b, 0, height)
		}
		if b.trim(); b.dropped != 500 {
			t.Errorf("%d were dropped", b.dropped)
		}
		if len(b.nodes) != maxSideHeaders || len(b.ends) != 1 || b.ends[hash(0, maxSideHeaders-1)] == nil {
			t.Fatalf("%d nodes and %d ends are left", len(b.nodes), len(b.ends))
		}
	})
	t.Run("flood", func(t *testing.T) {
		b := newForks(nil, nil)
		for height := range 100 {
			node(b, 0, height)
		}
		for branch := range maxSideHeaders {
			node(b, branch+1, 5)
		}
		b.trim()
		if len(b.nodes) != maxSideHeaders || b.nodes[hash(0, 99)] == nil || b.nodes[hash(0, 0)] == nil {
			t.Fatalf("%d nodes are left, the best branch among them: %v", len(b.nodes), b.nodes[hash(0, 99)] != nil)
		}
	})
}

// TestHeadersAreTrimmed checks that the bound of the headers beside the chain holds when
// headers come.
func TestHeadersAreTrimmed(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.add("g", Extended)
	for i := range maxSideHeaders {
		h := &ledger.SealedHeader{}
		h.Parent = l.ref("g").Hash
		var hash ledger.Hash
		binary.BigEndian.PutUint64(hash[8:], uint64(i))
		l.chain.forks.add(h, hash, false)
	}
	l.headers(l.blocks["g"], l.next("a1", "g", l.tx(1, 2, 10)))
	if n := len(l.chain.forks.nodes); n != maxSideHeaders || l.chain.forks.nodes[l.ref("a1").Hash] == nil {
		t.Errorf("%d headers are kept", n)
	}
}

// TestNextBest checks that when the best of the branches that waited breaks a rule, the
// next best is taken, and the error is that of the first.
func TestNextBest(t *testing.T) {
	l := newLab(t)
	a := l.next("a", "", l.tx(0, 1, 100))
	bad := l.next("bad", "a", l.tx(7, 1, 1))
	above := l.next("above", "bad", l.tx(1, 2, 1))
	l.next("good", "a", l.tx(1, 2, 1))
	l.headers(a, bad, above, l.blocks["good"])
	for _, name := range []string{"bad", "above", "good"} {
		l.add(name, Side)
	}
	change, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a})
	var rule *ledger.BlockError
	if change != Extended || !errors.As(err, &rule) || rule.Hash != bad.Hash() {
		t.Errorf("%v, %v", change, err)
	}
	l.expectTip("good")
	l.check()
}

// TestTwiceOnABranch checks that a branch beside the chain holds no transaction twice.
func TestTwiceOnABranch(t *testing.T) {
	l := newLab(t)
	twice := l.tx(1, 3, 1)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("a2", "a1", l.tx(1, 2, 10))
	l.next("b1", "g", twice)
	l.next("b2", "b1", twice)
	l.order("a2", "b2")
	l.next("b3", "b2", l.tx(1, 3, 1))
	for _, name := range []string{"g", "a1", "a2"} {
		l.add(name, Extended)
	}
	l.add("b1", Side)
	l.add("b2", Side)
	l.reject("b3", ledger.FaultBlock, "items[0].id")
	l.expectTip("a2")
}

// TestFailedMarks checks that what stands on a failed block is refused with the first cause
// and no more, however long the line is, and that its mark outlives those of its descendants.
func TestFailedMarks(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("bad", "g", l.tx(1, 2, 101))
	l.add("g", Extended)
	l.reject("bad", ledger.FaultBlock, "items[0].amount")
	on := "bad"
	for i := range 20 {
		name := fmt.Sprint("child", i)
		l.next(name, on, l.tx(0, 1, 1))
		err := l.chain.AddHeaders(context.Background(), []*ledger.SealedHeader{&l.blocks[name].SealedHeader})
		var rule *ledger.BlockError
		if !errors.As(err, &rule) || rule.Field != "parent" || len(rule.Rule) > 300 {
			t.Fatalf("%s: %v", name, err)
		}
		on = name
	}
	b := newForks(nil, nil)
	root := &ledger.BlockError{Fault: ledger.FaultBlock, Hash: ledger.Hash{1}}
	for i := range maxFailed + 10 {
		h := &ledger.SealedHeader{}
		h.Parent = ledger.Hash{1}
		var hash ledger.Hash
		binary.BigEndian.PutUint64(hash[8:], uint64(i))
		b.add(h, hash, false)
	}
	b.fail(root)
	if b.mark(root.Hash) == nil || b.failed.Len() != maxFailed {
		t.Fatalf("%d marks, the root's among them: %v", b.failed.Len(), b.mark(root.Hash) != nil)
	}
}

// TestCandidatesGoOn checks that branches on one body that no peer delivers are one
// candidate, and none with skip. They do not hide the honest branch.
func TestCandidatesGoOn(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.add("g", Extended)
	give := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if err := l.chain.AddHeaders(context.Background(), []*ledger.SealedHeader{&l.blocks[name].SealedHeader}); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.next("x", "g", l.tx(1, 2, 1))
	give("x")
	for i := range 8 {
		l.next(fmt.Sprint("x", i), "x", l.tx(1, 2, 1))
		give(fmt.Sprint("x", i))
	}
	l.next("a", "g", l.tx(1, 2, 1))
	give("a")
	for _, tt := range []struct {
		skip  func(tip, lowest ledger.Hash) bool
		first []ledger.Hash
		want  []string
	}{
		{nil, nil, []string{"x", "a"}},
		{nil, []ledger.Hash{{1}, l.ref("a").Hash}, []string{"a", "x"}},
		{func(_, lowest ledger.Hash) bool { return lowest == l.ref("x").Hash }, nil, []string{"a"}},
		{func(tip, _ ledger.Hash) bool { return tip != l.ref("a").Hash }, nil, []string{"a"}},
	} {
		got, err := l.chain.Candidates(8, 3, tt.skip, tt.first...)
		if err != nil || len(got) != len(tt.want) {
			t.Fatalf("%d candidates, %v; want %d", len(got), err, len(tt.want))
		}
		for i, c := range got {
			if name := l.names[c.Missing[0].Hash]; name != tt.want[i] {
				t.Errorf("candidate %d waits for %q, want %q", i, name, tt.want[i])
			}
		}
	}
	if got, err := l.chain.Candidates(1, 3, nil); err != nil || len(got) != 1 {
		t.Errorf("%d candidates where one was asked for, %v", len(got), err)
	}
	l.next("a2", "a", l.tx(1, 2, 1))
	l.next("a3", "a2", l.tx(1, 2, 1))
	for _, name := range []string{"a", "a2", "a3"} {
		l.add(name, Extended)
	}
	if got, err := l.chain.Candidates(8, 3, nil); err != nil || len(got) != 0 {
		t.Errorf("%d candidates that have less work than the chain, %v", len(got), err)
	}
}

// TestStagedAfterWrite checks that the body of a side block counts as here only when it
// is written, not when the disk failed.
func TestStagedAfterWrite(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 10))
	l.order("a1", "b1")
	l.add("g", Extended)
	l.add("a1", Extended)
	l.chain.store.Hook = func(string) error { return errCrash }
	if _, err := l.chain.AddBlock(context.Background(), l.blocks["b1"]); !errors.Is(err, ledger.ErrStopped) {
		t.Fatalf("got %v", err)
	}
	if n := l.chain.forks.nodes[l.ref("b1").Hash]; n == nil || n.body {
		t.Errorf("after a failed write: %+v", n)
	}
}

// TestStagedBeforeCrash crashes after the last body of a winning branch was staged and
// before the reorg. The branch is in the store, so it is enough to hear of its tip again.
func TestStagedBeforeCrash(t *testing.T) {
	for name, again := range map[string]func(l *lab, b2 *ledger.Block){
		"as a candidate": func(l *lab, b2 *ledger.Block) {
			if _, err := l.chain.HeaderByHash(b2.Hash()); err != nil {
				t.Fatalf("the header that is in the store: %v", err)
			}
			if c, err := l.chain.Candidates(8, 8, nil); err != nil || len(c) != 0 {
				t.Fatalf("candidates: %v, %v", c, err)
			}
		},
		"as a header": func(l *lab, b2 *ledger.Block) { l.headers(b2) },
		"as a block":  func(l *lab, _ *ledger.Block) { l.add("b2", Reorged) },
	} {
		t.Run(name, func(t *testing.T) { stagedBeforeCrash(t, again) })
	}
}

func stagedBeforeCrash(t *testing.T, again func(l *lab, b2 *ledger.Block)) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 10))
	l.order("a1", "b1")
	l.next("b2", "b1", l.tx(1, 3, 10))
	l.add("g", Extended)
	l.add("a1", Extended)
	l.add("b1", Side)
	commits := 0
	l.chain.store.Hook = func(step string) error {
		if commits++; step == "before" && commits > 2 { // b2 is staged with the first
			return errCrash
		}
		return nil
	}
	if _, err := l.chain.AddBlock(context.Background(), l.blocks["b2"]); !errors.Is(err, ledger.ErrStopped) {
		t.Fatalf("got %v", err)
	}
	l.reopen()
	l.expectTip("a1")
	again(l, l.blocks["b2"])
	l.expectTip("b2")
	l.check()
}

// TestStagedOnTheTip crashes between a block and one that waited above it. To be given
// the latter again is enough, and it extends the chain.
func TestStagedOnTheTip(t *testing.T) {
	l := newLab(t)
	a := l.next("a", "", l.tx(0, 1, 100))
	b := l.next("b", "a", l.tx(1, 2, 10))
	l.headers(a, b)
	l.add("b", Side)
	commits := 0
	l.chain.store.Hook = func(step string) error {
		if commits++; step == "before" && commits > 2 { // a is written with the first
			return errCrash
		}
		return nil
	}
	if _, err := l.chain.AddBlock(t.Context(), a); !errors.Is(err, ledger.ErrStopped) {
		t.Fatalf("got %v", err)
	}
	l.reopen()
	l.expectTip("a")
	l.add("b", Extended)
	l.expectTip("b")
}

// TestGoalThatBreaksARule checks that a reorg whose goal turns out to break a rule, as
// after an update of the program between, leaves the node at its tip, without a goal.
func TestGoalThatBreaksARule(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("bad", "g", l.tx(1, 3, 101))
	l.order("a1", "bad")
	l.next("on it", "bad", l.tx(1, 3, 1))
	l.add("g", Extended)
	l.add("a1", Extended)
	l.add("bad", Side)
	on := l.blocks["on it"]
	l.headers(on)
	w := l.chain.store.Begin() // the body of the last one comes, and the reorg begins
	w.PutBlock(&on.SealedHeader, on.Hash(), []ledger.StoredTx{{Tx: on.Txs[0]}})
	w.PutSide(&on.SealedHeader, on.Hash())
	w.Info.Target = on.Hash()
	if err := l.chain.commit(w, true); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	l.expectTip("a1")
	l.check()
	if l.chain.FailedBlock(l.ref("bad").Hash) == nil {
		t.Error("the bad block is not marked")
	}
}

// TestHoleInTheStore checks that a header whose way down to the chain has a hole in the
// store is unknown, and so is what stands on it. Headers have to come again.
func TestHoleInTheStore(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.add("g", Extended)
	on := "g"
	for i := range 4 {
		name := fmt.Sprint("a", i)
		l.next(name, on, l.tx(1, 2, 1))
		l.add(name, Extended)
		on = name
	}
	on = "g"
	for i := range 5 {
		name := fmt.Sprint("b", i)
		l.next(name, on, l.tx(1, 3, 1))
		if _, err := l.chain.AddBlock(context.Background(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
		on = name
	}
	l.expectTip("b4")
	if err := l.chain.store.DB.Delete(key('h', l.ref("a1").Hash), nil); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	if _, err := l.chain.HeaderByHash(l.ref("a3").Hash); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("the header above the hole: %v", err)
	}
	l.next("a4", "a3", l.tx(1, 2, 1))
	if err := l.chain.AddHeaders(context.Background(), []*ledger.SealedHeader{&l.blocks["a4"].SealedHeader}); !errors.Is(err, ledger.ErrUnknownParent) {
		t.Errorf("a header on it: %v", err)
	}
	var headers []*ledger.SealedHeader
	for i := range 5 {
		headers = append(headers, &l.blocks[fmt.Sprint("a", i)].SealedHeader)
	}
	if err := l.chain.AddHeaders(context.Background(), headers); err != nil {
		t.Errorf("the headers again: %v", err)
	}
}

// TestReadErrorMidReorg checks that a record that cannot be read in the middle of a reorg
// stops the chain, since memory and disk part there. The next Open goes on.
func TestReadErrorMidReorg(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 10))
	l.order("a1", "b1")
	l.next("b2", "b1", l.tx(1, 3, 10))
	for _, name := range []string{"g", "a1"} {
		l.add(name, Extended)
	}
	l.add("b1", Side)
	ref := l.ref("b1")
	record := key('b', ref.Height, ref.Hash, uint32(0))
	body, err := l.chain.store.DB.Get(record, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.chain.store.Hook = func(step string) error {
		if step == "after" && l.chain.store.Info.Target != (ledger.Hash{}) { // the first step back
			return l.chain.store.DB.Delete(record, nil)
		}
		return nil
	}
	if _, err := l.chain.AddBlock(context.Background(), l.blocks["b2"]); !errors.Is(err, ledger.ErrStopped) || l.chain.Err() == nil {
		t.Fatalf("got %v, the chain's error is %v", err, l.chain.Err())
	}
	l.chain.store.Hook = nil
	if err := l.chain.store.DB.Put(record, body, nil); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	l.check()
	l.expectTip("b2")
	l.expectPool(l.blocks["a1"].Txs...)
}

// fork adds g, the chain's a1 and a2 on it, and beside them b1 and b2.
func (l *lab) fork() {
	l.t.Helper()
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("a2", "a1", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 10))
	l.next("b2", "b1", l.tx(1, 3, 10))
	l.order("a2", "b2")
	for _, name := range []string{"g", "a1", "a2"} {
		l.add(name, Extended)
	}
	l.add("b1", Side)
	l.add("b2", Side)
}

// TestBadEndsOfOneBranch checks that of a branch with many bad ends only the ends are
// tried again, not the way to them. What the way needs is missing here.
func TestBadEndsOfOneBranch(t *testing.T) {
	l := newLab(t)
	l.fork()
	l.next("b3", "b2", l.tx(1, 3, 80))
	l.next("bad", "b2", l.tx(1, 3, 81))
	l.reject("bad", ledger.FaultBlock, "items[0].amount")

	ref := l.ref("a2")
	record := key('b', ref.Height, ref.Hash, uint32(0))
	body, err := l.chain.store.DB.Get(record, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.chain.store.DB.Delete(record, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		b := l.next(fmt.Sprint("bad", i), "b2", l.tx(1, 3, 82))
		var rule *ledger.BlockError
		if _, err := l.chain.AddBlock(t.Context(), b); !errors.As(err, &rule) || rule.Field != "items[0].amount" {
			t.Fatalf("bad end %d: %v", i, err)
		}
	}
	if err := l.chain.store.DB.Put(record, body, nil); err != nil {
		t.Fatal(err)
	}
	l.add("b3", Reorged)
	l.check()
	l.expectTip("b3")
}

// TestReorgReadsOnce checks that the steps of a reorg take each account as its trial read
// it, also a trial that was kept. Here that balance is not the store's.
func TestReorgReadsOnce(t *testing.T) {
	l := newLab(t)
	l.fork()
	l.next("b3", "b2", l.tx(1, 3, 10))
	if !l.chain.Votes().Valid(l.ref("b2")) {
		t.Fatal("b2 is not valid")
	}
	for _, a := range l.chain.forks.trial.read {
		a.Balance += 1000
	}
	if did, err := l.chain.AddBlock(t.Context(), l.blocks["b3"]); did != Reorged || err != nil {
		t.Fatal(did, err)
	}
	for i, want := range map[int]int64{1: 1070, 2: 1000, 3: 1030} {
		if got, err := l.chain.store.Balance(ledgertest.Account(i)); got != want || err != nil {
			t.Errorf("account %d has %d, %v: want %d", i, got, err, want)
		}
	}
}

// bodies returns which of the named blocks the store has.
func (l *lab) bodies(names ...string) (there []string) {
	for _, name := range names {
		if has, err := l.chain.store.HasBody(l.ref(name)); err == nil && has {
			there = append(there, name)
		}
	}
	return there
}

// TestSideBodies checks that the store keeps a bounded number of transactions beside the
// chain, those of the branches with the most work. One that was evicted wins all the same.
func TestSideBodies(t *testing.T) {
	l := newLab(t)
	l.chain.forks.room = 4
	l.next("g", "", l.tx(0, 1, 100))
	l.add("g", Extended)
	on := "g"
	for i := range 6 {
		name := fmt.Sprint("a", i)
		l.next(name, on, l.tx(1, 2, 1))
		l.add(name, Extended)
		on = name
	}
	l.next("b0", "g", l.tx(1, 3, 1))
	l.next("b1", "b0", l.tx(1, 3, 1))
	l.next("b2", "b1", l.tx(1, 3, 1))
	for _, name := range []string{"b0", "b1", "b2"} {
		l.add(name, Side)
	}
	l.next("c3", "a2", l.tx(1, 4, 1))
	l.next("c4", "c3", l.tx(1, 4, 1), l.tx(1, 4, 1))
	l.add("c3", Side)
	all := []string{"b0", "b1", "b2", "c3", "c4"}
	if got := l.bodies(all...); len(got) != 4 {
		t.Fatalf("at the bound the store has %v", got)
	}
	l.add("c4", Side)
	if got, want := fmt.Sprint(l.bodies(all...)), "[b0 c3 c4]"; got != want {
		t.Errorf("over the bound the store has %s, want %s", got, want)
	}
	l.reopen()
	l.chain.forks.room = 4
	l.check()
	l.add("b1", Side) // evicted at once, being the end with the least work
	if got, want := fmt.Sprint(l.bodies(all...)), "[b0 c3 c4]"; got != want {
		t.Errorf("after a restart the store has %s, want %s", got, want)
	}
	l.headers(l.blocks["b1"], l.blocks["b2"])
	on = "b2"
	for i := 3; i < 7; i++ {
		name := fmt.Sprint("b", i)
		l.headers(l.next(name, on, l.tx(1, 3, 1)))
		on = name
	}
	for i := 1; i < 7; i++ {
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[fmt.Sprint("b", i)]); err != nil {
			t.Fatal(err)
		}
	}
	l.expectTip("b6")
	l.check()
}

// TestBranchBeingFetched checks that of the branches that would win, the one of which
// most is here stays whole beyond the bound, also beside one with more headers.
func TestBranchBeingFetched(t *testing.T) {
	l := newLab(t)
	l.chain.forks.room = 2
	l.next("g", "", l.tx(0, 1, 100))
	l.add("g", Extended)
	branch := func(prefix string, length int) (blocks []*ledger.Block) {
		on := "g"
		for i := range length {
			name := fmt.Sprint(prefix, i)
			blocks = append(blocks, l.next(name, on, l.tx(1, 3, 1)))
			on = name
		}
		return blocks
	}
	for i := range branch("a", 5) {
		l.add(fmt.Sprint("a", i), Extended)
	}
	l.headers(branch("b", 6)...)
	l.headers(branch("c", 9)...)
	for i := range 3 {
		l.add(fmt.Sprint("b", i), Side)
		if i < 2 {
			l.add(fmt.Sprint("c", i), Side)
		}
	}
	if got := l.bodies("b0", "b1", "b2", "c0", "c1"); len(got) != 5 {
		t.Fatalf("the store has %v", got)
	}
	l.add("b3", Side)
	l.add("c2", Side) // over the bound, so this branch goes, from its end
	if got, want := fmt.Sprint(l.bodies("b0", "b1", "b2", "b3", "c0", "c1", "c2")), "[b0 b1 b2 b3 c0 c1]"; got != want {
		t.Errorf("the store has %s, want %s", got, want)
	}
	for _, name := range []string{"b4", "b5"} {
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
	}
	l.expectTip("b5")
}

// TestFailedBodies checks that what a failed branch had in the store is deleted.
func TestFailedBodies(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("bad", "g", l.tx(1, 3, 101))
	l.order("a1", "bad")
	l.next("on it", "bad", l.tx(1, 3, 1))
	l.add("g", Extended)
	l.add("a1", Extended)
	l.add("bad", Side)
	if got := l.bodies("bad"); len(got) != 1 {
		t.Fatal("a body beside the chain is not kept")
	}
	l.reject("on it", ledger.FaultBlock, "items[0].amount")
	if got := l.bodies("bad", "on it"); len(got) != 0 {
		t.Errorf("after it failed the store has %v", got)
	}
}

// TestStagedBadBlock checks that a bad block that waited in the store for its parent
// counts as taken by no run, also when a crash came between the two.
func TestStagedBadBlock(t *testing.T) {
	l := newLab(t)
	g := l.next("g", "", l.tx(0, 1, 100))
	bad := l.next("bad", "g", l.tx(7, 1, 1))
	l.headers(g, bad)
	l.add("bad", Side)
	l.chain.store.Hook = func(step string) error {
		if step == "after" && l.chain.store.Info.Blocks == 1 { // g is on the disk, and bad was not tried
			return errCrash
		}
		return nil
	}
	if _, err := l.chain.AddBlock(t.Context(), g); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	l.reopen()
	l.expectTip("g")
	change, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{bad})
	var rule *ledger.BlockError
	if change != Held || !errors.As(err, &rule) || rule.Hash != bad.Hash() {
		t.Errorf("change %d, %v", change, err)
	}
	l.expectTip("g")
	l.check()
}
