package ledger

import "github.com/google/uuid"

// An accountCache holds the state of the accounts that were read or written
// last, as of the last commit: a transaction that is accepted and then committed
// reads its accounts from disk once. It is two generations: when the young one
// is full the old one is forgotten, so it holds cachedAccounts to twice as many,
// some 20 MiB at most. Twice the pool's bound fits in, so what waits in a full
// pool finds its accounts here. The zero cache is empty.
type accountCache struct {
	young, old map[uuid.UUID]account
}

// cachedAccounts is the size of a generation.
const cachedAccounts = MaxPool

func (c *accountCache) get(id uuid.UUID) (account, bool) {
	if a, ok := c.young[id]; ok {
		return a, true
	}
	a, ok := c.old[id]
	if ok {
		c.put(id, a)
	}
	return a, ok
}

func (c *accountCache) put(id uuid.UUID, a account) {
	if c.young == nil || len(c.young) >= cachedAccounts {
		c.old, c.young = c.young, make(map[uuid.UUID]account)
	}
	c.young[id] = a
}
