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

// A Pool is the pool of a chain, in memory and in its records. It is under the
// chain's lock, so that no reader finds a transaction both in the pool and in a
// block, or in neither.
type Pool struct {
	c       *Chain
	expiry  time.Duration
	entries *pool.Pool
	records *poolRecords
	queue   submissions
}

func newPool(c *Chain, expiry time.Duration) *Pool {
	if expiry == 0 {
		expiry = defaultExpiry
	}
	return &Pool{
		c: c, expiry: expiry, entries: pool.New(c.net), records: newPoolRecords(),
		queue: submissions{turn: make(chan struct{}, 1)},
	}
}

// load reads the pool. It passes over what is in the chain already, which a record
// can hold only after damage.
func (p *Pool) load() error {
	entries, err := p.records.load(p.c.store)
	if err != nil {
		return err
	}
	for _, e := range entries {
		at, err := p.c.store.Place(e.Key)
		if err != nil {
			return err
		}
		if at != nil || p.entries.Get(e.Key) != nil {
			continue
		}
		p.entries.Now = e.FirstSeen // it may have waited since then
		if err := p.entries.Insert(e, p.balance); err != nil {
			return err
		}
	}
	return nil
}

// balance returns the balance of an account at the tip.
func (p *Pool) balance(id uuid.UUID) (int64, error) {
	a, err := p.c.store.Account(id)
	if err != nil {
		return 0, err
	}
	return a.Balance, nil
}

// A PoolEntry is a transaction of the pool. It is a copy: nothing changes it.
type PoolEntry struct {
	Arrival uint64 // rises in the order of commits; never used twice by a store
	Tx      *ledger.Transaction
	Origin  pool.Origin
	Age     time.Duration // of running time, since this node first saw it
	Waiting string        // why it cannot be paid yet; empty: payable
}

func (p *Pool) entry(e *pool.Entry) PoolEntry {
	return PoolEntry{Arrival: e.Arrival, Tx: e.Tx, Origin: e.Origin, Age: p.c.running() - e.FirstSeen, Waiting: p.entries.Reason(e)}
}

// List returns up to limit entries with arrival numbers of start or more, in order.
func (p *Pool) List(start uint64, limit int) []PoolEntry {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	list := p.entries.List(start, limit)
	out := make([]PoolEntry, len(list))
	for i, e := range list {
		out[i] = p.entry(e)
	}
	return out
}

// Keys returns the keys of the pool's transactions with this ID, at most limit. That
// of an open sender is first.
func (p *Pool) Keys(id uuid.UUID, limit int) []ledger.TxKey {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	var keys []ledger.TxKey
	for _, e := range p.entries.WithID(id, limit) {
		keys = append(keys, e.Key)
	}
	return keys
}

// Each calls f with each transaction of the pool, in order of arrival, until f
// returns false. It holds the chain's lock, so f must be short and must not call the
// chain.
func (p *Pool) Each(f func(*ledger.Transaction) bool) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.entries.Each(func(e *pool.Entry) bool { return f(e.Tx) })
}

// Get returns the pool's entries for keys, in their order. The entry of a key that is
// not there has a nil Tx.
func (p *Pool) Get(keys []ledger.TxKey) []PoolEntry {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	out := make([]PoolEntry, len(keys))
	for i, k := range keys {
		if e := p.entries.Get(k); e != nil {
			out[i] = p.entry(e)
		}
	}
	return out
}

// Lacks returns the keys to fetch from a peer. They are neither in the pool, nor in
// the chain, nor refused here for good.
func (p *Pool) Lacks(keys []ledger.TxKey) ([]ledger.TxKey, error) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if err := p.c.ready(); err != nil {
		return nil, err
	}
	var out []ledger.TxKey
	for _, k := range keys {
		if p.entries.Get(k) != nil {
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

// expire takes out transactions that have waited for too long, each with a receipt.
// They are not taken from peers again, but a client may submit them again. It also
// writes the running time.
func (p *Pool) expire() error {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if err := p.c.ready(); err != nil {
		return err
	}
	w := p.c.store.Begin()
	old := p.entries.OldWaiting(p.c.running() - p.expiry)
	keys := make([]ledger.TxKey, len(old))
	for i, e := range old {
		keys[i] = e.Key
		reason := fmt.Sprintf("expired after %s of waiting: %s", p.expiry.Round(time.Second), p.entries.Reason(e))
		if err := w.PutReceipt(&store.Receipt{Tx: e.Tx, Reason: reason, Time: time.Now(), Final: true}); err != nil {
			return err
		}
	}
	if err := p.records.take(w, old); err != nil {
		return err
	}
	if err := p.c.commit(w, len(old) > 0); err != nil {
		return err
	}
	if len(old) == 0 {
		return nil
	}
	p.entries.Now = p.c.running()
	p.entries.Remove(keys)
	p.c.stats.Expired += uint64(len(old))
	p.c.log.Info("waiting transactions expired", "count", len(old))
	p.c.publish()
	return nil
}
