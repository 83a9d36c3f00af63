package sync

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// The messages of the sync protocol. A stream carries one request and its
// answer, each in a frame (stream.go): the length, the kind, and the CBOR of one
// of the structs below, which is an array of its fields in order. Every message
// has its limits beside it. The receiver checks limit, in bytes, before it
// reads, and check for what CBOR does not express.

// A kind is what a request asks for. An answer has the kind of its request, or
// kindUnknown.
type kind uint8

const (
	// kindUnknown answers a request for something that the asked node does not
	// have. No peer is blamed for it.
	kindUnknown kind = iota
	kindStatus
	kindHeaders
	kindBody
	kindShortIDs
	kindBlockTxs
	kindPoolTxs
	kindPoolSince
	kindAddresses
)

const (
	maxLocator   = 64    // hashes in a headers request
	maxHeaders   = 2_000 // headers in an answer
	maxPoolKeys  = 1_000 // keys in a page of the pool, or asked for at once
	maxPeers     = 64    // peers in an addresses answer
	maxPeerAddrs = 16    // addresses of each
	maxAddrBytes = 256   // bytes of one address

	maxHeaderBytes = 512     // of one sealed header, which has about 270
	maxTxsBytes    = 1 << 20 // of the transactions in one answer; the rest is asked for again

	// Upper bounds of a transaction's CBOR: an array of five (seven) elements
	// with three UUIDs of 17 bytes, two numbers of 9, a key of 34, a signature
	// of 66.
	openTxBytes  = 70
	keyedTxBytes = 170

	keyBytes     = 32 // of a packed ledger.TxKey: id, sender
	shortIDBytes = 6
)

// A Message is any message of the sync protocol.
type Message interface {
	limit() int   // how many bytes of CBOR it may have
	check() error // what its elements must be
}

// A Request is a message that opens a stream.
type Request interface {
	Message
	kind() kind
}

// newRequest returns an empty request of a kind, or nil when there is no such
// kind.
func newRequest(k kind) Request {
	switch k {
	case kindStatus:
		return new(StatusRequest)
	case kindHeaders:
		return new(HeadersRequest)
	case kindBody:
		return new(BodyRequest)
	case kindShortIDs:
		return new(ShortIDsRequest)
	case kindBlockTxs:
		return new(BlockTxsRequest)
	case kindPoolTxs:
		return new(poolTxsRequest)
	case kindPoolSince:
		return new(poolSinceRequest)
	case kindAddresses:
		return new(addressesRequest)
	}
	return nil
}

// encodeMessage returns the CBOR of m, which must be within its limits.
func encodeMessage(m Message) ([]byte, error) {
	b, err := ledger.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", m, err)
	}
	if len(b) > m.limit() {
		return nil, fmt.Errorf("encode %T: %d bytes, over its limit of %d", m, len(b), m.limit())
	}
	return b, nil
}

// decodeMessage reads b into m. It accepts only the one encoding of m, and
// allocates no more than a small multiple of len(b).
func decodeMessage(b []byte, m Message) error {
	if len(b) > m.limit() {
		return fmt.Errorf("%d bytes, over the limit of %d", len(b), m.limit())
	}
	if err := ledger.Unmarshal(b, m); err != nil {
		return err
	}
	return m.check()
}

// StatusRequest asks what a node has.
type StatusRequest struct {
	_ struct{} `cbor:",toarray"`
}

func (*StatusRequest) kind() kind   { return kindStatus }
func (*StatusRequest) limit() int   { return 1 }
func (*StatusRequest) check() error { return nil }

// A StatusAnswer is what a node has.
type StatusAnswer struct {
	_        struct{} `cbor:",toarray"`
	Blocks   uint64
	Tip      ledger.Hash // the network's ID when Blocks is 0
	Pool     uint32      // transactions in the pool
	Instance uint64      // drawn when the node started; arrival numbers are its own
	Next     uint64      // the arrival number that its pool will give next
}

func (*StatusAnswer) limit() int   { return 128 }
func (*StatusAnswer) check() error { return nil }

// HeadersRequest asks for the headers that follow the first hash of Locator
// that is on the asked node's chain.
type HeadersRequest struct {
	_       struct{} `cbor:",toarray"`
	Locator []byte   // packed hashes, 1 to maxLocator
	Max     uint16   // 1 to maxHeaders
}

func (*HeadersRequest) kind() kind { return kindHeaders }
func (*HeadersRequest) limit() int { return maxLocator*len(ledger.Hash{}) + 16 }
func (m *HeadersRequest) check() error {
	if err := checkPacked("locator", m.Locator, len(ledger.Hash{}), maxLocator); err != nil {
		return err
	}
	if len(m.Locator) == 0 || m.Max < 1 || m.Max > maxHeaders {
		return fmt.Errorf("asks for %d headers after %d hashes", m.Max, len(m.Locator)/len(ledger.Hash{}))
	}
	return nil
}

// A HeadersAnswer holds the headers that were asked for.
type HeadersAnswer struct {
	_       struct{} `cbor:",toarray"`
	Headers [][]byte // ledger.EncodeHeader of each, lowest first; none when the asked node has no more
}

func (*HeadersAnswer) limit() int { return maxHeaders*maxHeaderBytes + 16 }
func (m *HeadersAnswer) check() error {
	if len(m.Headers) > maxHeaders {
		return fmt.Errorf("%d headers, over the limit of %d", len(m.Headers), maxHeaders)
	}
	return nil
}

// BodyRequest asks for a block's transactions from number From on. A body may
// take several requests, since each answer has as many as fit in maxTxsBytes.
type BodyRequest struct {
	_    struct{} `cbor:",toarray"`
	Hash ledger.Hash
	From uint32
}

func (*BodyRequest) kind() kind { return kindBody }
func (*BodyRequest) limit() int { return 64 }
func (m *BodyRequest) check() error {
	if m.From >= ledger.MaxBlockTxs {
		return fmt.Errorf("asks for transaction %d of a block", m.From)
	}
	return nil
}

// TxsAnswer answers all requests for transactions.
type TxsAnswer struct {
	_   struct{} `cbor:",toarray"`
	Txs []byte   // ledger.EncodeTransactions
}

func (*TxsAnswer) limit() int   { return maxTxsBytes + 16 }
func (*TxsAnswer) check() error { return nil }

// ShortIDsRequest asks for the short IDs (relay.go) of a block's transactions.
type ShortIDsRequest struct {
	_    struct{} `cbor:",toarray"`
	Hash ledger.Hash
}

func (*ShortIDsRequest) kind() kind   { return kindShortIDs }
func (*ShortIDsRequest) limit() int   { return 64 }
func (*ShortIDsRequest) check() error { return nil }

// A ShortIDsAnswer holds the short IDs of a block.
type ShortIDsAnswer struct {
	_   struct{} `cbor:",toarray"`
	IDs []byte   // shortIDBytes each, in the block's order
}

func (*ShortIDsAnswer) limit() int { return ledger.MaxBlockTxs*shortIDBytes + 16 }
func (m *ShortIDsAnswer) check() error {
	return checkPacked("short IDs", m.IDs, shortIDBytes, ledger.MaxBlockTxs)
}

// BlockTxsRequest asks for some of a block's transactions. The answer has as
// many of them as fit, in order, and the asker asks for the rest.
type BlockTxsRequest struct {
	_       struct{} `cbor:",toarray"`
	Hash    ledger.Hash
	Indexes []uint16 // rising, 1 to MaxBlockTxs of them
}

func (*BlockTxsRequest) kind() kind { return kindBlockTxs }
func (*BlockTxsRequest) limit() int { return ledger.MaxBlockTxs*3 + 64 }
func (m *BlockTxsRequest) check() error {
	if len(m.Indexes) == 0 {
		return fmt.Errorf("asks for no transaction of the block")
	}
	for i, n := range m.Indexes {
		if n >= ledger.MaxBlockTxs || i > 0 && n <= m.Indexes[i-1] {
			return fmt.Errorf("asks for transaction %d of a block, out of order or range", n)
		}
	}
	return nil
}

// poolTxsRequest asks for transactions of the pool. The answer has those of
// them that are still there, in the order of the keys.
type poolTxsRequest struct {
	_    struct{} `cbor:",toarray"`
	Keys []byte   // packed keys, 1 to maxPoolKeys
}

func (*poolTxsRequest) kind() kind { return kindPoolTxs }
func (*poolTxsRequest) limit() int { return maxPoolKeys*keyBytes + 16 }
func (m *poolTxsRequest) check() error {
	if len(m.Keys) == 0 {
		return fmt.Errorf("asks for no transaction of the pool")
	}
	return checkPacked("keys", m.Keys, keyBytes, maxPoolKeys)
}

// poolSinceRequest asks for the keys of the pool with arrival numbers from From
// on. A node of another instance, whose numbers differ, answers from its first
// number on.
type poolSinceRequest struct {
	_        struct{} `cbor:",toarray"`
	Instance uint64
	From     uint64
	Limit    uint16 // 1 to maxPoolKeys
}

func (*poolSinceRequest) kind() kind { return kindPoolSince }
func (*poolSinceRequest) limit() int { return 32 }
func (m *poolSinceRequest) check() error {
	if m.Limit < 1 || m.Limit > maxPoolKeys {
		return fmt.Errorf("asks for %d keys of the pool", m.Limit)
	}
	return nil
}

type poolSinceAnswer struct {
	_        struct{} `cbor:",toarray"`
	Instance uint64
	Keys     []byte // packed, in order of arrival; the last page has fewer than asked for
	Next     uint64 // where to go on; all from the request's From up to it is in Keys or gone
}

func (*poolSinceAnswer) limit() int { return maxPoolKeys*keyBytes + 32 }
func (m *poolSinceAnswer) check() error {
	return checkPacked("keys", m.Keys, keyBytes, maxPoolKeys)
}

// addressesRequest asks for the peers that a node is connected to.
type addressesRequest struct {
	_ struct{} `cbor:",toarray"`
}

func (*addressesRequest) kind() kind   { return kindAddresses }
func (*addressesRequest) limit() int   { return 1 }
func (*addressesRequest) check() error { return nil }

type addressesAnswer struct {
	_     struct{} `cbor:",toarray"`
	Peers []wirePeer
}

// A wirePeer is a peer ID and its multiaddrs, all in binary.
type wirePeer struct {
	_     struct{} `cbor:",toarray"`
	ID    []byte
	Addrs [][]byte
}

func (*addressesAnswer) limit() int { return 256 << 10 }
func (m *addressesAnswer) check() error {
	if len(m.Peers) > maxPeers {
		return fmt.Errorf("%d peers, over the limit of %d", len(m.Peers), maxPeers)
	}
	for _, p := range m.Peers {
		if len(p.Addrs) > maxPeerAddrs {
			return fmt.Errorf("%d addresses of a peer, over the limit of %d", len(p.Addrs), maxPeerAddrs)
		}
	}
	return nil
}

// A Status is what a peer last answered about itself.
type Status struct {
	Blocks uint64
	Tip    ledger.Hash
	Pool   int
	At     time.Time // when it answered
}

// Lists of small things of one size travel as one byte string, so that a decoder
// allocates only what it received.

// packPeers returns the answer to the addresses request. It omits what is over
// the limits.
func packPeers(infos []peer.AddrInfo) *addressesAnswer {
	m := new(addressesAnswer)
	for _, info := range infos[:min(len(infos), maxPeers)] {
		p := wirePeer{ID: []byte(info.ID)}
		for _, a := range info.Addrs {
			if b := a.Bytes(); len(b) <= maxAddrBytes && len(p.Addrs) < maxPeerAddrs {
				p.Addrs = append(p.Addrs, b)
			}
		}
		m.Peers = append(m.Peers, p)
	}
	return m
}

// unpack reads what packPeers wrote. It skips an address of an unknown form,
// which a newer node may have.
func (m *addressesAnswer) unpack() ([]peer.AddrInfo, error) {
	infos := make([]peer.AddrInfo, 0, len(m.Peers))
	for _, p := range m.Peers {
		id, err := peer.IDFromBytes(p.ID)
		if err != nil {
			return nil, fmt.Errorf("a peer ID: %w", err)
		}
		info := peer.AddrInfo{ID: id}
		for _, b := range p.Addrs {
			if a, err := multiaddr.NewMultiaddrBytes(b); err == nil && len(b) <= maxAddrBytes {
				info.Addrs = append(info.Addrs, a)
			}
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// checkPacked checks that b is at most limit pieces of so many bytes.
func checkPacked(what string, b []byte, size, limit int) error {
	if len(b)%size != 0 || len(b)/size > limit {
		return fmt.Errorf("%s: %d bytes are not %d-byte pieces, at most %d", what, len(b), size, limit)
	}
	return nil
}

func packHashes(hs []ledger.Hash) []byte {
	b := make([]byte, 0, len(hs)*len(ledger.Hash{}))
	for _, h := range hs {
		b = append(b, h[:]...)
	}
	return b
}

func unpackHashes(b []byte) []ledger.Hash {
	hs := make([]ledger.Hash, 0, len(b)/len(ledger.Hash{}))
	for ; len(b) > 0; b = b[len(ledger.Hash{}):] {
		hs = append(hs, ledger.Hash(b[:len(ledger.Hash{})]))
	}
	return hs
}

func packKeys(keys []ledger.TxKey) []byte {
	b := make([]byte, 0, len(keys)*keyBytes)
	for _, k := range keys {
		b = append(append(b, k.ID[:]...), k.Sender[:]...)
	}
	return b
}

func unpackKeys(b []byte) []ledger.TxKey {
	keys := make([]ledger.TxKey, 0, len(b)/keyBytes)
	for ; len(b) > 0; b = b[keyBytes:] {
		keys = append(keys, ledger.TxKey{ID: uuid.UUID(b[:16]), Sender: uuid.UUID(b[16:32])})
	}
	return keys
}

// PackShortIDs writes the low 48 bits of each, little-endian.
func PackShortIDs(ids []uint64) []byte {
	b := make([]byte, 0, len(ids)*shortIDBytes)
	for _, id := range ids {
		b = append(b, binary.LittleEndian.AppendUint64(nil, id)[:shortIDBytes]...)
	}
	return b
}

func unpackShortIDs(b []byte) []uint64 {
	ids := make([]uint64, 0, len(b)/shortIDBytes)
	for ; len(b) > 0; b = b[shortIDBytes:] {
		var eight [8]byte
		copy(eight[:], b[:shortIDBytes])
		ids = append(ids, binary.LittleEndian.Uint64(eight[:]))
	}
	return ids
}

// fitting returns how many of txs, from the first on, one answer holds, one at
// least.
func fitting(txs []*ledger.Transaction) int {
	size := 16
	for i, tx := range txs {
		size += txBytes(tx)
		if size > maxTxsBytes && i > 0 {
			return i
		}
	}
	return len(txs)
}

// txBytes is an upper bound of the transaction's CBOR.
func txBytes(tx *ledger.Transaction) int {
	if tx.Auth != nil {
		return keyedTxBytes
	}
	return openTxBytes
}
