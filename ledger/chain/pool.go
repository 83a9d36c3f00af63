package chain

import (
	"fmt"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// Bounds of the pool. Submit refuses new transactions beyond them, while what a reorg
// returns is taken.
const (
	MaxPool    = 100_000
	MaxWaiting = 10_000
)

const defaultExpiry = 24 * time.Hour

// loadPool reads the pool from its records.
func (c *Chain) loadPool() error {
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c.pool.Now = e.FirstSeen // it may have waited since then
		if err := c.pool.Insert(e, c.store.Balance); err != nil {
			return err
		}
	}
	return nil
}

// expire takes out transactions that have waited for too long, each with a receipt.
// They are not taken from peers again, but a client may submit them again. It also
// writes the running time.
func (c *Chain) expire() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	w := c.store.Begin()
	old := c.pool.OldWaiting(c.running() - c.expiry)
	for _, e := range old {
		reason := fmt.Sprintf("expired after %s of waiting: %s", c.expiry.Round(time.Second), c.pool.Reason(e))
		if err := c.drop(w, e, reason, true); err != nil {
			return c.fail(err)
		}
	}
	if err := c.commit(w, len(old) > 0); err != nil || len(old) == 0 {
		return err
	}
	c.stats.Expired += uint64(len(old))
	c.log.Info("waiting transactions expired", "count", len(old))
	c.publish()
	return nil
}

// drop takes a waiting transaction out of the pool, with a receipt.
func (c *Chain) drop(w *store.Batch, e *pool.Entry, reason string, final bool) error {
	if err := w.PutReceipt(&store.Receipt{Tx: e.Tx, Reason: reason, Time: c.now(), Final: final}); err != nil {
		return err
	}
	c.pool.Now = c.running()
	c.pool.Remove(e)
	return c.records.take(w, []*pool.Entry{e})
}

// A Pool reads the pool of a chain. It has no state of its own: the pool is part of the
// chain, under its lock, so that no reader finds a transaction both in the pool and in
// a block, or in neither.
type Pool struct{ c *Chain }

// A PoolEntry is a transaction of the pool. It is a copy: nothing changes it.
type PoolEntry struct {
	Arrival uint64 // rises in the order of commits; never used twice by a store
	Tx      *ledger.Transaction
	Origin  pool.Origin
	Age     time.Duration // of running time, since this node first saw it
	Waiting string        // why it cannot be paid yet; empty: payable
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

// WithID returns the pool's entries with this ID, at most limit. That of an open sender is
// first.
func (p Pool) WithID(id uuid.UUID, limit int) (out []PoolEntry) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for _, e := range p.c.pool.WithID(id, limit) {
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

// Get returns the pool's entries for keys, in their order. The entry of a key that is
// not there has a nil Tx.
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
		r, err := p.c.store.GoneForGood(k)
		if err != nil {
			return nil, err
		}
		if r == nil {
			out = append(out, k)
		}
	}
	return out, nil
}
