package chain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
)

var errCrash = errors.New("the disk is gone (injected)")

// TestCrashAnywhere lets the disk fail before and after each commit of a story that
// submits, extends, reorganises (two blocks back, three forward) and submits again, then
// opens what was written. Whatever the step, the chain is whole, everything that was
// accepted is there exactly once, and the rest of the story leads to the same end.
//
//	g ── a1 ── a2
//	  \
//	   b1 ── b2 ── b3
func TestCrashAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("fails at each commit")
	}
	for _, when := range []string{"before", "after"} {
		for n := 0; ; n++ {
			steps := crashAt(t, when, n)
			if steps <= n {
				break
			}
		}
	}
}

// crashAt runs the story with the n-th commit failing and reports how many
// commits it had.
func crashAt(t *testing.T, when string, n int) (steps int) {
	t.Helper()
	l := newLab(t)
	defer func() {
		if t.Failed() {
			t.Logf("the disk failed %s commit %d", when, n)
		}
	}()
	crashed := false
	l.chain.store.Hook = func(step string) error {
		if step != when || crashed {
			return nil
		}
		steps++
		if steps-1 == n {
			crashed = true
			return errCrash
		}
		return nil
	}
	mint := l.tx(0, 1, 100)
	pays := []*ledger.Transaction{l.tx(1, 2, 10), l.tx(1, 3, 10), l.tx(2, 4, 5), l.tx(1, 5, 70), l.tx(7, 8, 1)}
	accepted := make(map[ledger.TxKey]bool)
	// do runs one step of the story. After a crash it opens the store again and does the
	// step once more, as a client or a peer would.
	do := func(step func() error) {
		t.Helper()
		err := step()
		if err != nil && crashed && errors.Is(err, ledger.ErrStopped) {
			if l.chain.Err() == nil {
				t.Fatal("a failed write did not stop the chain")
			}
			if _, err := l.chain.Submit(context.Background(), []*ledger.Transaction{l.tx(0, 1, 1)}, pool.FromClient); !errors.Is(err, ledger.ErrStopped) {
				t.Fatalf("a stopped chain answered a submission with %v", err)
			}
			l.reopen()
			l.check()
			expectAll(t, l.chain, accepted)
			err = step()
		}
		if err != nil {
			t.Fatal(err)
		}
		l.check()
		expectAll(t, l.chain, accepted)
	}
	submit := func(txs ...*ledger.Transaction) {
		t.Helper()
		do(func() error {
			_, err := l.chain.Submit(context.Background(), txs, pool.FromClient)
			return err
		})
		for _, tx := range txs {
			accepted[tx.Key()] = true
		}
	}
	block := func(name, on string, txs ...*ledger.Transaction) {
		t.Helper()
		l.next(name, on, txs...)
		do(func() error {
			_, err := l.chain.AddBlock(context.Background(), l.blocks[name])
			if errors.Is(err, ledger.ErrUnknownParent) {
				t.Fatalf("%s: %v", name, err)
			}
			return err
		})
	}
	submit(mint)
	submit(pays...)
	block("g", "", mint)
	block("a1", "g", pays[0])
	block("a2", "a1", pays[1], pays[2])
	block("b1", "g", pays[3], l.tx(0, 6, 9))
	block("b2", "b1", pays[0])
	block("b3", "b2", l.tx(0, 6, 9))
	// A crash may have made the node forget b1 and b2, so they are offered again.
	for _, name := range []string{"b1", "b2", "b3"} {
		do(func() error {
			_, err := l.chain.AddBlock(context.Background(), l.blocks[name])
			return err
		})
	}
	l.expectTip("b3")
	submit(l.tx(0, 9, 1))
	l.reopen()
	l.check()
	expectAll(t, l.chain, accepted)
	return steps
}

// expectAll expects each accepted transaction in the pool or in the chain (checkChain
// checks that it is not in both).
func expectAll(t *testing.T, c *Chain, accepted map[ledger.TxKey]bool) {
	t.Helper()
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for k := range accepted {
		found, err := v.Find(k.ID, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 && c.Pool().Get([]ledger.TxKey{k})[0].Tx == nil {
			t.Fatalf("accepted transaction %s is lost", k.ID)
		}
	}
}

// TestLostCommit takes one commit out of the middle, as LevelDB does when a part of its
// journal is damaged. Open refuses, since what came after it stands on what is gone.
func TestLostCommit(t *testing.T) {
	for lost := uint64(2); lost < 9; lost++ {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			l := newLab(t)
			on := ""
			for i := range 8 {
				name := fmt.Sprint(i)
				l.next(name, on, l.tx(0, 1, 10))
				l.add(name, Extended)
				on = name
			}
			if err := l.chain.store.DB.Delete(key('c', lost), nil); err != nil {
				t.Fatal(err)
			}
			l.chain.Close()
			_, err := Open(Config{Network: l.net, Storage: l.storage})
			if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "journal") {
				t.Errorf("open: %v", err)
			}
			l.storage = newDisk(nil) // for the cleanup
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	l := newLab(t)
	other, err := ledger.NamedNetwork("other")
	if err != nil {
		t.Fatal(err)
	}
	l.chain.Close()
	adopted, err := Open(Config{Network: other, Storage: l.storage})
	if err != nil || adopted.Tip().Hash != other.ID() {
		t.Fatalf("another network takes an unused ledger: %v", err)
	}
	adopted.Close()
	l.open()
	l.submit(l.tx(0, 1, 5))
	l.chain.Close()
	if _, err := Open(Config{Network: other, Storage: l.storage}); !errors.Is(err, store.ErrForeign) {
		t.Errorf("another network: %v", err)
	}
	l.open()
	l.chain.store.Info.Schema = store.SchemaVersion + 1
	l.chain.Close()
	if _, err := Open(Config{Network: l.net, Storage: l.storage}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("a newer schema: %v", err)
	}
	dir := t.TempDir()
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Network: l.net, Dir: dir}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("the same directory twice: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	c, err = Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatalf("after closing: %v", err)
	}
	c.Close()
}
