package sync

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
)

// The messages of the sync protocol. A stream carries one request and its answer. Each is
// a frame (stream.go) of the length, the kind, and the CBOR of one of the structs below,
// an array of its fields in order. Every message has its limits beside it. The receiver
// checks limit, in bytes, before it reads, and then calls check for what CBOR does not
// express.

// A kind is what a request asks for. An answer has the kind of its request, or
// kindUnknown.
type kind uint8

const (
	// kindUnknown answers a request for something that the asked node does not have. It
	// is not misbehavior.
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

	maxTxsBytes = 1 << 20 // of the transactions in one answer; the rest is asked for again

	// Upper bounds of a transaction's CBOR: an array of five (seven) elements
	// with three UUIDs of 17 bytes, two numbers of 9, a key of 34, a signature
	// of 66.
	openTxBytes  = 70
	keyedTxBytes = 170

	keyBytes     = 32 // of a packed ledger.TxKey, id and sender
	shortIDBytes = 6
)

// A syncMessage is any message of the sync protocol.
type syncMessage interface {
	limit() int   // the most bytes of CBOR
	check() error // whether its elements are valid
}

// A syncRequest is a message that opens a stream.
type syncRequest interface {
	syncMessage
	kind() kind
}

// newRequest returns an empty request of a kind, or nil if there is no such kind.
func newRequest(k kind) syncRequest {
	for _, req := range []syncRequest{
		new(statusRequest), new(headersRequest), new(bodyRequest), new(shortIDsRequest),
		new(blockTxsRequest), new(poolTxsRequest), new(poolSinceRequest), new(addressesRequest),
	} {
		if req.kind() == k {
			return req
		}
	}
	return nil
}

// encodeMessage returns the CBOR of m, which must be within its limits.
func encodeMessage(m syncMessage) ([]byte, error) {
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
func decodeMessage(b []byte, m syncMessage) error {
	if len(b) > m.limit() {
		return fmt.Errorf("%d bytes, over the limit of %d", len(b), m.limit())
	}
	if err := ledger.Unmarshal(b, m); err != nil {
		return err
	}
	return m.check()
}

// statusRequest asks what a node has.
type statusRequest struct {
	_ struct{} `cbor:",toarray"`
}

func (*statusRequest) kind() kind   { return kindStatus }
func (*statusRequest) limit() int   { return 1 }
func (*statusRequest) check() error { return nil }

// A statusAnswer is what a node has.
type statusAnswer struct {
	_        struct{} `cbor:",toarray"`
	Blocks   uint64
	Tip      ledger.Hash // the network's ID when Blocks is 0
	Pool     uint32      // transactions in the pool
	Instance uint64      // drawn when the node started; arrival numbers are valid within it
	Next     uint64      // the next arrival number of its pool

	// clock is the node's wall clock, and digest that of its pool, zero from an older node.
	// They follow the frame, which older nodes do not read, in eight bytes each,
	// big-endian. The clock is in Unix milliseconds.
	clock  time.Time
	digest uint64
	// equalTo is not sent. If both pools were equal when the answer came, it is our next
	// arrival number, else 0.
	equalTo uint64
}

func (*statusAnswer) limit() int   { return 128 }
func (*statusAnswer) check() error { return nil }

// headersRequest asks for the headers that follow the first hash of Locator
// that is on the asked node's chain.
type headersRequest struct {
	_       struct{} `cbor:",toarray"`
	Locator []byte   // packed hashes, 1 to maxLocator
	Max     uint16   // 1 to maxHeaders
}

func (*headersRequest) kind() kind { return kindHeaders }
func (*headersRequest) limit() int { return maxLocator*len(ledger.Hash{}) + 16 }
func (m *headersRequest) check() error {
	if err := checkPacked("locator", m.Locator, len(ledger.Hash{}), maxLocator); err != nil {
		return err
	}
	if len(m.Locator) == 0 || m.Max < 1 || m.Max > maxHeaders {
		return fmt.Errorf("asks for %d headers after %d hashes", m.Max, len(m.Locator)/len(ledger.Hash{}))
	}
	return nil
}

// A headersAnswer holds the headers that were asked for.
type headersAnswer struct {
	_       struct{} `cbor:",toarray"`
	Headers [][]byte // ledger.EncodeHeader of each, lowest first; none when the asked node has no more
}

func (*headersAnswer) limit() int { return maxHeaders*gossip.MaxHeader + 16 }
func (m *headersAnswer) check() error {
	if len(m.Headers) > maxHeaders {
		return fmt.Errorf("%d headers, over the limit of %d", len(m.Headers), maxHeaders)
	}
	return nil
}

// bodyRequest asks for a block's transactions from number From on. A body may
// take several requests, since each answer has as many as fit in maxTxsBytes.
type bodyRequest struct {
	_    struct{} `cbor:",toarray"`
	Hash ledger.Hash
	From uint32
}

func (*bodyRequest) kind() kind { return kindBody }
func (*bodyRequest) limit() int { return 64 }
func (m *bodyRequest) check() error {
	if m.From >= ledger.MaxBlockTxs {
		return fmt.Errorf("asks for transaction %d of a block", m.From)
	}
	return nil
}

// txsAnswer answers all requests for transactions.
type txsAnswer struct {
	_   struct{} `cbor:",toarray"`
	Txs []byte   // ledger.EncodeTransactions
}

func (*txsAnswer) limit() int   { return maxTxsBytes + 16 }
func (*txsAnswer) check() error { return nil }

// shortIDsRequest asks for the short IDs (relay.go) of a block's transactions.
type shortIDsRequest struct {
	_    struct{} `cbor:",toarray"`
	Hash ledger.Hash
}

func (*shortIDsRequest) kind() kind   { return kindShortIDs }
func (*shortIDsRequest) limit() int   { return 64 }
func (*shortIDsRequest) check() error { return nil }

// A shortIDsAnswer holds the short IDs of a block.
type shortIDsAnswer struct {
	_   struct{} `cbor:",toarray"`
	IDs []byte   // shortIDBytes each, in the block's order
}

func (*shortIDsAnswer) limit() int { return ledger.MaxBlockTxs*shortIDBytes + 16 }
func (m *shortIDsAnswer) check() error {
	return checkPacked("short IDs", m.IDs, shortIDBytes, ledger.MaxBlockTxs)
}

// blockTxsRequest asks for some of a block's transactions. The answer has as
// many of them as fit, in order, and the asker asks for the rest.
type blockTxsRequest struct {
	_       struct{} `cbor:",toarray"`
	Hash    ledger.Hash
	Indexes []uint16 // rising, 1 to MaxBlockTxs of them
}

func (*blockTxsRequest) kind() kind { return kindBlockTxs }
func (*blockTxsRequest) limit() int { return ledger.MaxBlockTxs*3 + 64 }
func (m *blockTxsRequest) check() error {
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
	Next     uint64 // from where to go on; all below it from the request's From on is in Keys or gone
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
		if _, err := peer.IDFromBytes(p.ID); err != nil {
			return fmt.Errorf("a peer ID: %w", err)
		}
	}
	return nil
}

// Lists of small items of one size are sent as one byte string, so that a decoder
// allocates only what it received.

// packPeers returns the answer to an addressesRequest, without what is over the limits.
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

// unpack reads what packPeers wrote. It skips addresses of an unknown form, which newer
// nodes may have.
func (m *addressesAnswer) unpack() []peer.AddrInfo {
	infos := make([]peer.AddrInfo, 0, len(m.Peers))
	for _, p := range m.Peers {
		info := peer.AddrInfo{ID: peer.ID(p.ID)}
		for _, b := range p.Addrs {
			if a, err := multiaddr.NewMultiaddrBytes(b); err == nil && len(b) <= maxAddrBytes {
				info.Addrs = append(info.Addrs, a)
			}
		}
		infos = append(infos, info)
	}
	return infos
}

// checkPacked checks that b is at most limit items of size bytes.
func checkPacked(what string, b []byte, size, limit int) error {
	if len(b)%size != 0 || len(b)/size > limit {
		return fmt.Errorf("%s: %d bytes are not %d-byte pieces, at most %d", what, len(b), size, limit)
	}
	return nil
}

func pack[T any](list []T, add func([]byte, T) []byte) (b []byte) {
	for _, v := range list {
		b = add(b, v)
	}
	return b
}

func unpack[T any](b []byte, size int, read func([]byte) T) []T {
	list := make([]T, 0, len(b)/size)
	for piece := range slices.Chunk(b, size) {
		list = append(list, read(piece))
	}
	return list
}

func packHashes(hs []ledger.Hash) []byte {
	return pack(hs, func(b []byte, h ledger.Hash) []byte { return append(b, h[:]...) })
}

func unpackHashes(b []byte) []ledger.Hash {
	return unpack(b, len(ledger.Hash{}), func(piece []byte) ledger.Hash { return ledger.Hash(piece) })
}

func packKeys(keys []ledger.TxKey) []byte {
	return pack(keys, func(b []byte, k ledger.TxKey) []byte { return append(append(b, k.ID[:]...), k.Sender[:]...) })
}

func unpackKeys(b []byte) []ledger.TxKey {
	return unpack(b, keyBytes, func(piece []byte) ledger.TxKey {
		return ledger.TxKey{ID: uuid.UUID(piece[:16]), Sender: uuid.UUID(piece[16:])}
	})
}

// packShortIDs returns the low 48 bits of each, little-endian.
func packShortIDs(ids []uint64) []byte {
	return pack(ids, func(b []byte, id uint64) []byte {
		return append(b, binary.LittleEndian.AppendUint64(make([]byte, 0, 8), id)[:shortIDBytes]...)
	})
}

func unpackShortIDs(b []byte) []uint64 {
	return unpack(b, shortIDBytes, func(piece []byte) uint64 {
		var eight [8]byte
		copy(eight[:], piece)
		return binary.LittleEndian.Uint64(eight[:])
	})
}

// fitting returns how many of txs, from the first on, fit into one message of so many
// bytes and signatures, at least one.
func fitting(txs []*ledger.Transaction, bytes, keyed int) int {
	size := 16
	for i, tx := range txs {
		size += txBytes(tx)
		if tx.Auth != nil {
			keyed--
		}
		if i > 0 && (size > bytes || keyed < 0) {
			return i
		}
	}
	return len(txs)
}

// newTxsAnswer returns an answer with as many of txs, from the first on, as fit.
func newTxsAnswer(txs []*ledger.Transaction) *txsAnswer {
	return &txsAnswer{Txs: ledger.EncodeTransactions(txs[:fitting(txs, maxTxsBytes, len(txs))])}
}

// txBytes is an upper bound of the transaction's CBOR.
func txBytes(tx *ledger.Transaction) int {
	if tx.Auth != nil {
		return keyedTxBytes
	}
	return openTxBytes
}
