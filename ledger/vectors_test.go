package ledger

import (
	"crypto/ed25519"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
)

// vectors is testdata/vectors.json, which testdata/vectors.py computed from the
// specification without any code of this package.
type vectors struct {
	Network      Hash           `json:"network"`
	Transactions []txVector     `json:"transactions"`
	Networks     []netVector    `json:"networks"`
	Credit       []creditVector `json:"credit"`
	Accounts     []struct {
		PublicKey PublicKey `json:"public_key"`
		Account   uuid.UUID `json:"account"`
	} `json:"accounts"`
	Blocks []blockVector `json:"blocks"`
	Roots  []Hash        `json:"roots"`
	Floats []struct {
		Bits string `json:"bits"`
		Repr string `json:"repr"`
	} `json:"floats"`
}

type txVector struct {
	Name       string `json:"name"`
	JSON       string `json:"json"`
	Seed       string `json:"seed"` // of the sender's key
	CBOR       string `json:"cbor"`
	Digest     Hash   `json:"digest"`
	LegacyHash Link   `json:"legacy_hash"`
}

type netVector struct {
	File string `json:"file"`
	CBOR string `json:"cbor"`
	ID   Hash   `json:"id"`
}

type creditVector struct {
	File      string `json:"file"`
	Transfers []struct {
		Sender   uuid.UUID `json:"sender"`
		Receiver uuid.UUID `json:"receiver"`
		Amount   uint64    `json:"amount"`
		Valid    bool      `json:"valid"`
		Holds    [2]int64  `json:"holds"` // sender and receiver, after it
	} `json:"transfers"`
}

type blockVector struct {
	Seed       string `json:"seed"` // of the builder's key
	HeaderCBOR string `json:"header_cbor"`
	Hash       Hash   `json:"hash"`
	SealedCBOR string `json:"sealed_cbor"`
	BodyCBOR   string `json:"body_cbor"`
	Links      []Link `json:"links"`
	JSON       string `json:"json"`
}

func readVectors(t testing.TB) *vectors {
	t.Helper()
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := json.Unmarshal(file, v, json.RejectUnknownMembers(true)); err != nil {
		t.Fatal(err)
	}
	return v
}

func defaultNetwork(t testing.TB) *Network {
	t.Helper()
	net, err := NamedNetwork("foxchain")
	if err != nil {
		t.Fatal(err)
	}
	return net
}

func seedKey(t testing.TB, seed string) ed25519.PrivateKey {
	t.Helper()
	raw, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(raw)
}

func noStamp() float64 { panic("a time was asked for") }

func parseOne(t testing.TB, tx string) *Transaction {
	t.Helper()
	txs, err := ParsePool(jsontext.Value("["+tx+"]"), noStamp, 1)
	if err != nil {
		t.Fatal(err)
	}
	return txs[0]
}

func TestTransactionVectors(t *testing.T) {
	net := defaultNetwork(t)
	for _, v := range readVectors(t).Transactions {
		t.Run(v.Name, func(t *testing.T) {
			tx := parseOne(t, v.JSON)
			if got := hex.EncodeToString(tx.Encode()); got != v.CBOR {
				t.Errorf("CBOR\n got %s\nwant %s", got, v.CBOR)
			}
			if got := tx.Digest(); got != v.Digest {
				t.Errorf("digest %s, want %s", got, v.Digest)
			}
			if got := LegacyHash(tx, nil); got != v.LegacyHash {
				t.Errorf("legacy hash %s, want %s", got, v.LegacyHash)
			}
			if got := string(tx.AppendJSON(nil, nil)); got != v.JSON {
				t.Errorf("JSON\n got %s\nwant %s", got, v.JSON)
			}
			if err := tx.CheckFields(net); err != nil {
				t.Error(err)
			}
			if v.Seed == "" {
				return
			}
			signed := *tx
			signed.Sign(net, seedKey(t, v.Seed))
			if *signed.Auth != *tx.Auth || signed.Sender != tx.Sender {
				t.Errorf("signed as %v, want %v", signed.Auth, tx.Auth)
			}
		})
	}
}

// The two hashes that the original published.
func TestPublishedLegacyHashes(t *testing.T) {
	id := uuid.MustParse("00000000-0000-0000-0000-000000000003")
	for at, want := range map[float64]string{
		1620811762.848223: "cca2b52f7ba2d64086a20d8764b600f688539c55",
		1620813710.01229:  "81ba993aa21a5ecd197f400ae29b517d650369eb",
	} {
		tx := &Transaction{ID: id, Receiver: id, Amount: 1000, T: at}
		if got := LegacyHash(tx, nil).String(); got != want {
			t.Errorf("t %v: %s, want %s", at, got, want)
		}
	}
}

func TestNetworkVectors(t *testing.T) {
	v := readVectors(t)
	if got := defaultNetwork(t).ID(); got != v.Network {
		t.Errorf("the default network is %s, want %s", got, v.Network)
	}
	for _, v := range v.Networks {
		net, err := ParseNetwork([]byte(v.File))
		if err != nil {
			t.Errorf("%s: %v", v.File, err)
			continue
		}
		rules, err := Marshal(net.File())
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(rules); got != v.CBOR {
			t.Errorf("%s: CBOR\n got %s\nwant %s", v.File, got, v.CBOR)
		}
		if net.ID() != v.ID {
			t.Errorf("%s: ID %s, want %s", v.File, net.ID(), v.ID)
		}
	}
}

func TestCreditVectors(t *testing.T) {
	for _, v := range readVectors(t).Credit {
		net, err := ParseNetwork([]byte(v.File))
		if err != nil {
			t.Fatal(err)
		}
		state := NewOverlay(nothing{}, 0)
		for i, tr := range v.Transfers {
			tx := &Transaction{ID: uuid.UUID{15: byte(i + 1)}, Sender: tr.Sender, Receiver: tr.Receiver, Amount: tr.Amount}
			next := state.Above()
			if err := Apply(net, next, &Block{Txs: []*Transaction{tx}}, make([]StoredTx, 1)); (err == nil) != tr.Valid {
				t.Fatalf("%s: transfer %d: %v, want valid %t", v.File, i, err, tr.Valid)
			} else if err == nil {
				state.Take(next)
			}
			for j, id := range []uuid.UUID{tr.Sender, tr.Receiver} {
				if a, err := state.Account(id); err != nil || a.Balance != tr.Holds[j] {
					t.Errorf("%s: after transfer %d %s holds %d (%v), want %d", v.File, i, id, a.Balance, err, tr.Holds[j])
				}
			}
		}
	}
}

func TestAccountVectors(t *testing.T) {
	for _, v := range readVectors(t).Accounts {
		if got := AccountOf(v.PublicKey); got != v.Account || !IsKeyed(got) {
			t.Errorf("account of %s: %s, keyed %t, want %s", v.PublicKey, got, IsKeyed(got), v.Account)
		}
	}
}

func TestBlockVectors(t *testing.T) {
	net := defaultNetwork(t)
	for _, v := range readVectors(t).Blocks {
		given, err := ParseBlocks(net, jsontext.Value("["+v.JSON+"]"), 1)
		if err != nil {
			t.Fatal(err)
		}
		b := given[0].Sealed
		if got := string(b.AppendJSON(nil)); got != v.JSON {
			t.Errorf("JSON\n got %s\nwant %s", got, v.JSON)
		}
		if got := hex.EncodeToString(b.Header.appendCBOR(nil)); got != v.HeaderCBOR {
			t.Errorf("header CBOR\n got %s\nwant %s", got, v.HeaderCBOR)
		}
		if got := hex.EncodeToString(EncodeHeader(&b.SealedHeader)); got != v.SealedCBOR {
			t.Errorf("sealed CBOR\n got %s\nwant %s", got, v.SealedCBOR)
		}
		if got := hex.EncodeToString(EncodeTransactions(b.Txs)); got != v.BodyCBOR {
			t.Errorf("body CBOR\n got %s\nwant %s", got, v.BodyCBOR)
		}
		if b.Hash() != v.Hash {
			t.Errorf("hash %s, want %s", b.Hash(), v.Hash)
		}
		for i, link := range Links(b.Txs) {
			if link != v.Links[i] {
				t.Errorf("link %d: %s, want %s", i, link, v.Links[i])
			}
		}
		if err := net.CheckHeader(&b.SealedHeader); err != nil {
			t.Error(err)
		}
		if err := net.CheckBody(&b.Header, b.Txs); err != nil {
			t.Error(err)
		}
		// The nonce is the first that works, so a search from 0 finds it.
		h := b.Header
		h.Nonce = Nonce{}
		if !h.Search(0, func() bool { return false }) || h.Nonce != b.Nonce {
			t.Errorf("search found nonce %s, want %s", h.Nonce, b.Nonce)
		}
		if got := h.Sign(net, seedKey(t, v.Seed)); got != b.SealedHeader {
			t.Errorf("sealed as %v, want %v", got, b.SealedHeader)
		}
	}
}

func TestRootVectors(t *testing.T) {
	var txs []*Transaction
	for i, want := range readVectors(t).Roots {
		n := uint64(i + 1)
		tx := &Transaction{Amount: n}
		binary.BigEndian.PutUint64(tx.ID[8:], n)
		tx.Receiver = tx.ID
		txs = append(txs, tx)
		if got := Root(txs); got != want {
			t.Errorf("root of %d: %s, want %s", n, got, want)
		}
	}
	// By RFC 6962 section 2.1 the hash of an empty list is the hash of nothing.
	if got := Root(nil).String(); got != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("root of none: %s", got)
	}
}

func TestFloatVectors(t *testing.T) {
	for _, v := range readVectors(t).Floats {
		raw, err := hex.DecodeString(v.Bits)
		if err != nil {
			t.Fatal(err)
		}
		f := math.Float64frombits(binary.BigEndian.Uint64(raw))
		if got := string(AppendFloat(nil, f)); got != v.Repr {
			t.Errorf("%s: %s, want %s as Python prints it", v.Bits, got, v.Repr)
		}
	}
}
