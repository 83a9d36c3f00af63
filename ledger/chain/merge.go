package chain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
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

// MergeBlocks takes blocks from a client, each checked by ParseBlocks.
// In this order for each: one that is held already is passed over, and so is
// one in the original's form that is not on the tip; a transaction that is
// already in the chain that the block extends is a *DuplicateError; then the
// rules. All of the list is tried before any of it is written. A sealed block
// may stand on a side branch. One in the original's form on the tip is sealed
// with seal (nil: ErrNotBuilding); in a list, where its parent is not known, it
// means the block before it. The error is a *MergeError around a *BlockError,
// or our own.
func (c *Chain) MergeBlocks(ctx context.Context, blocks []*ledger.GivenBlock, seal Seal) error {
	for i, g := range blocks {
		var err error
		if g.Sealed != nil {
			if err = c.net.CheckHeader(&g.Sealed.SealedHeader); err == nil {
				err = c.net.CheckBody(&g.Sealed.Header, g.Txs)
			}
		} else {
			err = c.net.CheckBody(&ledger.Header{Count: uint32(len(g.Txs)), Root: ledger.Root(g.Txs)}, g.Txs)
		}
		if err != nil {
			return &MergeError{i, err}
		}
	}
	steps, err := c.tryMerge(blocks, seal != nil)
	if err != nil {
		return err
	}
	if err := c.sealAll(ctx, steps, seal); err != nil {
		return err
	}
	side := false
	for _, s := range steps {
		change, err := c.AddBlock(ctx, s.block)
		if err != nil {
			return &MergeError{s.index, err}
		}
		side = side || change == Side
		if change == Side && !s.sealed {
			if err := c.keep(ctx, s); err != nil {
				return err
			}
		}
	}
	if !side {
		return nil
	}
	return c.sync()
}

// sync makes durable what was written without: a block that waits on a side
// branch was accepted like any other.
func (c *Chain) sync() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	return c.commit(c.store.Begin(), true)
}

// keep puts the transactions of a block that this node sealed into the pool: the
// tip moved during the search, and they were accepted all the same.
func (c *Chain) keep(ctx context.Context, s *mergeStep) error {
	out, err := c.Submit(ctx, s.block.Txs, pool.FromClient)
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

// sealAll seals the blocks that came without header, each on the one before.
func (c *Chain) sealAll(ctx context.Context, steps []*mergeStep, seal Seal) error {
	for i, s := range steps {
		if s.sealed {
			continue
		}
		h := &s.block.Header
		if s.onPrevious {
			h.Parent = steps[i-1].block.Hash()
		}
		t := c.Template(0)
		h.Version, h.Bits, h.Time = t.Header.Version, t.Header.Bits, t.Header.Time
		sealed, err := seal(ctx, *h)
		if err != nil {
			return err
		}
		s.block.SealedHeader = sealed
	}
	return nil
}

// A mergeStep is a block to be written.
type mergeStep struct {
	index      int
	block      *ledger.Block
	sealed     bool
	onPrevious bool // not sealed: its parent is the step before
}

// A merge tries a list of blocks over overlays.
type merge struct {
	c     *Chain
	steps []*mergeStep
	given map[ledger.Hash]*ledger.Block // sealed blocks of the list so far

	// trial is the state at the block at, which is zero behind a step that has no
	// hash yet; nil: it was not had, since a body below is missing or the list
	// does not reach the tip's height.
	trial *ledger.Overlay
	at    ledger.Hash
	top   uint64 // the greatest height of a sealed block in the list
	// tip is where an original block must stand: the chain's tip, moved by the
	// list. unsealed: the tip is the last step, which has no hash yet.
	tip      ledger.Hash
	height   uint64
	unsealed bool
	// before is the block before in the list, if it is known where it stands.
	before *ledger.Hash
}

func (c *Chain) tryMerge(blocks []*ledger.GivenBlock, builds bool) ([]*mergeStep, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	m := &merge{
		c: c, given: make(map[ledger.Hash]*ledger.Block), trial: ledger.NewOverlay(c.store),
		at: c.store.Info.Tip, tip: c.store.Info.Tip, height: c.store.Info.Blocks,
	}
	for _, g := range blocks {
		if g.Sealed != nil {
			m.top = max(m.top, g.Sealed.Height)
		}
	}
	for i, g := range blocks {
		var err error
		if g.Sealed != nil {
			err = m.sealed(i, g.Sealed)
		} else {
			err = m.original(i, g, builds)
		}
		if errors.Is(err, ledger.ErrStopped) {
			return nil, err
		}
		if err != nil {
			return nil, &MergeError{i, err}
		}
	}
	return m.steps, nil
}

func (m *merge) sealed(i int, b *ledger.Block) error {
	c, hash := m.c, b.Hash()
	m.before = &hash
	if mark := c.forks.failed[hash]; mark != nil {
		return mark
	}
	n, on, err := c.find(hash)
	if err != nil {
		return err
	}
	if on || n != nil && n.body || m.given[hash] != nil {
		return nil
	}
	fault := ledger.BlockError{Fault: ledger.FaultSender, Height: b.Height, Hash: hash}
	height, err := c.heightAbove(b.Parent)
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
	if err := m.moveTo(b.Parent); err != nil {
		return err
	}
	if m.trial != nil {
		if err := ledger.Apply(c.net, m.trial, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
			return err
		}
	}
	m.at = hash
	m.given[hash] = b
	m.steps = append(m.steps, &mergeStep{index: i, block: b, sealed: true})
	if !m.unsealed && b.Parent == m.tip {
		m.tip, m.height = hash, height+1
	}
	return nil
}

func (m *merge) original(i int, g *ledger.GivenBlock, builds bool) error {
	c := m.c
	parent := c.net.ID()
	if g.Parent != nil {
		parent = *g.Parent
	}
	known, err := m.knows(parent)
	if err != nil {
		return err
	}
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
		m.before, err = c.childWith(parent, g.Txs)
		return err // held already, or not on the tip: passed over
	}
	if !builds {
		return ErrNotBuilding
	}
	if !m.unsealed {
		if err := m.moveTo(parent); err != nil {
			return err
		}
	}
	b := &ledger.Block{Txs: g.Txs}
	b.Height, b.Parent, b.Count, b.Root = m.height, parent, uint32(len(g.Txs)), ledger.Root(g.Txs)
	if err := ledger.Apply(c.net, m.trial, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
		return err
	}
	m.steps = append(m.steps, &mergeStep{index: i, block: b, onPrevious: onPrevious})
	m.height++
	m.unsealed, m.before, m.at = true, nil, ledger.Hash{}
	return nil
}

func (m *merge) knows(h ledger.Hash) (bool, error) {
	if h == m.c.net.ID() || m.given[h] != nil {
		return true, nil
	}
	n, on, err := m.c.find(h)
	return n != nil || on, err
}

// childWith returns the chain's block on parent when it holds these transactions,
// else nil: how a block in the original's form is recognised.
func (c *Chain) childWith(parent ledger.Hash, txs []*ledger.Transaction) (*ledger.Hash, error) {
	var height uint64
	if parent != c.net.ID() {
		n, on, err := c.find(parent)
		if err != nil || n != nil || !on {
			return nil, err
		}
		h, err := store.ReadHeader(c.store.DB, parent)
		if err != nil {
			return nil, err
		}
		height = h.Height + 1
	}
	if height >= c.store.Info.Blocks {
		return nil, nil
	}
	hash, err := store.ReadHash(c.store.DB, height)
	if err != nil {
		return nil, err
	}
	h, err := store.ReadHeader(c.store.DB, hash)
	if err != nil || int(h.Count) != len(txs) || h.Root != ledger.Root(txs) {
		return nil, err
	}
	return &hash, nil
}

// moveTo brings the trial state to the block h: over the blocks of the chain
// back to the fork, then forward over the branch. That may be a long way, so it
// is gone only when the list reaches the tip's height: a branch that stays below
// it cannot win now, and its rules are checked when it does.
func (m *merge) moveTo(h ledger.Hash) error {
	if m.at == h && m.trial != nil {
		return nil
	}
	c := m.c
	m.trial, m.at = nil, h
	if h != m.tip && m.top+1 < c.store.Info.Blocks {
		return nil
	}
	var up []ledger.Hash // highest first; the bodies one at a time, for the branch may be long
	fork := uint64(0)
	for at := h; at != c.net.ID(); {
		if b := m.given[at]; b != nil {
			up, at = append(up, at), b.Parent
			continue
		}
		n, on, err := c.find(at)
		if err != nil {
			return err
		}
		if on {
			sh, err := store.ReadHeader(c.store.DB, at)
			if err != nil {
				return err
			}
			fork = sh.Height + 1
			break
		}
		if n == nil || !n.body {
			return nil // cannot be tried now: its rules are checked when its branch wins
		}
		up, at = append(up, at), n.header.Parent
	}
	o := ledger.NewOverlay(c.store)
	for height := c.store.Info.Blocks; height > fork; height-- {
		_, items, err := c.blockAt(height - 1)
		if err != nil {
			return err
		}
		if err := ledger.Revert(c.net, o, items); err != nil {
			return err
		}
	}
	for _, hash := range slices.Backward(up) {
		b := m.given[hash]
		if b == nil {
			var err error
			if b, err = store.ReadBlock(c.store.DB, hash); err != nil {
				return err
			}
		}
		if err := ledger.Apply(c.net, o, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
			return err
		}
	}
	m.trial = o
	return nil
}
