package committee

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

// Label begins what every vote signs.
const Label = "foxchain vote 1"

// maxVerified is how many signatures a Committee remembers, those that were used last.
const maxVerified = 1 << 14

// A Committee is the builders of a network, in the order of their keys. It remembers which of
// their signatures it verified, since each comes again in certificates and from every peer. Its
// methods may be called from any goroutine.
type Committee struct {
	keys     []ledger.PublicKey
	label    []byte
	verified *lru.Cache[[sha256.Size]byte, struct{}]
}

// New returns the builders of net, nil when it names none, or more than can vote.
func New(net *ledger.Network) *Committee {
	if len(net.Builders) == 0 || len(net.Builders) > ledger.MaxVoters {
		return nil
	}
	id := net.ID()
	verified, _ := lru.New[[sha256.Size]byte, struct{}](maxVerified) // only a size below 1 is an error
	return &Committee{net.Builders, append([]byte(Label), id[:]...), verified}
}

// Size is n, the number of builders.
func (c *Committee) Size() int { return len(c.keys) }

// Key returns the key of a builder.
func (c *Committee) Key(builder int) ledger.PublicKey { return c.keys[builder] }

// Index returns the number of the builder with a key, -1 when it is none.
func (c *Committee) Index(key ledger.PublicKey) int { return slices.Index(c.keys, key) }

// Sign returns the vote of a builder for s.
func (c *Committee) Sign(s finality.Statement, builder int, key ed25519.PrivateKey) finality.Vote {
	return finality.Vote{Statement: s, Builder: builder, Signature: ledger.Signature(ed25519.Sign(key, c.Signed(s)))}
}

// Signed returns the bytes that a vote for s signs.
func (c *Committee) Signed(s finality.Statement) []byte { return slices.Concat(c.label, s.Encode()) }

// VerifyVote checks the form, the builder and the signature of a vote. The error is finality.ErrForged.
func (c *Committee) VerifyVote(v *finality.Vote) error {
	if err := v.Check(); err != nil {
		return err
	}
	return c.verify(v.Builder, c.Signed(v.Statement), v.Signature)
}

// VerifyCertificate checks the form, the quorum and each signature. The error is finality.ErrForged.
func (c *Committee) VerifyCertificate(cert *finality.Certificate) error {
	if err := cert.Check(); err != nil {
		return err
	}
	if want := (len(c.keys) + 7) / 8; len(cert.Signers) != want { // before it is read: it may have a megabyte
		return fmt.Errorf("%w: a bitmap of %d bytes, want %d", finality.ErrForged, len(cert.Signers), want)
	}
	builders, need, signed := cert.Builders(), finality.Quorum(len(c.keys)), c.Signed(cert.Statement)
	if len(builders) < need || len(cert.Signatures) != len(builders)*len(ledger.Signature{}) {
		return fmt.Errorf("%w: %d signers of %d builders, of whom %d are needed, with %d bytes of signatures",
			finality.ErrForged, len(builders), len(c.keys), need, len(cert.Signatures))
	}
	for i, b := range builders {
		if err := c.verify(b, signed, ledger.Signature(cert.Signatures[i*len(ledger.Signature{}):])); err != nil {
			return err
		}
	}
	return nil
}

func (c *Committee) verify(builder int, signed []byte, sig ledger.Signature) error {
	if builder < 0 || builder >= len(c.keys) {
		return fmt.Errorf("%w: there is no builder %d", finality.ErrForged, builder)
	}
	known := sha256.Sum256(slices.Concat([]byte{byte(builder)}, sig[:], signed))
	if _, ok := c.verified.Get(known); ok {
		return nil
	}
	if !ed25519.Verify(c.keys[builder][:], signed, sig[:]) {
		return fmt.Errorf("%w: the signature of builder %d is wrong", finality.ErrForged, builder)
	}
	c.verified.Add(known, struct{}{})
	return nil
}
