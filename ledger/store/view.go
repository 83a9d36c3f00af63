package store

import (
	"fmt"
	"sync/atomic"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A Tip is the end of the chain.
type Tip struct {
	Blocks uint64      // of the chain
	Hash   ledger.Hash // the last block's; the network's ID if there is none
	Since  time.Time   // when it became the tip here, or when the node started
}

// A Snapshot is the store at one tip, shared by its views. It is released when the
// chain has moved on and the last view is closed.
type Snapshot struct {
	Tip  Tip
	r    Reader
	db   *leveldb.Snapshot // nil if the database is closed
	refs atomic.Int32
}

// View returns a view of the snapshot, and ErrStopped if there is none.
func (s *Snapshot) View(net *ledger.Network) (*View, error) {
	if s == nil || s.db == nil {
		return nil, ledger.ErrStopped
	}
	s.refs.Add(1)
	return &View{net: net, snap: s, r: s.r}, nil
}

// Release gives up the snapshot. The views of it stay valid.
func (s *Snapshot) Release() {
	if s != nil && s.refs.Add(-1) == 0 && s.db != nil {
		s.db.Release()
	}
}

// A View reads the chain as of one moment, so that an unfinished reorg is not visible.
// Close it soon, since it keeps old records from being compacted away. Its reads cost a
// few look-ups, whatever the chain's length.
type View struct {
	net  *ledger.Network
	snap *Snapshot
	r    Reader
}

// Close releases the view.
func (v *View) Close() { v.snap.Release() }

// Tip is the tip of the view.
func (v *View) Tip() Tip { return v.snap.Tip }

// Hash returns the hash of the chain's block at height, or ErrUnknown.
func (v *View) Hash(height uint64) (ledger.Hash, error) {
	if height >= v.snap.Tip.Blocks {
		return ledger.Hash{}, ledger.ErrUnknown
	}
	return v.r.Hash(height)
}

// Header returns the chain's header at height, or ErrUnknown.
func (v *View) Header(height uint64) (*ledger.SealedHeader, error) {
	hash, err := v.Hash(height)
	if err != nil {
		return nil, err
	}
	return v.r.Header(hash)
}

// Block returns the chain's block at height, or ErrUnknown.
func (v *View) Block(height uint64) (*ledger.Block, error) {
	hash, err := v.Hash(height)
	if err != nil {
		return nil, err
	}
	return v.r.Block(hash)
}

// Height returns the height of a block of the chain, or ErrUnknown.
func (v *View) Height(h ledger.Hash) (uint64, error) {
	sh, err := v.r.Header(h)
	if err != nil {
		return 0, err
	}
	on, err := v.Hash(sh.Height)
	if err == nil && on != h {
		err = ledger.ErrUnknown
	}
	return sh.Height, err
}

// BlockTxs returns the transactions of a block, on the chain or off it, whose numbers
// pick returns. It reads only the records that hold them.
func (v *View) BlockTxs(hash ledger.Hash, pick func(*ledger.SealedHeader) ([]int, error)) ([]*ledger.Transaction, error) {
	h, err := v.r.Header(hash)
	if err != nil {
		return nil, err
	}
	picked, err := pick(h)
	if err != nil {
		return nil, err
	}
	var ch *chunk
	txs := make([]*ledger.Transaction, len(picked))
	for n, i := range picked {
		if n == 0 || i/chunkTxs != picked[n-1]/chunkTxs {
			if ch, err = v.r.chunk(ledger.BlockRef{Height: h.Height, Hash: hash}, uint32(i/chunkTxs)); err != nil {
				return nil, err
			}
		}
		if txs[n], err = ch.tx(i % chunkTxs); err != nil {
			return nil, v.r.damaged(fmt.Sprintf("block %d", h.Height), err)
		}
	}
	return txs, nil
}

// A PlacedTx is a transaction of the chain with its place and its legacy link.
type PlacedTx struct {
	Tx    *ledger.Transaction
	Place ledger.Place
	Block ledger.Hash
	Prev  *ledger.Link // prev_hash; nil for the first of a block
}

// A chunkReader reads stored transactions. It keeps the last chunk, and the legacy hashes
// computed of it, since the transactions of an account are often close together.
type chunkReader struct {
	view  *View
	first ledger.Place // of the chunk
	block ledger.Hash
	chunk *chunk        // nil if none was read
	from  int           // the number of the first of links
	links []ledger.Link // the legacy hash before each item from there on
}

func (r *chunkReader) at(p ledger.Place) (PlacedTx, ledger.StoredTx, error) {
	i, err := r.find(p)
	if err != nil {
		return PlacedTx{}, ledger.StoredTx{}, err
	}
	it, err := r.chunk.item(i)
	if err == nil {
		err = r.link(i)
	}
	if err != nil {
		return PlacedTx{}, ledger.StoredTx{}, r.view.r.damaged(fmt.Sprintf("block %d", p.Height), err)
	}
	return PlacedTx{Tx: it.Tx, Place: p, Block: r.block, Prev: orNone(r.links[i-r.from])}, it, nil
}

// link makes links up to the one before item i of the chunk.
func (r *chunkReader) link(i int) error {
	if from, link := r.chunk.linkBefore(i); len(r.links) == 0 || r.from != from {
		r.from, r.links = from, append(r.links[:0], link)
	}
	for n := len(r.links) - 1; r.from+n < i; n++ {
		tx, err := r.chunk.tx(r.from + n)
		if err != nil {
			return err
		}
		r.links = append(r.links, ledger.LegacyHash(tx, orNone(r.links[n])))
	}
	return nil
}

// find reads the chunk of a place, and returns the item's number there.
func (r *chunkReader) find(p ledger.Place) (i int, err error) {
	i = int(p.Index % chunkTxs)
	if first := (ledger.Place{Height: p.Height, Index: p.Index - uint32(i)}); r.chunk == nil || r.first != first {
		if err := r.read(first); err != nil {
			return 0, err
		}
	}
	if i >= r.chunk.len() {
		return 0, ledger.ErrUnknown
	}
	return i, nil
}

func (r *chunkReader) read(first ledger.Place) (err error) {
	r.chunk, r.links = nil, r.links[:0]
	if r.block, err = r.view.Hash(first.Height); err != nil {
		return err
	}
	r.first = first
	r.chunk, err = r.view.r.chunk(ledger.BlockRef{Height: first.Height, Hash: r.block}, first.Index/chunkTxs)
	return err
}

// Find returns the transactions of the chain with this ID, at most limit: at most one from
// an open sender, and one from each keyed sender. If sender is not nil, it returns only
// that sender's.
func (v *View) Find(id uuid.UUID, sender *uuid.UUID, limit int) ([]PlacedTx, error) {
	var found []PlacedTx
	r := chunkReader{view: v}
	err := v.r.scan(idKey(keyTx, id, sender), func(_, value []byte) error {
		if len(found) >= limit || len(value) != placeSize || string(value) == noPlace {
			return nil
		}
		tx, _, err := r.at(*readPlace(value))
		if err == nil && (sender == nil || tx.Tx.Sender == *sender) {
			found = append(found, tx)
		}
		return err
	})
	return found, err
}

// An Account is the state of an account on the chain.
type Account struct {
	ID       uuid.UUID
	Issuer   bool
	Keyed    bool   // made from a key, so that only its holder can send from it
	Balance  int64  // negative if it owes; 0 for issuers
	MayOwe   uint64 // how far below 0 its balance may go
	Minted   string // decimal, for issuers only; may exceed 2^64
	Redeemed string
	Newest   *ledger.Place // of its last transaction; nil for none
}

// Account returns the account's state. An unknown account holds 0.
func (v *View) Account(id uuid.UUID) (Account, error) {
	a, err := v.r.Account(id)
	if err != nil {
		return Account{}, err
	}
	return v.account(id, a), nil
}

func (v *View) account(id uuid.UUID, a *ledger.AccountState) Account {
	out := Account{ID: id, Issuer: v.net.IsIssuer(id), Keyed: ledger.IsKeyed(id), Balance: a.Balance, MayOwe: v.net.MayOwe(id), Newest: a.Newest}
	if out.Issuer {
		out.Minted, out.Redeemed = ledger.Plus(a.Minted, 0).String(), ledger.Plus(a.Redeemed, 0).String()
	}
	return out
}

// EachAccount calls f with the accounts of the chain from first to last, in order, until
// f fails. It skips accounts that are only in reverted blocks.
func (v *View) EachAccount(first, last uuid.UUID, f func(Account) error) error {
	keys := &util.Range{Start: accountKey(first), Limit: append(accountKey(last), 0)}
	return v.r.scanRange(keys, nil, func(key, value []byte) error {
		id := uuid.UUID(key[1:])
		a, err := decodeAccount(value)
		if err != nil {
			return v.r.damaged("account "+id.String(), err)
		}
		if a.Newest == nil {
			return nil
		}
		return f(v.account(id, a))
	})
}

// Lines calls f with the transactions of an account from a place on, newest first, until
// f returns false. It returns where to go on, nil at the end. It is [View.History]
// without the legacy hashes, which take most of its time.
func (v *View) Lines(id uuid.UUID, at *ledger.Place, f func(at ledger.Place, tx *ledger.Transaction) bool) (*ledger.Place, error) {
	r := chunkReader{view: v}
	for at != nil {
		i, err := r.find(*at)
		if err != nil {
			return nil, err
		}
		it, err := r.chunk.item(i)
		if err != nil {
			return nil, v.r.damaged(fmt.Sprintf("block %d", at.Height), err)
		}
		before := it.Sender
		if id != it.Tx.Sender {
			before = it.Receiver
		}
		if id != it.Tx.Sender && id != it.Tx.Receiver {
			return nil, ledger.ErrUnknown
		}
		if !f(*at, it.Tx) {
			return at, nil
		}
		at = before
	}
	return nil, nil
}

// History returns at most limit transactions of the account, newest first. It begins at
// from, or at the newest if from is nil. The second result is where to go on, nil at the
// end. The error is ErrUnknown if from is no transaction of the account.
func (v *View) History(id uuid.UUID, from *ledger.Place, limit int) ([]PlacedTx, *ledger.Place, error) {
	if from == nil {
		a, err := v.r.Account(id)
		if err != nil {
			return nil, nil, err
		}
		from = a.Newest
	}
	var out []PlacedTx
	r := chunkReader{view: v}
	for from != nil && len(out) < limit {
		tx, it, err := r.at(*from)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, tx)
		switch id {
		case tx.Tx.Sender:
			from = it.Sender
		case tx.Tx.Receiver:
			from = it.Receiver
		default:
			return nil, nil, ledger.ErrUnknown
		}
	}
	return out, from, nil
}

// HashesFrom returns the hashes of blocks, on the chain or off it, that begin with hex
// digits, at most limit, in order. Each costs one seek.
func (v *View) HashesFrom(digits string, limit int) ([]string, error) {
	return v.r.idsFrom(keyHeader, len(ledger.Hash{}), digits, limit)
}

// TxIDsFrom is HashesFrom for the IDs of transactions that are in the chain or have a
// receipt, at most limit of each, without dashes. An ID may occur twice.
func (v *View) TxIDsFrom(digits string, limit int) ([]string, error) {
	placed, err := v.r.idsFrom(keyTx, len(uuid.UUID{}), digits, limit)
	if err != nil {
		return nil, err
	}
	gone, err := v.r.idsFrom(keyReceipt, len(uuid.UUID{}), digits, limit)
	return append(placed, gone...), err
}

// AccountsFrom is HashesFrom for the accounts of the chain, without dashes.
func (v *View) AccountsFrom(digits string, limit int) ([]string, error) {
	return v.r.idsFrom(keyAccount, len(uuid.UUID{}), digits, limit)
}
