package ledger

import (
	"crypto/ed25519"
	"errors"
	"math"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	seedA = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	seedB = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
)

func publicKey(key ed25519.PrivateKey) PublicKey {
	return PublicKey(key.Public().(ed25519.PublicKey))
}

func mustNetwork(t testing.TB, n Network) *Network {
	t.Helper()
	net, err := NewNetwork(n)
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func TestCheckFields(t *testing.T) {
	net := mustNetwork(t, Network{Name: "test"})
	other := mustNetwork(t, Network{Name: "other"})
	keyedOnly := mustNetwork(t, Network{Name: "keyed", KeyedOnly: true})
	noSelfPay := mustNetwork(t, Network{Name: "paid", NoSelfPay: true})
	key := seedKey(t, seedA)
	user := uuid.UUID{15: 7}
	good := Transaction{ID: uuid.UUID{15: 1}, Receiver: user, Amount: 1, T: 1}

	for _, c := range []struct {
		name  string
		net   *Network
		edit  func(tx *Transaction)
		field string // empty: valid
	}{
		{"valid", net, func(*Transaction) {}, ""},
		{"largest amount", net, func(tx *Transaction) { tx.Amount = MaxAmount }, ""},
		{"no amount", net, func(tx *Transaction) { tx.Amount = 0 }, "amount"},
		{"amount over the limit", net, func(tx *Transaction) { tx.Amount = MaxAmount + 1 }, "amount"},
		{"t zero", net, func(tx *Transaction) { tx.T = 0 }, ""},
		{"t minus zero", net, func(tx *Transaction) { tx.T = math.Copysign(0, -1) }, "t"},
		{"t negative", net, func(tx *Transaction) { tx.T = -1 }, "t"},
		{"largest t", net, func(tx *Transaction) { tx.T = math.Nextafter(MaxT, 0) }, ""},
		{"t over the limit", net, func(tx *Transaction) { tx.T = MaxT }, "t"},
		{"t infinite", net, func(tx *Transaction) { tx.T = math.Inf(1) }, "t"},
		{"t not a number", net, func(tx *Transaction) { tx.T = math.NaN() }, "t"},
		{"issuer to issuer", net, func(tx *Transaction) { tx.Receiver = tx.Sender }, "receiver"},
		{"to oneself", net, func(tx *Transaction) { tx.Sender = user }, ""},
		{"to oneself where that is refused", noSelfPay, func(tx *Transaction) { tx.Sender = user }, "receiver"},
		{"keyed to oneself where that is refused", noSelfPay, func(tx *Transaction) { tx.Sign(noSelfPay, key); tx.Receiver = tx.Sender }, "receiver"},
		{"to another where to oneself is refused", noSelfPay, func(*Transaction) {}, ""},
		{"keyed", net, func(tx *Transaction) { tx.Sign(net, key) }, ""},
		{"keyed without key", net, func(tx *Transaction) { tx.Sign(net, key); tx.Auth = nil }, "signature"},
		{"open with a key", net, func(tx *Transaction) { tx.Sign(net, key); tx.Sender = user }, "public_key"},
		{"another key", net, func(tx *Transaction) { tx.Sign(net, key); tx.Auth.PublicKey[0]++ }, "public_key"},
		{"another signature", net, func(tx *Transaction) { tx.Sign(net, key); tx.Auth.Signature[0]++ }, "signature"},
		{"changed after signing", net, func(tx *Transaction) { tx.Sign(net, key); tx.Amount++ }, "signature"},
		{"signed for another network", net, func(tx *Transaction) { tx.Sign(other, key) }, "signature"},
		{"open on a keyed network", keyedOnly, func(tx *Transaction) { tx.Sender = user }, "sender"},
		{"issuer on a keyed network", keyedOnly, func(*Transaction) {}, ""},
		{"keyed on a keyed network", keyedOnly, func(tx *Transaction) { tx.Sign(keyedOnly, key) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tx := good
			c.edit(&tx)
			err := tx.CheckFields(c.net)
			if c.field == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var broken *FieldError
			if !errors.As(err, &broken) || broken.Field != c.field || broken.Rule == "" {
				t.Fatalf("%v, want an error about %s", err, c.field)
			}
		})
	}
}

// sealedBlock builds a valid block of txs at height 0.
func sealedBlock(t testing.TB, net *Network, key ed25519.PrivateKey, txs []*Transaction) *Block {
	t.Helper()
	h := Header{
		Version: 1, Parent: net.ID(), Root: Root(txs), Count: uint32(len(txs)),
		Time: 1620811776000, Bits: net.Bits, Builder: publicKey(key),
	}
	return &Block{SealedHeader: seal(t, net, key, h), Txs: txs}
}

func seal(t testing.TB, net *Network, key ed25519.PrivateKey, h Header) SealedHeader {
	t.Helper()
	if !h.Search(0, func() bool { return false }) {
		t.Fatal("no nonce found")
	}
	return h.Sign(net, key)
}

func TestCheckHeader(t *testing.T) {
	key, stranger := seedKey(t, seedA), seedKey(t, seedB)
	net := mustNetwork(t, Network{Name: "test", Bits: 4, Builders: []PublicKey{publicKey(key)}})
	other := mustNetwork(t, Network{Name: "other", Bits: 4})
	good := sealedBlock(t, net, key, someTxs(3)).Header

	// Each is sealed again after the edit, but for those that edit the seal.
	for _, c := range []struct {
		name  string
		edit  func(h *Header)
		after func(h *SealedHeader)
		fault Fault // 0: valid
		field string
	}{
		{name: "valid"},
		{name: "largest height", edit: func(h *Header) { h.Height = 1<<53 - 1; h.Parent = Hash{1} }},
		{name: "largest count", edit: func(h *Header) { h.Count = MaxBlockTxs }},
		{name: "time 0", edit: func(h *Header) { h.Time = 0 }},
		{name: "largest time", edit: func(h *Header) { h.Time = 1<<53 - 1 }},
		{name: "version 0", edit: func(h *Header) { h.Version = 0 }, fault: FaultBlock, field: "version"},
		{name: "version 2", edit: func(h *Header) { h.Version = 2 }, fault: FaultBlock, field: "version"},
		{name: "height", edit: func(h *Header) { h.Height = 1 << 53; h.Parent = Hash{1} }, fault: FaultBlock, field: "height"},
		{name: "first with a parent", edit: func(h *Header) { h.Parent = Hash{1} }, fault: FaultBlock, field: "prev_hash"},
		{name: "second without", edit: func(h *Header) { h.Height = 1 }, fault: FaultBlock, field: "prev_hash"},
		{name: "count 0", edit: func(h *Header) { h.Count = 0 }, fault: FaultBlock, field: "count"},
		{name: "count 10001", edit: func(h *Header) { h.Count = MaxBlockTxs + 1 }, fault: FaultBlock, field: "count"},
		{name: "time", edit: func(h *Header) { h.Time = 1 << 53 }, fault: FaultBlock, field: "time"},
		{name: "fewer bits", edit: func(h *Header) { h.Bits-- }, fault: FaultBlock, field: "bits"},
		{name: "more bits", edit: func(h *Header) { h.Bits++ }, fault: FaultBlock, field: "bits"},
		{name: "builder", edit: func(h *Header) { h.Builder = publicKey(stranger) }, fault: FaultBlock, field: "builder"},
		{name: "no proof", after: func(h *SealedHeader) {
			for hash := h.Hash(); hash.ZeroBits() >= 4; hash = h.Hash() {
				h.Nonce[0]++
			}
		}, fault: FaultBlock, field: "hash"},
		{name: "signature", after: func(h *SealedHeader) { h.Signature[0]++ }, fault: FaultSender, field: "signature"},
		{name: "another's signature", after: func(h *SealedHeader) { *h = h.Sign(net, stranger) }, fault: FaultSender, field: "signature"},
		{name: "another network's", after: func(h *SealedHeader) { *h = h.Sign(other, key) }, fault: FaultSender, field: "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good
			if c.edit != nil {
				c.edit(&h)
			}
			sealed := seal(t, net, key, h)
			if c.after != nil {
				c.after(&sealed)
			}
			wantBlockError(t, net.CheckHeader(&sealed), &sealed.Header, c.fault, c.field)
		})
	}
}

func wantBlockError(t *testing.T, err error, h *Header, fault Fault, field string) {
	t.Helper()
	if fault == 0 {
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	var broken *BlockError
	if !errors.As(err, &broken) {
		t.Fatalf("%v, want an error about %s", err, field)
	}
	if broken.Fault != fault || broken.Field != field || broken.Rule == "" || broken.Hash != h.Hash() || broken.Height != h.Height {
		t.Fatalf("%+v, want field %s, fault %d", broken, field, fault)
	}
}

func TestCheckBody(t *testing.T) {
	net := mustNetwork(t, Network{Name: "test"})
	key := seedKey(t, seedA)
	signed := func() *Transaction {
		tx := &Transaction{ID: uuid.UUID{15: 5}, Receiver: uuid.UUID{15: 9}, Amount: 1}
		tx.Sign(net, key)
		return tx
	}
	for _, c := range []struct {
		name  string
		edit  func(h *Header, txs []*Transaction) []*Transaction
		fault Fault
		field string
	}{
		{name: "valid"},
		{name: "one more", edit: func(_ *Header, txs []*Transaction) []*Transaction {
			return append(txs, signed())
		}, fault: FaultSender, field: "count"},
		{name: "one less", edit: func(_ *Header, txs []*Transaction) []*Transaction { return txs[1:] }, fault: FaultSender, field: "count"},
		{name: "another order", edit: func(_ *Header, txs []*Transaction) []*Transaction {
			txs[0], txs[1] = txs[1], txs[0]
			return txs
		}, fault: FaultSender, field: "root"},
		{name: "a keyed one", edit: func(h *Header, txs []*Transaction) []*Transaction { return commitTo(h, append(txs, signed())) }},
		{name: "its ID from an open one", edit: func(h *Header, txs []*Transaction) []*Transaction {
			txs[3].ID = signed().ID
			return commitTo(h, append(txs, signed()))
		}},
		{name: "an amount", edit: func(h *Header, txs []*Transaction) []*Transaction {
			txs[2].Amount = 0
			return commitTo(h, txs)
		}, fault: FaultBlock, field: "items[2].amount"},
		{name: "the first of two", edit: func(h *Header, txs []*Transaction) []*Transaction {
			txs[3].T, txs[1].T = -1, -1
			return commitTo(h, append(txs, signed()))
		}, fault: FaultBlock, field: "items[1].t"},
		{name: "a keyed one twice", edit: func(h *Header, txs []*Transaction) []*Transaction {
			bad := signed()
			bad.Amount++
			return commitTo(h, append(txs, bad, signed()))
		}, fault: FaultBlock, field: "items[5].id"},
		{name: "a signature", edit: func(h *Header, txs []*Transaction) []*Transaction {
			bad := signed()
			bad.Amount++
			return commitTo(h, append(txs, bad))
		}, fault: FaultBlock, field: "items[4].signature"},
		{name: "a variant of one", edit: func(h *Header, txs []*Transaction) []*Transaction {
			variant := *txs[1]
			variant.T++
			return commitTo(h, append(txs, &variant))
		}, fault: FaultBlock, field: "items[4].id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			txs := someTxs(4)
			h := &Header{Height: 3}
			commitTo(h, txs)
			if c.edit != nil {
				txs = c.edit(h, txs)
			}
			wantBlockError(t, net.CheckBody(h, txs), h, c.fault, c.field)
		})
	}
}

// commitTo makes h a header of txs.
func commitTo(h *Header, txs []*Transaction) []*Transaction {
	h.Count, h.Root = uint32(len(txs)), Root(txs)
	return txs
}

func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHeader(t).Header
		h.Bits = rapid.Uint8Range(0, 9).Draw(t, "search bits")
		start := rapid.Uint64().Draw(t, "start")
		before := h
		if !h.Search(start, func() bool { return false }) {
			t.Fatal("stopped by itself")
		}
		hash := h.Hash()
		if hash.ZeroBits() < int(h.Bits) {
			t.Fatalf("nonce %s gives %s, which lacks %d zero bits", h.Nonce, hash, h.Bits)
		}
		before.Nonce = h.Nonce
		if h != before {
			t.Fatalf("the search changed %+v to %+v", before, h)
		}
	})
	h := Header{Bits: 255}
	asked := 0
	if h.Search(7, func() bool { asked++; return asked == 3 }) || h.Nonce != (Nonce{}) || asked != 3 {
		t.Errorf("stopped at the third call, it made %d and left nonce %s", asked, h.Nonce)
	}
}

func TestZeroBits(t *testing.T) {
	for at := range 256 {
		var h Hash
		h[at/8] = 0x80 >> (at % 8)
		h[31] |= 1
		if got := h.ZeroBits(); got != at {
			t.Errorf("%s: %d zero bits, want %d", h, got, at)
		}
	}
	if got := new(Hash).ZeroBits(); got != 256 {
		t.Errorf("zero has %d zero bits", got)
	}
}

func TestAccountOfIsKeyed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var key PublicKey
		fill(t, "key", key[:])
		if account := AccountOf(key); !IsKeyed(account) || account.Version() != 8 || account.Variant() != uuid.RFC4122 {
			t.Fatalf("%s", account)
		}
		var open uuid.UUID
		fill(t, "account", open[:])
		if want := open.Version() == 8 && open.Variant() == uuid.RFC4122; IsKeyed(open) != want {
			t.Fatalf("%s keyed: %t, want %t", open, !want, want)
		}
	})
}

func TestKeyTellsSendersApart(t *testing.T) {
	open := &Transaction{ID: uuid.UUID{1}, Sender: uuid.UUID{2}}
	alike := &Transaction{ID: uuid.UUID{1}, Sender: uuid.UUID{3}}
	keyed := &Transaction{ID: uuid.UUID{1}, Sender: AccountOf(PublicKey{4}), Auth: new(Auth)}
	if open.Key() != alike.Key() {
		t.Error("two open senders share their IDs")
	}
	if open.Key() == keyed.Key() {
		t.Error("a keyed sender has IDs of its own")
	}
}

// TestSignatureIsVerifiedOnce checks that what was verified passes again without its
// signature being looked at, and nothing else does.
func TestSignatureIsVerifiedOnce(t *testing.T) {
	net, other := mustNetwork(t, Network{Name: "one"}), mustNetwork(t, Network{Name: "other"})
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	tx := &Transaction{ID: uuid.UUID{1}, Receiver: uuid.UUID{2}, Amount: 3, T: 4}
	tx.Sign(net, key)
	if net.signed.Contains(tx.Digest()) {
		t.Fatal("known before it was verified")
	}
	if err := tx.CheckFields(net); err != nil {
		t.Fatal(err)
	}
	forged := *tx
	forged.Auth = &Auth{PublicKey: tx.Auth.PublicKey}
	net.signed.Add(forged.Digest(), struct{}{})
	if err := forged.CheckFields(net); err != nil {
		t.Errorf("a signature that counts as verified is verified again: %v", err)
	}
	if !net.signed.Contains(tx.Digest()) || other.signed.Contains(tx.Digest()) {
		t.Fatal("not known, or known to another network")
	}
	if err := tx.CheckFields(other); err == nil {
		t.Error("a signature for another network passes")
	}
	for i := range tx.Auth.Signature {
		bad := *tx
		bad.Auth = &Auth{PublicKey: tx.Auth.PublicKey, Signature: tx.Auth.Signature}
		bad.Auth.Signature[i] ^= 1
		if bad.CheckFields(net) == nil || net.signed.Contains(bad.Digest()) {
			t.Errorf("passes with another byte %d of the signature", i)
		}
	}
}

func TestSame(t *testing.T) {
	tx := Transaction{ID: uuid.UUID{1}, Sender: uuid.UUID{2}, Receiver: uuid.UUID{3}, Amount: 4, T: 5}
	for name, c := range map[string]struct {
		other Transaction
		want  bool
	}{
		"another time":     {Transaction{ID: tx.ID, Sender: tx.Sender, Receiver: tx.Receiver, Amount: 4, T: 6}, true},
		"another ID":       {Transaction{Sender: tx.Sender, Receiver: tx.Receiver, Amount: 4}, false},
		"another sender":   {Transaction{ID: tx.ID, Receiver: tx.Receiver, Amount: 4}, false},
		"another receiver": {Transaction{ID: tx.ID, Sender: tx.Sender, Amount: 4}, false},
		"another amount":   {Transaction{ID: tx.ID, Sender: tx.Sender, Receiver: tx.Receiver, Amount: 5}, false},
	} {
		if got := tx.Same(&c.other); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
