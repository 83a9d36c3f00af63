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

// Bounds of the pool. Submit refuses new transactions beyond them. Those that a reorg
// returns are taken.
const (
	MaxPool    = 100_000
	MaxWaiting = 10_000
)

const defaultExpiry = 24 * time.Hour

// An Outcome is what became of one submitted transaction.
type Outcome struct {
	Taken   bool   // new in the pool, and on disk
	Held    bool   // the same transaction was already in the pool or the chain
	Waiting string // if Taken, why it cannot be paid yet; empty if it can
	Refused string // if neither Taken nor Held, why, in words for people
	Final   bool   // if Refused, that it will never be taken from a peer (conflict with the chain, expired)
}

// submissions is the queue of Submit calls. The call that has the turn commits all queued
// calls in one batch, so that they share one fsync. The others return as soon as their
// batch is done, without waiting for the chain's lock, which the next batch may hold.
// Every caller waits, so callers bound the queue.
type submissions struct {
	mu      sync.Mutex
	waiting []*submission
	turn    chan struct{} // holds one value while a call commits
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

// Submit offers transactions in order, and returns the outcome of each when the taken
// ones are on disk. Concurrent calls share one fsync. With MaxPool transactions in the
// pool it refuses new ones, and with MaxWaiting waiting ones those that cannot be paid
// yet. A payable transaction replaces one with its ID that cannot be paid, which gets a
// receipt. If one is malformed, the error is a *FieldError with Item "[i]" and none is
// taken. Other errors are ctx's and ErrStopped.
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
		c.commitQueue() // with s, unless the last one took it
		<-c.queue.turn
	}
	return s.out, s.err
}

// commitQueue commits all queued submissions in one batch. The caller has the turn.
// When it returns everything that was queued before is done.
func (c *Chain) commitQueue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	queue := c.queue.take()
	if len(queue) == 0 {
		return
	}
	err := c.ready()
	if err == nil {
		in := intake{c: c, w: c.store.Begin()}
		if err = in.commit(queue); err != nil {
			err = c.fail(err) // since the pool in memory may be ahead of the disk
		}
	}
	for _, s := range queue {
		s.err = err
		close(s.done)
	}
}

// expire removes transactions that have waited too long, each with a receipt. They are
// not taken from peers again, but a client may submit them again. It also writes the
// running time.
func (c *Chain) expire() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	in := intake{c: c, w: c.store.Begin()}
	old := c.pool.OldWaiting(c.running() - c.expiry)
	for _, e := range old {
		reason := fmt.Sprintf("expired after %s of waiting: %s", c.expiry.Round(time.Second), c.pool.Reason(e))
		in.drop(e, reason, true)
	}
	if err := c.commit(in.w, len(old) > 0); err != nil || len(old) == 0 {
		return err
	}
	c.stats.Expired += uint64(len(old))
	c.log.Info("waiting transactions expired", "count", len(old))
	c.publish()
	return nil
}

// An intake is one commit of queued submissions, or of those that expire. The caller holds
// mu.
type intake struct {
	c     *Chain
	w     *store.Batch
	taken []*pool.Entry // already in the pool in memory
}

func (in *intake) commit(queue []*submission) error {
	c := in.c
	c.pool.Now = c.running()
	for _, s := range queue {
		for i, tx := range s.txs {
			var err error
			if s.out[i], err = in.offer(tx, s.from); err != nil {
				return err
			}
			if s.out[i].Refused != "" {
				c.stats.Refused++
			}
		}
	}
	if len(in.taken) > 0 {
		c.records.add(in.w, in.taken)
		// Before this line none of the taken ones is durable, after it all are.
		if err := c.commit(in.w, true); err != nil {
			return err
		}
	}
	c.publish()
	return nil
}

// offer decides on one transaction, and puts it into the pool in memory if it is taken.
func (in *intake) offer(tx *ledger.Transaction, from pool.Origin) (Outcome, error) {
	c := in.c
	e := &pool.Entry{Arrival: in.w.Info.Arrival, Tx: tx, Key: tx.Key(), Origin: from, FirstSeen: c.pool.Now}
	pooled := c.pool.Get(e.Key)
	out, err := in.judge(e, pooled)
	if err != nil || !out.Taken {
		return out, err
	}
	if pooled != nil {
		reason := fmt.Sprintf("another transaction with the id %s can be paid and took its place", tx.ID)
		in.drop(pooled, reason, false)
	}
	in.w.Info.Arrival++
	in.taken = append(in.taken, e)
	if err := c.pool.Insert(e, c.store.Balance); err != nil {
		return out, err
	}
	return out, in.w.Forgive(tx) // a client may submit again what expired
}

// judge decides on one submitted transaction, whose entry in the pool would be e. pooled
// is the pool's entry with its key, or nil.
func (in *intake) judge(e, pooled *pool.Entry) (Outcome, error) {
	if pooled != nil {
		return in.judgePooled(e, pooled)
	}
	c, tx := in.c, e.Tx
	at, err := c.store.Place(e.Key)
	if err != nil {
		return Outcome{}, err
	}
	if at != nil {
		placed, err := c.store.Tx(*at)
		switch {
		case err != nil:
			return Outcome{}, err
		case placed.Same(tx):
			return Outcome{Held: true}, nil
		}
		return Outcome{Refused: otherInBlock(tx.ID, at.Height), Final: true}, nil
	}
	if out, err := in.gone(e); err != nil || out.Refused != "" {
		return out, err
	}
	capped := e.Origin != pool.FromReorg // since these were accepted before
	if n := c.pool.Len(); capped && n >= MaxPool {
		return Outcome{Refused: fmt.Sprintf("pool is full, retry later: it holds %d transactions", n)}, nil
	}
	why, err := c.pool.WouldWait(e, c.store.Balance)
	if err != nil {
		return Outcome{}, err
	}
	if n := c.pool.WaitingCount(); capped && why != "" && n >= MaxWaiting {
		return Outcome{Refused: fmt.Sprintf("%s, and %d transactions wait for money already: retry when it can be paid", why, n)}, nil
	}
	return Outcome{Taken: true, Waiting: why}, nil
}

// judgePooled decides on a transaction with the key of pooled. It replaces pooled if it
// can be paid and pooled cannot. But pooled must be on disk already, since a batch cannot
// remove a record that it writes.
func (in *intake) judgePooled(e, pooled *pool.Entry) (Outcome, error) {
	c, tx := in.c, pooled.Tx
	waits := c.pool.Reason(pooled)
	if tx.Same(e.Tx) {
		return Outcome{Held: true, Waiting: waits}, nil
	}
	if waits != "" && pooled.Arrival < c.store.Info.Arrival {
		if out, err := in.gone(e); err != nil || out.Refused != "" {
			return out, err
		}
		why, err := c.pool.WouldWait(e, c.store.Balance)
		if err != nil || why == "" {
			return Outcome{Taken: true}, err
		}
	}
	return Outcome{Refused: fmt.Sprintf("another transaction with the id %s is in the pool: it moves %d from %s to %s", tx.ID, tx.Amount, tx.Sender, tx.Receiver)}, nil
}

// gone refuses what is gone here for good, unless a client submits it.
func (in *intake) gone(e *pool.Entry) (out Outcome, err error) {
	if e.Origin == pool.FromClient {
		return out, nil
	}
	receipts, err := in.c.store.GoneForGood(e.Key)
	for _, r := range receipts {
		if r.Tx.Same(e.Tx) {
			out = Outcome{Refused: "gone here for good: " + r.Reason, Final: true}
		}
	}
	return out, err
}

// drop removes a waiting transaction from the pool, with a receipt.
func (in *intake) drop(e *pool.Entry, reason string, final bool) {
	c := in.c
	in.w.PutReceipt(&store.Receipt{Tx: e.Tx, Reason: reason, Time: c.now(), Final: final})
	c.pool.Remove(e)
	c.records.take(in.w, []*pool.Entry{e})
}

func otherInBlock(id uuid.UUID, height uint64) string {
	return fmt.Sprintf("another transaction with the id %s is in block %d", id, height)
}
