package finality

import (
	"crypto/ed25519"
	"fmt"
	"slices"

	"foxchain/ledger"
)

// A Certificate is a statement with the votes of a quorum. It proves to everybody
// that knows the builders what became of a view. It does not change.
type Certificate struct {
	Statement
	Signers    []byte             // a bitmap: builder i is bit i%8 of byte i/8
	Signatures []ledger.Signature // of the signers in their order
}

// newCertificate collects votes for s, by builder.
func newCertificate(n int, s Statement, votes map[int]ledger.Signature) *Certificate {
	c := &Certificate{Statement: s, Signers: make([]byte, (n+7)/8)}
	for i := range n {
		if sig, ok := votes[i]; ok {
			c.Signers[i/8] |= 1 << (i % 8)
			c.Signatures = append(c.Signatures, sig)
		}
	}
	return c
}

// Signed reports whether a builder's vote is in the certificate.
func (c *Certificate) Signed(builder int) bool {
	return builder >= 0 && builder/8 < len(c.Signers) && c.Signers[builder/8]>>(builder%8)&1 == 1
}

// Builders returns the numbers of the signers, lowest first.
func (c *Certificate) Builders() []int {
	var list []int
	for i := range len(c.Signers) * 8 {
		if c.Signed(i) {
			list = append(list, i)
		}
	}
	return list
}

type certificateForm struct {
	_          struct{} `cbor:",toarray"`
	Statement  statementForm
	Signers    []byte
	Signatures []byte // one after the other
}

// Encode returns the certificate in CBOR: the statement, the bitmap, the signatures.
// One of 21 signatures has some 1,400 bytes.
func (c *Certificate) Encode() []byte {
	f := certificateForm{Statement: c.form(), Signers: c.Signers}
	for _, s := range c.Signatures {
		f.Signatures = append(f.Signatures, s[:]...)
	}
	return encode(f)
}

// DecodeCertificate reads what Encode returns. It does not verify the signatures.
func DecodeCertificate(b []byte) (*Certificate, error) {
	var f certificateForm
	if err := ledger.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForged, err)
	}
	const size = len(ledger.Signature{})
	if len(f.Signatures)%size != 0 || len(f.Signatures) > MaxBuilders*size {
		return nil, fmt.Errorf("%w: a certificate has whole signatures", ErrForged)
	}
	c := &Certificate{Statement: f.Statement.statement(), Signers: f.Signers}
	for s := range slices.Chunk(f.Signatures, size) {
		c.Signatures = append(c.Signatures, ledger.Signature(s))
	}
	return c, nil
}

// VerifyCertificate checks the form of a certificate, that a quorum signed it, and
// each signature. The error is ErrForged.
func (c *Committee) VerifyCertificate(cert *Certificate) error {
	if err := cert.check(); err != nil {
		return err
	}
	builders := cert.Builders()
	signers := len(builders)
	switch {
	case len(cert.Signers) != (len(c.keys)+7)/8 || signers > 0 && builders[signers-1] >= len(c.keys):
		return fmt.Errorf("%w: the bitmap of a certificate of %d builders is wrong", ErrForged, len(c.keys))
	case signers != len(cert.Signatures) || signers < c.Quorum():
		return fmt.Errorf("%w: %d signatures of %d signers, and %d are needed", ErrForged, len(cert.Signatures), signers, c.Quorum())
	}
	signed := c.Signed(cert.Statement)
	for i, b := range builders {
		if !ed25519.Verify(c.keys[b][:], signed, cert.Signatures[i][:]) {
			return fmt.Errorf("%w: the signature of builder %d is wrong", ErrForged, b)
		}
	}
	return nil
}

// Evidence proves that a builder broke the rules: two votes that it signed, of which an
// honest builder signs one at most.
type Evidence struct{ A, B Vote }

// conflict reports whether an honest builder signs at most one of two statements:
// different ones of one kind and view, or nullify and finalize of one view.
func conflict(a, b Statement) bool {
	return a.View == b.View && a != b &&
		(a.Kind == b.Kind || a.Kind+b.Kind == Nullify+Finalize)
}

// Encode returns the evidence in CBOR: both votes.
func (e *Evidence) Encode() []byte { return encode([2][]byte{e.A.Encode(), e.B.Encode()}) }

// DecodeEvidence reads what Encode returns. It does not verify it.
func DecodeEvidence(b []byte) (e Evidence, err error) {
	var f [2][]byte
	if err := ledger.Unmarshal(b, &f); err != nil {
		return e, fmt.Errorf("%w: %w", ErrForged, err)
	}
	if e.A, err = DecodeVote(f[0]); err == nil {
		e.B, err = DecodeVote(f[1])
	}
	return e, err
}

// VerifyEvidence checks that both votes are of one builder and exclude each other. The
// error is ErrForged.
func (c *Committee) VerifyEvidence(e *Evidence) error {
	if e.A.Builder != e.B.Builder || !conflict(e.A.Statement, e.B.Statement) {
		return fmt.Errorf("%w: the two votes do not exclude each other", ErrForged)
	}
	if err := c.VerifyVote(&e.A); err != nil {
		return err
	}
	return c.VerifyVote(&e.B)
}
