package ledger

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestAccountRecord: what encode writes by hand is the CBOR of the record.
func TestAccountRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := func(name string) *big.Int {
			b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name)
			return new(big.Int).SetBytes(b)
		}
		a := &account{balance: rapid.Uint64Max(MaxAmount).Draw(t, "balance"), minted: total("minted"), redeemed: total("redeemed")}
		if rapid.Bool().Draw(t, "newest") {
			a.newest = &Place{rapid.Uint64().Draw(t, "height"), rapid.Uint32().Draw(t, "index")}
		}
		want, err := Marshal(accountRecord{Balance: a.balance, Newest: appendPlace(nil, a.newest), Minted: a.minted.Bytes(), Redeemed: a.redeemed.Bytes()})
		if err != nil || string(want) != string(a.encode()) {
			t.Fatalf("%x, want %x (%v)", a.encode(), want, err)
		}
	})
}
