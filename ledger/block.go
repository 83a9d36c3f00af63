package ledger

import "crypto/sha256"

// MaxBlockTxs is how many transactions a block may hold; it holds at least one.
const MaxBlockTxs = 10_000

const (
	// blockVersion is the version of every header so far.
	blockVersion = 1
	// maxJSONInteger bounds heights and times: the largest integer that every
	// JSON client reads exactly (RFC 8259 section 6).
	maxJSONInteger = 1<<53 - 1
)

// A Header commits to a block: its place, its transactions, its builder and
// the work done for it. Its CBOR is an array of the fields in this order.
type Header struct {
	_       struct{} `cbor:",toarray"`
	Version uint8    // 1
	Height  uint64   // 0 for the first block; at most 2^53-1
	Parent  Hash     // hash of the block below; the network ID at height 0, and only there
	Root    Hash     // RFC 6962 Merkle tree hash over the transaction digests
	Count   uint32   // transactions, 1 to MaxBlockTxs
	Time    uint64   // Unix milliseconds, 0 to 2^53-1: the builder's claim, which no rule reads
	Bits    uint8    // the network's
	Builder PublicKey
	Nonce   Nonce // last, so that a search clones the hash state before it
}

// A SealedHeader is a header with its builder's signature over
// "foxchain block 1" || network ID || block hash. It is what the block topic
// carries and what sync sends as headers.
type SealedHeader struct {
	Header
	Signature Signature
}

// A Block is a sealed header and its transactions, in order.
type Block struct {
	SealedHeader
	Txs []*Transaction
}

// Hash is the SHA-256 of the header's CBOR.
func (h *Header) Hash() Hash {
	var buf [maxHeaderSize]byte
	return sha256.Sum256(h.appendCBOR(buf[:0]))
}
