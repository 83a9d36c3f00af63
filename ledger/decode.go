package ledger

import (
	"encoding/binary"
	"fmt"
	"math"
)

// DecodeTransaction reads one transaction. It accepts b only if encoding the
// result yields b again. CheckFields checks the ranges of the fields.
func DecodeTransaction(b []byte) (*Transaction, error) {
	r := reader{rest: b}
	tx := r.transaction()
	if err := r.end("transaction"); err != nil {
		return nil, err
	}
	return tx, nil
}

// DecodeTransactions reads what EncodeTransactions wrote, at most limit of
// them. It allocates no more than a small multiple of len(b).
func DecodeTransactions(b []byte, limit int) ([]*Transaction, error) {
	r := reader{rest: b}
	txs := r.transactions(limit)
	if err := r.end("list of transactions"); err != nil {
		return nil, err
	}
	return txs, nil
}

// SplitByteStrings reads an array of byte strings, and only what Marshal returns for it.
// The strings are parts of b.
func SplitByteStrings(b []byte, into ...*[]byte) error {
	r := reader{rest: b}
	r.array(uint64(len(into)))
	for _, part := range into {
		n := r.head(majorBytes)
		if n > uint64(len(r.rest)) {
			r.fail(fmt.Sprintf("a byte string of %d bytes", n))
			break
		}
		*part = r.rest[:n:n]
		r.skip(int(n))
	}
	return r.end("array of byte strings")
}

// DecodeHeader reads what EncodeHeader wrote, and only that. CheckHeader checks the
// fields.
func DecodeHeader(b []byte) (*SealedHeader, error) {
	r := reader{rest: b}
	h := new(SealedHeader)
	r.sealed(h)
	if err := r.end("header"); err != nil {
		return nil, err
	}
	return h, nil
}

// A reader takes deterministic CBOR apart, item by item. It knows only the items
// that occur in transactions and headers, each in its one form. So it accepts only
// what the encoder writes, without encoding again to compare. After its first error
// it reads zeros.
type reader struct {
	rest []byte
	read int // bytes taken so far, for the error
	err  error
}

func (r *reader) transaction() *Transaction {
	tx := new(Transaction)
	elements := r.head(MajorArray)
	if elements != openElements && elements != keyedElements {
		r.fail("an array of 5 or 7 elements")
		return tx
	}
	r.bytes(tx.ID[:])
	r.bytes(tx.Sender[:])
	r.bytes(tx.Receiver[:])
	tx.Amount = r.head(MajorUint)
	tx.T = r.float()
	if elements == keyedElements {
		tx.Auth = new(Auth)
		r.bytes(tx.Auth.PublicKey[:])
		r.bytes(tx.Auth.Signature[:])
	}
	return tx
}

func (r *reader) transactions(limit int) []*Transaction {
	// The smallest transaction takes 62 bytes. A count that the remaining bytes
	// cannot hold is refused before anything is allocated for it.
	const minTxSize = 1 + 3*17 + 1 + 9
	n := r.head(MajorArray)
	if n > uint64(max(limit, 0)) {
		r.fail(fmt.Sprintf("at most %d transactions", limit))
		return nil
	}
	if n > uint64(len(r.rest)/minTxSize) {
		r.fail("as many transactions as it counts")
		return nil
	}
	txs := make([]*Transaction, 0, n)
	for range n {
		tx := r.transaction()
		if r.err != nil {
			return nil
		}
		txs = append(txs, tx)
	}
	return txs
}

func (r *reader) sealed(h *SealedHeader) {
	r.array(sealedElements)
	r.array(headerElements)
	h.Version = uint8(r.uint(math.MaxUint8))
	h.Height = r.uint(math.MaxUint64)
	r.bytes(h.Parent[:])
	r.bytes(h.Root[:])
	h.Count = uint32(r.uint(math.MaxUint32))
	h.Time = r.uint(math.MaxUint64)
	h.Bits = uint8(r.uint(math.MaxUint8))
	r.bytes(h.Builder[:])
	r.bytes(h.Nonce[:])
	r.bytes(h.Signature[:])
}

// head reads the head of an item of the given major type and returns its
// argument, which must be in the shortest form.
func (r *reader) head(major byte) uint64 {
	if len(r.rest) == 0 || r.rest[0]>>5 != major {
		r.fail(fmt.Sprintf("an item of major type %d", major))
		return 0
	}
	info := r.rest[0] & 0x1f
	r.skip(1)
	if info < 24 {
		return uint64(info)
	}
	size := 1 << (info - 24)
	if info > 27 || len(r.rest) < size {
		r.fail("a complete length of 1 to 8 bytes")
		return 0
	}
	var n uint64
	for _, c := range r.rest[:size] {
		n = n<<8 | uint64(c)
	}
	// In the shortest form, half as many bytes could not hold n.
	if info == 24 && n < 24 || info > 24 && n>>(4*size) == 0 {
		r.fail("an integer in its shortest form")
		return 0
	}
	r.skip(size)
	return n
}

func (r *reader) uint(most uint64) uint64 {
	n := r.head(MajorUint)
	if n > most {
		r.fail(fmt.Sprintf("an integer of at most %d", most))
	}
	return n
}

func (r *reader) array(elements uint64) {
	if r.head(MajorArray) != elements {
		r.fail(fmt.Sprintf("an array of %d elements", elements))
	}
}

// bytes reads a byte string of exactly dst's length.
func (r *reader) bytes(dst []byte) {
	if r.head(majorBytes) != uint64(len(dst)) || len(r.rest) < len(dst) {
		r.fail(fmt.Sprintf("a byte string of %d bytes", len(dst)))
		return
	}
	copy(dst, r.rest)
	r.skip(len(dst))
}

// float reads a float64. It refuses NaN and infinities, as Unmarshal does.
func (r *reader) float() float64 {
	if len(r.rest) < 9 || r.rest[0] != float64Head {
		r.fail("a float of nine bytes")
		return 0
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(r.rest[1:]))
	if math.IsNaN(f) || math.IsInf(f, 0) {
		r.fail("a finite float")
		return 0
	}
	r.skip(9)
	return f
}

func (r *reader) skip(n int) {
	r.rest = r.rest[n:]
	r.read += n
}

// fail keeps the first error and makes every later read fail at once.
func (r *reader) fail(want string) {
	if r.err == nil {
		r.err = fmt.Errorf("want %s", want)
		r.rest = nil
	}
}

// end returns the first error, or one that reports bytes left over.
func (r *reader) end(what string) error {
	if r.err == nil && len(r.rest) > 0 {
		r.fail("nothing after it")
	}
	if r.err != nil {
		return fmt.Errorf("malformed %s at byte %d: %w", what, r.read, r.err)
	}
	return nil
}
