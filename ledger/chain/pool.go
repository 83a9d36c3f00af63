package chain

import (
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"

	"github.com/google/uuid"
)

// A Pool reads the pool of a chain. It has no state of its own. The pool is under the
// chain's lock, so that no reader finds a transaction both in the pool and in a block, or
// in neither.
type Pool struct{ c *Chain }

// A PoolEntry is an immutable copy of an entry of the pool.
type PoolEntry struct {
	Arrival uint64 // rises in the order of commits; never used twice by a store
	Tx      *ledger.Transaction
	Origin  pool.Origin
	Age     time.Duration // of running time, since this node first saw it
	Waiting string        // why it cannot be paid yet; empty if payable
}

func (p Pool) entry(e *pool.Entry) PoolEntry {
	return PoolEntry{Arrival: e.Arrival, Tx: e.Tx, Origin: e.Origin, Age: p.c.running() - e.FirstSeen, Waiting: p.c.pool.Reason(e)}
}

// List returns up to limit entries with arrival numbers of start or more, in order.
func (p Pool) List(start uint64, limit int) []PoolEntry {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	list := p.c.pool.List(start, limit)
	out := make([]PoolEntry, len(list))
	for i, e := range list {
		out[i] = p.entry(e)
	}
	return out
}

// WithID returns the pool's entries with this ID, at most limit, an open sender's first.
// If sender is not nil, it returns only that sender's.
func (p Pool) WithID(id uuid.UUID, sender *uuid.UUID, limit int) (out []PoolEntry) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for _, e := range p.c.pool.WithID(id, sender, limit) {
		out = append(out, p.entry(e))
	}
	return out
}

// Each calls f with each transaction of the pool, in order of arrival, until f
// returns false. It holds the chain's lock, so f must be short and must not call the
// chain.
func (p Pool) Each(f func(*ledger.Transaction) bool) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.c.pool.Each(func(e *pool.Entry) bool { return f(e.Tx) })
}

// Get returns the pool's entries for keys, in their order. For an unknown key Tx is nil.
func (p Pool) Get(keys []ledger.TxKey) []PoolEntry {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	out := make([]PoolEntry, len(keys))
	for i, k := range keys {
		if e := p.c.pool.Get(k); e != nil {
			out[i] = p.entry(e)
		}
	}
	return out
}

// Wanted returns the keys to fetch from a peer. They are neither in the pool, nor in
// the chain, nor refused here for good.
func (p Pool) Wanted(keys []ledger.TxKey) ([]ledger.TxKey, error) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if err := p.c.ready(); err != nil {
		return nil, err
	}
	var out []ledger.TxKey
	for _, k := range keys {
		if p.c.pool.Get(k) != nil {
			continue
		}
		at, err := p.c.store.Place(k)
		if err != nil {
			return nil, err
		}
		if at != nil {
			continue
		}
		gone, err := p.c.store.GoneForGood(k)
		if err != nil {
			return nil, err
		}
		if len(gone) == 0 {
			out = append(out, k)
		}
	}
	return out, nil
}
