package store

import (
	"testing"

	"foxchain/ledger"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// TestAccountCache: it never gives an older state than the last that was put, has
// the last ones of its size, and never more than twice as many.
func TestAccountCache(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := accountCache{size: rapid.IntRange(1, 8).Draw(t, "size")}
		newest := make(map[uuid.UUID]uint64)
		for i := range uint64(100) {
			id := uuid.UUID{byte(rapid.IntRange(0, 20).Draw(t, "account"))}
			if rapid.Bool().Draw(t, "put") {
				c.put(id, ledger.AccountState{Balance: i})
				newest[id] = i
				if a, ok := c.get(id); !ok || a.Balance != i {
					t.Fatalf("%v, %v after %d was put", a, ok, i)
				}
			}
			if a, ok := c.get(id); ok && a.Balance != newest[id] {
				t.Fatalf("%d, but %d was put last", a.Balance, newest[id])
			}
			if len(c.young) > c.size || len(c.old) > c.size {
				t.Fatalf("%d and %d are held, the size is %d", len(c.young), len(c.old), c.size)
			}
		}
	})
}
