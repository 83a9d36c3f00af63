package chain

import (
	"errors"
	"math/rand/v2"
	"testing"

	"foxchain/ledger"
)

// TestAddBlocks checks that a run is taken as far as it holds, in one visible step, and
// that the error is that of the first block not taken.
func TestAddBlocks(t *testing.T) {
	l := newLab(t)
	a := l.next("a", "", l.tx(0, 1, 10))
	b := l.next("b", "a", l.tx(1, 2, 5))
	poor := l.next("poor", "b", l.tx(3, 4, 5))
	above := l.next("above", "poor", l.tx(0, 1, 1))
	changed := l.chain.Changed()
	change, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a, b, poor, above})
	var rule *ledger.BlockError
	if change != Extended || !errors.As(err, &rule) || rule.Hash != poor.Hash() {
		t.Fatalf("%v, %v", change, err)
	}
	l.expectTip("b")
	select {
	case <-changed:
	default:
		t.Error("nobody was told")
	}
	if v, err := l.chain.View(); err != nil || v.Tip().Hash != b.Hash() {
		t.Errorf("the view is at %v (%v)", v.Tip(), err)
	}
	l.check()
}

// TestRunIsOneFsync checks that the last block of a run makes it durable, in no commit of its own.
func TestRunIsOneFsync(t *testing.T) {
	l := newLab(t)
	a := l.next("a", "", l.tx(0, 1, 10))
	b := l.next("b", "a", l.tx(1, 2, 5))
	before := l.chain.store.Info.Commits
	if _, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a, b}); err != nil {
		t.Fatal(err)
	}
	if n := l.chain.store.Info.Commits - before; n != 2 {
		t.Errorf("%d commits for two blocks", n)
	}
}

// TestAddBlocksBrokenBody checks that a body that does not fit its header ends the run
// there, and that the blocks before it are taken.
func TestAddBlocksBrokenBody(t *testing.T) {
	l := newLab(t)
	a := l.next("a", "", l.tx(0, 1, 10))
	b := l.next("b", "a", l.tx(1, 2, 5))
	wrong := &ledger.Block{SealedHeader: b.SealedHeader, Txs: a.Txs}
	change, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a, wrong})
	var rule *ledger.BlockError
	if change != Extended || !errors.As(err, &rule) || rule.Fault != ledger.FaultSender {
		t.Fatalf("%v, %v", change, err)
	}
	l.expectTip("a")
	l.add("b", Extended) // the true block is taken all the same
	if change, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a, b}); change != Held || err != nil {
		t.Errorf("a second time: %v, %v", change, err)
	}
	l.check()
}

// TestRunIsDurable checks that what a run wrote is on disk when it is shown, also where
// its last block was held already or broken. After a power cut the tip is no worse.
func TestRunIsDurable(t *testing.T) {
	for name, last := range map[string]func(l *lab, a, b *ledger.Block) *ledger.Block{
		"whole":      func(l *lab, _, b *ledger.Block) *ledger.Block { return l.next("c", "b", l.tx(0, 1, 1)) },
		"ends held":  func(_ *lab, a, _ *ledger.Block) *ledger.Block { return a },
		"ends badly": func(l *lab, _, _ *ledger.Block) *ledger.Block { return l.next("c", "b", l.tx(7, 1, 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			disk := newDisk(rand.New(rand.NewPCG(1, 1)))
			l.chain.Close()
			l.storage = disk
			l.open()
			a := l.next("a", "", l.tx(0, 1, 10))
			b := l.next("b", "a", l.tx(1, 2, 5))
			_, err := l.chain.AddBlocks(t.Context(), []*ledger.Block{a, b, last(l, a, b)})
			if rule := new(ledger.BlockError); err != nil && !errors.As(err, &rule) {
				t.Fatal(err)
			}
			shown := l.chain.Tip()
			l.storage = disk.survivor(lossAll)
			l.open()
			if got := l.chain.Tip(); got.Hash != shown.Hash {
				t.Errorf("%d blocks were shown, %d are there after a power cut", shown.Blocks, got.Blocks)
			}
		})
	}
}

// TestPartOfASwitchIsDurable checks that what a run led to is also durable where blocks
// that waited above it are taken, all or in part.
func TestPartOfASwitchIsDurable(t *testing.T) {
	for _, tt := range []struct {
		name   string
		run    bool   // two blocks are given at once
		breaks string // which of those that waited breaks a rule, if any
	}{{"of one block", false, "c"}, {"in a run", true, "c"}, {"nothing", false, "b"}, {"all of it", false, ""}} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			disk := newDisk(rand.New(rand.NewPCG(1, 1)))
			l.chain.Close()
			l.storage = disk
			l.open()
			tx, last, end := l.tx(0, 1, 5), l.tx(0, 1, 5), "c"
			switch tt.breaks {
			case "b":
				tx, end = l.tx(7, 1, 5), "a"
			case "c":
				last, end = tx, "b"
			}
			a := l.next("a", "", l.tx(0, 1, 100))
			b := l.next("b", "a", tx)
			l.headers(a, b, l.next("c", "b", last))
			l.add("b", Side)
			l.add("c", Side)
			run := []*ledger.Block{a}
			if tt.run {
				run = append(run, l.next("b2", "a", l.tx(0, 1, 2)))
			}
			change, err := l.chain.AddBlocks(t.Context(), run)
			var rule *ledger.BlockError
			if change != Extended || errors.As(err, &rule) != (tt.breaks != "") || rule != nil && l.names[rule.Hash] != tt.breaks {
				t.Errorf("%v, %v", change, err)
			}
			l.expectTip(end)
			shown := l.chain.Tip()
			l.storage = disk.survivor(lossAll)
			l.open()
			if got := l.chain.Tip(); got.Hash != shown.Hash {
				t.Errorf("%d blocks were shown, %d are there after a power cut", shown.Blocks, got.Blocks)
			}
		})
	}
}

// TestTwiceInLine checks that no block staged above a missing one takes what one below it took.
func TestTwiceInLine(t *testing.T) {
	l := newLab(t)
	twice := l.tx(0, 1, 5)
	a := l.next("a", "", l.tx(0, 1, 100))
	b := l.next("b", "a", twice)
	c := l.next("c", "b", twice)
	l.headers(a, b, c)
	l.submit(twice)
	l.add("b", Side)
	l.add("c", Side)
	var rule *ledger.BlockError
	if _, err := l.chain.AddBlock(t.Context(), a); !errors.As(err, &rule) || rule.Hash != c.Hash() {
		t.Errorf("%v, want that c holds a transaction twice", err)
	}
	l.check()
	l.expectTip("b")
	l.expectPool()
}

// TestBalanceBehindRevert checks that after a switch to a branch that does not touch an
// account the pool counts with what that account held below the branch.
func TestBalanceBehindRevert(t *testing.T) {
	l := newLab(t)
	paid := l.tx(0, 5, 50)
	l.next("g", "", l.tx(0, 1, 100))
	l.next("a1", "g", paid)
	l.next("b1", "g", l.tx(1, 3, 1))
	l.order("a1", "b1")
	l.next("b2", "b1", l.tx(1, 3, 1))
	l.add("g", Extended)
	l.add("a1", Extended)
	spends := l.tx(5, 6, 30)
	l.submit(spends)
	l.add("b1", Side)
	l.add("b2", Reorged)
	tpl := l.chain.Template(9)
	if len(tpl.Txs) != 2 || tpl.Txs[0].ID != paid.ID || tpl.Txs[1].ID != spends.ID {
		t.Fatalf("%d are payable, want what came back, then what it pays for", len(tpl.Txs))
	}
	l.next("c", "b2", tpl.Txs...)
	l.add("c", Extended)
}

// TestBalanceBehindLastStep checks that after a switch over several blocks the pool
// counts with the balances after the last.
func TestBalanceBehindLastStep(t *testing.T) {
	l := newLab(t)
	l.next("a", "", l.tx(0, 1, 100))
	l.add("a", Extended)
	l.submit(l.tx(1, 2, 60))
	b := l.next("b", "a", l.tx(0, 3, 1))
	c := l.next("c", "b", l.tx(1, 4, 30))
	d := l.next("d", "c", l.tx(1, 4, 30))
	l.headers(b, c, d)
	l.add("c", Side)
	l.add("d", Side)
	l.add("b", Extended)
	l.expectTip("d")
	if e := l.chain.Pool().List(0, 9); len(e) != 1 || e[0].Waiting != ledger.NoFunds(40, 60, 0) {
		t.Errorf("%+v", e)
	}
}
