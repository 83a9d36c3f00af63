package ledger

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
)

// An Origin says where a transaction came from.
type Origin uint8

const (
	FromClient Origin = iota // a client of this node: the node gossips it
	FromPeer                 // another node accepted it
	FromReorg                // a block that left the chain gave it back
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
	txs  []*Transaction
	from Origin
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
func (c *Chain) Submit(ctx context.Context, txs []*Transaction, from Origin) ([]Outcome, error) {
	for i, err := range c.net.checkAll(txs) {
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
	w := c.store.begin()
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
func (c *Chain) accept(w *commit, queue []*submission) ([]*pooled, error) {
	var taken []*pooled
	c.pool.now = c.running()
	for _, s := range queue {
		for i, tx := range s.txs {
			out, err := c.judge(tx, s.from)
			if err != nil {
				return nil, err
			}
			if out.Taken {
				e := &pooled{arrival: w.info.Arrival, tx: tx, key: tx.Key(), origin: s.from, firstSeen: c.pool.now}
				w.info.Arrival++
				if err := c.pool.insert(e, c.balances()); err != nil {
					return nil, err
				}
				if err := c.forgive(w, tx); err != nil { // a client may submit again what expired
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

// judge says what becomes of one submitted transaction. The caller holds mu.
func (c *Chain) judge(tx *Transaction, from Origin) (Outcome, error) {
	key := tx.Key()
	if e := c.pool.get(key); e != nil {
		if e.tx.Same(tx) {
			return Outcome{Held: true, Waiting: c.pool.reason(e)}, nil
		}
		return Outcome{Refused: fmt.Sprintf("another transaction with the id %s is in the pool: it moves %d from %s to %s", tx.ID, e.tx.Amount, e.tx.Sender, e.tx.Receiver)}, nil
	}
	at, err := c.store.place(key)
	if err != nil {
		return Outcome{}, err
	}
	if at != nil {
		return c.judgePlaced(tx, *at)
	}
	if from != FromClient {
		r, err := c.goneForGood(key)
		if err != nil {
			return Outcome{}, err
		}
		if r != nil {
			return Outcome{Refused: "gone here for good: " + r.Reason, Final: true}, nil
		}
	}
	capped := from != FromReorg // what was accepted before stays accepted
	if capped && c.pool.len() >= MaxPool {
		return Outcome{Refused: fmt.Sprintf("pool is full, retry later: it holds %d transactions", c.pool.len())}, nil
	}
	why, err := c.pool.wouldWait(tx, c.balances())
	if err != nil {
		return Outcome{}, err
	}
	if capped && why != "" && c.pool.waitingCount() >= MaxWaiting {
		return Outcome{Refused: fmt.Sprintf("%s, and %d transactions wait for money already: retry when it can be paid", why, c.pool.waitingCount())}, nil
	}
	return Outcome{Taken: true, Waiting: why}, nil
}

// judgePlaced compares a submission with the transaction of the chain that has
// its key.
func (c *Chain) judgePlaced(tx *Transaction, at Place) (Outcome, error) {
	hash, err := readHash(c.store.db, at.Height)
	if err != nil {
		return Outcome{}, err
	}
	ch, err := readChunk(c.store.db, BlockRef{at.Height, hash}, at.Index/chunkTxs)
	if err != nil {
		return Outcome{}, err
	}
	it, err := ch.item(int(at.Index % chunkTxs))
	if err != nil {
		return Outcome{}, damaged(fmt.Sprintf("block %d", at.Height), err)
	}
	if it.tx.Same(tx) {
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
	Tx      *Transaction
	Origin  Origin
	Age     time.Duration // of running time, since this node first saw it
	Waiting string        // why it cannot be paid yet; empty: payable
}

func (c *Chain) entry(e *pooled) PoolEntry {
	return PoolEntry{Arrival: e.arrival, Tx: e.tx, Origin: e.origin, Age: c.running() - e.firstSeen, Waiting: c.pool.reason(e)}
}

// Pool gives up to limit entries with arrival numbers of start or more, in order.
func (c *Chain) Pool(start uint64, limit int) []PoolEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.pool.list(start, limit)
	out := make([]PoolEntry, len(list))
	for i, e := range list {
		out[i] = c.entry(e)
	}
	return out
}

// PooledKeys gives the keys of the pool's transactions with this ID, at most
// limit: that of an open sender, then those of keyed senders.
func (c *Chain) PooledKeys(id uuid.UUID, limit int) []TxKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	var keys []TxKey
	for _, e := range c.pool.withID(id, limit) {
		keys = append(keys, e.key)
	}
	return keys
}

// EachPooled calls f with each transaction of the pool, in order of arrival,
// under the chain's lock, until f returns false: f must be short and must not
// call the chain.
func (c *Chain) EachPooled(f func(*Transaction) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pool.each(func(e *pooled) bool { return f(e.tx) })
}

// Pooled gives the pool's entries for keys, in their order; the entry of a key
// that is not there has a nil Tx.
func (c *Chain) Pooled(keys []TxKey) []PoolEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]PoolEntry, len(keys))
	for i, k := range keys {
		if e := c.pool.get(k); e != nil {
			out[i] = c.entry(e)
		}
	}
	return out
}

// Lacks gives the keys that are neither in the pool, nor in the chain, nor
// refused here for good: what to fetch from a peer.
func (c *Chain) Lacks(keys []TxKey) ([]TxKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	var out []TxKey
	for _, k := range keys {
		if c.pool.get(k) != nil {
			continue
		}
		at, err := c.store.place(k)
		if err != nil {
			return nil, err
		}
		if at != nil {
			continue
		}
		r, err := c.goneForGood(k)
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
	Header Header
	Txs    []*Transaction
}

// Template packs at most max payable transactions (and at most MaxBlockTxs), in
// an order in which all can be paid.
func (c *Chain) Template(max int) Template {
	c.mu.Lock()
	in := c.store.info
	list := c.pool.payable(min(max, MaxBlockTxs))
	c.mu.Unlock()
	t := Template{Txs: make([]*Transaction, len(list))}
	for i, e := range list {
		t.Txs[i] = e.tx
	}
	t.Header = Header{
		Version: 1, Height: in.Blocks, Parent: in.Tip, Count: uint32(len(list)),
		Time: uint64(time.Now().UnixMilli()), Bits: c.net.Bits,
	}
	if len(list) > 0 {
		t.Header.Root = Root(t.Txs)
	}
	return t
}
