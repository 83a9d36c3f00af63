package store

import (
	"context"
	"sync"
	"testing"

	"foxchain/ledger"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

func ready() error { return nil }

// grow commits a state of n accounts and n transactions, and returns their keys.
func grow(t *testing.T, s *Store, mu *sync.Mutex, n int) (keys [][]byte) {
	t.Helper()
	o := ledger.NewOverlay(nil, 0)
	for range n {
		id, tx := uuid.New(), ledger.TxKey{ID: uuid.New()}
		o.Accounts[id] = &ledger.AccountState{Balance: 1}
		o.Places[tx] = &ledger.Place{}
		keys = append(keys, accountKey(id), txKey(keyTx, tx))
	}
	mu.Lock()
	defer mu.Unlock()
	w := s.Begin()
	w.PutState(o)
	if err := w.Write(false); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestFilterGrows checks that a filter of any number of keys denies none of them and nearly
// all others, and takes no more than twice the bits that these need, and a first layer.
func TestFilterGrows(t *testing.T) {
	const first, keys = 1 << 12, 100_000
	f := newKeyFilter(FilterSize{Bits: first})
	f.ready = true
	var there []uuid.UUID
	for range keys {
		id := uuid.New()
		there = append(there, id)
		f.add(accountKey(id))
		f.add(accountKey(id)) // takes no more room
	}
	for _, id := range there {
		if f.lacks(accountKey(id)) {
			t.Fatalf("the filter denies %s, which was added", id)
		}
	}
	wrong, bits := 0, 0
	for range keys {
		if !f.lacks(accountKey(uuid.New())) {
			wrong++
		}
	}
	for _, layer := range f.layers {
		bits += 512 * len(layer)
	}
	if wrong > keys/50 || bits > first+2*keys*int(f.perKey) {
		t.Errorf("the filter is wrong about %d of %d keys, with %d bits", wrong, keys, bits)
	}
}

// TestFilter checks that a filter that is filled from disk while others write denies
// nothing that is there and nearly all that is not. Until it is filled it denies nothing.
func TestFilter(t *testing.T) {
	s, _, err := Open(Config{Storage: storage.NewMemStorage(), Filter: FilterSize{Bits: 1 << 26}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var mu sync.Mutex
	keys := grow(t, s, &mu, 5*filterStep)
	absent := accountKey(uuid.New())
	if s.filter.lacks(absent) {
		t.Fatal("a filter that is not there denies a key")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.FillFilter(ended, &mu, ready); err == nil || s.filter.lacks(absent) {
		t.Fatalf("a filter whose filling ended (%v) denies a key", err)
	}
	filled := make(chan error, 1)
	go func() { filled <- s.FillFilter(t.Context(), &mu, ready) }()
	for range 50 {
		keys = append(keys, grow(t, s, &mu, 100)...)
	}
	if err := <-filled; err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if s.filter.lacks(k) {
			t.Fatalf("the filter denies the key %x, which is in the store", k)
		}
	}
	wrong := 0
	for range 10_000 {
		if !s.filter.lacks(accountKey(uuid.New())) {
			wrong++
		}
	}
	if wrong > 10 {
		t.Errorf("the filter is wrong about %d of 10000 keys", wrong)
	}
}
