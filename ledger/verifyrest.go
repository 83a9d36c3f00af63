package ledger

import (
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// index looks for entries that lead nowhere: each transaction of the chain has
// its own already, so there must be as many.
func (v *verifier) index() error {
	var n uint64
	err := v.c.store.scan([]byte{keyTx}, func(_, _ []byte) error {
		n++
		return v.ctx.Err()
	})
	if v.derived && n != v.report.Txs && err == nil {
		v.problem("index", "has %d entries for %d transactions", n, v.report.Txs)
	}
	return v.wrong("index", err)
}

// balances compares the accounts' records with the derived ones.
func (v *verifier) balances() error {
	var n int
	err := v.c.store.scan([]byte{keyAccount}, func(key, value []byte) error {
		if len(key) != len(accountKey(uuid.UUID{})) {
			return nil
		}
		id := uuid.UUID(key[1:])
		got, err := decodeAccount(value)
		if err != nil {
			v.problem("account "+id.String(), "cannot be read: %v", err)
			return v.ctx.Err()
		}
		want := v.accounts[id]
		if want != nil {
			n++
		} else if got.balance == 0 && got.newest == nil {
			return v.ctx.Err() // it was in a block that left the chain
		}
		switch {
		case !v.derived:
		case want == nil:
			v.problem("account "+id.String(), "has a record, but no transaction")
		case got.balance != want.balance, plus(got.minted, 0).Cmp(plus(want.minted, 0)) != 0, plus(got.redeemed, 0).Cmp(plus(want.redeemed, 0)) != 0:
			v.problem("account "+id.String(), "holds %d (minted %s, redeemed %s), recounted %d (%s, %s)",
				got.balance, plus(got.minted, 0), plus(got.redeemed, 0), want.balance, plus(want.minted, 0), plus(want.redeemed, 0))
		case !samePlace(got.newest, want.newest):
			v.problem("account "+id.String(), "its history does not begin at its newest transaction")
		}
		return v.ctx.Err()
	})
	if v.derived && err == nil && n < len(v.accounts) {
		v.problem("accounts", "%d records for %d accounts", n, len(v.accounts))
	}
	return v.wrong("accounts", err)
}

// side checks the blocks that are in the store and not on the chain.
func (v *verifier) side() error {
	err := eachBody(v.c.store.db, func(ref BlockRef) error {
		on, err := v.c.onChain(ref)
		if err != nil || on {
			return err
		}
		where := fmt.Sprintf("block %d %s, off the chain", ref.Height, ref.Hash.Short())
		b, err := readBlock(v.c.store.db, ref.Hash)
		if err != nil {
			return v.wrong(where, err)
		}
		if err := v.c.checkWhole(b, ref.Hash); err != nil {
			v.problem(where, "%v", err)
			return nil
		}
		v.report.Side++
		return v.ctx.Err()
	})
	if err := v.wrong("blocks off the chain", err); err != nil {
		return err
	}
	return v.wrong("headers", v.c.store.scan([]byte{keyHeader}, func(key, value []byte) error {
		h, err := DecodeHeader(value)
		if err == nil && string(key[1:]) != string(hashBytes(h)) {
			err = errors.New("it has another hash")
		}
		if err != nil {
			v.problem(fmt.Sprintf("header %x", key[1:]), "%v", err)
		}
		return v.ctx.Err()
	}))
}

func hashBytes(h *SealedHeader) []byte {
	hash := h.Hash()
	return hash[:]
}

// pool checks what waits for a block.
func (v *verifier) pool() error {
	entries, err := newPoolRecords().load(v.c.store)
	if err != nil {
		return v.wrong("pool", err)
	}
	seen := make(map[TxKey]bool)
	for _, e := range entries {
		where := "pool, transaction " + e.tx.ID.String()
		if err := e.tx.CheckFields(v.c.net); err != nil {
			v.problem(where, "%v", err)
		}
		if seen[e.key] {
			v.problem(where, "is there twice")
		}
		seen[e.key] = true
		if e.arrival >= v.c.store.info.Arrival {
			v.problem(where, "has arrival number %d, the next is %d", e.arrival, v.c.store.info.Arrival)
		}
		at, err := state{v.c.store.db}.place(e.key)
		if err != nil {
			return v.wrong(where, err)
		}
		if at != nil {
			v.problem(where, "is in block %d already", at.Height)
		}
	}
	v.report.Pool = len(entries)
	return nil
}

func (v *verifier) receipts() error {
	return v.wrong("receipts", v.c.store.scan([]byte{keyReceipt}, func(key, value []byte) error {
		if len(key) <= flagSize {
			return v.ctx.Err()
		}
		r, err := decodeReceipt(uuid.UUID(key[1:17]), value)
		if err == nil && string(receiptKey(r.Tx)) != string(key) {
			err = errors.New("it is of another transaction")
		}
		if err != nil {
			v.problem(fmt.Sprintf("receipt %x", key[1:17]), "%v", err)
			return v.ctx.Err()
		}
		v.report.Receipts++
		return v.ctx.Err()
	}))
}
