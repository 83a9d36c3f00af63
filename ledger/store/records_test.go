package store

import (
	"math/big"
	"testing"

	"foxchain/ledger"

	"pgregory.net/rapid"
)

// TestAccountRecord checks that what appendAccount writes by hand is the CBOR of the record.
func TestAccountRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := func(name string) *big.Int {
			b := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(t, name)
			return new(big.Int).SetBytes(b)
		}
		a := &ledger.AccountState{Balance: rapid.Int64Range(-ledger.MaxAmount, ledger.MaxAmount).Draw(t, "balance"), Minted: total("minted"), Redeemed: total("redeemed")}
		if rapid.Bool().Draw(t, "newest") {
			a.Newest = &ledger.Place{Height: rapid.Uint64().Draw(t, "height"), Index: rapid.Uint32().Draw(t, "index")}
		}
		want, err := ledger.Marshal(accountRecord{Balance: a.Balance, Newest: appendPlace(nil, a.Newest), Minted: a.Minted.Bytes(), Redeemed: a.Redeemed.Bytes()})
		if err != nil || string(want) != string(appendAccount(nil, a)) {
			t.Fatalf("%x, want %x (%v)", appendAccount(nil, a), want, err)
		}
	})
}
