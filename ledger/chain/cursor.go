package chain

import (
	"fmt"

	"foxchain/ledger"
	"foxchain/ledger/store"
)

// A Cursor marks how far a reader has followed the chain. It stands after the block that
// was read last. The zero Cursor stands before the first block.
type Cursor struct {
	Next uint64      // height of the next block to read
	Last ledger.Hash // hash of the block below Next, if there is one
}

// AtTip returns the cursor after a tip.
func AtTip(t store.Tip) Cursor { return Cursor{Next: t.Blocks, Last: t.Hash} }

// AtHeight returns the cursor before the block of v at height, or after the tip if the
// chain is shorter.
func AtHeight(v *store.View, height uint64) (Cursor, error) {
	c := Cursor{Next: min(height, v.Tip().Blocks)}
	if c.Next == 0 {
		return c, nil
	}
	var err error
	c.Last, err = v.Hash(c.Next - 1)
	return c, err
}

// Step moves the cursor by one block towards the tip of v. While its last block is not on
// the chain of v, Step goes back to the fork, and returns each header that it leaves with
// reverted true. Then it goes up, and returns each header that it passes. At the tip it
// returns a nil header.
//
// The error is ErrUnknown if the chain has forgotten a header on the way back. The cursor
// does not move on an error.
func (c *Cursor) Step(chain *Chain, v *store.View) (h *ledger.SealedHeader, reverted bool, err error) {
	on, err := c.on(v)
	switch {
	case err != nil:
		return nil, false, err
	case !on:
		if h, err = chain.HeaderByHash(c.Last); err != nil {
			return nil, true, fmt.Errorf("block %s, which left the chain: %w", c.Last.Short(), err)
		}
		*c = Cursor{Next: h.Height, Last: h.Parent}
		return h, true, nil
	case c.Next == v.Tip().Blocks:
		return nil, false, nil
	}
	if h, err = v.Header(c.Next); err != nil {
		return nil, false, err
	}
	*c = Cursor{Next: h.Height + 1, Last: h.Hash()}
	return h, false, nil
}

// on reports whether the block that was read last is on the chain of v.
func (c *Cursor) on(v *store.View) (bool, error) {
	switch tip := v.Tip(); {
	case c.Next == 0:
		return true, nil
	case c.Next > tip.Blocks:
		return false, nil
	case c.Next == tip.Blocks:
		return c.Last == tip.Hash, nil
	}
	h, err := v.Hash(c.Next - 1)
	return h == c.Last, err
}
