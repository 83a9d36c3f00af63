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

// maxReceipts is how many transactions with one ID, from as many keyed
// senders, the op tx shows.
const maxReceipts = 16

// A receipt is what became of one transaction.
type receipt struct {
	state   string // waiting, pooled, confirmed, gone
	tx      *ledger.Transaction
	prev    *ledger.Link
	reason  string  // of waiting and gone
	arrival *uint64 // of waiting and pooled: its number in the pool
	age     float64 // of waiting and pooled: seconds since this node first saw it
	block   *store.PlacedTx
	confirm uint64
	at      float64 // of gone: Unix seconds
}

// opTx gives the receipt of a transaction, by its ID.
func (s *ops) opTx(_ context.Context, q *request, out *reply) error {
	id, given, err := q.args.uuid("id")
	if err != nil {
		return err
	}
	if !given {
		return &opError{status: 500, text: `Operation "tx" requires the following "args": "id"`}
	}
	sender, bySender, err := q.args.uuid("sender")
	if err != nil {
		return err
	}
	var only *uuid.UUID
	if bySender {
		only = &sender
	}
	found, err := s.receipts(id, only)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return notKnown("Transaction " + id.String())
	}
	out.ok()
	out.buf = found[0].appendJSON(out.buf)
	if len(found) > 1 {
		out.raw(`,"others":[`)
		for i := range found[1:] {
			if i > 0 {
				out.raw(`,`)
			}
			out.buf = append(found[1+i].appendJSON(out.buf), '}')
		}
		out.raw(`]`)
	}
	out.raw(`}`)
	return nil
}

// receipts looks in the pool first, then in the chain: a block that comes
// meanwhile moves transactions that way. If the tip moved and nothing was
// found, it may have been a reorg, which moves them back: it looks once more.
func (s *ops) receipts(id uuid.UUID, only *uuid.UUID) ([]receipt, error) {
	for {
		tip := s.cfg.Chain.Tip().Hash
		found := s.pooledReceipts(id, only)
		placed, err := s.placedReceipts(id, only)
		if err != nil {
			return nil, err
		}
		found = append(found, placed...)
		gone, err := s.cfg.Chain.Receipts(id, maxReceipts)
		if err != nil {
			return nil, err
		}
		for _, g := range gone {
			if only == nil || g.Tx.Sender == *only {
				found = append(found, receipt{state: "gone", tx: g.Tx, reason: g.Reason, at: unixSeconds(g.Time)})
			}
		}
		if len(found) > 0 || s.cfg.Chain.Tip().Hash == tip {
			return found, nil
		}
	}
}

func (s *ops) pooledReceipts(id uuid.UUID, only *uuid.UUID) []receipt {
	keys := []ledger.TxKey{{ID: id}}
	if only != nil && ledger.IsKeyed(*only) {
		keys[0].Sender = *only
	} else if only == nil {
		keys = s.cfg.Chain.Pool().Keys(id, maxReceipts)
	}
	var found []receipt
	for _, e := range s.cfg.Chain.Pool().Get(keys) {
		if e.Tx == nil || only != nil && e.Tx.Sender != *only {
			continue
		}
		r := receipt{state: "pooled", tx: e.Tx, arrival: &e.Arrival, age: seconds(e.Age), reason: e.Waiting}
		if e.Waiting != "" {
			r.state = "waiting"
		}
		found = append(found, r)
	}
	return found
}

func (s *ops) placedReceipts(id uuid.UUID, only *uuid.UUID) ([]receipt, error) {
	v, err := s.cfg.Chain.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	placed, err := v.Find(id, maxReceipts)
	if err != nil {
		return nil, err
	}
	var found []receipt
	for _, p := range placed {
		if only == nil || p.Tx.Sender == *only {
			found = append(found, receipt{
				state: "confirmed", tx: p.Tx, prev: p.Prev, block: &p, confirm: v.Tip().Blocks - p.Place.Height,
			})
		}
	}
	return found, nil
}

// appendJSON appends the receipt without its closing brace.
func (r *receipt) appendJSON(dst []byte) []byte {
	dst = append(dst, `{"state":"`...)
	dst = append(dst, r.state...)
	dst = append(dst, `","tx":`...)
	dst = r.tx.AppendJSON(dst, r.prev)
	if r.reason != "" {
		dst = appendQuote(append(dst, `,"reason":`...), r.reason)
	}
	if r.arrival != nil {
		dst = strconv.AppendUint(append(dst, `,"arrival":`...), *r.arrival, 10)
		dst = appendSeconds(append(dst, `,"age":`...), r.age)
	}
	if r.block != nil {
		dst = appendPlace(append(dst, `,"block":`...), r.block)
		dst = strconv.AppendUint(append(dst, `,"confirmations":`...), r.confirm, 10)
	}
	if r.state == "gone" {
		dst = appendSeconds(append(dst, `,"time":`...), r.at)
	}
	return dst
}

// appendPlace appends where a transaction stands in the chain.
func appendPlace(dst []byte, p *store.PlacedTx) []byte {
	dst = strconv.AppendUint(append(dst, `{"height":`...), p.Place.Height, 10)
	dst = append(dst, `,"hash":"`...)
	dst = append(dst, p.Block.String()...)
	dst = strconv.AppendUint(append(dst, `","index":`...), uint64(p.Place.Index), 10)
	return append(dst, '}')
}

// History comes in pages of at most maxHistory transactions.
const (
	maxHistory     = 1000
	defaultHistory = 100
)

// opAccount answers what the chain holds of an account, and its history, newest
// first. Transactions that wait in the pool are not in it.
func (s *ops) opAccount(_ context.Context, q *request, out *reply) error {
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
