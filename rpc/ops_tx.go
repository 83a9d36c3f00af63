package rpc

import (
	"context"
	"errors"
	"math"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// maxReceipts is how many transactions with one ID, from as many keyed
// senders, the op tx shows.
const maxReceipts = 16

// tx returns the receipt of a transaction, by its ID.
func (s *chainOps) tx(_ context.Context, q *request, out *reply) error {
	name, err := s.named("tx", q.args)
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

// told returns how a transaction came to the peers of this node.
func (s *chainOps) told(_ context.Context, q *request, out *reply) error {
	name, err := s.named("told", q.args)
	if err != nil {
		return err
	}
	way, err := s.travel(name)
	if err != nil {
		return err
	}
	return out.respond(way)
}

// travel is the answer to told, and the event.
func (s *chainOps) travel(name txName) (way api.Travel, err error) {
	found, err := s.found(name)
	if err != nil {
		return way, err
	}
	tx := &found[0]
	key, height := ledger.TxKey{ID: tx.Tx.ID}, (*uint64)(nil)
	if tx.Tx.PublicKey != nil {
		key.Sender = tx.Tx.Sender
	}
	if tx.Block != nil {
		height = &tx.Block.Height
	}
	way = s.node.cfg.Network.Told(key, height)
	way.ID = tx.Tx.ID
	if tx.Age != nil { // the pool knows it whichever way it came
		here := ledger.UnixSeconds(s.node.cfg.Now()) - float64(*tx.Age)
		way.Here = &here
	}
	names := make(map[string]string)
	for _, n := range s.node.cfg.Network.Nodes() {
		names[n.ID] = n.Name
	}
	for i, p := range way.Peers {
		way.Peers[i].Name = names[p.ID]
		if p.Told != nil && way.Here != nil { // the two come from clocks that are read apart
			way.Here = new(min(*way.Here, *p.Told))
		}
	}
	return way, nil
}

// A txName is how a request names transactions.
type txName struct {
	id     uuid.UUID
	sender *uuid.UUID // nil: of any
}

func (s *chainOps) named(op string, a args) (name txName, err error) {
	if name.id, err = s.uuidOf(op, "id", "A transaction", a, s.txIDsFrom); err != nil {
		return name, err
	}
	sender, given, err := a.uuid("sender")
	if given {
		name.sender = &sender
	}
	return name, err
}

// found returns the receipts of the transactions with a name, at least one.
func (s *chainOps) found(name txName) ([]api.Receipt, error) {
	found, err := s.receipts(name.id, name.sender)
	if err == nil && len(found) == 0 {
		err = notKnown("Transaction " + name.id.String())
	}
	return found, err
}

// receipts looks in the pool first, then in the chain: a block that comes
// meanwhile moves transactions that way. If the tip moved and nothing was
// found, it may have been a reorg, which moves them back: it looks once more.
func (s *chainOps) receipts(id uuid.UUID, only *uuid.UUID) ([]api.Receipt, error) {
	for {
		tip := s.chain.Tip().Hash
		found := s.pooledReceipts(id, only)
		placed, err := s.placedReceipts(id, only)
		if err != nil {
			return nil, err
		}
		found = append(found, placed...)
		gone, err := s.chain.Receipts(id, maxReceipts)
		if err != nil {
			return nil, err
		}
		for _, g := range gone {
			if only == nil || g.Tx.Sender == *only {
				found = append(found, api.Receipt{
					State: api.StateGone, Tx: api.NewTx(g.Tx, nil), Reason: g.Reason, Time: api.Seconds(ledger.UnixSeconds(g.Time)),
				})
			}
		}
		if len(found) > 0 || s.chain.Tip().Hash == tip {
			return found, nil
		}
	}
}

func (s *chainOps) pooledReceipts(id uuid.UUID, only *uuid.UUID) []api.Receipt {
	keys := []ledger.TxKey{{ID: id}}
	if only != nil && ledger.IsKeyed(*only) {
		keys[0].Sender = *only
	} else if only == nil {
		keys = s.chain.Pool().Keys(id, maxReceipts)
	}
	var found []api.Receipt
	for _, e := range s.chain.Pool().Get(keys) {
		if e.Tx == nil || only != nil && e.Tx.Sender != *only {
			continue
		}
		age := api.Seconds(api.SecondsOf(e.Age))
		r := api.Receipt{State: api.StatePooled, Tx: api.NewTx(e.Tx, nil), Reason: e.Waiting, Arrival: &e.Arrival, Age: &age}
		if e.Waiting != "" {
			r.State = api.StateWaiting
		}
		found = append(found, r)
	}
	return found
}

func (s *chainOps) placedReceipts(id uuid.UUID, only *uuid.UUID) ([]api.Receipt, error) {
	v, err := s.chain.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	placed, err := v.Find(id, only, maxReceipts)
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

// History comes in pages of at most maxHistory transactions.
const (
	maxHistory     = 1000
	defaultHistory = 100
)

// account returns what the chain holds of an account, and its history, newest
// first. Transactions that wait in the pool are not in it.
func (s *chainOps) account(_ context.Context, q *request, out *reply) error {
	p, err := s.accountPage("account", q.args, defaultHistory, maxHistory)
	if err != nil {
		return err
	}
	v, id := p.view, p.held.ID
	defer v.Close()
	history, next, err := v.History(id, p.from, p.limit)
	if err != nil {
		return orNoPlace(err)
	}
	acc := api.Account{Holding: newHolding(p.held)}
	for _, p := range history {
		acc.History = append(acc.History, api.HistoryEntry{
			Direction: direction(id, p.Tx), Tx: api.NewTx(p.Tx, p.Prev), Block: txPlace(&p), Confirmations: v.Tip().Blocks - p.Place.Height,
			Final: s.final(p.Place.Height),
		})
	}
	if next != nil {
		acc.Next = &api.TxPlace{Height: next.Height, Index: next.Index}
	}
	return out.page(acc, acc.Next, acc.Next != nil)
}

var errNoPlace = badArg("args.from", "must be the place of one of the account's transactions, as \"next\" gives it (a block may have left the chain since)")

// orNoPlace is the error of a place in the chain that is none of the account's.
func orNoPlace(err error) error {
	if errors.Is(err, ledger.ErrUnknown) {
		return errNoPlace
	}
	return err
}

// An accountPage is what an op asks for that shows an account's transactions.
type accountPage struct {
	view  *store.View // to be closed, unless there is an error
	held  store.Account
	from  *ledger.Place // nil: the newest
	limit int
}

func (s *chainOps) accountPage(op string, a args, usual, most int64) (p accountPage, err error) {
	id, err := s.uuidOf(op, "account", "An account", a, s.accountsFrom)
	if err != nil {
		return p, err
	}
	limit, err := a.within("limit", usual, 1, most)
	if err != nil {
		return p, err
	}
	if p.from, err = a.place("from"); err != nil {
		return p, err
	}
	if p.view, err = s.chain.View(); err != nil {
		return p, err
	}
	p.limit = int(limit)
	if p.held, err = p.view.Account(id); err == nil && p.from != nil {
		err = a.stillThere(p.view, p.from)
	}
	if err != nil {
		p.view.Close()
	}
	return p, err
}

func newHolding(held store.Account) api.Holding {
	h := api.Holding{Account: held.ID.String(), Kind: "open", Balance: &held.Balance, MayOwe: held.MayOwe}
	switch {
	case held.Issuer:
		h.Kind, h.Balance, h.Minted, h.Redeemed = "issuer", nil, held.Minted, held.Redeemed
	case held.Keyed:
		h.Kind = "keyed"
	}
	return h
}

// direction returns how tx moves the money of an account.
func direction(account uuid.UUID, tx *ledger.Transaction) string {
	switch {
	case tx.Sender == tx.Receiver:
		return "self"
	case tx.Sender == account:
		return "out"
	}
	return "in"
}

// place returns an argument like {"height":17,"index":3}, nil when absent.
func (a args) place(name string) (*ledger.Place, error) {
	v := a.get(name)
	if v == nil {
		return nil, nil
	}
	rule := badArg("args."+name, `must be an object with "height" and "index"`)
	if v.Kind() != '{' {
		return nil, rule
	}
	inner, err := newReader(v).args()
	if err != nil || inner.get("height") == nil || inner.get("index") == nil {
		return nil, rule
	}
	height, err := inner.within("height", 0, 0, math.MaxInt64)
	if err != nil {
		return nil, rule
	}
	index, err := inner.within("index", 0, 0, ledger.MaxBlockTxs-1)
	if err != nil {
		return nil, rule
	}
	return &ledger.Place{Height: uint64(height), Index: uint32(index)}, nil
}
