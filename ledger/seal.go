package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"
)

// Search looks for a nonce that gives a hash with h.Bits leading zero bits. It counts
// up from start, as a big-endian number that wraps. It calls stop before the first
// try and every 4096 tries, and reports false once stop returns true. It sets h.Nonce
// only when it reports true.
func (h *Header) Search(start uint64, stop func() bool) bool {
	const between = 1 << 12
	header := h.appendCBOR(make([]byte, 0, maxHeaderSize))
	nonce := header[len(header)-len(h.Nonce):]
	// The last block of SHA-256 mostly begins within the nonce, so that its first bytes are
	// hashed with what is before them, once for all tries that have them.
	rest := header[max((len(header)-1)/sha256.BlockSize*sha256.BlockSize, len(header)-len(nonce)):]
	var mid *midstate
	for n := start; ; n++ {
		if (n-start)%between == 0 && stop() {
			return false
		}
		binary.BigEndian.PutUint64(nonce, n)
		if mid == nil || n<<(64-8*len(rest)) == 0 {
			mid = newMidstate(header[:len(header)-len(rest)])
		}
		if sum := mid.hash(rest); sum.ZeroBits() >= int(h.Bits) {
			h.Nonce = Nonce(nonce)
			return true
		}
	}
}

// A midstate is SHA-256 after the part of a header that a search does not
// change. Loading the state costs less than cloning the hash, which allocates.
type midstate struct {
	sha256 hash.Hash
	state  []byte
	sum    Hash
}

// newMidstate relies on a promise of crypto/sha256.New, that its hash can save and
// load its state.
func newMidstate(prefix []byte) *midstate {
	h := sha256.New()
	h.Write(prefix)
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(fmt.Sprintf("crypto/sha256 cannot save its state: %v", err))
	}
	return &midstate{sha256: h, state: state}
}

// hash returns the SHA-256 of the prefix and rest.
func (m *midstate) hash(rest []byte) *Hash {
	if err := m.sha256.(encoding.BinaryUnmarshaler).UnmarshalBinary(m.state); err != nil {
		panic(fmt.Sprintf("crypto/sha256 cannot load its own state: %v", err))
	}
	m.sha256.Write(rest)
	m.sha256.Sum(m.sum[:0])
	return &m.sum
}

// ZeroBits returns the number of leading zero bits of h.
func (h *Hash) ZeroBits() int {
	n := 0
	for i := 0; i < len(h); i += 8 {
		zeros := bits.LeadingZeros64(binary.BigEndian.Uint64(h[i:]))
		n += zeros
		if zeros < 64 {
			break
		}
	}
	return n
}

// Sign seals the header as its builder. h.Builder must be key's public key;
// otherwise CheckHeader refuses the result.
func (h *Header) Sign(net *Network, key ed25519.PrivateKey) SealedHeader {
	hash := h.Hash()
	sig := ed25519.Sign(key, signedByBuilder(net, hash))
	return SealedHeader{Header: *h, Signature: Signature(sig)}
}

func signedByBuilder(net *Network, block Hash) []byte {
	id := net.ID()
	b := append([]byte("foxchain block 1"), id[:]...)
	return append(b, block[:]...)
}
