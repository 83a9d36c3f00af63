package finality

import (
	"cmp"
	"slices"

	"foxchain/ledger"
)

// A Certificate is a statement with the votes of a quorum. It proves the result of a view to
// everybody that knows the builders. It is immutable.
type Certificate struct {
	Statement
	Signers    []byte // a bitmap: builder i is bit i%8 of byte i/8
	Signatures []byte // of the signers in their order, one after the other
}

// newCertificate makes a certificate of votes for one statement, of n builders.
func newCertificate(n int, votes []Vote) *Certificate {
	slices.SortFunc(votes, func(a, b Vote) int { return cmp.Compare(a.Builder, b.Builder) })
	c := &Certificate{Statement: votes[0].Statement, Signers: make([]byte, (n+7)/8)}
	for _, v := range votes {
		c.Signers[v.Builder/8] |= 1 << (v.Builder % 8)
		c.Signatures = append(c.Signatures, v.Signature[:]...)
	}
	return c
}

// Builders returns the numbers of the signers, lowest first.
func (c *Certificate) Builders() []int {
	var list []int
	for i := range len(c.Signers) * 8 {
		if c.Signers[i/8]>>(i%8)&1 == 1 {
			list = append(list, i)
		}
	}
	return list
}

// votes returns the votes in the certificate.
func (c *Certificate) votes() (list []Vote) {
	for i, b := range c.Builders() {
		list = append(list, Vote{c.Statement, b, ledger.Signature(c.Signatures[i*len(ledger.Signature{}):])})
	}
	return list
}

type certificateForm struct {
	_                   struct{} `cbor:",toarray"`
	Statement           statementForm
	Signers, Signatures []byte
}

// Encode returns the certificate in CBOR: the statement, the bitmap, the signatures.
func (c *Certificate) Encode() []byte {
	return encode(certificateForm{Statement: c.form(), Signers: c.Signers, Signatures: c.Signatures})
}

// DecodeCertificate reads what Encode returns. It verifies neither signers nor signatures.
func DecodeCertificate(b []byte) (*Certificate, error) {
	var f certificateForm
	if err := decode(b, &f); err != nil {
		return nil, err
	}
	return &Certificate{f.Statement.statement(), f.Signers, f.Signatures}, nil
}

// Evidence proves that a builder lies. It is two votes of which an honest builder signs at most
// one.
type Evidence struct{ A, B Vote }
