package chain

import (
	"context"
	"fmt"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// An Outcome is what became of one submitted transaction.
type Outcome struct {
	Taken   bool   // new in the pool, and on disk
	Held    bool   // the same transaction was here already: in the pool or the chain
	Waiting string // for Taken: why it cannot be paid yet; empty when it can
	Refused string // neither: why, in words for people
	Final   bool   // for Refused: it will never be taken from a peer (conflict with the chain, expired)
}

// submissions is the queue of Submit calls. The one that has the turn commits all
// that wait in one batch, so that concurrent calls share one fsync; the others
// return as soon as theirs is done, and do not wait for the next batch to let go
// of the chain's lock. It is bounded by its callers: each waits.
type submissions struct {
	mu      sync.Mutex
	waiting []*submission
	turn    chan struct{} // holds one value while somebody commits
}

type submission struct {
	txs  []*ledger.Transaction
	from pool.Origin
	out  []Outcome
	err  error
	done chan struct{} // closed when out and err are set
}

func (q *submissions) push(s *submission) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, s)
}

func (q *submissions) take() []*submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := q.waiting
	q.waiting = nil
	return all
}

// Submit offers transactions in order. It returns when all that were taken are
// on disk (fsync; concurrent calls share one), with an outcome each. The caps
// bound what is new: over MaxWaiting a transaction that cannot be paid yet is
// refused, over MaxPool any. A malformed one is a *FieldError with Item "[i]"
// and nothing is taken. Other errors are our own: context, ErrStopped.
func (c *Chain) Submit(ctx context.Context, txs []*ledger.Transaction, from pool.Origin) ([]Outcome, error) {
	for i, err := range c.net.CheckAll(txs) {
		if err != nil {
			err.Item = fmt.Sprintf("[%d]", i)
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &submission{txs: txs, from: from, out: make([]Outcome, len(txs)), done: make(chan struct{})}
	c.queue.push(s)
	select {
	case <-s.done:
	case c.queue.turn <- struct{}{}:
		c.commitQueue() // with s, unless the one before took it
		<-c.queue.turn
	}
	return s.out, s.err
}

// commitQueue commits all queued submissions in one batch. The caller has the
// turn: when it returns everything that was queued before is done.
func (c *Chain) commitQueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.queue.take()
	if len(queue) == 0 {
		return
	}
	err := c.ready()
	if err == nil {
		if err = c.acceptAll(queue); err != nil {
			err = c.fail(err) // the pool in memory may be ahead of the disk
		}
	}
	for _, s := range queue {
		s.err = err
		close(s.done)
	}
}

func (c *Chain) acceptAll(queue []*submission) error {
	w := c.store.Begin()
	taken, err := c.accept(w, queue)
	if err != nil || len(taken) == 0 {
		c.publishCounters()
		return err
	}
	if err := c.records.add(w, taken); err != nil {
		return err
	}
	// After this line the taken ones are durable, before it none is.
	if err := c.commit(w, true); err != nil {
		return err
	}
	c.publish()
	return nil
}

// accept decides on each queued transaction and puts the taken ones into the
// pool in memory.
func (c *Chain) accept(w *store.Batch, queue []*submission) ([]*pool.Entry, error) {
	var taken []*pool.Entry
	c.pool.Now = c.running()
	for _, s := range queue {
		for i, tx := range s.txs {
			out, err := c.judge(tx, s.from)
			if err != nil {
				return nil, err
			}
			if out.Taken {
				e := &pool.Entry{Arrival: w.Info.Arrival, Tx: tx, Key: tx.Key(), Origin: s.from, FirstSeen: c.pool.Now}
				w.Info.Arrival++
				if err := c.pool.Insert(e, c.balances()); err != nil {
					return nil, err
				}
				if err := w.Forgive(tx); err != nil { // a client may submit again what expired
					return nil, err
				}
				taken = append(taken, e)
			}
			if out.Refused != "" {
				c.stats.Refused++
			}
			s.out[i] = out
		}
	}
	return taken, nil
}

// judge decides what becomes of one submitted transaction. The caller holds mu.
func (c *Chain) judge(tx *ledger.Transaction, from pool.Origin) (Outcome, error) {
	key := tx.Key()
	if e := c.pool.Get(key); e != nil {
		if e.Tx.Same(tx) {
			return Outcome{Held: true, Waiting: c.pool.Reason(e)}, nil
		}
		return Outcome{Refused: fmt.Sprintf("another transaction with the id %s is in the pool: it moves %d from %s to %s", tx.ID, e.Tx.Amount, e.Tx.Sender, e.Tx.Receiver)}, nil
	}
	at, err := c.store.Place(key)
	if err != nil {
		return Outcome{}, err
	}
	if at != nil {
		return c.judgePlaced(tx, *at)
	}
	if from != pool.FromClient {
		r, err := c.store.GoneForGood(key)
		if err != nil {
			return Outcome{}, err
		}
		if r != nil {
			return Outcome{Refused: "gone here for good: " + r.Reason, Final: true}, nil
		}
	}
	capped := from != pool.FromReorg // what was accepted before stays accepted
	if capped && c.pool.Len() >= MaxPool {
		return Outcome{Refused: fmt.Sprintf("pool is full, retry later: it holds %d transactions", c.pool.Len())}, nil
	}
	why, err := c.pool.WouldWait(tx, c.balances())
	if err != nil {
		return Outcome{}, err
	}
	if capped && why != "" && c.pool.WaitingCount() >= MaxWaiting {
		return Outcome{Refused: fmt.Sprintf("%s, and %d transactions wait for money already: retry when it can be paid", why, c.pool.WaitingCount())}, nil
	}
	return Outcome{Taken: true, Waiting: why}, nil
}

// judgePlaced compares a submission with the transaction of the chain that has
// its key.
func (c *Chain) judgePlaced(tx *ledger.Transaction, at ledger.Place) (Outcome, error) {
	hash, err := store.ReadHash(c.store.DB, at.Height)
	if err != nil {
		return Outcome{}, err
	}
	ch, err := store.ReadChunk(c.store.DB, ledger.BlockRef{Height: at.Height, Hash: hash}, at.Index/store.ChunkTxs)
	if err != nil {
		return Outcome{}, err
	}
	it, err := ch.Item(int(at.Index % store.ChunkTxs))
	if err != nil {
		return Outcome{}, store.Damaged(fmt.Sprintf("block %d", at.Height), err)
	}
	if it.Tx.Same(tx) {
		return Outcome{Held: true}, nil
	}
	return Outcome{Refused: otherInBlock(tx.ID, at.Height), Final: true}, nil
}

func otherInBlock(id uuid.UUID, height uint64) string {
	return fmt.Sprintf("another transaction with the id %s is in block %d", id, height)
}

// A PoolEntry is a transaction of the pool. It is a copy: nothing changes it.
type PoolEntry struct {
	Arrival uint64 // rises in the order of commits; never used twice by a store
	Tx      *ledger.Transaction
	Origin  pool.Origin
	Age     time.Duration // of running time, since this node first saw it
	Waiting string        // why it cannot be paid yet; empty: payable
}

func (c *Chain) entry(e *pool.Entry) PoolEntry {
	return PoolEntry{Arrival: e.Arrival, Tx: e.Tx, Origin: e.Origin, Age: c.running() - e.FirstSeen, Waiting: c.pool.Reason(e)}
}

// Pool returns up to limit entries with arrival numbers of start or more, in order.
func (c *Chain) Pool(start uint64, limit int) []PoolEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.pool.List(start, limit)
	out := make([]PoolEntry, len(list))
	for i, e := range list {
		out[i] = c.entry(e)
	}
	return out
}

// PooledKeys returns the keys of the pool's transactions with this ID, at most
// limit: that of an open sender, then those of keyed senders.
func (c *Chain) PooledKeys(id uuid.UUID, limit int) []ledger.TxKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []ledger.TxKey
	for _, e := range c.pool.WithID(id, limit) {
		keys = append(keys, e.Key)
	}
	return keys
}

// EachPooled calls f with each transaction of the pool, in order of arrival,
// under the chain's lock, until f returns false: f must be short and must not
// call the chain.
func (c *Chain) EachPooled(f func(*ledger.Transaction) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pool.Each(func(e *pool.Entry) bool { return f(e.Tx) })
}

// Pooled returns the pool's entries for keys, in their order; the entry of a key
// that is not there has a nil Tx.
func (c *Chain) Pooled(keys []ledger.TxKey) []PoolEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]PoolEntry, len(keys))
	for i, k := range keys {
		if e := c.pool.Get(k); e != nil {
			out[i] = c.entry(e)
		}
	}
	return out
}

// Lacks returns the keys that are neither in the pool, nor in the chain, nor
// refused here for good: what to fetch from a peer.
func (c *Chain) Lacks(keys []ledger.TxKey) ([]ledger.TxKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	var out []ledger.TxKey
	for _, k := range keys {
		if c.pool.Get(k) != nil {
			continue
		}
		at, err := c.store.Place(k)
		if err != nil {
			return nil, err
		}
		if at != nil {
			continue
		}
		r, err := c.store.GoneForGood(k)
		if err != nil {
			return nil, err
		}
		if r == nil {
			out = append(out, k)
		}
	}
	return out, nil
}

// A Template is a block to be built on the tip from the payable transactions,
// without builder, nonce and signature. Header.Count is 0 when none is payable.
type Template struct {
	Header ledger.Header
	Txs    []*ledger.Transaction
}

// Template packs at most max payable transactions (and at most MaxBlockTxs), in
// an order in which all can be paid.
func (c *Chain) Template(max int) Template {
	c.mu.Lock()
	in := c.store.Info
	list := c.pool.Payable(min(max, ledger.MaxBlockTxs))
	c.mu.Unlock()
	t := Template{Txs: make([]*ledger.Transaction, len(list))}
	for i, e := range list {
		t.Txs[i] = e.Tx
	}
	t.Header = ledger.Header{
		Version: 1, Height: in.Blocks, Parent: in.Tip, Count: uint32(len(list)),
		Time: uint64(time.Now().UnixMilli()), Bits: c.net.Bits,
	}
	if len(list) > 0 {
		t.Header.Root = ledger.Root(t.Txs)
	}
	return t
}
