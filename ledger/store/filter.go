package store

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/bits-and-blooms/bloom/v3"
)

// A keyFilter is a Bloom filter (Bloom, "Space/time trade-offs in hash coding
// with allowable errors", 1970) over the accounts, transaction IDs and receipts
// of the store. It answers, without a disk read, that a key is certainly absent.
// LevelDB has a filter in each table, but asking all tables costs more than the
// rest of accepting a transaction. It belongs to the chain's writer.
//
// Its size is fixed. An absent key that it does not exclude is looked up in LevelDB.
// With a million keys in the filter that is one absent key in 80,000, with two
// million one in 6,000, and with ten million one in 25.
type keyFilter struct {
	bits  *bloom.BloomFilter
	ready bool // it holds every key of the store; until then it excludes none
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

// lacks reports whether the store certainly does not hold key.
func (f *keyFilter) lacks(key []byte) bool {
	return f != nil && f.ready && !f.bits.Test(key)
}

// FillFilter builds the filter of the store's keys. That takes some seconds for
// millions of keys, so it holds mu only for short steps. It ends early with ready's
// error. Until it is done, and where it fails, every look-up goes to LevelDB.
func (s *Store) FillFilter(ctx context.Context, mu sync.Locker, ready func() error) error {
	mu.Lock()
	f := &keyFilter{bits: bloom.New(cmp.Or(s.filterBits, filterBits), filterHashes)}
	s.filter = f
	// What is written from here on adds itself; the snapshot has all before.
	db, err := s.DB.GetSnapshot()
	mu.Unlock()
	if err != nil {
		return err // closed
	}
	defer db.Release()
	var keys [][]byte
	add := func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range keys {
			f.add(k)
		}
		keys = keys[:0]
		return cmp.Or(ctx.Err(), ready())
	}
	for _, prefix := range []byte{keyAccount, keyTx, keyReceipt} {
		err := Reader{db, s.damage}.scan([]byte{prefix}, func(key, _ []byte) error {
			if keys = append(keys, slices.Clone(key)); len(keys) < filterStep {
				return nil
			}
			return add()
		})
		if err != nil {
			return err
		}
	}
	if err := add(); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	f.ready = true
	return nil
}
