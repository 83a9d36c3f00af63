package chain

import (
	"context"
	"errors"
	"fmt"

	"foxchain/ledger"
	"foxchain/ledger/pool"
)

// ErrNotBuilding reports that a block in the original's form came to a node that
// does not build and so cannot seal it.
var ErrNotBuilding = errors.New("this node does not build blocks, so it cannot seal one that is given without its header")

// A Seal completes a header (builder, proof, signature) for the node's builder.
type Seal func(context.Context, ledger.Header) (ledger.SealedHeader, error)

// A MergeError is the error of one block of a MergeBlocks list.
type MergeError struct {
	Index int
	Err   error
}

func (e *MergeError) Error() string { return e.Err.Error() }
func (e *MergeError) Unwrap() error { return e.Err }

// A merge is one call of MergeBlocks: try decides what becomes of each block, seal
// completes those in the original's form, write adds them.
type merge struct {
	c     *Chain
	steps []*mergeStep                  // the blocks to write
	given map[ledger.Hash]*ledger.Block // sealed blocks of the list so far

	// The chain's tip, moved by the list, and the state there.
	trial    *ledger.Overlay
	tip      ledger.Hash
	height   uint64 // of the next block
	unsealed bool   // the tip is the last step, which has no hash yet

	before *ledger.Hash // of the block before in the list; nil: not known, or not sealed yet
}

// A mergeStep is a block to be written.
type mergeStep struct {
	index      int
	block      *ledger.Block
	sealed     bool
	onPrevious bool // not sealed: its parent is the step before
}

// try decides on each block of the list, and applies those on the tip to the trial.
func (m *merge) try(blocks []*ledger.GivenBlock, builds bool) error {
	c := m.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	m.trial, m.tip, m.height = ledger.NewOverlay(c.store), c.store.Info.Tip, c.store.Info.Blocks
	for i, g := range blocks {
		var err error
		if g.Sealed != nil {
			err = m.sealed(i, g.Sealed)
		} else {
			err = m.original(i, g, builds)
		}
		if errors.Is(err, ledger.ErrStopped) {
			return err
		}
		if err != nil {
			return &MergeError{i, err}
		}
	}
	return nil
}

func (m *merge) sealed(i int, b *ledger.Block) error {
	f, hash := m.c.forks, b.Hash()
	m.before = &hash
	if mark := f.failed[hash]; mark != nil {
		return mark
	}
	n, on, err := f.find(hash)
	if err != nil {
		return err
	}
	if on || n != nil && n.body || m.given[hash] != nil {
		return nil
	}
	fault := ledger.BlockError{Fault: ledger.FaultSender, Height: b.Height, Hash: hash}
	height, err := f.heightAbove(b.Parent)
	if p := m.given[b.Parent]; p != nil {
		height, err = p.Height+1, nil
	}
	if errors.Is(err, ledger.ErrUnknownParent) {
		fault.Field, fault.Rule = "prev_hash", "is not a block that is known here"
		return &fault
	} else if err != nil {
		return err
	}
	if b.Height != height {
		fault.Field, fault.Rule = "height", "must be one more than the parent's"
		return &fault
	}
	if !m.unsealed && b.Parent == m.tip {
		if err := m.apply(b); err != nil {
			return err
		}
		m.tip = hash
	}
	m.given[hash] = b
	m.steps = append(m.steps, &mergeStep{index: i, block: b, sealed: true})
	return nil
}

func (m *merge) original(i int, g *ledger.GivenBlock, builds bool) error {
	f := m.c.forks
	parent := f.net.ID()
	if g.Parent != nil {
		parent = *g.Parent
	}
	known, err := m.knows(parent)
	if err != nil {
		return err
	}
	known = known && !g.ForeignParent
	onPrevious := false
	if !known {
		switch last := len(m.steps) - 1; {
		case m.unsealed && !m.steps[last].sealed && m.steps[last].index == i-1:
			onPrevious = true
		case m.before != nil:
			parent = *m.before
		default:
			return nil // not on the tip: passed over
		}
	}
	if !onPrevious && (m.unsealed || parent != m.tip) {
		m.before, err = f.childWith(parent, g.Txs)
		return err // held already, or not on the tip: passed over
	}
	if !builds {
		return ErrNotBuilding
	}
	b := &ledger.Block{Txs: g.Txs}
	b.Height, b.Parent, b.Count, b.Root = m.height, parent, uint32(len(g.Txs)), ledger.Root(g.Txs)
	if err := m.apply(b); err != nil {
		return err
	}
	m.steps = append(m.steps, &mergeStep{index: i, block: b, onPrevious: onPrevious})
	m.unsealed, m.before = true, nil
	return nil
}

// apply moves the trial by a block on the tip.
func (m *merge) apply(b *ledger.Block) error {
	m.height++
	return ledger.Apply(m.c.net, m.trial, b, make([]ledger.StoredTx, len(b.Txs)))
}

func (m *merge) knows(h ledger.Hash) (bool, error) {
	if m.given[h] != nil {
		return true, nil
	}
	n, on, err := m.c.forks.find(h)
	return n != nil || on, err
}

// seal seals the blocks that came without header, each on the one before.
func (m *merge) seal(ctx context.Context, seal Seal) error {
	for i, s := range m.steps {
		if s.sealed {
			continue
		}
		h := &s.block.Header
		if s.onPrevious {
			h.Parent = m.steps[i-1].block.Hash()
		}
		t := m.c.Template(0)
		h.Version, h.Bits, h.Time = t.Header.Version, t.Header.Bits, t.Header.Time
		var err error
		if s.block.SealedHeader, err = seal(ctx, *h); err != nil {
			return err
		}
	}
	return nil
}

// write adds the blocks in their order, and makes those beside the tip durable.
func (m *merge) write(ctx context.Context) error {
	c, side := m.c, false
	for _, s := range m.steps {
		change, err := c.AddBlock(ctx, s.block)
		if err != nil {
			return &MergeError{s.index, err}
		}
		side = side || change == Side
		if change == Side && !s.sealed {
			if err := m.keep(ctx, s); err != nil {
				return err
			}
		}
	}
	if !side {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	return c.commit(c.store.Begin(), true)
}

// keep puts the transactions of a block that this node sealed into the pool. The tip
// moved while the block was sealed, and its transactions were accepted all the same.
func (m *merge) keep(ctx context.Context, s *mergeStep) error {
	out, err := m.c.Submit(ctx, s.block.Txs, pool.FromClient)
	if err != nil {
		return err
	}
	for i, o := range out {
		if o.Refused != "" {
			return &MergeError{s.index, &ledger.BlockError{
				Fault: ledger.FaultSender, Height: s.block.Height, Hash: s.block.Hash(), Field: fmt.Sprintf("items[%d]", i),
				Rule: "another block came first, and now it cannot be taken: " + o.Refused,
			}}
		}
	}
	return nil
}
