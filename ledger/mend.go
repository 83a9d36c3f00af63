package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// mend looks whether commits are missing in the middle: then LevelDB lost a
// part of its journal, and the state behind it cannot be trusted. It is derived
// again from the blocks. So it is where the files had to be recovered, and where
// an earlier mending was interrupted. If only the end is gone, what is left is
// an earlier state and nothing is wrong with it.
func (c *Chain) mend(how opened) (mended bool, err error) {
	marked, err := has(c.store.db, []byte{keyMending})
	if err != nil {
		return false, err
	}
	gap, err := c.commitsMissing()
	if err != nil {
		return false, err
	}
	had := c.store.info.Blocks
	switch {
	case how.recovered:
		c.log.Warn("the list of the ledger's files was damaged; the node derives everything again from the blocks that are whole. Transactions that were only in a damaged part are lost", "blocks", had)
	case gap:
		c.log.Warn("a part of the ledger's journal is damaged; the node derives everything again from the blocks that are whole and syncs the rest from its peers. Transactions that were only in the damaged part are lost", "blocks", had)
	case marked:
		c.log.Warn("going on with the mending of the ledger that was interrupted")
	case how.torn:
		c.log.Warn("the end of the ledger's journal was torn (a power cut?); the node goes on from the last whole step. If the power did not fail, the disk did: transactions accepted in the torn part are lost", "blocks", had)
		return false, nil
	case how.emptied:
		c.log.Warn("the ledger's journal is empty. If the node was not stopped within moments of its start, the file was emptied, and transactions accepted since the start before are lost", "blocks", had)
		return false, nil
	default:
		return false, nil
	}
	if err := c.rebuild(); err != nil {
		return false, fmt.Errorf("mend the ledger: %w", err)
	}
	c.stats.Mended++
	c.log.Warn("the ledger is mended", "had", had, "blocks", c.store.info.Blocks)
	return true, nil
}

// commitsMissing reports whether the commit counters have a gap.
func (c *Chain) commitsMissing() (gap bool, err error) {
	var last uint64
	err = c.store.scan([]byte{keyCommit}, func(key, _ []byte) error {
		n := binary.BigEndian.Uint64(key[1:])
		gap = gap || last != 0 && n != last+1
		last = n
		return nil
	})
	return gap || last != c.store.info.Commits, err
}

// rebuild derives the state again from the first block, as far as the chain's
// blocks are whole and hang together, through the same step as any block. What
// can be read of all other blocks goes to the pool: accepted stays accepted.
// The mark makes it begin again after a crash; until it is gone the heights
// stay, and so the same blocks are found.
func (c *Chain) rebuild() error {
	if err := c.wipeState(); err != nil {
		return err
	}
	for height := uint64(0); ; height++ {
		hash, b, err := c.wholeAt(height)
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		var broken *BlockError
		if err := c.extend(b, hash, false); errors.As(err, &broken) {
			c.log.Warn("a block of the ledger breaks a rule: the chain ends before it", "error", broken)
			break
		} else if err != nil {
			return err
		}
	}
	return c.restorePool()
}

// wholeAt reads the block at height if it is whole and stands on the tip; else
// nil. Errors are the disk's.
func (c *Chain) wholeAt(height uint64) (Hash, *Block, error) {
	hash, err := readHash(c.store.db, height)
	if err != nil {
		return hash, nil, passOver(err)
	}
	b, err := readBlock(c.store.db, hash)
	if err != nil {
		return hash, nil, passOver(err)
	}
	if b.Height != height || b.Parent != c.store.info.Tip || c.checkWhole(b, hash) != nil {
		return hash, nil, nil
	}
	return hash, b, nil
}

// checkWhole checks all that a block says by itself.
func (c *Chain) checkWhole(b *Block, hash Hash) error {
	if b.Hash() != hash {
		return errors.New("its header has another hash")
	}
	if err := c.net.CheckHeader(&b.SealedHeader); err != nil {
		return err
	}
	return c.net.CheckBody(&b.Header, b.Txs)
}

// passOver drops the errors of a record that is not there or cannot be read.
func passOver(err error) error {
	if errors.Is(err, ErrUnknown) || errors.Is(err, ErrDamaged) {
		return nil
	}
	return err
}

// restorePool brings the pool's records in line with the rebuilt chain: out
// goes what is in the chain or gone for good, in comes what blocks off the
// chain hold.
func (c *Chain) restorePool() error {
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	w := c.store.begin()
	have := make(map[TxKey]bool)
	var out, in []*pooled
	for _, e := range entries {
		gone, err := c.settled(w, e.tx, e.key)
		if err != nil {
			return err
		}
		if gone || have[e.key] {
			out = append(out, e)
		}
		have[e.key] = true
	}
	err = c.eachOffChain(func(tx *Transaction) error {
		key := tx.Key()
		if have[key] {
			return nil
		}
		have[key] = true
		gone, err := c.settled(w, tx, key)
		if err != nil || gone {
			return err
		}
		in = append(in, &pooled{arrival: w.info.Arrival, tx: tx, key: key, origin: FromReorg, firstSeen: c.running()})
		w.info.Arrival++
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.records.take(w, out); err != nil {
		return err
	}
	if err := c.records.add(w, in); err != nil {
		return err
	}
	c.records = newPoolRecords() // loadPool reads them again
	err = c.store.scan([]byte{keyHeight}, func(key, _ []byte) error {
		if binary.BigEndian.Uint64(key[1:]) >= w.info.Blocks {
			w.delete(key)
		}
		return nil
	})
	if err != nil {
		return err
	}
	w.info.Target = Hash{}
	return c.commit(w, true)
}

// settled reports whether a transaction has no place in the pool: it is in the
// chain, or lost to one that is, or a receipt says that it is gone.
func (c *Chain) settled(w *commit, tx *Transaction, key TxKey) (bool, error) {
	at, err := c.store.place(key)
	if err != nil {
		return false, err
	}
	if at == nil {
		all, err := c.receipts(key)
		return slices.ContainsFunc(all, func(r *Receipt) bool { return r.Final && r.Tx.Same(tx) }), err
	}
	o, err := c.judgePlaced(tx, *at)
	if err == nil && o.Refused != "" {
		err = w.putReceipt(tx, o.Refused, true)
	}
	return true, err
}

// eachOffChain calls f with each transaction that can be read of the blocks that
// are in the store and not on the chain.
func (c *Chain) eachOffChain(f func(*Transaction) error) error {
	return eachLoose(c.store.db, c.onChain, f)
}

// reconsider lets the fork choice decide again over the blocks of the store that
// are not on the rebuilt chain: the switch to a branch may have been interrupted.
// With it the mending ends; a crash before that begins it again. The caller
// holds mu.
func (c *Chain) reconsider() error {
	var side []Hash
	err := eachBody(c.store.db, func(ref BlockRef) error {
		on, err := c.onChain(ref)
		if !on {
			side = append(side, ref.Hash)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, hash := range side {
		if _, _, err := c.find(hash); err != nil {
			return err
		}
		var rule *BlockError
		if _, err := c.advance(hash); err != nil && !errors.As(err, &rule) {
			return err
		}
	}
	w := c.store.begin()
	w.delete([]byte{keyMending})
	return c.commit(w, true)
}

// wipeState makes the chain empty and forgets accounts, index and commit
// counters. It keeps heights, headers, bodies, pool and receipts.
func (c *Chain) wipeState() error {
	w := c.store.begin()
	w.put([]byte{keyMending}, nil)
	w.info.Blocks, w.info.Tip, w.info.Target = 0, c.net.ID(), Hash{}
	if err := c.commit(w, true); err != nil {
		return err
	}
	c.store.accounts.forget() // nothing was read yet, as long as mending comes first
	for _, prefix := range []byte{keyAccount, keyTx, keyCommit} {
		if err := c.wipe(prefix); err != nil {
			return err
		}
	}
	return nil
}

func (c *Chain) wipe(prefix byte) error {
	for more := true; more; {
		w := new(leveldb.Batch)
		it := c.store.db.NewIterator(util.BytesPrefix([]byte{prefix}), nil)
		for w.Len() < 10_000 && it.Next() {
			w.Delete(it.Key())
		}
		more = w.Len() > 0
		err := it.Error()
		it.Release()
		if err == nil {
			err = c.store.db.Write(w, nil)
		}
		if err != nil {
			return fmt.Errorf("forget the old state: %w", err)
		}
	}
	return nil
}
