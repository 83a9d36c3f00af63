package store

import (
	"cmp"
	"hash/maphash"
	"math/bits"
)

// A keyFilter is a Bloom filter (Bloom, "Space/time trade-offs in hash coding with
// allowable errors", 1970) over the accounts, transaction IDs and receipts of the store.
// It answers, without a disk read, that a key is certainly absent. LevelDB has a filter
// in each table, but asking all tables costs more than the rest of accepting a
// transaction. Only the chain's writer uses a keyFilter.
//
// All bits of a key are in one block of the size of a cache line, so that a key costs one
// read of memory for each layer (Putze, Sanders and Singler, "Cache-, Hash- and
// Space-Efficient Bloom Filters", 2007). A transaction ID and its receipts have one key,
// keyTx's, so that both together cost one read.
//
// It grows with its keys, by layers that are each twice as large as the one before
// (Almeida et al., "Scalable Bloom Filters", 2007). A full layer errs about one absent
// key in 2,000, which is then looked up in LevelDB.
type keyFilter struct {
	seed   maphash.Seed
	layers [][]filterBlock // the last one takes new keys
	room   int             // how many more it takes
	perKey uint            // bits of a full layer for each of its keys
	ready  bool            // it holds every key of the store; before that it excludes none
}

// A filterBlock has 512 bits, the size of a cache line.
type filterBlock [8]uint64

// A FilterSize is how large a filter of keys is. Tests make it small, so that it errs.
type FilterSize struct {
	Bits   uint // of the first layer; 0 for 2^26, which is 8 MiB, or 2^20 in Config.Storage
	PerKey uint // of a full layer, for each of its keys; 0 for 20
}

const (
	filterHashes = 6 // each of 9 bits, which choose a bit of a block
	// filterStep is how many keys are read from disk between two times that filling the
	// filter takes the chain's lock.
	filterStep = 4096
)

func newKeyFilter(size FilterSize) *keyFilter {
	f := &keyFilter{seed: maphash.MakeSeed(), perKey: cmp.Or(size.PerKey, 20)}
	f.addLayer(int(cmp.Or(size.Bits, 1<<26) / 512))
	return f
}

func (f *keyFilter) addLayer(blocks int) {
	f.layers = append(f.layers, make([]filterBlock, blocks))
	f.room = blocks * 512 / int(f.perKey)
}

// add notes a key that is about to be written.
func (f *keyFilter) add(key []byte) {
	if f == nil {
		return
	}
	h := maphash.Bytes(f.seed, key)
	if f.has(h) {
		return
	}
	if f.room == 0 {
		f.addLayer(2 * len(f.layers[len(f.layers)-1]))
	}
	f.room--
	last := f.layers[len(f.layers)-1]
	last[blockOf(h, last)].set(mixed(h))
}

// lacks reports whether the store certainly does not hold key.
func (f *keyFilter) lacks(key []byte) bool {
	return f != nil && f.ready && !f.has(maphash.Bytes(f.seed, key))
}

// has reports whether a key with the hash h may have been added.
func (f *keyFilter) has(h uint64) bool {
	for _, layer := range f.layers {
		if layer[blockOf(h, layer)].has(mixed(h)) {
			return true
		}
	}
	return false
}

// blockOf returns the number of the block of a key with the hash h in a layer.
func blockOf(h uint64, layer []filterBlock) uint64 { return (h >> 32) % uint64(len(layer)) }

// mixed returns the number that chooses the bits of a key in its block. h itself would not
// do, since the keys of a block have a part of it in common.
func mixed(h uint64) uint64 {
	hi, lo := bits.Mul64(h, 0x9e3779b97f4a7c15) // 2^64 by the golden ratio
	return hi ^ lo
}

func (b *filterBlock) set(h uint64) {
	for range filterHashes {
		b[h>>6%8] |= 1 << (h % 64)
		h >>= 9
	}
}

func (b *filterBlock) has(h uint64) bool {
	for range filterHashes {
		if b[h>>6%8]&(1<<(h%64)) == 0 {
			return false
		}
		h >>= 9
	}
	return true
}
