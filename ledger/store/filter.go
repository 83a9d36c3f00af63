package store

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"sync"
)

// A keyFilter is a Bloom filter (Bloom, "Space/time trade-offs in hash coding
// with allowable errors", 1970) over the accounts, transaction IDs and receipts
// of the store. It answers, without a disk read, that a key is certainly absent.
// LevelDB has a filter in each table, but asking all tables costs more than the
// rest of accepting a transaction. It belongs to the chain's writer.
//
// All bits of a key are in one block of the size of a cache line, so that a key costs one
// read of memory (Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom
// Filters", 2007). A transaction ID and its receipts are one key, keyTx's, so that both
// cost one read too.
//
// Its size is fixed. An absent key that it does not exclude is looked up in LevelDB.
// With a million keys in the filter that is one absent key in 50,000, with two
// million one in 4,000, and with ten million one in 24.
type keyFilter struct {
	seed   maphash.Seed
	blocks [][blockWords]uint64
	ready  bool // it holds every key of the store; until then it excludes none
}

const (
	filterBits   = 1 << 26 // 8 MiB
	filterHashes = 4
	blockWords   = 8 // 512 bits
	// filterStep is how many keys are read from disk between two turns at the
	// chain's lock, while a filter is filled.
	filterStep = 4096
)

func newKeyFilter(bits uint) *keyFilter {
	return &keyFilter{seed: maphash.MakeSeed(), blocks: make([][blockWords]uint64, max(1, bits/(64*blockWords)))}
}

// block returns the block of a key, and a number of which 9 bits each choose a bit there.
func (f *keyFilter) block(key []byte) (block *[blockWords]uint64, bits uint64) {
	h := maphash.Bytes(f.seed, key)
	return &f.blocks[(h>>36)%uint64(len(f.blocks))], h
}

// add notes a key that is about to be written.
func (f *keyFilter) add(key []byte) {
	if f == nil {
		return
	}
	block, bits := f.block(key)
	for range filterHashes {
		block[bits>>6%blockWords] |= 1 << (bits % 64)
		bits >>= 9
	}
}

// lacks reports whether the store certainly does not hold key.
func (f *keyFilter) lacks(key []byte) bool {
	if f == nil || !f.ready {
		return false
	}
	block, bits := f.block(key)
	for range filterHashes {
		if block[bits>>6%blockWords]&(1<<(bits%64)) == 0 {
			return true
		}
		bits >>= 9
	}
	return false
}

// FillFilter builds the filter of the store's keys. That takes some seconds for
// millions of keys, so it holds mu only for short steps. It ends early with ready's
// error. Until it is done, and where it fails, every look-up goes to LevelDB.
func (s *Store) FillFilter(ctx context.Context, mu sync.Locker, ready func() error) error {
	mu.Lock()
	f := newKeyFilter(cmp.Or(s.filterBits, filterBits))
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
			key = slices.Clone(key[:min(len(key), flagSize)]) // a receipt's without its digest
			if prefix == keyReceipt {
				key[0] = keyTx
			}
			if keys = append(keys, key); len(keys) < filterStep {
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
