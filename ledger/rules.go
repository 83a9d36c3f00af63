package ledger

import (
	"errors"
	"fmt"
	"math/big"

	"github.com/google/uuid"
)

// The rules: pure functions of a state and a block, without clock, lock or
// disk. The state is an overlay over what the store holds, so that a whole
// branch can be tried before anything is written.

// apply brings s from the chain below b to the chain that ends with b and
// fills the history pointers of items, b's transactions. The error is a
// *BlockError with FaultBlock, after which s is not to be used any more, or
// the disk's.
func apply(net *Network, s *overlay, b *Block, items []placed) error {
	for i, tx := range b.Txs {
		at := Place{Height: b.Height, Index: uint32(i)}
		if err := applyTx(net, s, tx, at, &items[i]); err != nil {
			return blockFault(b, i, err)
		}
	}
	return nil
}

// blockFault turns the error of transaction i into one of the block.
func blockFault(b *Block, i int, err error) error {
	e := &BlockError{Fault: FaultBlock, Height: b.Height, Hash: b.Hash()}
	var field *FieldError
	var dup *DuplicateError
	switch {
	case errors.As(err, &field):
		e.Field, e.Rule = fmt.Sprintf("items[%d].%s", i, field.Field), field.Rule
	case errors.As(err, &dup):
		e.Field, e.Rule, e.Err = fmt.Sprintf("items[%d].id", i), "is already in the chain", dup
	default:
		return err
	}
	return e
}

func applyTx(net *Network, s *overlay, tx *Transaction, at Place, it *placed) error {
	key := tx.Key()
	switch was, err := s.place(key); {
	case err != nil:
		return err
	case was != nil:
		return &DuplicateError{Tx: tx}
	}
	sender, err := s.account(tx.Sender)
	if err != nil {
		return err
	}
	receiver, err := s.account(tx.Receiver) // the same pointer when it pays itself
	if err != nil {
		return err
	}
	if err := transfer(net, tx, sender, receiver); err != nil {
		return err
	}
	// Where sender and receiver are one account both pointers are the one that
	// stood before, so that undoing restores it whichever is used.
	it.tx, it.sender, it.receiver = tx, sender.newest, receiver.newest
	sender.newest, receiver.newest = &at, &at
	s.setPlace(key, &at)
	return nil
}

// transfer is the rule of amounts: debit, then credit, then no balance above
// MaxAmount. Issuers have no balance, only totals.
func transfer(net *Network, tx *Transaction, sender, receiver *account) error {
	if net.IsIssuer(tx.Sender) {
		sender.minted = plus(sender.minted, tx.Amount)
	} else {
		if sender.balance < tx.Amount {
			return &FieldError{Field: "amount", Rule: lacks(sender.balance, tx.Amount)}
		}
		sender.balance -= tx.Amount
	}
	if net.IsIssuer(tx.Receiver) {
		receiver.redeemed = plus(receiver.redeemed, tx.Amount)
		return nil
	}
	if receiver.balance > MaxAmount-tx.Amount {
		return &FieldError{Field: "amount", Rule: noRoom}
	}
	receiver.balance += tx.Amount
	return nil
}

func plus(n *big.Int, amount uint64) *big.Int {
	sum := new(big.Int).SetUint64(amount)
	if n != nil {
		sum.Add(sum, n)
	}
	return sum
}

func minus(n *big.Int, amount uint64) *big.Int {
	return new(big.Int).Sub(n, new(big.Int).SetUint64(amount))
}

// revert undoes apply: it brings s from the chain that ends with these items
// to the one below.
func revert(net *Network, s *overlay, items []placed) error {
	for i := len(items) - 1; i >= 0; i-- {
		it := &items[i]
		sender, err := s.account(it.tx.Sender)
		if err != nil {
			return err
		}
		receiver, err := s.account(it.tx.Receiver)
		if err != nil {
			return err
		}
		if net.IsIssuer(it.tx.Receiver) {
			receiver.redeemed = minus(receiver.redeemed, it.tx.Amount)
		} else {
			receiver.balance -= it.tx.Amount
		}
		if net.IsIssuer(it.tx.Sender) {
			sender.minted = minus(sender.minted, it.tx.Amount)
		} else {
			sender.balance += it.tx.Amount
		}
		sender.newest, receiver.newest = it.sender, it.receiver
		s.setPlace(it.tx.Key(), nil)
	}
	return nil
}

// An overlay is the state of the store with changes in memory on top: the
// accounts and transaction IDs that blocks touched, and only those.
type overlay struct {
	base     stateReader
	accounts map[uuid.UUID]*account
	places   map[TxKey]*Place // nil: not in the chain
}

// A stateReader is where an overlay finds what it has not touched.
type stateReader interface {
	account(uuid.UUID) (*account, error) // a fresh one, empty when unknown
	place(TxKey) (*Place, error)         // nil when not in the chain
}

func newOverlay(base stateReader) *overlay {
	return &overlay{base: base, accounts: make(map[uuid.UUID]*account), places: make(map[TxKey]*Place)}
}

// account gives the account to be changed in place.
func (o *overlay) account(id uuid.UUID) (*account, error) {
	if a, ok := o.accounts[id]; ok {
		return a, nil
	}
	a, err := o.base.account(id)
	if err != nil {
		return nil, err
	}
	o.accounts[id] = a
	return a, nil
}

func (o *overlay) place(k TxKey) (*Place, error) {
	if p, ok := o.places[k]; ok {
		return p, nil
	}
	return o.base.place(k)
}

func (o *overlay) setPlace(k TxKey, p *Place) { o.places[k] = p }
