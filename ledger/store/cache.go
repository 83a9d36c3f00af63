package store

import (
	"cmp"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// An accountCache holds the state of the accounts that were read or written
// last, as of the last commit: a transaction that is accepted and then committed
// reads its accounts from disk once. It is two generations: when the young one
// is full the old one is forgotten, and what is found in the old one goes into
// the young one. So the last cachedAccounts are in it, at most twice as many,
// some 17 MiB. The zero cache is empty.
type accountCache struct {
	young, old map[uuid.UUID]ledger.AccountState
	size       int // of a generation; 0: cachedAccounts. Tests make it small
}

const cachedAccounts = 100_000

func (c *accountCache) get(id uuid.UUID) (ledger.AccountState, bool) {
	if a, ok := c.young[id]; ok {
		return a, true
	}
	a, ok := c.old[id]
	if ok {
		c.put(id, a)
	}
	return a, ok
}

func (c *accountCache) put(id uuid.UUID, a ledger.AccountState) {
	if _, held := c.young[id]; !held && len(c.young) >= cmp.Or(c.size, cachedAccounts) || c.young == nil {
		c.old, c.young = c.young, make(map[uuid.UUID]ledger.AccountState)
	}
	c.young[id] = a
}
