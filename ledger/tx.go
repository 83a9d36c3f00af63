package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"math"
	"time"

	"github.com/google/uuid"
)

// Bounds of a transaction's fields.
const (
	// MaxAmount is the largest amount and the largest balance: 2^53-1, the
	// largest integer that every JSON client reads exactly (RFC 8259 section 6).
	MaxAmount = 1<<53 - 1
	// MaxT bounds a transaction's time in seconds: 0 <= t < MaxT.
	MaxT = 1e11
)

// A Transaction moves an amount from a sender to a receiver. It is immutable
// once made: everything that holds one may share it.
type Transaction struct {
	ID       uuid.UUID
	Sender   uuid.UUID
	Receiver uuid.UUID
	Amount   uint64  // 1 to MaxAmount
	T        float64 // Unix seconds, set once by the node that accepts it
	Auth     *Auth   // nil exactly when the sender is an open account
}

// Auth is what a keyed sender adds: its key, and its signature over
// "foxchain tx 1" || network ID || the five-element CBOR.
type Auth struct {
	PublicKey PublicKey
	Signature Signature
}

// A TxKey identifies a transaction in a chain and in a pool, where a key stands
// once. All open senders share one set of IDs, and each keyed sender has its own. So
// no other account can take the ID of a keyed account's transaction by using it
// first.
type TxKey struct {
	ID     uuid.UUID
	Sender uuid.UUID // zero for open senders
}

// KeyOf returns the key of a transaction with this ID from this sender.
func KeyOf(id, sender uuid.UUID) TxKey {
	if IsKeyed(sender) {
		return TxKey{ID: id, Sender: sender}
	}
	return TxKey{ID: id}
}

// Key returns the key of tx.
func (tx *Transaction) Key() TxKey { return KeyOf(tx.ID, tx.Sender) }

// Same reports whether tx and o are variants of one transaction, with the same ID,
// sender, receiver and amount. Their times differ where a client gave it to two
// nodes without a time, and each stamped it.
func (tx *Transaction) Same(o *Transaction) bool {
	return tx.ID == o.ID && tx.Sender == o.Sender && tx.Receiver == o.Receiver && tx.Amount == o.Amount
}

// Digest is the SHA-256 of the transaction's CBOR: the leaf of the Merkle tree.
func (tx *Transaction) Digest() Hash {
	var buf [maxTxSize]byte
	return sha256.Sum256(tx.appendCBOR(buf[:0]))
}

// CheckFields checks what needs no state: the ranges of the fields, key and
// signature, and the rules of net. It verifies the signature unless net knows it, so
// callers run it outside every lock. The error is a *FieldError.
func (tx *Transaction) CheckFields(net *Network) error {
	if err := tx.checkFields(net); err != nil {
		return err
	}
	return nil
}

func (tx *Transaction) checkFields(net *Network) *FieldError {
	switch {
	case !goodAmount(tx.Amount):
		return &FieldError{Field: "amount", Rule: ruleAmount}
	case !goodT(tx.T):
		return &FieldError{Field: "t", Rule: ruleT}
	}
	if net.IsIssuer(tx.Sender) && net.IsIssuer(tx.Receiver) {
		return &FieldError{Field: "receiver", Rule: "must not be an issuer when the sender is one"}
	}
	if net.NoSelfPay && tx.Sender == tx.Receiver {
		return &FieldError{Field: "receiver", Rule: "must not be the sender: on this network no account pays itself"}
	}
	return tx.checkAuth(net)
}

func goodAmount(n uint64) bool { return 1 <= n && n <= MaxAmount }

// goodT refuses -0, which would be a second encoding of 0, and NaN, which compares
// false with everything.
func goodT(t float64) bool { return 0 <= t && t < MaxT && !math.Signbit(t) }

func (tx *Transaction) checkAuth(net *Network) *FieldError {
	if tx.Auth == nil {
		switch {
		case IsKeyed(tx.Sender):
			return &FieldError{Field: "signature", Rule: "must be given, with public_key: the sender is a keyed account"}
		case net.KeyedOnly && !net.IsIssuer(tx.Sender):
			return &FieldError{Field: "sender", Rule: "must be a keyed account: this network takes no open ones"}
		}
		return nil
	}
	if AccountOf(tx.Auth.PublicKey) != tx.Sender {
		return &FieldError{Field: "public_key", Rule: "must be the key that the sender's account is made of"}
	}
	digest := tx.Digest()
	if net.signed.Contains(digest) {
		return nil
	}
	if !ed25519.Verify(tx.Auth.PublicKey[:], tx.signedBytes(net.ID()), tx.Auth.Signature[:]) {
		return &FieldError{Field: "signature", Rule: "must be the sender's, made for this network and these fields"}
	}
	net.signed.Add(digest, struct{}{})
	return nil
}

// Sign makes tx a keyed transaction of key on net. It sets the sender to the key's
// account. ID and T must be final.
func (tx *Transaction) Sign(net *Network, key ed25519.PrivateKey) { tx.SignFor(net.ID(), key) }

// SignFor is Sign for a network of which only the ID is known.
func (tx *Transaction) SignFor(network Hash, key ed25519.PrivateKey) {
	pub := PublicKey(key.Public().(ed25519.PublicKey))
	tx.Sender = AccountOf(pub)
	tx.Auth = nil
	sig := ed25519.Sign(key, tx.signedBytes(network))
	tx.Auth = &Auth{PublicKey: pub, Signature: Signature(sig)}
}

func (tx *Transaction) signedBytes(network Hash) []byte {
	b := append([]byte("foxchain tx 1"), network[:]...)
	return append(b, tx.encodeOpen()...)
}

// IsKeyed reports whether an account is of the form made from a key: UUID
// version 8, variant 10 (RFC 9562 section 5.8). Other accounts are open: any
// client may send from them.
func IsKeyed(account uuid.UUID) bool {
	return account[6]>>4 == 8 && account[8]>>6 == 0b10
}

// AccountOf returns the account of an Ed25519 key: the first 16 bytes of its
// SHA-256 with UUID version 8 and variant 10 set.
func AccountOf(key PublicKey) uuid.UUID {
	sum := sha256.Sum256(key[:])
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// UnixSeconds is a time as transactions carry it.
func UnixSeconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

// MaxBlockTxs is how many transactions a block may hold. It holds at least one.
const MaxBlockTxs = 10_000

const (
	// blockVersion is the version of every header so far.
	blockVersion = 1
	// maxJSONInteger bounds heights and times: the largest integer that every
	// JSON client reads exactly (RFC 8259 section 6).
	maxJSONInteger = 1<<53 - 1
)

// A Header commits to a block: its height and parent, its transactions, its builder
// and the work done for it. Its CBOR is an array of the fields in this order.
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
	Nonce   Nonce // last, so that a search hashes the fields before it once
}

// A SealedHeader is a header with its builder's signature over
// "foxchain block 1" || network ID || block hash. Gossip and sync send headers in
// this form.
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
