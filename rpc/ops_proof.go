package rpc

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/proof"
	"foxchain/ledger/store"
)

// proof returns what proves to people without a node that a transaction is in a block.
func (s *chainOps) proof(_ context.Context, q *request, out *reply) error {
	name, err := s.named("proof", q.args)
	if err != nil {
		return err
	}
	final := s.chain.Status().Final // before the view, whose chain then has it
	v, err := s.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	found, err := v.Find(name.id, name.sender, maxReceipts)
	if err != nil {
		return err
	}
	switch len(found) {
	case 0:
		return s.noProof(name.id)
	case 1:
	default:
		return badArg("args.sender", fmt.Sprintf("must be given: %d senders have a transaction with the ID %s", len(found), name.id))
	}
	p, err := s.prove(v, &found[0], final)
	if err != nil {
		return err
	}
	return out.respond(p)
}

// noProof is the error of a transaction that is in no block.
func (s *chainOps) noProof(id uuid.UUID) error {
	if len(s.pooledReceipts(id, nil)) > 0 {
		return &opError{status: 404, text: fmt.Sprintf("Transaction %s is in no block yet, so there is nothing to prove it by", id)}
	}
	return notKnown(fmt.Sprintf("A block with transaction %s", id))
}

// prove makes the proof of a transaction. final is what makes the last final block so.
func (s *chainOps) prove(v *store.View, tx *store.PlacedTx, final *finality.Certificate) (*proof.Proof, error) {
	height := tx.Place.Height
	var cert *finality.Certificate
	if final != nil && final.Block.Height >= height {
		var err error
		if cert, _, err = s.chain.Votes().FinalFrom(height); err != nil {
			return nil, err
		}
	}
	end, err := proof.Above(height, v.Tip().Blocks, cert)
	if err != nil {
		return nil, &opError{status: 404, text: fmt.Sprintf("There is no proof of transaction %s: %v", tx.Tx.ID, err)}
	}
	b, err := v.Block(height)
	if err != nil {
		return nil, err
	}
	var above []*ledger.SealedHeader
	for at := height + 1; at <= end; at++ {
		h, err := v.Header(at)
		if err != nil {
			return nil, err
		}
		above = append(above, h)
	}
	return proof.Make(s.chain.Network(), b, tx.Place.Index, above, cert), nil
}
