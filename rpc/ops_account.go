package rpc

import (
	"context"
	"errors"
	"math"
	"strconv"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/store"
)

// History comes in pages of at most maxHistory transactions.
const (
	maxHistory     = 1000
	defaultHistory = 100
)

// opAccount gives what the chain says of an account, and its history, newest
// first. Transactions that wait in the pool are not in it.
func (s *Server) opAccount(_ context.Context, q *request, out *reply) error {
	id, given, err := q.args.uuid("account")
	if err != nil {
		return err
	}
	if !given {
		return &opError{status: 500, text: `Operation "account" requires the following "args": "account"`}
	}
	limit, err := q.args.within("limit", defaultHistory, 1, maxHistory)
	if err != nil {
		return err
	}
	from, err := q.args.place("from")
	if err != nil {
		return err
	}
	v, err := s.cfg.Chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	acc, err := v.Account(id)
	if err != nil {
		return err
	}
	history, next, err := readHistory(v, id, from, int(limit))
	if err != nil {
		return err
	}
	out.ok()
	appendAccount(out, acc)
	for i := range history {
		if _, err := out.item(func(dst []byte) []byte { return appendEntry(dst, id, &history[i], v.Tip().Blocks) }); err != nil {
			return err
		}
	}
	out.raw(`]`)
	if next != nil {
		out.raw(`,"next":{"height":`)
		out.buf = strconv.AppendUint(out.buf, next.Height, 10)
		out.raw(`,"index":`)
		out.int(int64(next.Index))
		out.raw(`}`)
	}
	out.raw(`}`)
	return nil
}

// readHistory is View.History, where a place that comes from a client may be
// none of the chain or none of the account's.
func readHistory(v *store.View, id uuid.UUID, from *ledger.Place, limit int) ([]store.PlacedTx, *ledger.Place, error) {
	noPlace := badArg("args.from", "must be the place of one of the account's transactions, as \"next\" gives it (a block may have left the chain since)")
	if from != nil {
		h, err := v.Header(from.Height)
		if errors.Is(err, ledger.ErrUnknown) || err == nil && from.Index >= h.Count {
			return nil, nil, noPlace
		} else if err != nil {
			return nil, nil, err
		}
	}
	history, next, err := v.History(id, from, limit)
	if errors.Is(err, ledger.ErrUnknown) {
		err = noPlace
	}
	return history, next, err
}

func appendAccount(out *reply, acc store.Account) {
	out.raw(`{"account":"` + acc.ID.String() + `"`)
	switch {
	case acc.Issuer:
		// An issuer has no balance. Its totals may pass what JSON numbers
		// hold exactly, so they are text.
		out.raw(`,"kind":"issuer","balance":null,"minted":"` + acc.Minted + `","redeemed":"` + acc.Redeemed + `"`)
	default:
		kind := "open"
		if acc.Keyed {
			kind = "keyed"
		}
		out.raw(`,"kind":"` + kind + `","balance":`)
		out.buf = strconv.AppendUint(out.buf, acc.Balance, 10)
	}
	out.raw(`,"history":[`)
}

func appendEntry(dst []byte, id uuid.UUID, p *store.PlacedTx, blocks uint64) []byte {
	direction := "in"
	switch {
	case p.Tx.Sender == p.Tx.Receiver:
		direction = "self"
	case p.Tx.Sender == id:
		direction = "out"
	}
	dst = append(dst, `{"direction":"`+direction+`","tx":`...)
	dst = p.Tx.AppendJSON(dst, p.Prev)
	dst = appendPlace(append(dst, `,"block":`...), p)
	dst = strconv.AppendUint(append(dst, `,"confirmations":`...), blocks-p.Place.Height, 10)
	return append(dst, '}')
}

// place gives an argument like {"height":17,"index":3}; nil when absent.
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
