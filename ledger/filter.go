package ledger

import (
	"context"
	"slices"

	"github.com/bits-and-blooms/bloom/v3"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A keyFilter knows of most accounts and transaction IDs that the store does not
// hold that it does not: a Bloom filter (Bloom, "Space/time trade-offs in hash
// coding with allowable errors", 1970) over the keys of both. LevelDB has one in
// each table, but asking all tables costs more than all else that accepting a new
// transaction does. It belongs to the chain's writer.
//
// Its size is fixed, so it does not follow the chain: of a million transactions
// from and to as many accounts it is wrong about one key in a hundred thousand,
// of five million about one in thirty, and where it is wrong LevelDB is asked.
type keyFilter struct {
	bits  *bloom.BloomFilter
	ready bool // holds every key of the store; before, it says nothing
}

const (
	filterBits   = 1 << 26 // 8 MiB
	filterHashes = 4
	// filterStep is how many keys are read from disk between two turns at the
	// chain's lock, while a filter is filled.
	filterStep = 4096
)

// add notes a key that is about to be written.
func (f *keyFilter) add(key []byte) {
	if f != nil {
		f.bits.Add(key)
	}
}

// lacks reports that the store does not hold key: for certain.
func (f *keyFilter) lacks(key []byte) bool {
	return f != nil && f.ready && !f.bits.Test(key)
}

// fillFilter gives the store a filter of its keys, in steps between which the
// chain goes on; some seconds for millions of them. Until it is done, and where
// it fails, every look-up goes to LevelDB.
func (c *Chain) fillFilter(ctx context.Context) error {
	c.mu.Lock()
	f := &keyFilter{bits: bloom.New(c.filterBits, filterHashes)}
	c.store.filter = f
	// What is written from here on adds itself; the snapshot has all before.
	db, err := c.store.db.snapshot()
	c.mu.Unlock()
	if err != nil {
		return err // closed
	}
	defer db.Release()
	for _, prefix := range []byte{keyAccount, keyTx} {
		if err := c.fillFrom(ctx, db, prefix); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.ready = true
	return nil
}

func (c *Chain) fillFrom(ctx context.Context, g getter, prefix byte) error {
	it := g.NewIterator(util.BytesPrefix([]byte{prefix}), &opt.ReadOptions{DontFillCache: true})
	defer it.Release()
	keys := make([][]byte, 0, filterStep)
	for it.Next() {
		if keys = append(keys, slices.Clone(it.Key())); len(keys) < filterStep {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		c.addKeys(keys)
		keys = keys[:0]
	}
	c.addKeys(keys)
	if err := it.Error(); err != nil {
		return g.failedRead(err)
	}
	return nil
}

func (c *Chain) addKeys(keys [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		c.store.filter.add(k)
	}
}
