package chain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// extend applies a block on the tip: one atomic batch. On a rule error nothing
// is written and the block is marked. The caller holds mu and publishes.
func (c *Chain) extend(b *ledger.Block, hash ledger.Hash, sync bool) error {
	w := c.store.Begin()
	s := c.newReorg()
	if err := s.applyTip(w, b, hash); err != nil {
		return err
	}
	if err := c.commit(w, sync); err != nil {
		return err
	}
	c.forks.remove(hash)
	return s.finish()
}

// switchTo makes the last of path the tip. Path begins on a block of the chain
// and all its bodies are in the store. Where it begins below the tip, all of it
// is validated over an overlay first; then it is written block by block, each
// step one atomic batch that leaves a valid tip, back to the fork and forward
// again. The goal stands in the info record meanwhile: after a crash Open goes
// on from there.
func (c *Chain) switchTo(path []*sideHeader) (Change, error) {
	from := c.store.Info
	fork := path[0].header.Height // blocks that stay
	if fork < from.Blocks {
		if err := c.validate(path, fork); err != nil {
			return Held, err
		}
	}
	s := c.newReorg()
	err := s.walk(path, fork)
	var rule *ledger.BlockError
	if err != nil && !errors.As(err, &rule) {
		return Held, c.fail(err) // what is in memory is not what is on disk any more
	}
	if err != nil { // it ended before the goal, whose step is the one that syncs
		if err := c.commit(c.store.Begin(), true); err != nil {
			return Held, err
		}
	}
	defer c.publish()
	change := Held
	switch {
	case fork < from.Blocks:
		change = Reorged
		c.report(from, fork)
	case c.store.Info.Blocks > from.Blocks:
		change = Extended
	}
	return change, errors.Join(err, s.finish())
}

// walk writes the steps of a switch. The error is a *BlockError only where the
// branch began at the tip, since then it was not tried before; what was written
// of it stays.
func (s *reorg) walk(path []*sideHeader, fork uint64) (err error) {
	c, goal := s.c, path[len(path)-1].hash
	if s.arrival, err = c.arrivalsAfter(fork); err != nil {
		return err
	}
	for c.store.Info.Blocks > fork {
		w := c.store.Begin()
		w.Info.Target = goal
		if err := s.revertTip(w); err != nil {
			return err
		}
		if err := c.commit(w, false); err != nil {
			return err
		}
	}
	for _, n := range path {
		b, err := store.ReadBlock(c.store.DB, n.hash)
		if err != nil {
			return err
		}
		w := c.store.Begin()
		if n.hash == goal {
			w.Info.Target = ledger.Hash{}
		}
		if err := s.applyTip(w, b, n.hash); err != nil {
			return err
		}
		if err := c.commit(w, n.hash == goal); err != nil {
			return err
		}
		c.forks.remove(n.hash)
	}
	return nil
}

// validate tries a branch over an overlay: back from the tip to the fork, then
// forward. A block that breaks a rule is marked.
func (c *Chain) validate(path []*sideHeader, fork uint64) error {
	o := ledger.NewOverlay(c.store)
	for height := c.store.Info.Blocks; height > fork; height-- {
		_, items, err := c.blockAt(height - 1)
		if err != nil {
			return err
		}
		if err := ledger.Revert(c.net, o, items); err != nil {
			return err
		}
	}
	for _, n := range path {
		b, err := store.ReadBlock(c.store.DB, n.hash)
		if err != nil {
			return err
		}
		if err := ledger.Apply(c.net, o, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
			c.markLocked(err)
			return err
		}
	}
	return nil
}

func (c *Chain) markLocked(err error) {
	var e *ledger.BlockError
	if errors.As(err, &e) && e.Fault == ledger.FaultBlock {
		c.forks.fail(e)
	}
}

// blockAt reads the chain's block at height as of the last commit.
func (c *Chain) blockAt(height uint64) (*ledger.SealedHeader, []ledger.StoredTx, error) {
	hash, err := store.ReadHash(c.store.DB, height)
	if err != nil {
		return nil, nil, err
	}
	h, err := store.ReadHeader(c.store.DB, hash)
	if err != nil {
		return nil, nil, err
	}
	items, err := store.ReadBody(c.store.DB, &h.Header, hash)
	return h, items, err
}

// report logs a reorg, a deep one as a warning.
func (c *Chain) report(from store.Info, fork uint64) {
	c.stats.Reorgs++
	depth := from.Blocks - fork
	attrs := []any{"depth", depth, "from", from.Tip.Short(), "to", c.store.Info.Tip.Short(), "blocks", c.store.Info.Blocks}
	if depth > DeepReorg {
		c.stats.DeepReorgs++
		c.log.Warn(fmt.Sprintf("DEEP REORG: %d blocks left the chain for a branch with more work; their transactions are back in the pool", depth), attrs...)
		return
	}
	c.log.Info("reorg: a better branch replaced the end of the chain", attrs...)
}

// A reorg collects, over the steps of one tip change, what it means for the
// pool: the records follow step by step, in each step's batch; the pool in
// memory follows once, at the end.
type reorg struct {
	c        *Chain
	returned map[ledger.TxKey]*pool.Entry // given back by blocks that left, still without a block
	order    []*pool.Entry                // given back, by arrival
	gone     []ledger.TxKey               // in the pool before, now in the chain or lost to it
	left     map[ledger.TxKey]bool        // gone, as a set
	touched  map[uuid.UUID]uint64         // accounts, with the balance behind the last step
	arrival  uint64                       // one above the next arrival number that revertTip gives out, which goes down
}

func (c *Chain) newReorg() *reorg {
	return &reorg{c: c, returned: make(map[ledger.TxKey]*pool.Entry), left: make(map[ledger.TxKey]bool), touched: make(map[uuid.UUID]uint64)}
}

// arrivalsAfter returns the arrival number after those of all transactions above
// the fork. The blocks go back from the top, but a transaction of a lower block
// may pay for one of a higher, so the numbers rise from the lowest block up.
func (c *Chain) arrivalsAfter(fork uint64) (uint64, error) {
	next := c.store.Info.Arrival
	for height := fork; height < c.store.Info.Blocks; height++ {
		hash, err := store.ReadHash(c.store.DB, height)
		if err != nil {
			return 0, err
		}
		h, err := store.ReadHeader(c.store.DB, hash)
		if err != nil {
			return 0, err
		}
		next += uint64(h.Count)
	}
	return next, nil
}

// revertTip writes the step from the tip to the block below it. Its transactions go
// to the pool in the same batch, under new arrival numbers and with their
// first-seen time.
func (s *reorg) revertTip(w *store.Batch) error {
	c := s.c
	height := w.Info.Blocks - 1
	h, items, err := c.blockAt(height)
	if err != nil {
		return err
	}
	o := ledger.NewOverlay(c.store)
	if err := ledger.Revert(c.net, o, items); err != nil {
		return err
	}
	hash := w.Info.Tip
	w.Info.Blocks, w.Info.Tip = height, h.Parent
	w.Delete(store.NumberKey(store.KeyHeight, height))
	w.PutState(o)
	w.Info.Arrival = max(w.Info.Arrival, s.arrival)
	s.arrival -= uint64(len(items))
	entries := make([]*pool.Entry, len(items))
	for i, it := range items {
		e := &pool.Entry{Arrival: s.arrival + uint64(i), Tx: it.Tx, Key: it.Tx.Key(), Origin: pool.FromReorg, FirstSeen: it.Seen}
		entries[i] = e
		s.returned[e.Key] = e
	}
	s.touch(o)
	s.order = append(entries, s.order...)
	c.forks.add(h, hash, true)
	return c.records.add(w, entries)
}

// applyTip writes the step from the tip to b, which stands on it. Its
// transactions leave the pool by ID in the same batch; one that had the same
// ID and other contents has lost, and its receipt is the reason.
func (s *reorg) applyTip(w *store.Batch, b *ledger.Block, hash ledger.Hash) error {
	c := s.c
	o := ledger.NewOverlay(s)
	items := make([]ledger.StoredTx, len(b.Txs))
	if err := ledger.Apply(c.net, o, b, items); err != nil {
		c.markLocked(err)
		return err
	}
	var taken []*pool.Entry
	now := c.running()
	for i, tx := range b.Txs {
		items[i].Seen = now
		e := s.entry(tx.Key())
		if e == nil {
			continue
		}
		items[i].Seen = e.FirstSeen
		taken = append(taken, e)
		if !e.Tx.Same(tx) {
			if err := w.PutReceipt(e.Tx, otherInBlock(tx.ID, b.Height), true); err != nil {
				return err
			}
		}
	}
	if err := c.records.take(w, taken); err != nil {
		return err
	}
	for _, e := range taken {
		if s.returned[e.Key] == e {
			delete(s.returned, e.Key)
		} else {
			s.gone = append(s.gone, e.Key)
			s.left[e.Key] = true
		}
	}
	w.Put(store.HeaderKey(hash), ledger.EncodeHeader(&b.SealedHeader))
	w.Put(store.NumberKey(store.KeyHeight, b.Height), hash[:])
	w.Info.Blocks, w.Info.Tip = b.Height+1, hash
	if err := w.PutBody(b.Height, hash, items); err != nil {
		return err
	}
	w.PutState(o)
	s.touch(o)
	return nil
}

// Account and Place read the state for the next step.
//
// What is in the pool is not in the chain, so for the transactions of most blocks
// nothing is looked up. The rule that no transaction stands twice in the chain
// rests on that, and on entry, which shows the pool as of this step. The pool
// itself still has what earlier steps of this switch took.
func (s *reorg) Account(id uuid.UUID) (*ledger.AccountState, error) { return s.c.store.Account(id) }

func (s *reorg) Place(k ledger.TxKey) (*ledger.Place, error) {
	if s.entry(k) != nil {
		return nil, nil
	}
	return s.c.store.Place(k)
}

// entry returns the pooled transaction with a key as of this step.
func (s *reorg) entry(k ledger.TxKey) *pool.Entry {
	if e := s.returned[k]; e != nil {
		return e
	}
	if s.left[k] {
		return nil
	}
	return s.c.pool.Get(k)
}

func (s *reorg) touch(o *ledger.Overlay) {
	for id, a := range o.Accounts {
		s.touched[id] = a.Balance
	}
}

// finish brings the pool in memory to the new tip.
func (s *reorg) finish() error {
	var back []*pool.Entry
	for _, e := range s.order {
		if s.returned[e.Key] == e {
			back = append(back, e)
		}
	}
	balances := s.c.balances()
	known := func(id uuid.UUID) (uint64, error) {
		if b, ok := s.touched[id]; ok {
			return b, nil
		}
		return balances(id)
	}
	s.c.pool.Now = s.c.running()
	if err := s.c.pool.TipChanged(s.gone, back, slices.Collect(maps.Keys(s.touched)), known); err != nil {
		return s.c.fail(fmt.Errorf("bring the pool to the new tip: %w", err))
	}
	return nil
}

// expire takes out waiting transactions that waited for too long, each with a
// receipt. They are gone here for good; a client may submit them again.
func (c *Chain) expire() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	w := c.store.Begin()
	old := c.pool.OldWaiting(c.running() - c.expiry)
	keys := make([]ledger.TxKey, len(old))
	for i, e := range old {
		keys[i] = e.Key
		reason := fmt.Sprintf("expired after %s of waiting: %s", c.expiry.Round(time.Second), c.pool.Reason(e))
		if err := w.PutReceipt(e.Tx, reason, true); err != nil {
			return err
		}
	}
	if err := c.records.take(w, old); err != nil {
		return err
	}
	if err := c.commit(w, len(old) > 0); err != nil {
		return err
	}
	if len(old) == 0 {
		return nil
	}
	c.pool.Now = c.running()
	if err := c.pool.Remove(keys, c.balances()); err != nil {
		return c.fail(err)
	}
	c.stats.Expired += uint64(len(old))
	c.log.Info("waiting transactions expired", "count", len(old))
	c.publish()
	return nil
}
