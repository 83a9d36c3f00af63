package p2p

import (
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// Lists of small things of one size travel as one byte string, so that what a
// decoder allocates is what it received.

// packPeers gives the answer to the addresses request: what passes the limits
// is left out.
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

// unpack reads what packPeers wrote. An address of a form that this node does
// not know is passed over: a newer node may have it.
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

// packShortIDs writes the low 48 bits of each, little-endian.
func packShortIDs(ids []uint64) []byte {
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

// fitting gives how many of txs, from the first on, one answer holds: one at least.
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
