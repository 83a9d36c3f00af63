package ledger

import (
	"crypto/ed25519"
	"testing"
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
	forged := *tx
	forged.Auth = &Auth{PublicKey: tx.Auth.PublicKey}
	net.signed.add(forged.Digest())
	if err := forged.CheckFields(net); err != nil {
		t.Errorf("a signature that counts as verified is verified again: %v", err)
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
