package store

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"time"

	"foxchain/ledger"
)

// Info is the record that describes the store. Every commit writes it.
type Info struct {
	_       struct{} `cbor:",toarray"`
	Schema  uint64
	Name    string // of the network, for errors about a wrong directory
	Network ledger.Hash
	Blocks  uint64      // in the chain
	Tip     ledger.Hash // the last block's hash; the network's ID if there is none
	Commits uint64      // how many commits were made, this one included
	Arrival uint64      // the next arrival number
	Running int64       // milliseconds that a node ran on this store
	Target  ledger.Hash // the goal of an unfinished reorg; zero for none
}

// CheckNetwork returns ErrForeign unless the store is of the network net.
func (in *Info) CheckNetwork(net *ledger.Network) error {
	if in.Network == net.ID() {
		return nil
	}
	return fmt.Errorf("%w: it is %q (%s), this node is to run %q (%s): give the other --network, or another directory",
		ErrForeign, in.Name, in.Network.Short(), net.Name, net.ID().Short())
}

type accountRecord struct {
	_                struct{} `cbor:",toarray"`
	Balance          int64
	Newest           []byte
	Minted, Redeemed []byte // big-endian magnitude, empty for zero
}

// appendAccount appends by hand what Marshal returns for an accountRecord, since one or
// two are written for each transaction. A test compares the two.
func appendAccount(b []byte, a *ledger.AccountState) []byte {
	var place [placeSize]byte
	b = ledger.AppendHead(b, ledger.MajorArray, 4)
	b = appendInt(b, a.Balance)
	b = ledger.AppendBytes(b, appendPlace(place[:0], a.Newest))
	b = ledger.AppendBytes(b, magnitude(a.Minted))
	return ledger.AppendBytes(b, magnitude(a.Redeemed))
}

func appendInt(b []byte, n int64) []byte {
	const majorNegative = 1 // RFC 8949: its argument is -1-n
	if n < 0 {
		return ledger.AppendHead(b, majorNegative, uint64(-1-n))
	}
	return ledger.AppendHead(b, ledger.MajorUint, uint64(n))
}

func magnitude(n *big.Int) []byte {
	if n == nil {
		return nil
	}
	return n.Bytes()
}

func decodeAccount(b []byte) (*ledger.AccountState, error) {
	var r accountRecord
	if err := ledger.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if len(r.Newest) != placeSize {
		return nil, fmt.Errorf("place of %d bytes", len(r.Newest))
	}
	a := &ledger.AccountState{Balance: r.Balance, Newest: readPlace(r.Newest)}
	if len(r.Minted) > 0 {
		a.Minted = new(big.Int).SetBytes(r.Minted)
	}
	if len(r.Redeemed) > 0 {
		a.Redeemed = new(big.Int).SetBytes(r.Redeemed)
	}
	return a, nil
}

// A chunk is up to 128 stored transactions of a body. Data holds the items one after
// another. Offsets has 4 bytes for the beginning of each, so that one transaction is read
// without decoding the others. Links has the legacy hashes of the transactions before
// items 0, 32, 64 and 96, as far as these exist, and zeros at the block's start. With
// them a legacy hash costs at most 32 steps. Schema 1 has only the one before item 0, and
// nothing at the block's start.
type chunk struct {
	_       struct{} `cbor:",toarray"`
	Links   []byte
	Offsets []byte
	Data    []byte
}

const (
	storedHead = 2*placeSize + 8
	linkSize   = len(ledger.Link{})
	linkEvery  = 32
)

// newChunk returns the chunk of items, and the legacy hash of the last one. prev is the
// legacy hash before the first, zero for none.
func newChunk(prev ledger.Link, items []ledger.StoredTx) (*chunk, ledger.Link) {
	const usual = 128 // bytes of an item without a signature
	ch := &chunk{Links: make([]byte, 0, linkSize*(1+len(items)/linkEvery)), Offsets: make([]byte, 0, 4*len(items)), Data: make([]byte, 0, usual*len(items))}
	for i, it := range items {
		if i%linkEvery == 0 {
			ch.Links = append(ch.Links, prev[:]...)
		}
		prev = ledger.LegacyHash(it.Tx, orNone(prev))
		ch.Offsets = binary.BigEndian.AppendUint32(ch.Offsets, uint32(len(ch.Data)))
		ch.Data = appendPlace(ch.Data, it.Sender)
		ch.Data = appendPlace(ch.Data, it.Receiver)
		ch.Data = binary.BigEndian.AppendUint64(ch.Data, uint64(it.Seen.Milliseconds()))
		ch.Data = append(ch.Data, it.Tx.Encode()...)
	}
	return ch, prev
}

// orNone returns nil for a zero legacy hash.
func orNone(link ledger.Link) *ledger.Link {
	if link == (ledger.Link{}) {
		return nil
	}
	return &link
}

// decodeChunk reads a chunk, which shares b.
func decodeChunk(b []byte) (*chunk, error) {
	ch := new(chunk)
	if err := ledger.SplitByteStrings(b, &ch.Links, &ch.Offsets, &ch.Data); err != nil {
		return nil, err
	}
	if len(ch.Offsets)%4 != 0 || len(ch.Offsets) > 4*chunkTxs || len(ch.Links)%linkSize != 0 {
		return nil, fmt.Errorf("chunk with %d offset bytes and links of %d", len(ch.Offsets), len(ch.Links))
	}
	return ch, nil
}

// linkBefore returns the last item up to i with a stored legacy hash before it, and that
// hash, zero for none.
func (ch *chunk) linkBefore(i int) (from int, link ledger.Link) {
	n := min(i/linkEvery, len(ch.Links)/linkSize-1)
	if n < 0 {
		return 0, link
	}
	return n * linkEvery, ledger.Link(ch.Links[n*linkSize:])
}

func (ch *chunk) len() int { return len(ch.Offsets) / 4 }

// raw returns item i as it is stored: at least storedHead bytes, then the transaction.
func (ch *chunk) raw(i int) ([]byte, error) {
	if i >= ch.len() {
		return nil, fmt.Errorf("item %d of %d", i, ch.len())
	}
	from, to := int(binary.BigEndian.Uint32(ch.Offsets[4*i:])), len(ch.Data)
	if i+1 < ch.len() {
		to = int(binary.BigEndian.Uint32(ch.Offsets[4*i+4:]))
	}
	if from > to || to > len(ch.Data) || to-from < storedHead {
		return nil, fmt.Errorf("item %d stands at %d to %d of %d bytes", i, from, to, len(ch.Data))
	}
	return ch.Data[from:to], nil
}

// tx returns item i without its places.
func (ch *chunk) tx(i int) (*ledger.Transaction, error) {
	b, err := ch.raw(i)
	if err != nil {
		return nil, err
	}
	return ledger.DecodeTransaction(b[storedHead:])
}

func (ch *chunk) item(i int) (ledger.StoredTx, error) {
	b, err := ch.raw(i)
	if err != nil {
		return ledger.StoredTx{}, err
	}
	tx, err := ledger.DecodeTransaction(b[storedHead:])
	if err != nil {
		return ledger.StoredTx{}, err
	}
	return ledger.StoredTx{
		Tx:       tx,
		Sender:   readPlace(b),
		Receiver: readPlace(b[placeSize:]),
		Seen:     time.Duration(binary.BigEndian.Uint64(b[2*placeSize:])) * time.Millisecond,
	}, nil
}

// A PoolItem is one item of a record of pooled transactions. Item i has the arrival
// number of the record's key plus i. An item that left the pool is empty.
type PoolItem struct {
	_      struct{} `cbor:",toarray"`
	Tx     []byte
	Origin uint8
	Seen   int64 // milliseconds of running time
}

type receiptRecord struct {
	_      struct{} `cbor:",toarray"`
	Tx     []byte
	Reason string
	Time   int64 // Unix milliseconds
	Final  bool  // as in Receipt
}
