package store

import (
	"encoding/binary"
	"testing"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// TestCachedAccounts: the last accounts are in memory as they were kept last, and at most
// twice as many. This store has no database to read others from.
func TestCachedAccounts(t *testing.T) {
	s := new(Store)
	id := func(i int) (u uuid.UUID) {
		binary.BigEndian.PutUint64(u[:], uint64(i))
		return u
	}
	const all = 5 * cachedAccounts / 2
	for i := range all {
		s.keep(id(i), ledger.AccountState{Balance: 1})
		s.keep(id(i/2), ledger.AccountState{Balance: int64(i)})
		if len(s.young) > cachedAccounts || len(s.old) > cachedAccounts {
			t.Fatalf("%d and %d are kept", len(s.young), len(s.old))
		}
	}
	for i := all/2 - cachedAccounts/3; i < all/2; i++ {
		if got, err := s.Balance(id(i)); got != int64(2*i+1) || err != nil {
			t.Fatalf("account %d: %d, %v", i, got, err)
		}
	}
	for i := all - cachedAccounts/3; i < all; i++ {
		if got, err := s.Balance(id(i)); got != 1 || err != nil {
			t.Fatalf("account %d: %d, %v", i, got, err)
		}
	}
}
