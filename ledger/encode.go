package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"

	"github.com/fxamacker/cbor/v2"
)

// The major types of CBOR (RFC 8949 section 3.1) that occur in transactions and
// headers, and the head of a float64.
const (
	MajorUint   = 0
	majorBytes  = 2
	MajorArray  = 4
	float64Head = 0xfb
)

// The largest encodings: of a keyed transaction, of a header, of a sealed one.
const (
	maxTxSize     = 1 + 3*17 + 9 + 9 + 34 + 66
	maxHeaderSize = 1 + 2 + 9 + 34 + 34 + 5 + 9 + 2 + 34 + 9
	maxSealedSize = 1 + maxHeaderSize + 66
)

// Elements of the arrays that stand for transactions and headers.
const (
	openElements   = 5
	keyedElements  = 7
	headerElements = 9
	sealedElements = 2
)

// Encode returns the transaction's deterministic CBOR (RFC 8949 section 4.2.1,
// floats always nine bytes): an array of five elements, seven when keyed.
// It is at most 170 bytes.
func (tx *Transaction) Encode() []byte {
	return tx.appendCBOR(make([]byte, 0, maxTxSize))
}

// encodeOpen is Encode without the key: what a keyed sender signs.
func (tx *Transaction) encodeOpen() []byte {
	return tx.appendFields(AppendHead(make([]byte, 0, maxTxSize), MajorArray, openElements))
}

// appendCBOR writes by hand what Marshal would return for the same array, since
// digests are the hottest path of the ledger. A test holds the two together.
func (tx *Transaction) appendCBOR(dst []byte) []byte {
	if tx.Auth == nil {
		return tx.appendFields(AppendHead(dst, MajorArray, openElements))
	}
	dst = tx.appendFields(AppendHead(dst, MajorArray, keyedElements))
	dst = AppendBytes(dst, tx.Auth.PublicKey[:])
	return AppendBytes(dst, tx.Auth.Signature[:])
}

func (tx *Transaction) appendFields(dst []byte) []byte {
	dst = AppendBytes(dst, tx.ID[:])
	dst = AppendBytes(dst, tx.Sender[:])
	dst = AppendBytes(dst, tx.Receiver[:])
	dst = AppendHead(dst, MajorUint, tx.Amount)
	dst = append(dst, float64Head)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(tx.T))
}

// EncodeTransactions returns a CBOR array of transactions: a body on the wire.
func EncodeTransactions(txs []*Transaction) []byte {
	dst := make([]byte, 0, 9+len(txs)*maxTxSize/2)
	dst = AppendHead(dst, MajorArray, uint64(len(txs)))
	for _, tx := range txs {
		dst = tx.appendCBOR(dst)
	}
	return dst
}

// EncodeHeader returns the CBOR of a sealed header, [[header fields…],
// signature]: at most 206 bytes.
func EncodeHeader(h *SealedHeader) []byte {
	dst := AppendHead(make([]byte, 0, maxSealedSize), MajorArray, sealedElements)
	dst = h.Header.appendCBOR(dst)
	return AppendBytes(dst, h.Signature[:])
}

func (h *Header) appendCBOR(dst []byte) []byte {
	dst = AppendHead(dst, MajorArray, headerElements)
	dst = AppendHead(dst, MajorUint, uint64(h.Version))
	dst = AppendHead(dst, MajorUint, h.Height)
	dst = AppendBytes(dst, h.Parent[:])
	dst = AppendBytes(dst, h.Root[:])
	dst = AppendHead(dst, MajorUint, uint64(h.Count))
	dst = AppendHead(dst, MajorUint, h.Time)
	dst = AppendHead(dst, MajorUint, uint64(h.Bits))
	dst = AppendBytes(dst, h.Builder[:])
	return AppendBytes(dst, h.Nonce[:])
}

// AppendHead appends a data item's head with its argument in the shortest form.
func AppendHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}

// AppendBytes appends a byte string.
func AppendBytes(dst, b []byte) []byte {
	return append(AppendHead(dst, majorBytes, uint64(len(b))), b...)
}

// Bounds of what Unmarshal reads, whatever it reads into.
const (
	maxNesting  = 16
	maxElements = 100_000 // of one array, and pairs of one map
)

var errNotCanonical = errors.New("not the one deterministic CBOR encoding (RFC 8949 section 4.2.1) of its value")

// The two modes are immutable and safe for concurrent use.
var (
	encMode = must(cbor.EncOptions{
		Sort:          cbor.SortCoreDeterministic,
		ShortestFloat: cbor.ShortestFloatNone, // always nine bytes: a float has one form in every language
		NaNConvert:    cbor.NaNConvertReject,
		InfConvert:    cbor.InfConvertReject,
		IndefLength:   cbor.IndefLengthForbidden,
		TagsMd:        cbor.TagsForbidden,
	}.EncMode())
	decMode = must(cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels:   maxNesting,
		MaxArrayElements:  maxElements,
		MaxMapPairs:       maxElements,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
		NaN:               cbor.NaNDecodeForbidden,
		Inf:               cbor.InfDecodeForbidden,
	}.DecMode())
)

// must panics only if the options of a mode contradict one another: at every start or
// never.
func must[T any](mode T, err error) T {
	if err != nil {
		panic(err)
	}
	return mode
}

// Marshal returns the deterministic CBOR of v. Everything that is hashed, stored or
// sent between nodes is encoded so. Transactions and sealed headers, which are most of it,
// have encoders and decoders of their own, and stand in messages as byte strings.
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal reads b into v, which must point to a zero value. It is strict: no
// unknown or repeated keys, no indefinite lengths, no tags, at most 16 levels, at
// most 100,000 elements in an array, and nothing after the value. It accepts b only
// if encoding the result yields b again. It allocates a small multiple of len(b).
func Unmarshal(b []byte, v any) error {
	if err := decMode.Unmarshal(b, v); err != nil {
		return err
	}
	again, err := encMode.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return errNotCanonical
	}
	return nil
}
