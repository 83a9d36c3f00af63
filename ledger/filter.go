package ledger

import (
	"cmp"
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
// Its size is fixed, so it does not follow the chain: with a million keys in it,
// it is wrong about one in 80,000 that are not there, with two million about one
// in 6,000, with ten million about one in 25. Where it is wrong LevelDB is asked.
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
		if err := c.fillFrom(ctx, f, db, prefix); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f.ready = true
	return nil
}

func (c *Chain) fillFrom(ctx context.Context, f *keyFilter, g getter, prefix byte) error {
	it := g.NewIterator(util.BytesPrefix([]byte{prefix}), &opt.ReadOptions{DontFillCache: true})
	defer it.Release()
	keys := make([][]byte, 0, filterStep)
	for more := it.Next(); more; {
		keys = append(keys, slices.Clone(it.Key()))
		if more = it.Next(); more && len(keys) < filterStep {
			continue
		}
		if err := c.addKeys(ctx, f, keys); err != nil {
			return err
		}
		keys = keys[:0]
	}
	if err := it.Error(); err != nil {
		return g.failedRead(err)
	}
	return nil
}

func (c *Chain) addKeys(ctx context.Context, f *keyFilter, keys [][]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		f.add(k)
	}
	return cmp.Or(ctx.Err(), c.ready())
}
