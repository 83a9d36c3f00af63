package chain

import (
	"context"
	"errors"
	"testing"

	"foxchain/ledger"
)

// given makes the form in which a client gives a block: sealed, or with items
// and prev_hash only.
func (l *lab) given(name string, original bool) *ledger.GivenBlock {
	b := l.blocks[name]
	g := &ledger.GivenBlock{Txs: b.Txs, Parent: &b.Parent}
	if !original {
		g.Sealed = b
	}
	return g
}

// merge merges blocks. One whose name ends in * is given in the original's form, and one
// whose name ends in ? in that form with a prev_hash of the original.
func (l *lab) merge(names ...string) error {
	l.t.Helper()
	var list []*ledger.GivenBlock
	for _, name := range names {
		switch n := len(name) - 1; name[n] {
		case '*':
			list = append(list, l.given(name[:n], true))
		case '?':
			list = append(list, &ledger.GivenBlock{Txs: l.blocks[name[:n]].Txs})
		default:
			list = append(list, l.given(name, false))
		}
	}
	seal := func(_ context.Context, h ledger.Header) (ledger.SealedHeader, error) {
		h.Builder = l.builder()
		h.Search(0, func() bool { return false })
		return h.Sign(l.net, l.key), nil
	}
	err := l.chain.MergeBlocks(context.Background(), list, seal)
	l.check()
	return err
}

func TestMergeBlocks(t *testing.T) {
	const either = -1 // as the hashes fall
	tests := []struct {
		name    string
		have    []string // added before
		give    []string
		blocks  uint64 // in the chain afterwards
		pool    int    // transactions in the pool afterwards, or either
		badItem int    // index of the block that is refused
		field   string // empty: all are accepted
		dup     bool
	}{
		{name: "sealed", give: []string{"g", "a1"}, blocks: 2},
		{name: "sealed, held", have: []string{"g"}, give: []string{"g"}, blocks: 1},
		{name: "sealed, on a side branch", have: []string{"g", "a1", "a2"}, give: []string{"b1"}, blocks: 3},
		{name: "sealed, a branch that wins", have: []string{"g", "a1"}, give: []string{"b1", "b2", "b3"}, blocks: 4, pool: 1},
		{name: "sealed, unknown parent", give: []string{"a1"}, field: "prev_hash"},
		{name: "sealed, a wrong height", have: []string{"g"}, give: []string{"high"}, blocks: 1, field: "height"},
		{name: "sealed, one breaks a rule: none is written", have: []string{"g"}, give: []string{"a1", "poor"}, blocks: 1, badItem: 1, field: "items[0].amount"},
		{name: "sealed, duplicate on its own branch", have: []string{"g"}, give: []string{"dup"}, blocks: 1, field: "items[0].id", dup: true},
		{name: "original, first", give: []string{"g*"}, blocks: 1},
		{name: "original, on the tip", have: []string{"g"}, give: []string{"a1*"}, blocks: 2},
		{name: "original, not on the tip", have: []string{"g", "a1"}, give: []string{"b1*"}, blocks: 2},
		{name: "original, held", have: []string{"g", "a1"}, give: []string{"g*", "a1*"}, blocks: 2},
		{name: "original, unknown parent means the one before", give: []string{"g*", "a1*", "a2*"}, blocks: 3},
		{name: "original, the whole chain of another node again", have: []string{"g", "a1"}, give: []string{"g*", "a1*", "a2*"}, blocks: 3},
		{name: "original, unknown parent alone", have: []string{"g"}, give: []string{"a2*"}, blocks: 1},
		{name: "original, its links", give: []string{"g*", "a1?", "a2?"}, blocks: 3},
		{name: "original, its links, grown", have: []string{"g", "a1"}, give: []string{"g*", "a1?", "a2?"}, blocks: 3},
		{name: "original, its link alone", have: []string{"g"}, give: []string{"a1?"}, blocks: 1},
		{name: "original, its links on another chain", have: []string{"g", "a1"}, give: []string{"g*", "b1?", "b2?"}, blocks: 2},
		{name: "sealed, its link behind", give: []string{"g", "a1?"}, blocks: 2},
		{name: "original, duplicate", have: []string{"g"}, give: []string{"dup*"}, blocks: 1, field: "items[0].id", dup: true},
		{name: "original, second breaks a rule", give: []string{"g*", "a1*", "poor*"}, blocks: 0, badItem: 2, field: "items[0].amount"},
		{name: "sealed, then original on it", give: []string{"g", "a1*"}, blocks: 2},
		{name: "original, a side branch, original behind that", have: []string{"g"}, give: []string{"a1*", "b1", "a2*"}, blocks: 2, pool: either},
		{name: "original, held, original behind that", have: []string{"g"}, give: []string{"a1*", "g", "a2*"}, blocks: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			mint := l.tx(0, 1, 100)
			l.next("g", "", mint)
			l.next("a1", "g", l.tx(1, 2, 10))
			l.next("a2", "a1", l.tx(1, 2, 10))
			l.next("b1", "g", l.tx(1, 3, 10))
			l.next("b2", "b1", l.tx(1, 3, 10))
			l.next("b3", "b2", l.tx(1, 3, 10))
			l.next("dup", "g", mint)
			high := l.next("high", "g", l.tx(1, 3, 10))
			high.Height = 7
			high.SealedHeader = high.Header.Sign(l.net, l.key)
			l.next("poor", "a1", l.tx(1, 2, 95))
			for _, name := range tt.have {
				l.add(name, Extended)
			}
			err := l.merge(tt.give...)
			if got := l.chain.Tip().Blocks; got != tt.blocks {
				t.Errorf("the chain has %d blocks, want %d (%v)", got, tt.blocks, err)
			}
			if got := l.chain.Status().Pool; got != tt.pool && tt.pool != either {
				t.Errorf("%d are in the pool, want %d", got, tt.pool)
			}
			if tt.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var at *MergeError
			var rule *ledger.BlockError
			if !errors.As(err, &at) || !errors.As(err, &rule) {
				t.Fatalf("got %v, want a MergeError around a BlockError", err)
			}
			if at.Index != tt.badItem || rule.Field != tt.field {
				t.Errorf("block %d, %s (%v); want block %d, %s", at.Index, rule.Field, err, tt.badItem, tt.field)
			}
			var dup *ledger.DuplicateError
			if errors.As(err, &dup) != tt.dup {
				t.Errorf("duplicate: %v, want %v", !tt.dup, tt.dup)
			}
		})
	}
}

func TestMergeWithoutBuilder(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	err := l.chain.MergeBlocks(context.Background(), []*ledger.GivenBlock{l.given("g", true)}, nil)
	if !errors.Is(err, ErrNotBuilding) {
		t.Fatalf("got %v", err)
	}
	if err := l.chain.MergeBlocks(context.Background(), []*ledger.GivenBlock{l.given("g", false)}, nil); err != nil {
		t.Fatalf("a sealed block needs no builder: %v", err)
	}
}

// TestMergeLosesRace moves the tip while an original block is sealed. Its transactions
// were accepted all the same, and are in the pool.
func TestMergeLosesRace(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 100))
	mine, theirs := l.tx(1, 2, 10), l.tx(1, 3, 10)
	l.next("mine", "g", mine)
	l.next("a1", "g", theirs)
	l.next("a2", "a1", l.tx(1, 3, 10))
	l.add("g", Extended)
	seal := func(_ context.Context, h ledger.Header) (ledger.SealedHeader, error) {
		l.add("a1", Extended)
		l.add("a2", Extended)
		h.Builder = l.builder()
		return h.Sign(l.net, l.key), nil
	}
	if err := l.chain.MergeBlocks(context.Background(), []*ledger.GivenBlock{l.given("mine", true)}, seal); err != nil {
		t.Fatal(err)
	}
	l.expectTip("a2")
	l.expectPool(mine)
}
