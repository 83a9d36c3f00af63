package chain

import (
	"context"
	"errors"
	"fmt"

	"foxchain/ledger"
	"foxchain/ledger/pool"
)

// ErrNotBuilding reports that this node does not build, and so cannot seal a block in the
// original's form.
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

// A merge is one call of MergeBlocks. plan decides on each block, and tries those on the
// tip. Then seal completes those in the original's form, and write adds all. Until a
// block is sealed, its hash is that of its incomplete header.
type merge struct {
	c     *Chain
	steps []mergeStep                   // the blocks to be written
	given map[ledger.Hash]*ledger.Block // the same blocks by hash

	// The chain's tip as the list moves it, and the state there.
	tip    ledger.Hash
	height uint64 // of the next block
	state  *ledger.Overlay

	before *ledger.Hash // the previous block in the list; nil if none or not known
}

// A mergeStep is a block to be written.
type mergeStep struct {
	index  int // in the list
	block  *ledger.Block
	sealed bool
}

// plan decides on each block of the list.
func (m *merge) plan(blocks []*ledger.GivenBlock, builds bool) error {
	c := m.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	m.tip, m.height, m.state = c.store.Info.Tip, c.store.Info.Blocks, ledger.NewOverlay(c.store, 0)
	for i, g := range blocks {
		var err error
		if g.Sealed != nil {
			err = m.planSealed(i, g.Sealed)
		} else {
			err = m.planOriginal(i, g, builds)
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

// planSealed plans to write a sealed block, unless it is held.
func (m *merge) planSealed(i int, b *ledger.Block) error {
	f, hash := m.c.forks, b.Hash()
	m.before = &hash
	if mark := f.mark(hash); mark != nil {
		return mark
	}
	n, on, err := f.find(hash)
	if err != nil || on || n != nil && n.body || m.given[hash] != nil {
		return err
	}
	fault := ledger.BlockError{Fault: ledger.FaultSender, Height: b.Height, Hash: hash}
	height, err := f.heightAbove(b.Parent)
	if p := m.given[b.Parent]; p != nil {
		height, err = p.Height+1, nil
	}
	switch {
	case errors.Is(err, ledger.ErrUnknownParent):
		fault.Field, fault.Rule = "prev_hash", "is not a block that is known here"
		return &fault
	case err != nil:
		return err
	case b.Height != height:
		fault.Field, fault.Rule = "height", "must be one more than the parent's"
		return &fault
	}
	return m.take(mergeStep{i, b, true})
}

// planOriginal plans to seal and write a block in the original's form, if it stands on
// the tip.
func (m *merge) planOriginal(i int, g *ledger.GivenBlock, builds bool) error {
	parent := g.Parent
	if parent != nil && m.given[*parent] == nil {
		n, on, err := m.c.forks.find(*parent)
		if err != nil {
			return err
		}
		if n == nil && !on {
			parent = nil
		}
	}
	if parent == nil {
		parent = m.before
	}
	if parent == nil {
		return nil // skipped
	}
	if *parent != m.tip { // skipped; if it is held, the next may be on it
		var err error
		m.before, err = m.c.forks.childWith(*parent, g.Txs)
		return err
	}
	if !builds {
		return ErrNotBuilding
	}
	b := &ledger.Block{SealedHeader: ledger.SealedHeader{Header: m.c.newHeader(m.height, m.tip, g.Txs)}, Txs: g.Txs}
	name := b.Hash()
	m.before = &name
	return m.take(mergeStep{i, b, false})
}

// take adds a block to the plan. One on the tip must be valid, and becomes the tip.
func (m *merge) take(s mergeStep) error {
	b, hash := s.block, s.block.Hash()
	if b.Parent == m.tip {
		if err := ledger.Apply(m.c.net, m.state, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
			return err
		}
		m.tip, m.height = hash, m.height+1
	}
	m.given[hash] = b
	m.steps = append(m.steps, s)
	return nil
}

// seal seals the blocks that came without header, each on the one before.
func (m *merge) seal(ctx context.Context, seal Seal) error {
	sealed := make(map[ledger.Hash]ledger.Hash) // by the hash before sealing
	for _, s := range m.steps {
		if s.sealed {
			continue
		}
		name := s.block.Hash()
		if parent, ok := sealed[s.block.Parent]; ok {
			s.block.Parent = parent
		}
		var err error
		if s.block.SealedHeader, err = seal(ctx, s.block.Header); err != nil {
			return err
		}
		sealed[name] = s.block.Hash()
	}
	return nil
}

// write adds the blocks in their order.
func (m *merge) write(ctx context.Context) error {
	for _, s := range m.steps {
		change, err := m.c.AddBlock(ctx, s.block)
		if err != nil {
			return &MergeError{s.index, err}
		}
		if change == Side && !s.sealed {
			if err := m.keep(ctx, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// keep puts the transactions of a block that this node sealed into the pool. They count
// as accepted, though the tip moved while the block was sealed.
func (m *merge) keep(ctx context.Context, s mergeStep) error {
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
