package finality

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"foxchain/ledger"
)

// MaxBuilders is how many builders can vote. A network that names more has no finality.
const MaxBuilders = 100

// maxView bounds view numbers, so that JSON can hold them.
const maxView = 1<<53 - 1

// ErrForged marks a vote or certificate that no honest builder sends, since its form,
// its signers or a signature is wrong. Match it with errors.Is.
var ErrForged = errors.New("not a valid vote")

// A Kind is what a vote is for.
type Kind uint8

const (
	// Notarize supports a block in a view. The one of the view's leader proposes it.
	Notarize Kind = iota
	// Nullify gives a view up.
	Nullify
	// Finalize promises that its builder did not and will not nullify the view.
	Finalize

	kinds = 3
)

func (k Kind) String() string {
	if k < kinds {
		return [...]string{"notarize", "nullify", "finalize"}[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// A Statement is what the votes of one certificate agree on.
type Statement struct {
	Kind   Kind
	View   uint64          // from 1
	Parent uint64          // the view whose block this one continues; 0: none, and in a nullify
	Block  ledger.BlockRef // zero in a nullify
}

// statementForm is a Statement as CBOR.
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
	none := s.Block == ledger.BlockRef{}
	switch {
	case s.Kind >= kinds:
		return fmt.Errorf("%w: there is no %s", ErrForged, s.Kind)
	case s.View == 0 || s.View > maxView:
		return fmt.Errorf("%w: view %d is not from 1 to 2^53-1", ErrForged, s.View)
	case s.Kind == Nullify && (s.Parent != 0 || !none):
		return fmt.Errorf("%w: a nullify names no parent and no block", ErrForged)
	case s.Kind != Nullify && (s.Parent >= s.View || s.Block.Height > maxView || s.Block.Hash == ledger.Hash{}):
		return fmt.Errorf("%w: a %s names a lower view and a block", ErrForged, s.Kind)
	}
	return nil
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
	if err := ledger.Unmarshal(b, &f); err != nil {
		return Vote{}, fmt.Errorf("%w: %w", ErrForged, err)
	}
	return Vote{f.Statement.statement(), int(f.Builder), f.Signature}, nil
}

// encode returns the CBOR of a form, which always has one.
func encode(form any) []byte {
	b, err := ledger.Marshal(form)
	if err != nil {
		panic(fmt.Sprintf("finality: %v", err))
	}
	return b
}

// A Committee is the builders of a network, in the order of their keys. It signs and
// verifies. It does not change.
type Committee struct {
	keys  []ledger.PublicKey
	label []byte
}

// NewCommittee returns the committee of net, nil when net names no builders or more
// than MaxBuilders, and so has no finality.
func NewCommittee(net *ledger.Network) *Committee {
	if len(net.Builders) == 0 || len(net.Builders) > MaxBuilders {
		return nil
	}
	id := net.ID()
	return &Committee{keys: net.Builders, label: append([]byte("foxchain vote 1"), id[:]...)}
}

// Size is n, the number of builders.
func (c *Committee) Size() int { return len(c.keys) }

// Quorum is how many votes make a certificate.
func (c *Committee) Quorum() int { return Quorum(len(c.keys)) }

// Quorum is how many votes of n builders make a certificate. Any two sets of so many
// have a builder in common that is honest, as long as fewer than a third lie.
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

// VerifyVote checks the form, the builder and the signature of a vote. The error is
// ErrForged.
func (c *Committee) VerifyVote(v *Vote) error {
	if err := v.check(); err != nil {
		return err
	}
	if v.Builder < 0 || v.Builder >= len(c.keys) {
		return fmt.Errorf("%w: there is no builder %d", ErrForged, v.Builder)
	}
	if !ed25519.Verify(c.keys[v.Builder][:], c.Signed(v.Statement), v.Signature[:]) {
		return fmt.Errorf("%w: the signature of builder %d is wrong", ErrForged, v.Builder)
	}
	return nil
}
