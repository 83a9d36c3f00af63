package rpc

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/proof"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// maxReceipts is how many transactions with one ID, each of another keyed sender, the op
// tx shows.
const maxReceipts = 16

// tx returns the receipt of a transaction, by its ID.
func (s *chainOps) tx(_ context.Context, q *request, out *reply) error {
	name, err := s.named("tx", &q.args)
	if err != nil {
		return err
	}
	found, err := s.found(name)
	if err != nil {
		return err
	}
	found[0].Others = found[1:]
	return out.respond(found[0])
}

// told returns when the peers of this node were sent a transaction, and had it.
func (s *chainOps) told(_ context.Context, q *request, out *reply) error {
	name, err := s.named("told", &q.args)
	if err != nil {
		return err
	}
	way, err := s.travel(name)
	if err != nil {
		return err
	}
	return out.respond(way)
}

// travel returns the answer to told, and the data of told events.
func (s *chainOps) travel(name txName) (way api.Travel, err error) {
	found, err := s.found(name)
	if err != nil {
		return way, err
	}
	tx := &found[0]
	var height *uint64
	if tx.Block != nil {
		height = &tx.Block.Height
	}
	way = s.node.cfg.Peers.Told(ledger.KeyOf(tx.Tx.ID, tx.Tx.Sender), height)
	way.ID = tx.Tx.ID
	if tx.Age != nil { // the pool knows it also if it did not come by gossip
		here := ledger.UnixSeconds(s.node.cfg.Now()) - float64(*tx.Age)
		way.Here = &here
	}
	names := make(map[string]string)
	for _, n := range s.node.cfg.Peers.Nodes() {
		names[n.ID] = n.Name
	}
	for i, p := range way.Peers {
		way.Peers[i].Name = names[p.ID]
		if p.Told != nil && way.Here != nil { // since the clock is read twice
			way.Here = new(min(*way.Here, *p.Told))
		}
	}
	return way, nil
}

// A txName names transactions in a request.
type txName struct {
	id     uuid.UUID
	sender *uuid.UUID // nil for any
}

func (s *chainOps) named(op string, a *args) (name txName, err error) {
	if name.id, err = s.uuidOf(op, "id", "A transaction", a, s.txIDsFrom); err != nil {
		return name, err
	}
	if sender, given := a.uuid("sender"); given {
		name.sender = &sender
	}
	return name, a.err
}

// found returns the receipts of the transactions with a name, at least one. It looks in
// the pool first and then in the chain, since a new block moves transactions that way. If
// the tip moved and nothing was found, it looks once more, since a reorg moves
// transactions back.
func (s *chainOps) found(name txName) ([]api.Receipt, error) {
	for {
		tip := s.chain.Tip().Hash
		found := s.pooledReceipts(name)
		placed, err := s.placedReceipts(name)
		if err != nil {
			return nil, err
		}
		found = append(found, placed...)
		gone, err := s.chain.Receipts(name.id, name.sender, maxReceipts)
		if err != nil {
			return nil, err
		}
		for _, g := range gone {
			found = append(found, api.Receipt{
				State: api.StateGone, Tx: api.NewTx(g.Tx, nil), Reason: g.Reason, Time: api.Seconds(ledger.UnixSeconds(g.Time)),
			})
		}
		switch {
		case len(found) > 0:
			return found, nil
		case s.chain.Tip().Hash == tip:
			return nil, notKnown("Transaction " + name.id.String())
		}
	}
}

func (s *chainOps) pooledReceipts(name txName) (found []api.Receipt) {
	for _, e := range s.chain.Pool().WithID(name.id, name.sender, maxReceipts) {
		age := api.Seconds(api.SecondsOf(e.Age))
		r := api.Receipt{State: api.StatePooled, Tx: api.NewTx(e.Tx, nil), Reason: e.Waiting, Arrival: &e.Arrival, Age: &age}
		if e.Waiting != "" {
			r.State = api.StateWaiting
		}
		found = append(found, r)
	}
	return found
}

func (s *chainOps) placedReceipts(name txName) ([]api.Receipt, error) {
	v, err := s.chain.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	placed, err := v.Find(name.id, name.sender, maxReceipts)
	if err != nil {
		return nil, err
	}
	var found []api.Receipt
	for _, p := range placed {
		at := txPlace(&p)
		settled, err := s.node.settled(v, true, ledger.BlockRef{Height: at.Height, Hash: at.Hash})
		if err != nil {
			return nil, err
		}
		found = append(found, api.Receipt{
			State: api.StateConfirmed, Tx: api.NewTx(p.Tx, p.Prev), Block: &at, Confirmations: v.Tip().Blocks - at.Height, Settled: settled,
		})
	}
	return found, nil
}

// final reports whether the chain's block at height is final, nil on a network without
// finality.
func (s *chainOps) final(height uint64) *bool {
	if s.node.committee == nil {
		return nil
	}
	f := s.chain.Status().Final
	return new(f != nil && height <= f.Block.Height)
}

func txPlace(p *store.PlacedTx) api.TxPlace {
	return api.TxPlace{Height: p.Place.Height, Hash: p.Block, Index: p.Place.Index}
}

// proof returns a proof, for people without a node, that a transaction is in a block.
func (s *chainOps) proof(_ context.Context, q *request, out *reply) error {
	name, err := s.named("proof", &q.args)
	if err != nil {
		return err
	}
	final := s.chain.Status().Final // read before the view, so that the view's chain has the final block
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
		return s.noProof(name)
	case 1:
	default:
		return badArg("args.sender", fmt.Sprintf("must be given: several senders have a transaction with the ID %s", name.id))
	}
	p, err := s.prove(v, &found[0], final)
	if err != nil {
		return err
	}
	return out.respond(p)
}

// noProof is the error of a transaction that is in no block.
func (s *chainOps) noProof(name txName) error {
	if len(s.pooledReceipts(name)) > 0 {
		return &opError{status: 404, text: fmt.Sprintf("Transaction %s is in no block yet, so there is nothing to prove it by", name.id)}
	}
	return notKnown(fmt.Sprintf("A block with transaction %s", name.id))
}

// prove makes the proof of a transaction. final is the last final block's certificate.
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
