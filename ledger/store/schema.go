package store

import (
	"bytes"
	"cmp"
	"encoding/binary"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// The keys of the store. Numbers are big-endian, so that LevelDB orders them by value.
// Values are CBOR unless noted otherwise.
//
//	key                                 value                              written
//	i                                   info: schema, network, tip, …      by every commit; this key never moves
//	c commit(8)                         blocks in the chain after it       by every commit; the last 100,000 are kept
//	h hash(32)                          sealed header                      once; side headers that led nowhere are not stored
//	n height(8)                         hash of the chain's block there    by tip changes
//	b height(8) hash(32) chunk(4)       128 transactions of a body         when the block joins the chain, or waits for its branch to win
//	s height(8) hash(32)                count of its transactions (4 raw)  with a body beside the chain, until the block joins or is evicted
//	t id(16) sender(16)                 place in the chain (12 raw bytes)  by tip changes; sender zero for open ones
//	a account(16)                       balance, newest place              by tip changes
//	p arrival(8)                        up to 256 pool transactions        by submissions and tip changes
//	r id(16) sender(16)                 empty, marks that receipts exist   with the first receipt
//	r id(16) sender(16) digest(32)      receipt of what is gone            by tip changes and expiry
//	k name                              address book of package p2p        any time
//	f height(8)                         certificate that made it final     with new certificates
//	v name                              votes: certificates, evidence,     with new certificates
//	                                    times of what became final
//
// The keys of t and a are random UUIDs. LevelDB's cost is the compaction of these:
// one record for each transaction, and one or two for its accounts. All other keys
// arrive in order and cost next to nothing to compact. History has no keys of its
// own. Each transaction in a body points to the one before it of each of its
// accounts, and an account points to its newest.
const (
	keyInfo    = 'i'
	keyCommit  = 'c'
	keyHeader  = 'h'
	keyHeight  = 'n'
	keyBody    = 'b'
	keySide    = 's'
	keyTx      = 't'
	keyAccount = 'a'
	keyPool    = 'p'
	keyReceipt = 'r'
	keyBook    = 'k'
	keyFinal   = 'f'
	keyVotes   = 'v'
)

// SchemaVersion is the schema that this program writes. It refuses newer ones. A store of
// schema 1 has bodies with fewer legacy hashes, and is read and continued as it is.
const SchemaVersion = 2

// maxKey is the length of the longest key that begins with an ID, a receipt's.
const maxKey = 1 + 16 + 16 + 32

// chunkTxs is how many transactions of a body are in one record, few enough that reading
// one transaction is cheap, and enough that a body has few records.
const chunkTxs = 128

func numberKey(prefix byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{prefix}, n)
}

// BookKey returns the key of an entry of the address book.
func BookKey(name string) []byte { return append([]byte{keyBook}, name...) }

// BookName returns the name of an entry of the address book, and false for the key of
// another record.
func BookName(key []byte) (string, bool) {
	name, ok := bytes.CutPrefix(key, []byte{keyBook})
	return string(name), ok
}

func headerKey(h ledger.Hash) []byte { return append([]byte{keyHeader}, h[:]...) }

func bodyKey(ref ledger.BlockRef, chunk uint32) []byte {
	k := append(numberKey(keyBody, ref.Height), ref.Hash[:]...)
	return binary.BigEndian.AppendUint32(k, chunk)
}

func sideKey(ref ledger.BlockRef) []byte {
	return append(numberKey(keySide, ref.Height), ref.Hash[:]...)
}

func txKey(prefix byte, k ledger.TxKey) []byte {
	b := append(make([]byte, 0, flagSize), prefix)
	return append(append(b, k.ID[:]...), k.Sender[:]...)
}

// idKey returns the beginning of the keys of a kind for the transactions with an ID. If
// sender is not nil, it is that of the key which this sender's transaction has.
func idKey(prefix byte, id uuid.UUID, sender *uuid.UUID) []byte {
	if sender != nil {
		return txKey(prefix, ledger.KeyOf(id, *sender))
	}
	return append([]byte{prefix}, id[:]...)
}

func receiptKey(tx *ledger.Transaction) []byte {
	digest := tx.Digest()
	return append(txKey(keyReceipt, tx.Key()), digest[:]...)
}

// isKey reports whether a key has the length of its kind. Others mean nothing, and are
// passed over: only a backup that somebody else made can have them.
func isKey(key []byte) bool {
	if len(key) == 0 {
		return false
	}
	switch key[0] {
	case keyCommit, keyHeight, keyPool, keyFinal:
		return len(key) == 1+8
	case keyHeader:
		return len(key) == 1+32
	case keyBody:
		return len(key) == 1+8+32+4
	case keySide:
		return len(key) == 1+8+32
	case keyTx:
		return len(key) == flagSize
	case keyAccount:
		return len(key) == 1+16
	case keyReceipt:
		return len(key) == flagSize || len(key) == maxKey
	case keyVotes:
		return len(key) > 1
	}
	return true
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func compareTxKeys(a, b ledger.TxKey) int {
	return cmp.Or(compareIDs(a.ID, b.ID), compareIDs(a.Sender, b.Sender))
}

// flagSize is the length of a key that marks that a transaction key has receipts.
const flagSize = 1 + 16 + 16

func accountKey(id uuid.UUID) []byte {
	return append(append(make([]byte, 0, 1+len(id)), keyAccount), id[:]...)
}

// A Place is 12 bytes in the store, height and index. All ones is none.
const placeSize = 12

const noPlace = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"

func appendPlace(b []byte, p *ledger.Place) []byte {
	if p == nil {
		return append(b, noPlace...)
	}
	b = binary.BigEndian.AppendUint64(b, p.Height)
	return binary.BigEndian.AppendUint32(b, p.Index)
}

// readPlace reads the first 12 bytes of b, which must have them.
func readPlace(b []byte) *ledger.Place {
	if string(b[:placeSize]) == noPlace {
		return nil
	}
	return &ledger.Place{Height: binary.BigEndian.Uint64(b), Index: binary.BigEndian.Uint32(b[8:])}
}
