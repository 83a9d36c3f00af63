package ledger

import (
	"crypto/sha256"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// Root is the Merkle tree hash of RFC 6962 section 2.1 whose leaf inputs are
// the 32-byte digests, in order. Without transactions it is the hash of
// nothing, which no valid block has.
func Root(txs []*Transaction) Hash {
	if len(txs) == 0 {
		return sha256.Sum256(nil)
	}
	tree := (&compact.RangeFactory{Hash: hashChildren}).NewEmptyRange(0)
	for _, tx := range txs {
		// Append fails only past 2^64-1 leaves, and GetRootHash only for a range
		// that does not begin at 0.
		_ = tree.Append(hashLeaf(tx.Digest()), nil)
	}
	root, _ := tree.GetRootHash(nil)
	return Hash(root)
}

// hashLeaf and hashChildren are those of rfc6962.DefaultHasher, in half the
// time: they know the lengths, so that only the result is allocated.
func hashLeaf(digest Hash) []byte {
	var buf [1 + len(digest)]byte
	buf[0] = rfc6962.RFC6962LeafHashPrefix
	copy(buf[1:], digest[:])
	sum := sha256.Sum256(buf[:])
	return sum[:]
}

func hashChildren(left, right []byte) []byte {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = rfc6962.RFC6962NodeHashPrefix
	copy(buf[1:], left)
	copy(buf[1+sha256.Size:], right)
	sum := sha256.Sum256(buf[:])
	return sum[:]
}
