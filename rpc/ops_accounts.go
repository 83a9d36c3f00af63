package rpc

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// Bounds of the lists of accounts and of an account's transactions.
const (
	maxHistory      = 1000 // transactions in one page of a history
	defaultHistory  = 100
	maxAccounts     = 1000 // in one page
	defaultAccounts = 100
	maxRanked       = 1_000_000 // accounts among which a page by balance is found
	maxLines        = 10_000    // in one page of a statement
)

// account returns an account of the chain and its history, newest first. Transactions in
// the pool are not in it.
func (s *chainOps) account(_ context.Context, q *request, out *reply) error {
	p, err := s.accountPage("account", &q.args, defaultHistory, maxHistory)
	if err != nil {
		return err
	}
	v, id := p.view, p.held.ID
	defer v.Close()
	history, next, err := v.History(id, p.from, p.limit)
	if err != nil {
		return orNoPlace(err)
	}
	acc := api.Account{Holding: newHolding(p.held), History: make([]api.HistoryEntry, 0, len(history))}
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

// orNoPlace returns err, or for an unknown place the error that the account has no such
// place.
func orNoPlace(err error) error {
	if errors.Is(err, ledger.ErrUnknown) {
		return errNoPlace
	}
	return err
}

// An accountPage is a client's request for a page of an account's transactions.
type accountPage struct {
	view  *store.View // closed by the caller, unless there is an error
	held  store.Account
	from  *ledger.Place // nil for the newest
	limit int
}

func (s *chainOps) accountPage(op string, a *args, usual, most int64) (p accountPage, err error) {
	id, err := s.uuidOf(op, "account", "An account", a, s.accountsFrom)
	if err != nil {
		return p, err
	}
	p.limit, p.from = int(a.within("limit", usual, 1, most)), a.place("from")
	if a.err != nil {
		return p, a.err
	}
	if p.view, err = s.chain.View(); err != nil {
		return p, err
	}
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

// direction returns whether tx moves money into or out of an account, or neither.
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
func (a *args) place(name string) *ledger.Place {
	if a.get(name) == nil {
		return nil
	}
	inner := a.object(name)
	at := &ledger.Place{
		Height: uint64(inner.within("height", -1, 0, math.MaxInt64)), Index: uint32(inner.within("index", -1, 0, ledger.MaxBlockTxs-1)),
	}
	if inner.err != nil {
		a.bad(name, `must be an object with "height" and "index"`)
	}
	return at
}

// accounts lists the accounts of the chain, in their order or by balance.
func (s *chainOps) accounts(ctx context.Context, q *request, out *reply) error {
	limit := q.args.within("limit", defaultAccounts, 1, maxAccounts)
	first, last := q.args.beginning("prefix")
	by, given := q.args.text("by")
	if given && by != "account" && by != "balance" {
		q.args.bad("by", `must be "account" or "balance"`)
	}
	from, continues := q.args.text("from")
	if q.args.err != nil {
		return q.args.err
	}
	v, err := s.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	var page api.Accounts
	if by == "balance" {
		var after *store.Account
		if continues {
			if after, err = rankedAfter(from); err != nil {
				return err
			}
		}
		page, err = s.byBalance(ctx, v, first, last, after, int(limit))
	} else {
		if continues {
			id, err := ledger.ParseUUID(from)
			if err != nil {
				return badArg("args.from", `must be what "next" was`)
			}
			if string(id[:]) > string(first[:]) {
				first = id
			}
		}
		page, err = byAccount(v, first, last, int(limit))
	}
	if err != nil {
		return err
	}
	return out.page(page, page.Next, page.Next != "")
}

// beginning returns the first and the last account that begin with the hex digits of an
// argument, or of all accounts if it is absent.
func (a *args) beginning(name string) (first, last uuid.UUID) {
	text, _ := a.text(name)
	digits := strings.ReplaceAll(text, "-", "")
	fill := func(digit string) (id uuid.UUID) {
		raw, err := hex.DecodeString(digits + strings.Repeat(digit, max(0, 2*len(id)-len(digits))))
		if err != nil || len(raw) != len(id) {
			a.bad(name, "must be the first hex digits of accounts")
			return id
		}
		return uuid.UUID(raw)
	}
	return fill("0"), fill("f")
}

var errEnough = errors.New("enough")

// byAccount returns a page of the accounts from first to last.
func byAccount(v *store.View, first, last uuid.UUID, limit int) (page api.Accounts, err error) {
	page.Accounts = []api.Holding{}
	err = v.EachAccount(first, last, func(a store.Account) error {
		if len(page.Accounts) == limit {
			page.Next = a.ID.String()
			return errEnough
		}
		page.Accounts = append(page.Accounts, newHolding(a))
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return page, err
}

// ranked returns the balance by which an account is ordered. Issuers come first.
func ranked(a *store.Account) int64 {
	if a.Issuer {
		return math.MaxInt64
	}
	return a.Balance
}

// byRank compares accounts by balance, the richest first, then by UUID, the lowest first.
func byRank(a, b store.Account) int {
	return cmp.Or(cmp.Compare(ranked(&b), ranked(&a)), slices.Compare(a.ID[:], b.ID[:]))
}

// rankedAfter reads the "from" of a page by balance: the account before it.
func rankedAfter(text string) (*store.Account, error) {
	balance, id, _ := strings.Cut(text, "/")
	a := new(store.Account)
	var err, bad error
	a.Balance, err = strconv.ParseInt(balance, 10, 64)
	if a.ID, bad = ledger.ParseUUID(id); err != nil || bad != nil {
		return nil, badArg("args.from", `must be what "next" was`)
	}
	return a, nil
}

// byBalance returns a page of the accounts from first to last, by balance. It reads all
// of them, since an index of balances would cost every block a write for each of its
// accounts. One such pass runs at a time.
func (s *chainOps) byBalance(ctx context.Context, v *store.View, first, last uuid.UUID, after *store.Account, limit int) (page api.Accounts, err error) {
	if err := s.ranking.Acquire(ctx, 1); err != nil {
		return page, err
	}
	defer s.ranking.Release(1)
	var best []store.Account
	cut := func() { // to one more than the page shows, to know whether there is a rest
		slices.SortFunc(best, byRank)
		best = best[:min(len(best), limit+1)]
	}
	seen := 0
	err = v.EachAccount(first, last, func(a store.Account) error {
		if seen++; seen > maxRanked {
			return &opError{status: 500, text: fmt.Sprintf("More than %d accounts are too many to be ordered by balance: list them by account, or give a prefix", maxRanked)}
		}
		if after == nil || byRank(a, *after) > 0 {
			best = append(best, a)
		}
		if len(best) > 2*maxAccounts {
			cut()
		}
		return ctx.Err()
	})
	if err != nil {
		return page, err
	}
	cut()
	if len(best) > limit {
		best = best[:limit]
		page.Next = fmt.Sprintf("%d/%s", ranked(&best[limit-1]), best[limit-1].ID)
	}
	page.Accounts = make([]api.Holding, len(best))
	for i, a := range best {
		page.Accounts[i] = newHolding(a)
	}
	return page, nil
}

// statement lists the transactions of an account as a statement needs them, newest first.
// A later page is refused if the block of its first line has left the chain, so that all
// pages together are the account as of the first page's tip.
func (s *chainOps) statement(_ context.Context, q *request, out *reply) error {
	p, err := s.accountPage("statement", &q.args, maxLines, maxLines)
	if err != nil {
		return err
	}
	v, held := p.view, p.held
	defer v.Close()
	page := api.Statement{Holding: newHolding(held), Blocks: v.Tip().Blocks, Tip: v.Tip().Hash, Lines: []api.StatementLine{}}
	if f := s.chain.Status().Final; f != nil && s.node.committee != nil {
		page.Final = &f.Block.Height
	}
	next, err := v.Lines(held.ID, cmp.Or(p.from, held.Newest), func(at ledger.Place, tx *ledger.Transaction) bool {
		if len(page.Lines) == p.limit {
			return false
		}
		page.Lines = append(page.Lines, newLine(held.ID, at, tx))
		return true
	})
	err = orNoPlace(err)
	if err == nil && next != nil {
		page.Next = &api.TxPlace{Height: next.Height, Index: next.Index}
		page.Next.Hash, err = v.Hash(next.Height)
	}
	if err != nil {
		return err
	}
	return out.page(page, page.Next, page.Next != nil)
}

func newLine(id uuid.UUID, at ledger.Place, tx *ledger.Transaction) api.StatementLine {
	line := api.StatementLine{
		Height: at.Height, Index: at.Index, T: api.Seconds(tx.T), ID: tx.ID, With: tx.Sender, Direction: direction(id, tx), Amount: tx.Amount,
	}
	if line.Direction == "out" {
		line.With = tx.Receiver
	}
	return line
}

// stillThere checks that a place exists, and that its block has the hash of "from", if
// there is one.
func (a *args) stillThere(v *store.View, from *ledger.Place) error {
	h, err := v.Header(from.Height)
	if errors.Is(err, ledger.ErrUnknown) || err == nil && from.Index >= h.Count {
		return errNoPlace
	} else if err != nil {
		return err
	}
	inner := a.object("from")
	if hash, given := inner.text("hash"); given && hash != h.Hash().String() {
		return errNoPlace
	}
	return nil
}
