package proof

import (
	"fmt"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

const (
	// Version is that of the proofs that this package makes and checks.
	Version = 1
	// MaxHeaders bounds the headers of a proof.
	MaxHeaders = 4096
	// MaxAbove is how many headers above the block a proof without certificate has.
	MaxAbove = 255
	// MaxSize bounds the bytes of a file.
	MaxSize = 8 << 20
)

// A Proof shows that a transaction is in a block, and what is above the block.
type Proof struct {
	Version     int                 `json:"version"`
	Network     *ledger.NetworkFile `json:"network"`
	NetworkID   ledger.Hash         `json:"network_id"`
	Transaction Tx                  `json:"transaction"`
	Index       uint32              `json:"index"`                // in its block, from 0
	Path        []ledger.Hash       `json:"path"`                 // RFC 6962, the leaf's sibling first
	Headers     []Header            `json:"headers"`              // the transaction's block first
	Certificate *Certificate        `json:"certificate,omitzero"` // of the last header
	Tip         *Tip                `json:"tip,omitzero"`         // the last header, if there is no certificate
}

// A Tx is a transaction as it was signed.
type Tx struct {
	ID        uuid.UUID         `json:"id"`
	Sender    uuid.UUID         `json:"sender"`
	Receiver  uuid.UUID         `json:"receiver"`
	Amount    uint64            `json:"amount"`
	T         float64           `json:"t"`                   // Unix seconds
	PublicKey *ledger.PublicKey `json:"public_key,omitzero"` // of keyed senders, as Signature
	Signature *ledger.Signature `json:"signature,omitzero"`
}

// A Header is the header of a block as nodes show it.
type Header struct {
	Count     uint32           `json:"count,omitzero"`
	PrevHash  *ledger.Hash     `json:"prev_hash"` // null at height 0
	Hash      ledger.Hash      `json:"hash"`
	Version   uint8            `json:"version"`
	Height    uint64           `json:"height"`
	Time      uint64           `json:"time"` // Unix milliseconds: the builder's claim
	Bits      uint8            `json:"bits"`
	Nonce     ledger.Nonce     `json:"nonce"`
	Builder   ledger.PublicKey `json:"builder"`
	Root      ledger.Hash      `json:"root"`
	Signature ledger.Signature `json:"signature"`
}

// A Certificate is the votes of a quorum that make a block final.
type Certificate struct {
	Kind       string             `json:"kind"` // finalize
	View       uint64             `json:"view"`
	Parent     uint64             `json:"parent"` // the view that it continues
	Height     uint64             `json:"height"` // of the block, as Hash
	Hash       ledger.Hash        `json:"hash"`
	Signers    []ledger.PublicKey `json:"signers"` // in the order of the network's builders
	Signatures []ledger.Signature `json:"signatures"`
}

// A Tip is the end of a chain.
type Tip struct {
	Height uint64      `json:"height"`
	Hash   ledger.Hash `json:"hash"`
}

// Make makes the proof of transaction index of a block. above are the headers above the
// block, up to the height that Above returns. cert is the certificate of the last one, nil
// if the block is not final.
func Make(net *ledger.Network, b *ledger.Block, index uint32, above []*ledger.SealedHeader, cert *finality.Certificate) *Proof {
	tx := b.Txs[index]
	p := &Proof{
		Version: Version, Network: net.File(), NetworkID: net.ID(), Index: index, Path: ledger.Path(b.Txs, int(index)),
		Transaction: Tx{ID: tx.ID, Sender: tx.Sender, Receiver: tx.Receiver, Amount: tx.Amount, T: tx.T},
		Headers:     []Header{newHeader(&b.SealedHeader)},
	}
	if tx.Auth != nil {
		p.Transaction.PublicKey, p.Transaction.Signature = &tx.Auth.PublicKey, &tx.Auth.Signature
	}
	for _, h := range above {
		p.Headers = append(p.Headers, newHeader(h))
	}
	if cert == nil {
		last := p.Headers[len(p.Headers)-1]
		p.Tip = &Tip{last.Height, last.Hash}
		return p
	}
	p.Certificate = &Certificate{Kind: cert.Kind.String(), View: cert.View, Parent: cert.Parent, Height: cert.Block.Height, Hash: cert.Block.Hash}
	for i, b := range cert.Builders() {
		p.Certificate.Signers = append(p.Certificate.Signers, net.Builders[b])
		p.Certificate.Signatures = append(p.Certificate.Signatures, ledger.Signature(cert.Signatures[i*len(ledger.Signature{}):]))
	}
	return p
}

// Above returns the height of the last header in a proof of a block at height. The chain
// has so many blocks, and cert is the lowest certificate that makes the block final, or
// nil. The error is that the proof would be too long.
func Above(height, blocks uint64, cert *finality.Certificate) (uint64, error) {
	if cert == nil {
		return min(blocks-1, height+MaxAbove), nil
	}
	if n := cert.Block.Height - height; n >= MaxHeaders {
		return 0, fmt.Errorf("the next block that is known to be final is %d above it, and a proof has %d headers at most", n, MaxHeaders)
	}
	return cert.Block.Height, nil
}

func newHeader(h *ledger.SealedHeader) Header {
	out := Header{
		Count: h.Count, Hash: h.Hash(), Version: h.Version, Height: h.Height, Time: h.Time, Bits: h.Bits,
		Nonce: h.Nonce, Builder: h.Builder, Root: h.Root, Signature: h.Signature,
	}
	if h.Height > 0 {
		out.PrevHash = &h.Parent
	}
	return out
}

// sealed returns the header as it is signed. The first block's parent is the network.
func (h *Header) sealed(net *ledger.Network) *ledger.SealedHeader {
	out := &ledger.SealedHeader{Signature: h.Signature, Header: ledger.Header{
		Version: h.Version, Height: h.Height, Parent: net.ID(), Root: h.Root, Count: h.Count, Time: h.Time,
		Bits: h.Bits, Builder: h.Builder, Nonce: h.Nonce,
	}}
	if h.PrevHash != nil {
		out.Parent = *h.PrevHash
	}
	return out
}
