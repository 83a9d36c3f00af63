package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/uuid"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"pgregory.net/rapid"
)

// The arrays that stand for transactions and headers, as the CBOR library writes them.
// The hand-written code must give and take the same.
type (
	openArray struct {
		_                    struct{} `cbor:",toarray"`
		ID, Sender, Receiver uuid.UUID
		Amount               uint64
		T                    float64
	}
	keyedArray struct {
		_                    struct{} `cbor:",toarray"`
		ID, Sender, Receiver uuid.UUID
		Amount               uint64
		T                    float64
		PublicKey            PublicKey
		Signature            Signature
	}
	sealedArray struct {
		_         struct{} `cbor:",toarray"`
		Header    Header
		Signature Signature
	}
)

func (a openArray) tx() *Transaction {
	return &Transaction{ID: a.ID, Sender: a.Sender, Receiver: a.Receiver, Amount: a.Amount, T: a.T}
}

func (a keyedArray) tx() *Transaction {
	return &Transaction{ID: a.ID, Sender: a.Sender, Receiver: a.Receiver, Amount: a.Amount, T: a.T,
		Auth: &Auth{PublicKey: a.PublicKey, Signature: a.Signature}}
}

// libraryDecode decodes with the CBOR library. DecodeTransaction must agree with it.
func libraryDecode(b []byte) (*Transaction, bool) {
	var short openArray
	if Unmarshal(b, &short) == nil {
		return short.tx(), true
	}
	var long keyedArray
	if Unmarshal(b, &long) == nil {
		return long.tx(), true
	}
	return nil, false
}

func fill(t *rapid.T, label string, dst []byte) {
	copy(dst, rapid.SliceOfN(rapid.Byte(), len(dst), len(dst)).Draw(t, label))
}

// integers draws integers of all sizes of encoding, with their edges.
func integers(most uint64) *rapid.Generator[uint64] {
	edges := []uint64{0}
	for _, e := range []uint64{1, 23, 24, 255, 256, 65535, 65536, 1<<32 - 1, 1 << 32, 1<<53 - 1, math.MaxUint64} {
		if e <= most {
			edges = append(edges, e)
		}
	}
	return rapid.OneOf(rapid.SampledFrom(edges), rapid.Uint64Range(0, most))
}

func finite() *rapid.Generator[float64] {
	return rapid.Custom(func(t *rapid.T) float64 {
		f := math.Float64frombits(rapid.Uint64().Draw(t, "t bits"))
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return 0
		}
		return f
	})
}

// anyTx draws any transaction that can be encoded, not only valid ones.
func anyTx(t *rapid.T) *Transaction {
	tx := &Transaction{Amount: integers(math.MaxUint64).Draw(t, "amount"), T: finite().Draw(t, "t")}
	fill(t, "id", tx.ID[:])
	fill(t, "sender", tx.Sender[:])
	fill(t, "receiver", tx.Receiver[:])
	if rapid.Bool().Draw(t, "keyed") {
		tx.Auth = new(Auth)
		fill(t, "public key", tx.Auth.PublicKey[:])
		fill(t, "signature", tx.Auth.Signature[:])
	}
	return tx
}

func anyHeader(t *rapid.T) *SealedHeader {
	h := &SealedHeader{Header: Header{
		Version: uint8(integers(math.MaxUint8).Draw(t, "version")),
		Height:  integers(math.MaxUint64).Draw(t, "height"),
		Count:   uint32(integers(math.MaxUint32).Draw(t, "count")),
		Time:    integers(math.MaxUint64).Draw(t, "time"),
		Bits:    uint8(integers(math.MaxUint8).Draw(t, "bits")),
	}}
	fill(t, "parent", h.Parent[:])
	fill(t, "root", h.Root[:])
	fill(t, "builder", h.Builder[:])
	fill(t, "nonce", h.Nonce[:])
	fill(t, "signature", h.Signature[:])
	return h
}

func TestTransactionCBOR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tx := anyTx(t)
		enc := tx.Encode()
		if len(enc) > maxTxSize {
			t.Fatalf("%d bytes, more than %d", len(enc), maxTxSize)
		}
		want, ok := libraryDecode(enc)
		if !ok || !equalTx(want, tx) {
			t.Fatalf("the library reads %x as %+v, want %+v", enc, want, tx)
		}
		got, err := DecodeTransaction(enc)
		if err != nil || !equalTx(got, tx) {
			t.Fatalf("%x decoded to %+v, %v, want %+v", enc, got, err, tx)
		}
	})
}

func TestHeaderCBOR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHeader(t)
		enc := EncodeHeader(h)
		if len(enc) > maxSealedSize {
			t.Fatalf("%d bytes, more than %d", len(enc), maxSealedSize)
		}
		want, err := encMode.Marshal(sealedArray{Header: h.Header, Signature: h.Signature})
		if err != nil || !bytes.Equal(enc, want) {
			t.Fatalf("%x, want %x (%v)", enc, want, err)
		}
		got, err := DecodeHeader(enc)
		if err != nil || *got != *h {
			t.Fatalf("%x decoded to %+v, %v, want %+v", enc, got, err, h)
		}
	})
}

// An encoding with one byte changed, lost or added is either refused or another value's
// one encoding. The library agrees which.
func TestDamagedCBOR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		enc := anyTx(t).Encode()
		damaged := damage(t, enc)
		got, err := DecodeTransaction(damaged)
		if err == nil && !bytes.Equal(got.Encode(), damaged) {
			t.Fatalf("%x was taken, but encodes as %x", damaged, got.Encode())
		}
		want, ok := libraryDecode(damaged)
		if ok != (err == nil) || ok && !equalTx(got, want) {
			t.Fatalf("%x: %+v, %v, but the library reads %+v", damaged, got, err, want)
		}
		header := damage(t, EncodeHeader(anyHeader(t)))
		h, err := DecodeHeader(header)
		if err == nil && !bytes.Equal(EncodeHeader(h), header) {
			t.Fatalf("%x was taken, but encodes as %x", header, EncodeHeader(h))
		}
		if ok := Unmarshal(header, new(sealedArray)) == nil; ok != (err == nil) {
			t.Fatalf("%x: %v, but the library takes it: %t", header, err, ok)
		}
	})
}

func damage(t *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	at := rapid.IntRange(0, len(b)-1).Draw(t, "at")
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		b[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 1:
		return append(b[:at], b[at+1:]...)
	case 2:
		return append(b[:at:at], append([]byte{rapid.Byte().Draw(t, "byte")}, b[at:]...)...)
	}
	return b
}

func TestTransactionsCBOR(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		txs := rapid.SliceOfN(rapid.Custom(anyTx), 0, 30).Draw(t, "txs")
		enc := EncodeTransactions(txs)
		want := AppendHead(nil, MajorArray, uint64(len(txs)))
		for _, tx := range txs {
			want = append(want, tx.Encode()...)
		}
		if !bytes.Equal(enc, want) {
			t.Fatalf("%x, want %x", enc, want)
		}
		got, err := DecodeTransactions(enc, len(txs))
		if err != nil || len(got) != len(txs) {
			t.Fatalf("%d of %d decoded: %v", len(got), len(txs), err)
		}
		for i := range txs {
			if !equalTx(got[i], txs[i]) {
				t.Fatalf("item %d: %+v, want %+v", i, got[i], txs[i])
			}
		}
		if len(txs) > 0 {
			if _, err := DecodeTransactions(enc, len(txs)-1); err == nil {
				t.Fatal("more than the limit was taken")
			}
		}
	})
}

func TestDecodeTransactionsAllocatesByInput(t *testing.T) {
	// Announces as many as the limit allows, and holds none.
	huge := AppendHead(nil, MajorArray, 1<<40)
	perRun := testing.AllocsPerRun(10, func() {
		if _, err := DecodeTransactions(huge, 1<<41); err == nil {
			t.Error("taken")
		}
	})
	if perRun > 20 {
		t.Errorf("%v allocations for %d bytes", perRun, len(huge))
	}
}

func TestDecodeRefuses(t *testing.T) {
	tx := hex.EncodeToString(someTxs(1)[0].Encode())
	const uuids = "50000000000000000000000000000000005000000000000000000000000000000000" + "5000000000000000000000000000000000"
	for name, enc := range map[string]string{
		"nothing":              "",
		"null":                 "f6",
		"a byte too many":      tx + "00",
		"a byte too few":       tx[:len(tx)-2],
		"a tag":                "c0" + tx,
		"an indefinite array":  "9f" + tx[2:] + "ff",
		"six elements":         "86" + tx[2:] + "00",
		"a map":                "a0",
		"a long array head":    "9805" + tx[2:],
		"a long byte string":   "85" + "5810" + tx[4:],
		"an integer with 24":   "85" + uuids + "1801" + "fb3ff0000000000000",
		"a negative amount":    "85" + uuids + "20" + "fb3ff0000000000000",
		"a float as amount":    "85" + uuids + "fb3ff0000000000000" + "fb3ff0000000000000",
		"a float16":            "85" + uuids + "01" + "f93c00",
		"a float32":            "85" + uuids + "01" + "fa3f800000",
		"an integer as t":      "85" + uuids + "01" + "01",
		"NaN":                  "85" + uuids + "01" + "fb7ff8000000000000",
		"infinity":             "85" + uuids + "01" + "fb7ff0000000000000",
		"text in place of id":  "85" + "70" + uuids[2:] + "01" + "fb3ff0000000000000",
		"reserved information": "85" + uuids + "1c" + "fb3ff0000000000000",
	} {
		b, err := hex.DecodeString(enc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got, err := DecodeTransaction(b); err == nil {
			t.Errorf("%s was taken as %+v", name, got)
		}
	}
	good, err := hex.DecodeString("85" + uuids + "01" + "fb3ff0000000000000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeTransaction(good); err != nil {
		t.Errorf("the model of the bad ones is refused: %v", err)
	}
}

func TestUnmarshalIsStrict(t *testing.T) {
	type message struct {
		A uint64 `cbor:"a,omitempty"`
		B []byte `cbor:"b,omitempty"`
	}
	for name, enc := range map[string]string{
		"a key given twice":     "a2616101616101",
		"an unknown key":        "a1616301",
		"another case":          "a1614101",
		"keys out of order":     "a2616241016161 01",
		"a tag":                 "c1a1616101",
		"an indefinite map":     "bf616101ff",
		"a long integer":        "a161611801",
		"a zero that is not it": "a1616100",
		"something after it":    "a161610100",
		"cut":                   "a16161",
		"not a map":             "01",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(enc, " ", ""))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := Unmarshal(b, new(message)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	good := message{A: 1, B: []byte{1}}
	enc, err := Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var got message
	if err := Unmarshal(enc, &got); err != nil || got.A != 1 || !bytes.Equal(got.B, good.B) {
		t.Errorf("%+v, %v", got, err)
	}

	// A byte array must have exactly its length, though the library pads.
	if err := Unmarshal([]byte{0x42, 1, 2}, new(Nonce)); !errors.Is(err, errNotCanonical) {
		t.Errorf("two bytes for a nonce of eight: %v", err)
	}
	var deep *cbor.MaxNestedLevelError
	if err := Unmarshal(bytes.Repeat([]byte{0x81}, 200_000), new(any)); !errors.As(err, &deep) {
		t.Errorf("200,000 nested arrays: %v", err)
	}
}

// The tree is the one that the library's own hasher makes.
func TestRootIsRFC6962(t *testing.T) {
	hasher := rfc6962.DefaultHasher
	rapid.Check(t, func(t *rapid.T) {
		txs := someTxs(rapid.IntRange(1, 300).Draw(t, "n"))
		tree := (&compact.RangeFactory{Hash: hasher.HashChildren}).NewEmptyRange(0)
		for _, tx := range txs {
			digest := tx.Digest()
			if err := tree.Append(hasher.HashLeaf(digest[:]), nil); err != nil {
				t.Fatal(err)
			}
		}
		want, err := tree.GetRootHash(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := Root(txs); !bytes.Equal(got[:], want) {
			t.Fatalf("%s, want %x", got, want)
		}
	})
}

// equalTx compares bit by bit, so that 0 and -0 differ.
func equalTx(a, b *Transaction) bool {
	if (a.Auth == nil) != (b.Auth == nil) || a.Auth != nil && *a.Auth != *b.Auth {
		return false
	}
	return a.Same(b) && math.Float64bits(a.T) == math.Float64bits(b.T)
}

func FuzzDecodeTransaction(f *testing.F) {
	for _, v := range readVectors(f).Transactions {
		b, err := hex.DecodeString(v.CBOR)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(bytes.Repeat([]byte{0x81}, 200_000))
	f.Fuzz(func(t *testing.T, b []byte) {
		tx, err := DecodeTransaction(b)
		want, ok := libraryDecode(b)
		if ok != (err == nil) || ok && !equalTx(tx, want) {
			t.Fatalf("%+v, %v, but the library reads %+v", tx, err, want)
		}
		if err == nil && !bytes.Equal(tx.Encode(), b) {
			t.Fatalf("encodes as %x", tx.Encode())
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	for _, v := range readVectors(f).Blocks {
		b, err := hex.DecodeString(v.SealedCBOR)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(bytes.Repeat([]byte{0x82}, 200_000))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHeader(b)
		if ok := Unmarshal(b, new(sealedArray)) == nil; ok != (err == nil) {
			t.Fatalf("%+v, %v, but the library takes it: %t", h, err, ok)
		}
		if err == nil && !bytes.Equal(EncodeHeader(h), b) {
			t.Fatalf("encodes as %x", EncodeHeader(h))
		}
	})
}
