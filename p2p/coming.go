package p2p

import (
	"sync"

	"foxchain/ledger"
)

// A comings holds the blocks that will probably be the tip soon: their headers
// are here, and their bodies are asked for or being written. It says so to this
// node's builder, whose block would be a rival of theirs. At most maxComings;
// over it all are forgotten, and a rival may be built.
type comings struct {
	mu     sync.Mutex
	blocks map[ledger.Hash]uint64 // height
}

const maxComings = 64

// add notes a block that is on its way.
func (c *comings) add(b ledger.BlockRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks == nil || len(c.blocks) >= maxComings {
		c.blocks = make(map[ledger.Hash]uint64)
	}
	c.blocks[b.Hash] = b.Height
}

// remove notes that a block is here, or that nobody delivers it.
func (c *comings) remove(h ledger.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.blocks, h)
}

// all gives a copy.
func (c *comings) all() []ledger.BlockRef {
	c.mu.Lock()
	defer c.mu.Unlock()
	refs := make([]ledger.BlockRef, 0, len(c.blocks))
	for hash, height := range c.blocks {
		refs = append(refs, ledger.BlockRef{Height: height, Hash: hash})
	}
	return refs
}

// Coming reports whether a block that wins over the tip is on its way here: its
// header is known, and its body is being fetched or written. A block built now
// would be its rival. That it really comes is not certain: who announced it may
// keep the body to itself.
func (n *Node) Coming() bool {
	s := n.sync.Load()
	return s != nil && s.coming()
}

func (s *syncer) coming() bool {
	for _, ref := range s.comings.all() {
		if s.ahead(ref.Height+1, ref.Hash) {
			return true
		}
		s.comings.remove(ref.Hash) // the tip is that block or a better one by now
	}
	return false
}

// expect notes a gossiped header as on its way if it would win: until it is the
// tip, is not taken, or nobody delivers its body.
func (s *syncer) expect(h *ledger.SealedHeader) {
	if hash := h.Hash(); s.ahead(h.Height+1, hash) {
		s.comings.add(ledger.BlockRef{Height: h.Height, Hash: hash})
	}
}

// Announce tells the peers of a block that this node has built and sealed, just
// before it gives it to its own chain. Its header and body must hold. It waits
// for nothing; before Run it does nothing.
func (n *Node) Announce(b *ledger.Block) {
	s := n.sync.Load()
	if s != nil {
		s.announceOwn(n.ctx, b)
	}
}
