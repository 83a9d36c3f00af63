package store

import (
	"encoding/binary"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// The keys of the store. Numbers are big-endian, so that LevelDB's order is
// theirs. Values are CBOR unless noted otherwise.
//
//	key                                 value                              written
//	i                                   info: schema, network, tip, …      by every commit; this key never moves
//	c commit(8)                         blocks in the chain after it       by every commit; the last 100,000 are kept
//	h hash(32)                          sealed header                      once; side headers that led nowhere are not stored
//	n height(8)                         hash of the chain's block there    by tip changes
//	b height(8) hash(32) chunk(4)       128 transactions of a body         when the block joins the chain, or waits for its branch to win
//	t id(16) sender(16)                 place in the chain (12 raw bytes)  by tip changes; sender zero for open ones
//	a account(16)                       balance, newest place              by tip changes
//	p arrival(8)                        up to 256 pool transactions        by submissions and tip changes
//	r id(16) sender(16)                 empty: there is or was a receipt   with the first receipt
//	r id(16) sender(16) digest(32)      receipt of what is gone            by tip changes and expiry
//	k name                              address book of package p2p        any time
//	m                                   empty: an older version began to   never: such a store is to be repaired
//	                                    derive the state again
//
// The keys of t and a are random, as UUIDs are: two random records for each
// transaction and one or two for its accounts are what LevelDB pays for. All
// other keys arrive in order and cost next to nothing to compact. History is
// not a key of its own: each transaction in a body points to the one before it
// of both its accounts, and the account to its newest.
const (
	KeyInfo    = 'i'
	KeyCommit  = 'c'
	KeyHeader  = 'h'
	KeyHeight  = 'n'
	KeyBody    = 'b'
	KeyTx      = 't'
	KeyAccount = 'a'
	KeyPool    = 'p'
	KeyReceipt = 'r'
	KeyBook    = 'k'
	KeyMending = 'm'
)

// SchemaVersion is what this program writes. It refuses newer ones.
const SchemaVersion = 1

// ChunkTxs is how many transactions of a body stand in one record: few enough
// that reading one transaction is cheap, enough that a body is few records.
const ChunkTxs = 128

func NumberKey(prefix byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, n)
}

func HeaderKey(h ledger.Hash) []byte { return append([]byte{KeyHeader}, h[:]...) }

func BodyKey(height uint64, h ledger.Hash, chunk uint32) []byte {
	k := append(NumberKey(KeyBody, height), h[:]...)
	return binary.BigEndian.AppendUint32(k, chunk)
}

func TxKey(prefix byte, k ledger.TxKey) []byte {
	b := append([]byte{prefix}, k.ID[:]...)
	return append(b, k.Sender[:]...)
}

func ReceiptKey(tx *ledger.Transaction) []byte {
	digest := tx.Digest()
	return append(TxKey(KeyReceipt, tx.Key()), digest[:]...)
}

func AccountKey(id uuid.UUID) []byte { return append([]byte{KeyAccount}, id[:]...) }

// A Place is 12 bytes in the store: height, then index. All ones is "none".
const placeSize = 12

func appendSomePlace(b []byte, p ledger.Place) []byte {
	b = binary.BigEndian.AppendUint64(b, p.Height)
	return binary.BigEndian.AppendUint32(b, p.Index)
}

func appendPlace(b []byte, p *ledger.Place) []byte {
	if p == nil {
		return append(b, noPlace...)
	}
	return appendSomePlace(b, *p)
}

const noPlace = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

// readPlace reads 12 bytes; b must hold them.
func readPlace(b []byte) *ledger.Place {
	if string(b[:placeSize]) == noPlace {
		return nil
	}
	return &ledger.Place{Height: binary.BigEndian.Uint64(b), Index: binary.BigEndian.Uint32(b[8:])}
}
