package ledger

import (
	"encoding/binary"
	"math"
)

// The major types of CBOR (RFC 8949 section 3.1) that occur in transactions and
// headers, and the head of a float64.
const (
	majorUint   = 0
	majorBytes  = 2
	majorArray  = 4
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

// Encode gives the transaction's deterministic CBOR (RFC 8949 section 4.2.1,
// floats always nine bytes): an array of five elements, seven when keyed.
// It is at most 170 bytes.
func (tx *Transaction) Encode() []byte {
	return tx.appendCBOR(make([]byte, 0, maxTxSize))
}

// encodeOpen is Encode without the key: what a keyed sender signs.
func (tx *Transaction) encodeOpen() []byte {
	return tx.appendFields(appendHead(make([]byte, 0, maxTxSize), majorArray, openElements))
}

// appendCBOR writes by hand what Marshal would give for the same array, since
// digests are the hottest path of the ledger. A test holds the two together.
func (tx *Transaction) appendCBOR(dst []byte) []byte {
	if tx.Auth == nil {
		return tx.appendFields(appendHead(dst, majorArray, openElements))
	}
	dst = tx.appendFields(appendHead(dst, majorArray, keyedElements))
	dst = appendBytes(dst, tx.Auth.PublicKey[:])
	return appendBytes(dst, tx.Auth.Signature[:])
}

func (tx *Transaction) appendFields(dst []byte) []byte {
	dst = appendBytes(dst, tx.ID[:])
	dst = appendBytes(dst, tx.Sender[:])
	dst = appendBytes(dst, tx.Receiver[:])
	dst = appendHead(dst, majorUint, tx.Amount)
	dst = append(dst, float64Head)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(tx.T))
}

// EncodeTransactions gives a CBOR array of transactions: a body on the wire.
func EncodeTransactions(txs []*Transaction) []byte {
	dst := make([]byte, 0, 9+len(txs)*maxTxSize/2)
	dst = appendHead(dst, majorArray, uint64(len(txs)))
	for _, tx := range txs {
		dst = tx.appendCBOR(dst)
	}
	return dst
}

// EncodeHeader gives the CBOR of a sealed header, [[header fields…],
// signature]: at most 206 bytes.
func EncodeHeader(h *SealedHeader) []byte {
	dst := appendHead(make([]byte, 0, maxSealedSize), majorArray, sealedElements)
	dst = h.Header.appendCBOR(dst)
	return appendBytes(dst, h.Signature[:])
}

func (h *Header) appendCBOR(dst []byte) []byte {
	dst = appendHead(dst, majorArray, headerElements)
	dst = appendHead(dst, majorUint, uint64(h.Version))
	dst = appendHead(dst, majorUint, h.Height)
	dst = appendBytes(dst, h.Parent[:])
	dst = appendBytes(dst, h.Root[:])
	dst = appendHead(dst, majorUint, uint64(h.Count))
	dst = appendHead(dst, majorUint, h.Time)
	dst = appendHead(dst, majorUint, uint64(h.Bits))
	dst = appendBytes(dst, h.Builder[:])
	return appendBytes(dst, h.Nonce[:])
}

// MarshalCBOR is Encode, so that a transaction is the same inside a message.
func (tx *Transaction) MarshalCBOR() ([]byte, error) { return tx.Encode(), nil }

// MarshalCBOR is EncodeHeader, so that a header is the same inside a message.
func (h *SealedHeader) MarshalCBOR() ([]byte, error) { return EncodeHeader(h), nil }

// MarshalCBOR gives [sealed header, [transactions…]].
func (b *Block) MarshalCBOR() ([]byte, error) {
	dst := appendHead(nil, majorArray, 2)
	dst = append(dst, EncodeHeader(&b.SealedHeader)...)
	return append(dst, EncodeTransactions(b.Txs)...), nil
}

// appendHead appends a data item's head with its argument in the shortest form.
func appendHead(dst []byte, major byte, n uint64) []byte {
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

func appendBytes(dst, b []byte) []byte {
	return append(appendHead(dst, majorBytes, uint64(len(b))), b...)
}
