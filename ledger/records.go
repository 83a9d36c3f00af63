package ledger

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"time"
)

// info is the one record that says what the store holds. Every commit writes it.
type info struct {
	_       struct{} `cbor:",toarray"`
	Schema  uint64
	Name    string // of the network, for people who opened the wrong directory
	Network Hash
	Blocks  uint64 // in the chain
	Tip     Hash   // the last one's; the network ID when there is none
	Commits uint64 // how many commits were made, this one included
	Arrival uint64 // the next arrival number
	Running int64  // milliseconds that a node ran on this store
	Target  Hash   // the block to which a switch between branches is under way; zero: none
}

// account is the state of one account. Issuers have totals, others a balance.
type account struct {
	balance          uint64
	minted, redeemed *big.Int // nil for zero
	newest           *Place
}

type accountRecord struct {
	_                struct{} `cbor:",toarray"`
	Balance          uint64
	Newest           []byte
	Minted, Redeemed []byte // big-endian magnitude, empty for zero
}

// encode writes by hand what Marshal gives for an accountRecord, since one or two
// are written for each transaction. A test holds the two together.
func (a *account) encode() []byte {
	var place [placeSize]byte
	b := appendHead(make([]byte, 0, 32), majorArray, 4)
	b = appendHead(b, majorUint, a.balance)
	b = appendBytes(b, appendPlace(place[:0], a.newest))
	b = appendBytes(b, magnitude(a.minted))
	return appendBytes(b, magnitude(a.redeemed))
}

func magnitude(n *big.Int) []byte {
	if n == nil {
		return nil
	}
	return n.Bytes()
}

func decodeAccount(b []byte) (*account, error) {
	var r accountRecord
	if err := Unmarshal(b, &r); err != nil {
		return nil, err
	}
	if len(r.Newest) != placeSize {
		return nil, fmt.Errorf("place of %d bytes", len(r.Newest))
	}
	a := &account{balance: r.Balance, newest: readPlace(r.Newest)}
	if len(r.Minted) > 0 {
		a.minted = new(big.Int).SetBytes(r.Minted)
	}
	if len(r.Redeemed) > 0 {
		a.redeemed = new(big.Int).SetBytes(r.Redeemed)
	}
	return a, nil
}

// A chunk is up to 128 transactions of a body as the store keeps them. Data
// holds the items one after another; Offsets says where each begins (4 bytes
// each), so that one transaction is read without decoding the others. Link is
// the legacy hash of the transaction before the first, empty at the block's
// start, so that a legacy hash costs at most 128 steps.
type chunk struct {
	_       struct{} `cbor:",toarray"`
	Link    []byte
	Offsets []byte
	Data    []byte
}

// A placed is one item of a chunk: a transaction, the place of the transaction
// before it of its sender and of its receiver (nil: none, or the body waits on
// a side branch), and when this node saw it first, on its running-time clock.
type placed struct {
	tx       *Transaction
	sender   *Place
	receiver *Place
	seen     time.Duration
}

const placedHead = 2*placeSize + 8

func encodeChunk(prev *Link, items []placed) ([]byte, error) {
	ch := chunk{Link: []byte{}}
	if prev != nil {
		ch.Link = prev[:]
	}
	for _, it := range items {
		ch.Offsets = binary.BigEndian.AppendUint32(ch.Offsets, uint32(len(ch.Data)))
		ch.Data = appendPlace(ch.Data, it.sender)
		ch.Data = appendPlace(ch.Data, it.receiver)
		ch.Data = binary.BigEndian.AppendUint64(ch.Data, uint64(it.seen.Milliseconds()))
		ch.Data = append(ch.Data, it.tx.Encode()...)
	}
	return Marshal(ch)
}

func decodeChunk(b []byte) (*chunk, error) {
	ch := new(chunk)
	if err := Unmarshal(b, ch); err != nil {
		return nil, err
	}
	if len(ch.Offsets)%4 != 0 || len(ch.Offsets) > 4*chunkTxs || len(ch.Link) != 0 && len(ch.Link) != len(Link{}) {
		return nil, fmt.Errorf("chunk with %d offset bytes and a link of %d", len(ch.Offsets), len(ch.Link))
	}
	return ch, nil
}

func (ch *chunk) len() int { return len(ch.Offsets) / 4 }

func (ch *chunk) item(i int) (placed, error) {
	if i >= ch.len() {
		return placed{}, fmt.Errorf("item %d of %d", i, ch.len())
	}
	from, to := int(binary.BigEndian.Uint32(ch.Offsets[4*i:])), len(ch.Data)
	if i+1 < ch.len() {
		to = int(binary.BigEndian.Uint32(ch.Offsets[4*i+4:]))
	}
	if from > to || to > len(ch.Data) || to-from < placedHead {
		return placed{}, fmt.Errorf("item %d stands at %d to %d of %d bytes", i, from, to, len(ch.Data))
	}
	b := ch.Data[from:to]
	tx, err := DecodeTransaction(b[placedHead:])
	if err != nil {
		return placed{}, err
	}
	return placed{
		tx:       tx,
		sender:   readPlace(b),
		receiver: readPlace(b[placeSize:]),
		seen:     time.Duration(binary.BigEndian.Uint64(b[2*placeSize:])) * time.Millisecond,
	}, nil
}

// poolRecord is one record of pooled transactions. Item i has arrival number
// first+i; an item that left the pool is empty.
type poolItem struct {
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
	Final  bool  // never taken from a peer again
}
