package chain

import (
	"context"
	"errors"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
)

// A rebuild fills a new chain with everything that is whole in an old store.
type rebuild struct {
	ctx  context.Context
	cfg  *RepairConfig
	old  *store.Store // what can be read of it
	new  *Chain
	read uint64 // blocks so far
	out  *Repaired
}

func (r *rebuild) run() error {
	// A store of another network or a newer version is refused. A damaged info record
	// counts as an empty one.
	in, err := r.old.ReadInfo()
	if err == nil {
		err = in.CheckNetwork(r.new.net)
	}
	if err := passOver(err); err != nil {
		return err
	}
	r.out.Had = in.Blocks
	startFrom(r.new, in)
	// Receipts come before the pool, to keep out of it what is gone for good.
	for _, part := range []func() error{r.votes, r.blocks, r.receipts, r.pool, r.book} {
		if err := part(); err != nil {
			return err
		}
	}
	st := r.new.Status()
	r.out.Blocks, r.out.Pool = st.Tip.Blocks, st.Pool
	return r.cfg.step("copied")
}

// startFrom continues the running time and the arrival numbers of an old store.
func startFrom(c *Chain, old store.Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranFor += time.Duration(old.Running) * time.Millisecond
	c.store.Info.Arrival = max(c.store.Info.Arrival, old.Arrival)
}

// passOver returns nil for the errors of a missing or unreadable record, else err.
func passOver(err error) error {
	if errors.Is(err, ledger.ErrUnknown) || errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}

// votes copies certificates and evidence, before the blocks, so that the fork choice takes
// back no final block.
func (r *rebuild) votes() error {
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	unread, err := c.store.CopyVotes(r.old.Reader)
	r.out.Unread += unread
	return errors.Join(err, c.votes.load())
}

// blocks offers the old blocks to the new chain. The old chain comes first, up to its
// first block that is not whole, so that the new chain takes no side branch before
// it. Then come all others.
func (r *rebuild) blocks() error {
	for height, taken := uint64(0), true; taken; height++ {
		hash, err := r.old.Hash(height)
		if err != nil {
			if err := passOver(err); err != nil {
				return err
			}
			break
		}
		if taken, err = r.offer(hash); err != nil {
			return err
		}
	}
	return r.old.EachBody(func(ref ledger.BlockRef) error {
		taken, err := r.new.store.HasHeader(ref.Hash)
		if err == nil && !taken {
			if taken, err = r.offer(ref.Hash); !taken {
				r.out.Unused++
			}
		}
		return err
	})
}

// offer adds one old block to the new chain.
func (r *rebuild) offer(hash ledger.Hash) (taken bool, err error) {
	if err := errors.Join(r.ctx.Err(), r.cfg.step("block")); err != nil {
		return false, err
	}
	b, err := r.old.Block(hash)
	if err != nil {
		return false, passOver(err)
	}
	r.read++
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.read)
	}
	_, err = r.new.AddBlock(r.ctx, b)
	var rule *ledger.BlockError
	if errors.Is(err, ledger.ErrUnknownParent) || errors.As(err, &rule) {
		return false, nil
	}
	return err == nil, err
}

// receipts copies the receipts that can be read.
func (r *rebuild) receipts() error {
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	err := r.old.EachReceipt(func(_ uuid.UUID, receipt *store.Receipt, err error) error {
		if err != nil {
			r.out.Unread++
			return nil
		}
		r.out.Receipts++
		w := c.store.Begin()
		w.PutReceipt(receipt)
		return errors.Join(r.ctx.Err(), c.commit(w, false))
	})
	return errors.Join(err, r.cfg.step("records"))
}

// book copies the address book.
func (r *rebuild) book() error {
	book, err := r.old.Book()
	for name, value := range book {
		err = errors.Join(err, r.new.Book().Put(name, value))
	}
	r.out.Book = len(book)
	return errors.Join(err, r.cfg.step("records"))
}

// pool submits to the new pool the transactions of the old pool, and those of blocks
// that are not on the new chain. A transaction that is refused gets a receipt.
func (r *rebuild) pool() error {
	var txs []*ledger.Transaction
	add := func(tx *ledger.Transaction) {
		if tx.CheckFields(r.new.net) != nil {
			r.out.Unread++
			return
		}
		txs = append(txs, tx)
	}
	err := r.old.EachPool(func(_ uint64, items []store.PoolItem, err error) error {
		if err != nil {
			r.out.Unread++
			return nil
		}
		for _, it := range items {
			if len(it.Tx) == 0 {
				continue
			}
			if tx, err := ledger.DecodeTransaction(it.Tx); err != nil {
				r.out.Unread++
			} else {
				add(tx)
			}
		}
		return nil
	})
	err = errors.Join(err, r.eachLoose(add))
	for batch := range slices.Chunk(txs, ledger.MaxBlockTxs) {
		if err == nil {
			err = r.submit(batch)
		}
	}
	return err
}

// submit adds transactions to the new pool. The pool's caps do not apply to transactions
// accepted before.
func (r *rebuild) submit(txs []*ledger.Transaction) error {
	outs, err := r.new.Submit(r.ctx, txs, pool.FromReorg)
	if err != nil {
		return err
	}
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.store.Begin()
	for i, out := range outs {
		if out.Refused == "" {
			continue
		}
		gone, err := c.store.GoneForGood(txs[i].Key())
		if err != nil {
			return err
		}
		if slices.ContainsFunc(gone, func(r *store.Receipt) bool { return r.Tx.Same(txs[i]) }) {
			continue // it already has its receipt
		}
		w.PutReceipt(&store.Receipt{Tx: txs[i], Reason: out.Refused, Time: time.Now(), Final: out.Final})
	}
	return errors.Join(c.commit(w, false), r.cfg.step("submitted"))
}

// eachLoose calls f with each readable transaction of the old blocks that are not on
// the new chain. Blocks of the old chain come first, so that of two transactions with
// one ID the one that was in the chain is kept.
func (r *rebuild) eachLoose(f func(*ledger.Transaction)) error {
	for _, ofChain := range []bool{true, false} {
		err := r.old.EachChunk(func(ref ledger.BlockRef, txs []*ledger.Transaction) error {
			hash, err := r.old.Hash(ref.Height)
			if err := passOver(err); err != nil || (err == nil && hash == ref.Hash) != ofChain {
				return err
			}
			if on, err := onChain(r.new.store, ref); err != nil || on {
				return err
			}
			for _, tx := range txs {
				f(tx)
			}
			return r.ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
