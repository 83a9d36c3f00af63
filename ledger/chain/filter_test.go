package chain

import (
	"context"
	"testing"

	"foxchain/ledger/ledgertest"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// checkFilter checks that the filter, where there is one, denies nothing that
// the store holds.
func checkFilter(t testing.TB, c *Chain) {
	t.Helper()
	for _, prefix := range []byte{'a', 't'} {
		it := c.store.DB.NewIterator(util.BytesPrefix(key(prefix)), nil)
		for it.Next() {
			if c.store.Lacks(it.Key()) {
				t.Fatalf("the filter denies the key %x, which is in the store", it.Key())
			}
		}
		it.Release()
		if err := it.Error(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFilter: a filter that is filled from disk while blocks come denies nothing
// that is there and nearly all that is not; before it is full it says nothing.
func TestFilter(t *testing.T) {
	l := newLab(t)
	l.chain.Close()
	l.dir = t.TempDir()
	l.open()
	parent := l.net.ID()
	grow := func(blocks int) {
		for range blocks {
			b := l.sealed(l.chain.Tip().Blocks, parent, ledgertest.Minted(500))
			l.commit(b)
			parent = b.Hash()
		}
	}
	grow(40) // more keys than are read in one step
	l.chain.Close()
	c, err := Open(Config{Network: l.net, Dir: l.dir})
	if err != nil {
		t.Fatal(err)
	}
	l.chain = c
	absent := key('a', uuid.New())
	if c.store.Lacks(absent) {
		t.Fatal("a filter that is not there denies a key")
	}
	filled := make(chan error, 1)
	go func() { filled <- c.store.FillFilter(context.Background(), &c.mu, c.ready) }()
	grow(10)
	if err := <-filled; err != nil {
		t.Fatal(err)
	}
	checkFilter(t, c)
	wrong := 0
	for range 10_000 {
		if !c.store.Lacks(key('a', uuid.New())) {
			wrong++
		}
	}
	if wrong > 10 {
		t.Errorf("the filter is wrong about %d of 10000 keys", wrong)
	}
}

// TestFilterEnds: filling ends with its context, and the filter then says nothing.
func TestFilterEnds(t *testing.T) {
	l := newLab(t)
	b := l.sealed(0, l.net.ID(), ledgertest.Minted(5000))
	l.commit(b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.chain.store.FillFilter(ctx, &l.chain.mu, l.chain.ready); err == nil {
		t.Fatal("filled after its end")
	}
	if l.chain.store.Lacks(key('a', uuid.New())) {
		t.Error("a filter that was not filled denies a key")
	}
}
