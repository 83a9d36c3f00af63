package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
)

// TestForkChoice follows the tip through a tree of blocks:
//
//	         a1 ── a2 ── a3
//	        /
//	"" ── g ── b1 ── b2 ── b3 ── b4
//	        \
//	         c1            (lower hash than a1)
func TestForkChoice(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("c1", "g", l.tx(1, 3, 20))
	l.order("c1", "a1")
	l.next("a2", "a1", l.tx(2, 3, 5))
	l.next("b1", "g", l.tx(1, 5, 50))
	l.next("b2", "b1", l.tx(5, 6, 50))
	l.order("a2", "b2")

	l.add("g", Extended)
	l.add("g", Held)
	l.add("a1", Extended)
	l.add("c1", Reorged) // as much work, the lower hash
	l.expectTip("c1")
	l.expectPool(l.blocks["a1"].Txs...)
	l.add("a2", Reorged) // more work
	l.expectPool(l.blocks["c1"].Txs...)
	l.add("b1", Side)
	l.add("b2", Side) // as much work, the higher hash
	l.expectTip("a2")
	l.next("b3", "b2", l.tx(6, 7, 50))
	l.add("b3", Reorged)
	l.expectPool(append(l.blocks["c1"].Txs, append(l.blocks["a1"].Txs, l.blocks["a2"].Txs...)...)...)
	l.next("a3", "a2", l.tx(2, 4, 5))
	l.order("b3", "a3")
	l.add("a3", Side)
	l.next("b4", "b3", l.tx(7, 1, 50))
	l.add("b4", Extended)
	l.reopen()
	l.check()
	l.expectTip("b4")
}

func TestUnknownParent(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	if _, err := l.chain.AddBlock(context.Background(), l.blocks["a1"]); !errors.Is(err, ledger.ErrUnknownParent) {
		t.Fatalf("got %v, want ErrUnknownParent", err)
	}
}

// TestHeadersFirst gives all headers of a branch, then its bodies from the wrong end. The
// switch happens when the last is there.
func TestHeadersFirst(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("a2", "a1", l.tx(1, 2, 10))
	var headers []*ledger.SealedHeader
	on := "g"
	for i := range 5 {
		name := fmt.Sprint("b", i+1)
		headers = append(headers, &l.next(name, on, l.tx(1, 3, 10)).SealedHeader)
		on = name
	}
	for _, name := range []string{"g", "a1", "a2"} {
		l.add(name, Extended)
	}
	if err := l.chain.AddHeaders(context.Background(), headers); err != nil {
		t.Fatalf("AddHeaders: %v", err)
	}
	got, err := l.chain.Candidates(2, 3, nil)
	if err != nil || len(got) != 1 || got[0].Tip != l.ref("b5") {
		t.Fatalf("candidates: %v, %v", got, err)
	}
	for i, ref := range got[0].Missing {
		if want := l.ref(fmt.Sprint("b", i+1)); ref != want {
			t.Fatalf("missing[%d] is %v, want %v", i, ref, want)
		}
	}
	for _, name := range []string{"b5", "b4", "b2"} {
		l.add(name, Side)
		l.expectTip("a2")
	}
	l.add("b1", Side) // b1 and b2 have as much work as a1 and a2, so they need a lower hash
	if l.names[l.chain.Tip().Hash] == "a2" {
		l.add("b3", Reorged)
	}
	l.expectTip("b5")
	if c, err := l.chain.Candidates(2, 3, nil); err != nil || len(c) != 0 {
		t.Fatalf("candidates after the reorg: %v, %v", c, err)
	}
}

// TestCounts checks what the status counts, also where headers alone came, and that a
// header which breaks a rule is marked.
func TestCounts(t *testing.T) {
	l := newLab(t)
	pooled, placed, unknown := l.tx(1, 2, 1), l.tx(0, 1, 100), l.tx(1, 2, 1)
	l.next("g", "", placed)
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 10))
	l.order("a1", "b1")
	b1, b2 := l.blocks["b1"], l.next("b2", "b1", l.tx(1, 3, 10))
	bad := l.next("c3", "b2", l.tx(1, 3, 10))
	bad.Count = ledger.MaxBlockTxs + 1
	bad.SealedHeader = bad.Header.Sign(l.net, l.key)
	want := func(rivals, reorgs uint64, sides int) {
		t.Helper()
		if st := l.chain.Status(); st.Rivals != rivals || st.Reorgs != reorgs || st.SideHeaders != sides {
			t.Errorf("%d rivals, %d reorgs, %d headers beside the chain", st.Rivals, st.Reorgs, st.SideHeaders)
		}
	}
	l.add("g", Extended)
	l.add("a1", Extended)
	want(0, 0, 0)
	if err := l.chain.AddHeaders(t.Context(), []*ledger.SealedHeader{&b1.SealedHeader, &b2.SealedHeader, &bad.SealedHeader}); err == nil {
		t.Fatal("the bad header is taken")
	}
	if l.chain.FailedBlock(bad.Hash()) == nil {
		t.Error("the bad header is not marked")
	}
	want(1, 0, 2)
	l.add("b1", Side)
	want(1, 0, 2)
	l.add("b2", Reorged)
	want(1, 1, 1)
	l.submit(pooled)
	keys := []ledger.TxKey{pooled.Key(), placed.Key(), unknown.Key()}
	if lacks, err := l.chain.Pool().Wanted(keys); err != nil || len(lacks) != 1 || lacks[0] != unknown.Key() {
		t.Errorf("wanted are %v, %v", lacks, err)
	}
}

// TestBadBranch checks that a branch with more work that breaks a rule in its second
// block does not become the chain. It is marked, and so is what comes on top of it.
func TestBadBranch(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", l.tx(1, 2, 10))
	l.next("a2", "a1", l.tx(1, 2, 10))
	l.next("b1", "g", l.tx(1, 3, 90))
	l.next("b2", "b1", l.tx(1, 4, 11)) // 10 left
	l.order("a2", "b2")
	l.next("b3", "b2", l.tx(3, 4, 1))
	l.next("b4", "b3", l.tx(3, 4, 1))
	for _, name := range []string{"g", "a1", "a2"} {
		l.add(name, Extended)
	}
	l.add("b1", Side)
	l.add("b2", Side)
	l.reject("b3", ledger.FaultBlock, "items[0].amount")
	l.expectTip("a2")
	if l.chain.FailedBlock(l.ref("b2").Hash) == nil {
		t.Fatal("b2 is not marked")
	}
	l.reject("b4", ledger.FaultBlock, "parent")
	l.reject("b2", ledger.FaultBlock, "items[0].amount")
}

func TestRefusedBlocks(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(l *lab, b *ledger.Block)
		fault ledger.Fault
		field string
	}{
		{"height", func(l *lab, b *ledger.Block) { b.Height = 7; b.SealedHeader = b.Header.Sign(l.net, l.key) }, ledger.FaultBlock, "height"},
		{"version", func(l *lab, b *ledger.Block) { b.Version = 2; b.SealedHeader = b.Header.Sign(l.net, l.key) }, ledger.FaultBlock, "version"},
		{"bits", func(l *lab, b *ledger.Block) { b.Bits = 1; b.SealedHeader = b.Header.Sign(l.net, l.key) }, ledger.FaultBlock, "bits"},
		{"signature", func(l *lab, b *ledger.Block) { b.Signature[3] ^= 1 }, ledger.FaultSender, "signature"},
		{"root", func(l *lab, b *ledger.Block) { b.Txs[0] = l.tx(1, 2, 3) }, ledger.FaultSender, "root"},
		{"count", func(l *lab, b *ledger.Block) { b.Txs = append(b.Txs, l.tx(1, 2, 3)) }, ledger.FaultSender, "count"},
		{"unaffordable", func(l *lab, b *ledger.Block) { l.body(b, l.tx(1, 2, 101)) }, ledger.FaultBlock, "items[0].amount"},
		{"overflow", func(l *lab, b *ledger.Block) { l.body(b, l.tx(0, 2, 1), l.tx(0, 2, ledger.MaxAmount)) }, ledger.FaultBlock, "items[1].amount"},
		{"issuer to issuer", func(l *lab, b *ledger.Block) { l.body(b, l.tx(0, 0, 1)) }, ledger.FaultBlock, "items[0].receiver"},
		{"zero amount", func(l *lab, b *ledger.Block) { l.body(b, l.tx(1, 2, 0)) }, ledger.FaultBlock, "items[0].amount"},
		{"twice in the block", func(l *lab, b *ledger.Block) { tx := l.tx(1, 2, 1); l.body(b, tx, tx) }, ledger.FaultBlock, "items[1].id"},
		{"already in the chain", func(l *lab, b *ledger.Block) { l.body(b, l.blocks["g"].Txs[0]) }, ledger.FaultBlock, "items[0].id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.next("g", "", l.tx(0, 1, 100))
			l.next("bad", "g", l.tx(1, 2, 10))
			l.add("g", Extended)
			good := *l.blocks["bad"]
			good.Txs = append([]*ledger.Transaction(nil), good.Txs...)
			tt.spoil(l, l.blocks["bad"])
			l.reject("bad", tt.fault, tt.field)
			l.expectTip("g")
			if marked := l.chain.FailedBlock(l.blocks["bad"].Hash()) != nil; marked != (tt.fault == ledger.FaultBlock) {
				t.Errorf("marked as failed: %v", marked)
			}
			// The true block is still taken. What a sender can spoil without changing the
			// hash must not stand in its way.
			l.blocks["good"] = &good
			l.names[good.Hash()] = "good"
			l.add("good", Extended)
			l.expectTip("good")
		})
	}
}

// body gives a block another body, with header and signature to match.
func (l *lab) body(b *ledger.Block, txs ...*ledger.Transaction) {
	b.Txs, b.Count, b.Root = txs, uint32(len(txs)), ledger.Root(txs)
	b.SealedHeader = b.Header.Sign(l.net, l.key)
}

func TestPoolThroughBlocks(t *testing.T) {
	l := newLab(t)
	mint, pay, poor := l.tx(0, 1, 100), l.tx(1, 2, 60), l.tx(3, 4, 5)
	l.submit(mint, pay, poor)
	st := l.chain.Status()
	if st.Payable != 2 || st.Waiting != 1 {
		t.Fatalf("status %+v, want 2 payable and 1 waiting", st)
	}
	if e := l.chain.Pool().List(0, 10)[2]; !strings.Contains(e.Waiting, "needs 5 more") {
		t.Fatalf("waiting: %q", e.Waiting)
	}
	tpl := l.chain.Template(10)
	if tpl.Header.Count != 2 {
		t.Fatalf("template holds %d", tpl.Header.Count)
	}
	l.next("g", "", tpl.Txs...)
	l.add("g", Extended)
	l.expectPool(poor)
	l.reopen()
	l.expectPool(poor)
	l.next("h", "g", l.tx(2, 3, 50))
	l.add("h", Extended)
	if st := l.chain.Status(); st.Payable != 1 || st.Waiting != 0 {
		t.Fatalf("status after the credit: %+v", st)
	}
}

func TestSubmitAgain(t *testing.T) {
	l := newLab(t)
	tx := l.tx(0, 1, 100)
	l.submit(tx)
	variant := *tx
	variant.T++
	other := *tx
	other.Amount++
	offer := func(tx *ledger.Transaction) Outcome {
		t.Helper()
		out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromPeer)
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	for range 2 {
		if o := offer(tx); !o.Held {
			t.Errorf("the same: %+v", o)
		}
		if o := offer(&variant); !o.Held {
			t.Errorf("a variant: %+v", o)
		}
		o := offer(&other)
		if o.Refused == "" || o.Taken || o.Held {
			t.Errorf("another with the same id: %+v", o)
		}
		if inChain := l.chain.Tip().Blocks > 0; o.Final != inChain {
			t.Errorf("final: %v, in the chain: %v", o.Final, inChain)
		}
		if l.blocks["g"] == nil {
			l.next("g", "", &variant)
			l.add("g", Extended)
			l.expectPool()
		}
	}
}

// TestConflictLost checks that the chain decides between two transactions with one ID.
// The one in this node's pool loses, and its receipt reports it.
func TestConflictLost(t *testing.T) {
	l := newLab(t)
	mine := l.tx(0, 1, 100)
	theirs := *mine
	theirs.Receiver = ledgertest.Account(9)
	l.submit(mine)
	l.next("g", "", &theirs)
	l.add("g", Extended)
	l.expectPool()
	r, err := l.chain.Receipts(mine.ID, nil, 10)
	if err != nil || len(r) != 1 || !r[0].Tx.Same(mine) || !strings.Contains(r[0].Reason, "block 0") || !r[0].Final {
		t.Fatalf("receipts: %+v, %v", r, err)
	}
}

func TestConcurrentSubmits(t *testing.T) {
	l := newLab(t)
	const workers, each = 16, 50
	batches := make([][]*ledger.Transaction, workers)
	for w := range batches {
		for range each {
			batches[w] = append(batches[w], l.tx(0, w+1, 1))
		}
	}
	var wg sync.WaitGroup
	for _, batch := range batches {
		wg.Go(func() {
			for _, tx := range batch {
				if out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromClient); err != nil || !out[0].Taken {
					t.Errorf("submit: %+v %v", out, err)
				}
			}
		})
	}
	wg.Wait()
	l.check()
	pool := l.chain.Pool().List(0, 1<<20)
	if len(pool) != workers*each {
		t.Fatalf("pool holds %d", len(pool))
	}
	for i, e := range pool {
		if e.Arrival != uint64(i) {
			t.Fatalf("entry %d has arrival number %d", i, e.Arrival)
		}
	}
	l.reopen()
	l.check()
	if n := len(l.chain.Pool().List(0, 1<<20)); n != workers*each {
		t.Fatalf("after reopening the pool holds %d", n)
	}
}

func viewOf(t *testing.T, l *lab) *store.View {
	t.Helper()
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func TestLocator(t *testing.T) {
	l := newLab(t)
	on := ""
	for i := range 40 {
		name := fmt.Sprint(i)
		l.next(name, on, l.tx(0, 1, 1))
		l.add(name, Extended)
		on = name
	}
	v := viewOf(t, l)
	locator, err := v.Locator()
	if err != nil {
		t.Fatal(err)
	}
	if locator[0] != l.chain.Tip().Hash || locator[len(locator)-1] != l.net.ID() {
		t.Fatal("a locator goes from the tip to the network's ID")
	}
	other := newLab(t)
	before := viewOf(t, other)
	hs, err := before.HeadersAfter(locator, 10)
	if err != nil || len(hs) != 0 {
		t.Fatalf("headers of an empty chain: %d, %v", len(hs), err)
	}
	empty, err := before.Locator()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		locator []ledger.Hash
		first   uint64
		n       int
	}{{empty, 0, 7}, {[]ledger.Hash{l.ref("11").Hash}, 12, 7}, {[]ledger.Hash{{9}, l.ref("38").Hash}, 39, 1}, {locator, 0, 0}} {
		hs, err := v.HeadersAfter(tt.locator, 7)
		if err != nil || len(hs) != tt.n {
			t.Fatalf("%d headers, %v; want %d", len(hs), err, tt.n)
		}
		if tt.n > 0 && hs[0].Height != tt.first {
			t.Fatalf("first header at %d, want %d", hs[0].Height, tt.first)
		}
	}
}

// TestDeepReorgWarning checks that the loud warning begins at 11 blocks, not at 10.
func TestDeepReorgWarning(t *testing.T) {
	for depth, want := range map[int]uint64{DeepReorg: 0, DeepReorg + 1: 1} {
		l := newLab(t)
		l.next("g", "", l.tx(0, 1, 100))
		l.add("g", Extended)
		for branch, n := range map[string]int{"a": depth, "b": depth + 1} {
			on := "g"
			for i := range n {
				name := fmt.Sprint(branch, i)
				l.next(name, on, l.tx(0, 1, 1))
				on = name
			}
		}
		for i := range depth {
			l.add(fmt.Sprint("a", i), Extended)
		}
		for i := range depth + 1 {
			if _, err := l.chain.AddBlock(t.Context(), l.blocks[fmt.Sprint("b", i)]); err != nil {
				t.Fatal(err)
			}
		}
		l.expectTip(fmt.Sprint("b", depth))
		if st := l.chain.Status(); st.DeepReorgs != want {
			t.Errorf("a reorg of %d blocks: %d loud warnings, want %d", depth, st.DeepReorgs, want)
		}
	}
}

// TestFirstSeenThroughBlocks checks that a transaction keeps the time at which this node
// first saw it, through a block that leaves the chain and through restarts. One that came
// with a block was first seen then.
func TestFirstSeenThroughBlocks(t *testing.T) {
	l := newLab(t)
	tx := l.tx(0, 1, 100)
	l.submit(tx)
	key := []ledger.TxKey{tx.Key()}
	seen := l.chain.pool.Get(tx.Key()).FirstSeen
	l.chain.ranFor += time.Hour // as if an hour passed
	later, fresh := l.tx(7, 1, 1), l.tx(0, 4, 1)
	l.submit(later)
	if age := l.chain.Pool().Get([]ledger.TxKey{later.Key()})[0].Age; age > time.Minute {
		t.Errorf("the age of what came now is %s", age)
	}
	l.next("a", "", tx, fresh)
	l.next("b1", "", l.tx(0, 2, 1))
	l.next("b2", "b1", l.tx(0, 2, 1))
	l.add("a", Extended)
	l.reopen()
	for _, name := range []string{"b1", "b2"} {
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
	}
	l.expectPool(later, tx, fresh)
	for _, when := range []string{"after the reorg", "after a restart"} {
		if got := l.chain.pool.Get(tx.Key()).FirstSeen; got.Milliseconds() != seen.Milliseconds() {
			t.Errorf("%s: first seen at %s, was %s", when, got, seen)
		}
		if age := l.chain.Pool().Get(key)[0].Age; age < time.Hour {
			t.Errorf("%s: the age is %s, want more than an hour", when, age)
		}
		if age := l.chain.Pool().Get([]ledger.TxKey{fresh.Key()})[0].Age; age < 0 || age > time.Minute {
			t.Errorf("%s: the age of what came with a block is %s", when, age)
		}
		l.reopen()
	}
}

// TestWaitsSinceItCame checks that what waited before a restart has waited since this
// node first saw it.
func TestWaitsSinceItCame(t *testing.T) {
	l := newLab(t)
	l.chain.ranFor += 2 * l.chain.expiry // as if so much passed
	wait := l.tx(7, 1, 1)
	l.submit(wait)
	for _, left := range []int{1, 0} {
		l.reopen()
		if err := l.chain.expire(); err != nil {
			t.Fatal(err)
		}
		if n := l.chain.Status().Waiting; n != left {
			t.Errorf("%d wait, want %d", n, left)
		}
		l.chain.ranFor += l.chain.expiry
		if err := l.chain.commit(l.chain.store.Begin(), true); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReturnedInOrder checks that what a reorg returns to the pool has the order of its
// blocks, in which it was paid.
func TestReturnedInOrder(t *testing.T) {
	l := newLab(t)
	var back []*ledger.Transaction
	for i, on := range []string{"", "a0", "a1", "a2"} {
		txs := []*ledger.Transaction{l.tx(0, i+1, 5), l.tx(i+1, i+2, 5), l.tx(i+2, 30, 3)}
		name := fmt.Sprint("a", i)
		l.next(name, on, txs...)
		l.add(name, Extended)
		back = append(back, txs...)
	}
	for i, on := range []string{"", "b0", "b1", "b2", "b3"} {
		name := fmt.Sprint("b", i)
		l.next(name, on, l.tx(0, 20, 1))
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
	}
	l.expectTip("b4")
	l.expectPool(back...)
	if st := l.chain.Status(); st.Payable != len(back) {
		t.Errorf("%d of %d can be paid", st.Payable, len(back))
	}
	l.check()
}

// TestFindBySender looks for one of several keyed senders that chose the same ID, beyond the
// limit too.
func TestFindBySender(t *testing.T) {
	l := newLab(t)
	var funds, same []*ledger.Transaction
	for n := range 5 {
		key := ledgertest.Key(n + 1)
		tx := l.tx(0, 1, 1)
		tx.Receiver = ledger.AccountOf(ledgertest.Public(key))
		funds = append(funds, tx)
		paid := l.tx(0, 1, 1)
		paid.ID = ledgertest.Account(99)
		paid.Sign(l.net, key)
		same = append(same, paid)
	}
	l.next("funds", "", funds...)
	l.next("same", "funds", same...)
	for _, name := range []string{"funds", "same"} {
		if _, err := l.chain.AddBlock(t.Context(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
	}
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, tx := range same {
		found, err := v.Find(tx.ID, &tx.Sender, 1)
		if err != nil || len(found) != 1 || found[0].Tx.Sender != tx.Sender {
			t.Errorf("of %s: %v, %v", tx.Sender, found, err)
		}
	}
	if found, err := v.Find(same[0].ID, nil, 3); err != nil || len(found) != 3 {
		t.Errorf("at most three: %v, %v", found, err)
	}
	if found, err := v.Find(same[0].ID, &funds[0].Sender, 3); err != nil || len(found) != 0 {
		t.Errorf("of somebody else: %v, %v", found, err)
	}
}
