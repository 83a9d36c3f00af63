package ledger

import "sync"

// A signatureCache remembers which transactions and headers were found to be
// signed as they must be, by the SHA-256 of their CBOR with the signature: one
// transaction comes from a client or by gossip, and again in a block, a header
// before its body and with it, and verifying a signature costs as much as all
// else that is done to them. It holds cachedSignatures to twice as
// many, at most some 10 MiB, in two generations: when the young one is full the
// old one is forgotten, and what is forgotten is verified again. It belongs to a
// Network, since a signature holds for one only.
type signatureCache struct {
	mu         sync.Mutex
	young, old map[Hash]struct{}
}

// cachedSignatures is the size of a generation.
const cachedSignatures = MaxPool

func newSignatureCache() *signatureCache {
	return &signatureCache{young: make(map[Hash]struct{})}
}

func (c *signatureCache) has(digest Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, young := c.young[digest]
	_, old := c.old[digest]
	return young || old
}

func (c *signatureCache) add(digest Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= cachedSignatures {
		c.old, c.young = c.young, make(map[Hash]struct{})
	}
	c.young[digest] = struct{}{}
}
