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

// submissions is the queue of Submit calls. The call that has the turn commits all
// queued ones in one batch, so that they share one fsync. The others return as soon as
// their batch is done. They do not wait for the chain's lock, which the next batch may
// hold. Every caller waits, so callers bound the queue.
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

func (p *Pool) submit(ctx context.Context, txs []*ledger.Transaction, from pool.Origin) ([]Outcome, error) {
	for i, err := range p.c.net.CheckAll(txs) {
		if err != nil {
			err.Item = fmt.Sprintf("[%d]", i)
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &submission{txs: txs, from: from, out: make([]Outcome, len(txs)), done: make(chan struct{})}
	p.queue.push(s)
	select {
	case <-s.done:
	case p.queue.turn <- struct{}{}:
		p.commitQueue() // with s, unless the one before took it
		<-p.queue.turn
	}
	return s.out, s.err
}

// commitQueue commits all queued submissions in one batch. The caller has the turn.
// When it returns everything that was queued before is done.
func (p *Pool) commitQueue() {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	queue := p.queue.take()
	if len(queue) == 0 {
		return
	}
	err := p.c.ready()
	if err == nil {
		if err = p.acceptAll(queue); err != nil {
			err = p.c.fail(err) // the pool in memory may be ahead of the disk
		}
	}
	for _, s := range queue {
		s.err = err
		close(s.done)
	}
}

func (p *Pool) acceptAll(queue []*submission) error {
	w := p.c.store.Begin()
	taken, err := p.accept(w, queue)
	if err != nil || len(taken) == 0 {
		p.c.seen.count(p.c.counters())
		return err
	}
	if err := p.records.add(w, taken); err != nil {
		return err
	}
	// After this line the taken ones are durable, before it none is.
	if err := p.c.commit(w, true); err != nil {
		return err
	}
	p.c.publish()
	return nil
}

// accept decides on each queued transaction and puts the taken ones into the
// pool in memory.
func (p *Pool) accept(w *store.Batch, queue []*submission) ([]*pool.Entry, error) {
	var taken []*pool.Entry
	p.entries.Now = p.c.running()
	for _, s := range queue {
		for i, tx := range s.txs {
			out, err := p.judge(tx, s.from)
			if err != nil {
				return nil, err
			}
			if out.Taken {
				if err := p.replace(w, tx); err != nil {
					return nil, err
				}
				e := &pool.Entry{Arrival: w.Info.Arrival, Tx: tx, Key: tx.Key(), Origin: s.from, FirstSeen: p.entries.Now}
				w.Info.Arrival++
				if err := p.entries.Insert(e, p.balance); err != nil {
					return nil, err
				}
				if err := w.Forgive(tx); err != nil { // a client may submit again what expired
					return nil, err
				}
				taken = append(taken, e)
			}
			if out.Refused != "" {
				p.c.stats.Refused++
			}
			s.out[i] = out
		}
	}
	return taken, nil
}

// judge decides what becomes of one submitted transaction. The caller holds mu.
func (p *Pool) judge(tx *ledger.Transaction, from pool.Origin) (Outcome, error) {
	key := tx.Key()
	if e := p.entries.Get(key); e != nil {
		if e.Tx.Same(tx) {
			return Outcome{Held: true, Waiting: p.entries.Reason(e)}, nil
		}
		if p.replaceable(e) {
			why, err := p.entries.WouldWait(tx, p.balance)
			if err != nil || why == "" {
				return Outcome{Taken: true}, err
			}
		}
		return Outcome{Refused: fmt.Sprintf("another transaction with the id %s is in the pool: it moves %d from %s to %s", tx.ID, e.Tx.Amount, e.Tx.Sender, e.Tx.Receiver)}, nil
	}
	at, err := p.c.store.Place(key)
	if err != nil {
		return Outcome{}, err
	}
	if at != nil {
		return p.judgePlaced(tx, *at)
	}
	if from != pool.FromClient {
		r, err := p.c.store.GoneForGood(key)
		if err != nil {
			return Outcome{}, err
		}
		if r != nil && r.Tx.Same(tx) {
			return Outcome{Refused: "gone here for good: " + r.Reason, Final: true}, nil
		}
	}
	capped := from != pool.FromReorg // what was accepted before stays accepted
	if capped && p.entries.Len() >= MaxPool {
		return Outcome{Refused: fmt.Sprintf("pool is full, retry later: it holds %d transactions", p.entries.Len())}, nil
	}
	why, err := p.entries.WouldWait(tx, p.balance)
	if err != nil {
		return Outcome{}, err
	}
	if capped && why != "" && p.entries.WaitingCount() >= MaxWaiting {
		return Outcome{Refused: fmt.Sprintf("%s, and %d transactions wait for money already: retry when it can be paid", why, p.entries.WaitingCount())}, nil
	}
	return Outcome{Taken: true, Waiting: why}, nil
}

// replaceable reports whether another transaction may take the key of e. One that
// cannot be paid must not keep its ID from one that can. But the record of e must be
// on disk already, since a batch cannot remove a record that it writes.
func (p *Pool) replaceable(e *pool.Entry) bool {
	return p.entries.Reason(e) != "" && e.Arrival < p.c.store.Info.Arrival
}

// replace removes the transaction whose key tx takes, and writes its receipt.
func (p *Pool) replace(w *store.Batch, tx *ledger.Transaction) error {
	e := p.entries.Get(tx.Key())
	if e == nil {
		return nil
	}
	reason := fmt.Sprintf("another transaction with the id %s can be paid and took its place", tx.ID)
	if err := w.PutReceipt(&store.Receipt{Tx: e.Tx, Reason: reason, Time: time.Now()}); err != nil {
		return err
	}
	if err := p.records.take(w, []*pool.Entry{e}); err != nil {
		return err
	}
	p.entries.Remove([]ledger.TxKey{e.Key})
	return nil
}

// judgePlaced compares a submission with the transaction of the chain that has
// its key.
func (p *Pool) judgePlaced(tx *ledger.Transaction, at ledger.Place) (Outcome, error) {
	placed, err := p.c.store.Tx(at)
	if err != nil {
		return Outcome{}, err
	}
	if placed.Same(tx) {
		return Outcome{Held: true}, nil
	}
	return Outcome{Refused: otherInBlock(tx.ID, at.Height), Final: true}, nil
}

func otherInBlock(id uuid.UUID, height uint64) string {
	return fmt.Sprintf("another transaction with the id %s is in block %d", id, height)
}
