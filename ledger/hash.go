package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/bits"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A Hash is a SHA-256 value: of a transaction's encoding (its digest), of a
// header's (the block hash), of a network's rules (the network ID), or the
// root of a Merkle tree. Its text is 64 lower-case hex digits.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Short is the first 8 hex digits: enough for people to distinguish hashes.
func (h Hash) Short() string { return hex.EncodeToString(h[:4]) }

// MarshalText returns the 64 lower-case hex digits.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hex digits, in either case.
func (h *Hash) UnmarshalText(text []byte) error { return unhex(h[:], text) }

// ParseHash reads 64 hex digits, in either case.
func ParseHash(s string) (h Hash, err error) {
	err = unhex(h[:], []byte(s))
	return h, err
}

// A PublicKey is an Ed25519 public key (RFC 8032), hex in text.
type PublicKey [32]byte

func (k PublicKey) String() string { return hex.EncodeToString(k[:]) }

// MarshalText returns 64 lower-case hex digits.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads 64 hex digits, in either case.
func (k *PublicKey) UnmarshalText(text []byte) error { return unhex(k[:], text) }

// A Signature is an Ed25519 signature (RFC 8032), hex in text.
type Signature [64]byte

func (s Signature) String() string { return hex.EncodeToString(s[:]) }

// MarshalText returns 128 lower-case hex digits.
func (s Signature) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 128 hex digits, in either case.
func (s *Signature) UnmarshalText(text []byte) error { return unhex(s[:], text) }

// A Link is a legacy hash: the SHA-1 by which the original chained the
// transactions of a block. It carries no trust.
type Link [20]byte

func (l Link) String() string { return hex.EncodeToString(l[:]) }

// MarshalText returns 40 lower-case hex digits.
func (l Link) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads 40 hex digits, in either case.
func (l *Link) UnmarshalText(text []byte) error { return unhex(l[:], text) }

// A Nonce is the free part of a header: 16 hex digits in text.
type Nonce [8]byte

func (n Nonce) String() string { return hex.EncodeToString(n[:]) }

// MarshalText returns 16 lower-case hex digits.
func (n Nonce) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads 16 hex digits, in either case.
func (n *Nonce) UnmarshalText(text []byte) error { return unhex(n[:], text) }

// unhex fills dst from exactly as many hex digits as it holds.
func unhex(dst, s []byte) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("must be %d hex digits, not %s", 2*len(dst), characters(s))
	}
	if _, err := hex.Decode(dst, s); err != nil {
		return fmt.Errorf("must be %d hex digits: %w", 2*len(dst), err)
	}
	return nil
}

// characters returns how many characters s has, as people count them, in words.
func characters(s []byte) string {
	if n := utf8.RuneCount(s); n != 1 {
		return fmt.Sprintf("%d characters", n)
	}
	return "1 character"
}

// ParseUUID reads a UUID in its one accepted text form, 8-4-4-4-12 hex digits
// in either case (RFC 9562 section 4). The other forms that uuid.Parse knows
// (braces, urn:uuid:, no dashes) are refused, so that one account has one name.
func ParseUUID(s string) (uuid.UUID, error) { return parseUUID([]byte(s)) }

func parseUUID(s []byte) (uuid.UUID, error) {
	const form = "must be a UUID as 8-4-4-4-12 hex digits"
	if len(s) != 36 {
		return uuid.UUID{}, fmt.Errorf("%s, not %s", form, characters(s))
	}
	id, err := uuid.ParseBytes(s)
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("%s: %w", form, err)
	}
	return id, nil
}

// Root is the Merkle tree hash of RFC 6962 section 2.1 whose leaf inputs are
// the 32-byte digests, in order. Without transactions it is the hash of no bytes,
// which no valid block has.
func Root(txs []*Transaction) Hash {
	switch n := len(txs); n {
	case 0:
		return sha256.Sum256(nil)
	case 1:
		return hashLeaf(txs[0].Digest())
	default:
		return hashChildren(Root(txs[:split(n)]), Root(txs[split(n):]))
	}
}

// Path returns the hashes that lead from transaction i to Root: its audit path (RFC 6962
// section 2.1.1), the sibling of its leaf first.
func Path(txs []*Transaction, i int) []Hash {
	if len(txs) == 1 {
		return []Hash{}
	}
	if k := split(len(txs)); i < k {
		return append(Path(txs[:k], i), Root(txs[k:]))
	} else {
		return append(Path(txs[k:], i-k), Root(txs[:k]))
	}
}

// RootFrom returns the Merkle tree hash to which a path leads from transaction i of count.
// ok is false if the path has another length than that of this transaction.
func RootFrom(digest Hash, i, count int, path []Hash) (root Hash, ok bool) {
	if count == 1 {
		return hashLeaf(digest), len(path) == 0
	}
	if len(path) == 0 {
		return root, false
	}
	k, below, sibling := split(count), path[:len(path)-1], path[len(path)-1]
	if i < k {
		root, ok = RootFrom(digest, i, k, below)
		return hashChildren(root, sibling), ok
	}
	root, ok = RootFrom(digest, i-k, count-k, below)
	return hashChildren(sibling, root), ok
}

// split returns how many of n leaves are in the left half of the tree: the largest power
// of two below n.
func split(n int) int { return 1 << (bits.Len(uint(n-1)) - 1) }

func hashLeaf(digest Hash) Hash {
	var buf [1 + len(digest)]byte // 0, then the digest
	copy(buf[1:], digest[:])
	return sha256.Sum256(buf[:])
}

func hashChildren(left, right Hash) Hash {
	var buf [1 + 2*sha256.Size]byte
	buf[0] = 1
	copy(buf[1:], left[:])
	copy(buf[1+sha256.Size:], right[:])
	return sha256.Sum256(buf[:])
}
