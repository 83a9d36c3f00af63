package ledger

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"time"

	"github.com/google/uuid"
)

// The rules are pure functions of a state and a block. The state is an overlay over
// the store, so that a whole branch can be tried before anything is written.

// Apply brings s from the chain below b to the chain that ends with b, and fills
// items, one for each transaction of b, with these and their history pointers. The
// error is a *BlockError with FaultBlock, or one of the disk. After an error s must
// not be used.
func Apply(net *Network, s *Overlay, b *Block, items []StoredTx) error {
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

func applyTx(net *Network, s *Overlay, tx *Transaction, at Place, it *StoredTx) error {
	key := tx.Key()
	switch earlier, err := s.Place(key); {
	case err != nil:
		return err
	case earlier != nil:
		return &DuplicateError{Tx: tx}
	}
	sender, err := s.Account(tx.Sender)
	if err != nil {
		return err
	}
	receiver, err := s.Account(tx.Receiver)
	if err != nil {
		return err
	}
	if err := transfer(net, tx, sender, receiver); err != nil {
		return err
	}
	// An account that pays itself is one pointer, with one place before, so that
	// Revert restores it by either.
	it.Tx, it.Sender, it.Receiver = tx, sender.Newest, receiver.Newest
	sender.Newest, receiver.Newest = &at, &at
	s.Places[key] = &at
	return nil
}

// transfer is the rule of amounts. It debits, down to what the sender may owe, then
// credits, and then no balance may be above MaxAmount. Issuers have no balance, only
// totals.
func transfer(net *Network, tx *Transaction, sender, receiver *AccountState) error {
	if net.IsIssuer(tx.Sender) {
		sender.Minted = Plus(sender.Minted, tx.Amount)
	} else {
		if credit := net.MayOwe(tx.Sender); Spendable(sender.Balance, credit) < tx.Amount {
			return &FieldError{Field: "amount", Rule: NoFunds(sender.Balance, tx.Amount, credit)}
		}
		sender.Balance -= int64(tx.Amount)
	}
	if net.IsIssuer(tx.Receiver) {
		receiver.Redeemed = Plus(receiver.Redeemed, tx.Amount)
		return nil
	}
	if Room(receiver.Balance) < tx.Amount {
		return &FieldError{Field: "amount", Rule: NoRoom}
	}
	receiver.Balance += int64(tx.Amount)
	return nil
}

// NoRoom is the rule that a balance above MaxAmount would break.
var NoRoom = fmt.Sprintf("receiver would hold more than %d", uint64(MaxAmount))

// NoFunds is the rule that a sender breaks when it can spend less than it needs.
func NoFunds(holds int64, needs, mayOwe uint64) string {
	if mayOwe == 0 {
		return fmt.Sprintf("sender holds %d and needs %d more", holds, int64(needs)-holds)
	}
	return fmt.Sprintf("sender holds %d and needs %d, may owe %d", holds, needs, mayOwe)
}

// Spendable returns what an account can send that holds a balance and may owe so much.
// A valid balance is never below what it may owe.
func Spendable(balance int64, mayOwe uint64) uint64 { return uint64(balance + int64(mayOwe)) }

// Room returns what an account with a balance can receive.
func Room(balance int64) uint64 { return uint64(MaxAmount - balance) }

// Plus returns n plus an amount. A nil n is zero.
func Plus(n *big.Int, amount uint64) *big.Int {
	sum := new(big.Int).SetUint64(amount)
	if n != nil {
		sum.Add(sum, n)
	}
	return sum
}

func minus(n *big.Int, amount uint64) *big.Int {
	return new(big.Int).Sub(n, new(big.Int).SetUint64(amount))
}

// Revert undoes Apply. It brings s from the chain that ends with these items to the
// chain below them.
func Revert(net *Network, s *Overlay, items []StoredTx) error {
	for i := len(items) - 1; i >= 0; i-- {
		it := &items[i]
		sender, err := s.Account(it.Tx.Sender)
		if err != nil {
			return err
		}
		receiver, err := s.Account(it.Tx.Receiver)
		if err != nil {
			return err
		}
		if net.IsIssuer(it.Tx.Receiver) {
			receiver.Redeemed = minus(receiver.Redeemed, it.Tx.Amount)
		} else {
			receiver.Balance -= int64(it.Tx.Amount)
		}
		if net.IsIssuer(it.Tx.Sender) {
			sender.Minted = minus(sender.Minted, it.Tx.Amount)
		} else {
			sender.Balance += int64(it.Tx.Amount)
		}
		sender.Newest, receiver.Newest = it.Sender, it.Receiver
		s.Places[it.Tx.Key()] = nil
	}
	return nil
}

// An Overlay is the state of the store with changes in memory on top: the
// accounts and transaction IDs that blocks touched, and only those.
type Overlay struct {
	base     StateReader
	Accounts map[uuid.UUID]*AccountState
	Places   map[TxKey]*Place // nil: not in the chain
}

// A StateReader is where an overlay finds what it has not touched.
type StateReader interface {
	Account(uuid.UUID) (*AccountState, error) // a fresh one, empty when unknown
	Place(TxKey) (*Place, error)              // nil when not in the chain
}

// NewOverlay returns an overlay over base, without changes. It has room for those of so
// many transactions.
func NewOverlay(base StateReader, txs int) *Overlay {
	return &Overlay{base: base, Accounts: make(map[uuid.UUID]*AccountState, txs), Places: make(map[TxKey]*Place, txs)}
}

// Above returns an overlay over o, whose changes o does not show.
func (o *Overlay) Above() *Overlay { return NewOverlay(unchanged{o}, 0) }

// Take makes the changes of an overlay above o its own.
func (o *Overlay) Take(above *Overlay) {
	maps.Copy(o.Accounts, above.Accounts)
	maps.Copy(o.Places, above.Places)
}

// unchanged reads an overlay and returns copies of its accounts.
type unchanged struct{ *Overlay }

func (u unchanged) Account(id uuid.UUID) (*AccountState, error) {
	if a, ok := u.Accounts[id]; ok {
		return new(*a), nil
	}
	return u.base.Account(id)
}

// Account returns the account to be changed in place.
func (o *Overlay) Account(id uuid.UUID) (*AccountState, error) {
	if a, ok := o.Accounts[id]; ok {
		return a, nil
	}
	a, err := o.base.Account(id)
	if err != nil {
		return nil, err
	}
	o.Accounts[id] = a
	return a, nil
}

// Place returns where a transaction stands in the chain, nil when it does not.
func (o *Overlay) Place(k TxKey) (*Place, error) {
	if p, ok := o.Places[k]; ok {
		return p, nil
	}
	return o.base.Place(k)
}

// A Place is where a transaction stands in the chain.
type Place struct {
	Height uint64
	Index  uint32
}

// AccountState is the state of one account. Issuers have totals, others a balance,
// which is negative for one that owes.
type AccountState struct {
	Balance          int64
	Minted, Redeemed *big.Int // nil for zero
	Newest           *Place
}

// A StoredTx is a transaction as the store keeps it inside a block. Its history
// pointers lead to the transaction before it of each of its two accounts. They are
// nil where there is none, and while the block waits on a side branch.
type StoredTx struct {
	Tx       *Transaction
	Sender   *Place
	Receiver *Place
	Seen     time.Duration // when this node first saw it, in running time
}

// A BlockRef names a block.
type BlockRef struct {
	Height uint64
	Hash   Hash
}

// CompareTips is the fork choice among valid chains. It is negative when x wins.
//
//  1. Only chains that are valid from the network ID on. The caller ensures it.
//  2. Most work, the sum of 2^bits. Every header has the network's bits, so
//     more work is more blocks.
//  3. The lower block hash.
//
// It does not depend on the order of arrival, so nodes with the same blocks agree
// at once, even while nothing new is built.
func CompareTips(x, y BlockRef) int {
	return cmp.Or(cmp.Compare(y.Height, x.Height), bytes.Compare(x.Hash[:], y.Hash[:]))
}
