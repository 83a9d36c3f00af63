package ledger

import (
	"crypto/ed25519"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// TestSignatureIsVerifiedOnce: what was verified passes again without its
// signature being looked at, and nothing else does.
func TestSignatureIsVerifiedOnce(t *testing.T) {
	net, other := mustNetwork(t, Network{Name: "one"}), mustNetwork(t, Network{Name: "other"})
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tx := &Transaction{ID: acc(1), Receiver: acc(2), Amount: 3, T: 4}
	tx.Sign(net, key)
	if net.signed.has(tx.Digest()) {
		t.Fatal("known before it was verified")
	}
	if err := tx.CheckFields(net); err != nil {
		t.Fatal(err)
	}
	if !net.signed.has(tx.Digest()) || other.signed.has(tx.Digest()) {
		t.Fatal("not known, or known to another network")
	}
	if err := tx.CheckFields(other); err == nil {
		t.Error("a signature for another network passes")
	}
	for i := range tx.Auth.Signature {
		bad := *tx
		bad.Auth = &Auth{PublicKey: tx.Auth.PublicKey, Signature: tx.Auth.Signature}
		bad.Auth.Signature[i] ^= 1
		if bad.CheckFields(net) == nil || net.signed.has(bad.Digest()) {
			t.Errorf("passes with another byte %d of the signature", i)
		}
	}
}

// TestSignatureCacheIsBounded: it holds two generations at most, the newest ones.
func TestSignatureCacheIsBounded(t *testing.T) {
	c := newSignatureCache()
	digest := func(n int) Hash { return Hash{byte(n), byte(n >> 8), byte(n >> 16)} }
	const all = 3*cachedSignatures + 1
	for n := range all {
		c.add(digest(n))
	}
	if held := len(c.young) + len(c.old); held > 2*cachedSignatures {
		t.Errorf("%d held", held)
	}
	if c.has(digest(0)) || !c.has(digest(all-cachedSignatures)) || !c.has(digest(all-1)) {
		t.Error("it holds others than the newest")
	}
}

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
