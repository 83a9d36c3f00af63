package finality

import (
	"errors"
	"fmt"

	"foxchain/ledger"
)

// maxView bounds view numbers, so that JSON can hold them.
const maxView = 1<<53 - 1

// ErrForged marks what no honest builder sends, with a wrong form, signer or signature.
var ErrForged = errors.New("not a valid vote")

// A Kind is what a vote is for.
type Kind uint8

const (
	Notarize Kind = iota // supports a block in a view; the leader's vote proposes it
	Nullify              // ends a view without a block
	Finalize             // promises that the builder did not and will not nullify the view
	kinds
)

func (k Kind) String() string { return [...]string{"notarize", "nullify", "finalize"}[k] }

// A Statement is what the votes of one certificate agree on.
type Statement struct {
	Kind   Kind
	View   uint64          // from 1
	Parent uint64          // the view whose block this one continues; 0 for none, and in a nullify
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

// Encode returns the statement in CBOR, which is what votes for it sign.
func (s Statement) Encode() []byte { return encode(s.form()) }

// Check returns ErrForged if no honest builder makes this statement.
func (s Statement) Check() error {
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

// Excludes reports whether an honest builder signs at most one of two statements. They are
// different and of one kind and view, or nullify and finalize of one view.
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

// encode returns the CBOR of a form, which never fails.
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

// Quorum is how many votes of n builders make a certificate. Any two quorums have an honest builder
// in common, if fewer than a third lie.
func Quorum(n int) int { return n - (n-1)/3 }
