package finality

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"

	"foxchain/ledger"
)

// MaxBuilders is how many builders can vote. A network that names more has no finality.
const MaxBuilders = 100

// maxView bounds view numbers, so that JSON can hold them.
const maxView = 1<<53 - 1

// ErrForged marks what no honest builder sends: a form, a signer or a signature is wrong.
var ErrForged = errors.New("not a valid vote")

// A Kind is what a vote is for.
type Kind uint8

const (
	Notarize Kind = iota // supports a block in a view; the one of the view's leader proposes it
	Nullify              // gives a view up
	Finalize             // promises that its builder did not and will not nullify the view
	kinds
)

func (k Kind) String() string { return [...]string{"notarize", "nullify", "finalize"}[k] }

// A Statement is what the votes of one certificate agree on.
type Statement struct {
	Kind   Kind
	View   uint64          // from 1
	Parent uint64          // the view whose block this one continues; 0: none, and in a nullify
	Block  ledger.BlockRef // zero in a nullify
}

type statementForm struct {
	_                    struct{} `cbor:",toarray"`
	Kind                 Kind
	View, Parent, Height uint64
	Hash                 ledger.Hash
}

func (s Statement) form() statementForm {
	return statementForm{Kind: s.Kind, View: s.View, Parent: s.Parent, Height: s.Block.Height, Hash: s.Block.Hash}
}

func (f statementForm) statement() Statement {
	return Statement{f.Kind, f.View, f.Parent, ledger.BlockRef{Height: f.Height, Hash: f.Hash}}
}

// check reports what no honest builder states.
func (s Statement) check() error {
	switch {
	case s.Kind >= kinds || s.View == 0 || s.View > maxView:
		return fmt.Errorf("%w: there is no kind %d or no view %d", ErrForged, uint8(s.Kind), s.View)
	case s.Kind == Nullify && (s.Parent != 0 || s.Block != ledger.BlockRef{}):
		return fmt.Errorf("%w: a nullify names no parent and no block", ErrForged)
	case s.Kind != Nullify && (s.Parent >= s.View || s.Block.Height > maxView || s.Block.Hash == ledger.Hash{}):
		return fmt.Errorf("%w: a %s names a lower view and a block", ErrForged, s.Kind)
	}
	return nil
}

// Excludes reports whether an honest builder signs at most one of two statements: different ones of
// one kind and view, or nullify and finalize of one view.
func (s Statement) Excludes(o Statement) bool {
	return s.View == o.View && s != o && (s.Kind == o.Kind || s.Kind+o.Kind == Nullify+Finalize)
}

// A Vote is a statement that one builder signed.
type Vote struct {
	Statement
	Builder   int // the builder's number in the order of the keys
	Signature ledger.Signature
}

type voteForm struct {
	_         struct{} `cbor:",toarray"`
	Statement statementForm
	Builder   uint8
	Signature ledger.Signature
}

// Encode returns the vote in CBOR: the statement, the builder's number, the signature.
func (v *Vote) Encode() []byte {
	return encode(voteForm{Statement: v.form(), Builder: uint8(v.Builder), Signature: v.Signature})
}

// DecodeVote reads what Encode returns. It does not verify the signature.
func DecodeVote(b []byte) (Vote, error) {
	var f voteForm
	err := decode(b, &f)
	return Vote{f.Statement.statement(), int(f.Builder), f.Signature}, err
}

// encode returns the CBOR of a form, which always has one.
func encode(form any) []byte {
	b, _ := ledger.Marshal(form)
	return b
}

func decode(b []byte, form any) error {
	if err := ledger.Unmarshal(b, form); err != nil {
		return fmt.Errorf("%w: %w", ErrForged, err)
	}
	return nil
}

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

// NewCommittee returns the builders of net, nil when it names none or more than MaxBuilders.
func NewCommittee(net *ledger.Network) *Committee {
	if len(net.Builders) == 0 || len(net.Builders) > MaxBuilders {
		return nil
	}
	id := net.ID()
	verified, _ := lru.New[[sha256.Size]byte, struct{}](maxVerified) // only a size below 1 is an error
	return &Committee{net.Builders, append([]byte("foxchain vote 1"), id[:]...), verified}
}

// Size is n, the number of builders.
func (c *Committee) Size() int { return len(c.keys) }

// Quorum is how many votes of n builders make a certificate. Any two sets of so many have a builder
// in common that is honest, as long as fewer than a third lie.
func Quorum(n int) int { return n - (n-1)/3 }

// Key returns the key of a builder.
func (c *Committee) Key(builder int) ledger.PublicKey { return c.keys[builder] }

// Index returns the number of the builder with a key, -1 when it is none.
func (c *Committee) Index(key ledger.PublicKey) int { return slices.Index(c.keys, key) }

// Sign returns the vote of a builder for s.
func (c *Committee) Sign(s Statement, builder int, key ed25519.PrivateKey) Vote {
	return Vote{s, builder, ledger.Signature(ed25519.Sign(key, c.Signed(s)))}
}

// Signed returns the bytes that a vote for s signs.
func (c *Committee) Signed(s Statement) []byte { return slices.Concat(c.label, encode(s.form())) }

// VerifyVote checks the form, the builder and the signature of a vote. The error is ErrForged.
func (c *Committee) VerifyVote(v *Vote) error {
	if err := v.check(); err != nil {
		return err
	}
	return c.verify(v.Builder, c.Signed(v.Statement), v.Signature)
}

func (c *Committee) verify(builder int, signed []byte, sig ledger.Signature) error {
	if builder < 0 || builder >= len(c.keys) {
		return fmt.Errorf("%w: there is no builder %d", ErrForged, builder)
	}
	known := sha256.Sum256(slices.Concat([]byte{byte(builder)}, sig[:], signed))
	if _, ok := c.verified.Get(known); ok {
		return nil
	}
	if !ed25519.Verify(c.keys[builder][:], signed, sig[:]) {
		return fmt.Errorf("%w: the signature of builder %d is wrong", ErrForged, builder)
	}
	c.verified.Add(known, struct{}{})
	return nil
}
