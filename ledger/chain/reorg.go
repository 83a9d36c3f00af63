package chain

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// A reorg is one change of the tip, of one or more steps. It collects their effects on
// the pool. The batch of each step updates the pool's records. The pool in memory is
// updated once, at the end.
type reorg struct {
	c        *Chain
	returned map[ledger.TxKey]*pool.Entry // from reverted blocks, and not in a block again
	gone     []ledger.TxKey               // in the pool before, now in the chain or in conflict with it
	left     map[ledger.TxKey]bool        // gone, as a set; nil if there is only one step
	accounts accounts                     // as of the last step, those of the trial and of all steps; nil before
	arrival  uint64                       // revertTip assigns the numbers below it, in descending order
}

type accounts = map[uuid.UUID]*ledger.AccountState

func newReorg(c *Chain) *reorg {
	return &reorg{c: c, returned: make(map[ledger.TxKey]*pool.Entry)}
}

// extend applies a block on the tip in one atomic batch. On a rule error nothing is
// written and the block is marked. The caller holds mu and publishes.
func (r *reorg) extend(b *ledger.Block, hash ledger.Hash, sync bool) error {
	c := r.c
	w := c.store.Begin()
	if err := r.applyTip(w, b, hash); err != nil {
		return err
	}
	if err := c.commit(w, sync); err != nil {
		return err
	}
	c.forks.remove(hash)
	return r.finish()
}

// to makes the last of path the tip. path begins on a block of the chain, and all its
// bodies are in the store. If it begins below the tip, all of it is validated over an
// overlay first. Then it is written block by block, back to the fork and up the path.
// Each step is one atomic batch that leaves a valid tip. The info record has the goal
// meanwhile, so that Open continues after a crash.
func (r *reorg) to(path []*sideHeader) (Change, error) {
	c := r.c
	r.left = make(map[ledger.TxKey]bool)
	from := c.store.Info
	fork := path[0].header.Height // the number of blocks that stay
	if f := c.seen.current().Final; f != nil && fork <= f.Block.Height {
		return Held, c.fail(fmt.Errorf("%w: %s at height %d would leave the chain", ErrFinal, f.Block.Hash.Short(), f.Block.Height))
	}
	if fork < from.Blocks {
		if err := r.validate(path, fork); err != nil {
			return Held, err
		}
	}
	err := r.walk(path, fork)
	if err != nil && !breaksRule(err) {
		return Held, c.fail(err) // memory and disk differ now
	}
	if err != nil { // it ended before the goal, and only the step to the goal syncs
		if err := c.commit(c.store.Begin(), true); err != nil {
			return Held, err
		}
	}
	defer c.publish()
	change := Held
	switch {
	case fork < from.Blocks:
		change = Reorged
		r.report(from, fork)
	case c.store.Info.Blocks > from.Blocks:
		change = Extended
	}
	return change, errors.Join(err, r.finish())
}

// walk writes the steps. Only a branch that begins on the tip can fail with a
// *BlockError, since it was not tried before. Its written blocks stay.
func (r *reorg) walk(path []*sideHeader, fork uint64) (err error) {
	c, goal := r.c, path[len(path)-1].hash
	if r.arrival, err = r.arrivalsAfter(fork); err != nil {
		return err
	}
	for c.store.Info.Blocks > fork {
		w := c.store.Begin()
		w.Info.Target = goal
		if err := r.revertTip(w); err != nil {
			return err
		}
		if err := c.commit(w, false); err != nil {
			return err
		}
	}
	for _, n := range path {
		b, err := c.store.Block(n.hash)
		if err != nil {
			return err
		}
		w := c.store.Begin()
		if n.hash == goal {
			w.Info.Target = ledger.Hash{}
		}
		if err := r.applyTip(w, b, n.hash); err != nil {
			return err
		}
		if err := c.commit(w, n.hash == goal); err != nil {
			return err
		}
		c.forks.remove(n.hash)
	}
	return nil
}

// maxTrial bounds the kept state of a failed branch, in transactions. They take some 300
// MiB. Beyond it, the next end of that branch is tried from the fork again.
const maxTrial = 1_000_000

// A trial is the state at a block of a branch. It is kept, so that each of many invalid
// ends of one long branch costs no more than itself.
type trial struct {
	tip   ledger.Hash     // of the chain when the branch was tried
	read  accounts        // at that tip
	at    ledger.Hash     // the block of the branch
	state *ledger.Overlay // after that block
}

// validate tries a branch over an overlay, from the tip back to the fork and then up the
// branch. A block that breaks a rule is marked.
func (r *reorg) validate(path []*sideHeader, fork uint64) error {
	c := r.c
	t := c.forks.trial
	rest := path
	if i := slices.IndexFunc(path, func(n *sideHeader) bool { return t != nil && n.hash == t.at }); i >= 0 && t.tip == c.store.Info.Tip {
		rest, r.accounts = path[i+1:], t.read
	} else {
		c.forks.trial, r.accounts = nil, make(accounts)
		o, err := r.revertTo(fork)
		if err != nil {
			return err
		}
		t = &trial{tip: c.store.Info.Tip, read: r.accounts, state: o}
	}
	for _, n := range rest {
		b, err := c.store.Block(n.hash)
		if err != nil {
			return err
		}
		o := t.state.Above()
		if err := ledger.Apply(c.net, o, b, make([]ledger.StoredTx, len(b.Txs))); err != nil {
			c.forks.blame(err)
			return err
		}
		t.at = n.hash
		t.state.Take(o)
		if c.forks.trial = t; len(t.state.Places) > maxTrial {
			c.forks.trial = nil
		}
	}
	return nil
}

// revertTo returns the state at the fork, over an overlay.
func (r *reorg) revertTo(fork uint64) (*ledger.Overlay, error) {
	o := ledger.NewOverlay(r, 0)
	for height := r.c.store.Info.Blocks; height > fork; height-- {
		_, items, err := r.blockAt(height - 1)
		if err != nil {
			return nil, err
		}
		if err := ledger.Revert(r.c.net, o, items); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// blockAt reads the chain's block at height as of the last commit.
func (r *reorg) blockAt(height uint64) (*ledger.SealedHeader, []ledger.StoredTx, error) {
	hash, err := r.c.store.Hash(height)
	if err != nil {
		return nil, nil, err
	}
	b, items, err := r.c.store.BlockItems(hash)
	if err != nil {
		return nil, nil, err
	}
	return &b.SealedHeader, items, nil
}

// report logs a reorg, a deep one as a warning.
func (r *reorg) report(from store.Info, fork uint64) {
	c := r.c
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

// arrivalsAfter returns the next arrival number once all transactions above the fork
// have one. A transaction of a lower block may pay for one of a higher, so the numbers
// must rise from the lowest block up. But blocks are reverted from the top, so
// revertTip counts down from here.
func (r *reorg) arrivalsAfter(fork uint64) (uint64, error) {
	s := r.c.store
	next := s.Info.Arrival
	for height := fork; height < s.Info.Blocks; height++ {
		_, h, err := headerAt(s, height)
		if err != nil {
			return 0, err
		}
		next += uint64(h.Count)
	}
	return next, nil
}

// revertTip writes the step from the tip to the block below it. The tip's transactions
// go to the pool in the same batch, under new arrival numbers and with their
// first-seen time.
func (r *reorg) revertTip(w *store.Batch) error {
	c := r.c
	height := w.Info.Blocks - 1
	h, items, err := r.blockAt(height)
	if err != nil {
		return err
	}
	o := ledger.NewOverlay(r, len(items))
	if err := ledger.Revert(c.net, o, items); err != nil {
		return err
	}
	hash := w.Info.Tip
	w.DropTip(h.Parent)
	w.PutSide(h, hash)
	w.PutState(o)
	w.Info.Arrival = max(w.Info.Arrival, r.arrival)
	r.arrival -= uint64(len(items))
	entries := make([]*pool.Entry, len(items))
	for i, it := range items {
		e := &pool.Entry{Arrival: r.arrival + uint64(i), Tx: it.Tx, Key: it.Tx.Key(), Origin: pool.FromReorg, FirstSeen: it.Seen}
		entries[i] = e
		r.returned[e.Key] = e
	}
	r.touch(o)
	c.forks.add(h, hash, true)
	c.records.add(w, entries)
	return nil
}

// applyTip writes the step from the tip to b, which stands on it. The transactions of b
// leave the pool in the same batch. A pooled transaction with the key of one of b but
// other contents leaves too, with a receipt.
func (r *reorg) applyTip(w *store.Batch, b *ledger.Block, hash ledger.Hash) error {
	c := r.c
	o := ledger.NewOverlay(r, len(b.Txs))
	items := make([]ledger.StoredTx, len(b.Txs))
	if err := ledger.Apply(c.net, o, b, items); err != nil {
		c.forks.blame(err)
		return err
	}
	taken := make([]*pool.Entry, 0, len(b.Txs))
	now := c.running()
	for i, tx := range b.Txs {
		items[i].Seen = now
		e := r.entry(tx.Key())
		if e == nil {
			continue
		}
		items[i].Seen = e.FirstSeen
		taken = append(taken, e)
		if !e.Tx.Same(tx) {
			w.PutReceipt(&store.Receipt{Tx: e.Tx, Reason: otherInBlock(tx.ID, b.Height), Time: c.now(), Final: true})
		}
	}
	c.records.take(w, taken)
	r.gone = slices.Grow(r.gone, len(taken))
	for _, e := range taken {
		if r.returned[e.Key] == e {
			delete(r.returned, e.Key)
		} else {
			r.gone = append(r.gone, e.Key)
			if r.left != nil {
				r.left[e.Key] = true
			}
		}
	}
	w.PutBlock(&b.SealedHeader, hash, items)
	w.AddTip(hash)
	w.PutState(o)
	r.touch(o)
	return nil
}

// Account and Place return the state for a trial and for the next step.
//
// The steps need the accounts of the trial again, in the same order. If they are more than
// the store has in memory, it has evicted each of them by then. So Account keeps what it
// reads.
//
// A pooled transaction is not in the chain. So Place needs no look-up for most
// transactions of a block. The rule that no transaction is twice in the chain depends on
// entry, which returns the pool as of this step. The pool itself still has the
// transactions that earlier steps of this reorg took.
func (r *reorg) Account(id uuid.UUID) (*ledger.AccountState, error) {
	if a := r.accounts[id]; a != nil {
		return new(*a), nil
	}
	a, err := r.c.store.Account(id)
	if err == nil && r.accounts != nil {
		r.accounts[id] = new(*a)
	}
	return a, err
}

func (r *reorg) Place(k ledger.TxKey) (*ledger.Place, error) {
	if r.entry(k) != nil {
		return nil, nil
	}
	return r.c.store.Place(k)
}

// entry returns the pooled transaction with a key as of this step.
func (r *reorg) entry(k ledger.TxKey) *pool.Entry {
	if e := r.returned[k]; e != nil {
		return e
	}
	if r.left[k] {
		return nil
	}
	return r.c.pool.Get(k)
}

// touch notes what a step changed.
func (r *reorg) touch(o *ledger.Overlay) {
	if r.accounts == nil {
		r.accounts = o.Accounts
		return
	}
	maps.Copy(r.accounts, o.Accounts)
}

// finish brings the pool in memory to the new tip.
func (r *reorg) finish() error {
	r.c.forks.trial = nil // since it began on the old tip
	back := slices.SortedFunc(maps.Values(r.returned), func(x, y *pool.Entry) int { return cmp.Compare(x.Arrival, y.Arrival) })
	known := func(id uuid.UUID) (int64, error) {
		if a := r.accounts[id]; a != nil {
			return a.Balance, nil
		}
		return r.c.store.Balance(id)
	}
	r.c.pool.Now = r.c.running()
	if err := r.c.pool.TipChanged(r.gone, back, slices.Collect(maps.Keys(r.accounts)), known); err != nil {
		return r.c.fail(fmt.Errorf("bring the pool to the new tip: %w", err))
	}
	return nil
}
