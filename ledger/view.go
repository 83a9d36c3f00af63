package ledger

import (
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
)

// A snapshot is the store at one tip, shared by the views of it. It is released
// when the chain has moved on and the last view is closed.
type snapshot struct {
	tip  Tip
	db   *leveldb.Snapshot // nil: the database was closed
	refs atomic.Int32
}

func openSnapshot(db *leveldb.DB, tip Tip) *snapshot {
	s := &snapshot{tip: tip}
	s.db, _ = db.GetSnapshot() // fails only when closed, and then view says so
	s.refs.Store(1)
	return s
}

func (s *snapshot) release() {
	if s != nil && s.refs.Add(-1) == 0 && s.db != nil {
		s.db.Release()
	}
}

// A View reads the chain as it was at one moment: a switch that goes on
// meanwhile does not show. Close it soon: it keeps old records from being
// compacted away. All its reads cost a few look-ups, whatever the chain's length.
type View struct {
	net  *Network
	snap *snapshot
}

// View opens a view of the current tip. ErrStopped after Close.
func (c *Chain) View() (*View, error) {
	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	if c.snap == nil || c.snap.db == nil {
		return nil, ErrStopped
	}
	c.snap.refs.Add(1)
	return &View{net: c.net, snap: c.snap}, nil
}

// Close releases the view.
func (v *View) Close() { v.snap.release() }

// Tip is the tip of the view.
func (v *View) Tip() Tip { return v.snap.tip }

// Hash gives the hash of the chain's block at height, or ErrUnknown.
func (v *View) Hash(height uint64) (Hash, error) {
	if height >= v.snap.tip.Blocks {
		return Hash{}, ErrUnknown
	}
	return readHash(v.snap.db, height)
}

// Header gives the chain's header at height, or ErrUnknown.
func (v *View) Header(height uint64) (*SealedHeader, error) {
	hash, err := v.Hash(height)
	if err != nil {
		return nil, err
	}
	return readHeader(v.snap.db, hash)
}

// Block gives the chain's block at height, or ErrUnknown.
func (v *View) Block(height uint64) (*Block, error) {
	hash, err := v.Hash(height)
	if err != nil {
		return nil, err
	}
	return readBlock(v.snap.db, hash)
}

// Height gives the height of a block of the chain, or ErrUnknown.
func (v *View) Height(h Hash) (uint64, error) {
	sh, err := readHeader(v.snap.db, h)
	if err != nil {
		return 0, err
	}
	on, err := v.Hash(sh.Height)
	if err == nil && on != h {
		err = ErrUnknown
	}
	return sh.Height, err
}

func readBlock(g getter, h Hash) (*Block, error) {
	sh, err := readHeader(g, h)
	if err != nil {
		return nil, err
	}
	items, err := readBody(g, &sh.Header, h)
	if err != nil {
		return nil, err
	}
	return &Block{SealedHeader: *sh, Txs: transactions(items)}, nil
}

// A Place is where a transaction stands in the chain.
type Place struct {
	Height uint64
	Index  uint32
}

// A PlacedTx is a transaction of the chain with its place and legacy links.
type PlacedTx struct {
	Tx    *Transaction
	Place Place
	Block Hash
	Prev  *Link // prev_hash; nil for the first of a block
	Link  Link  // its own legacy hash
}

// at reads the transaction at a place, with its history pointers.
func (v *View) at(p Place) (PlacedTx, placed, error) {
	hash, err := v.Hash(p.Height)
	if err != nil {
		return PlacedTx{}, placed{}, err
	}
	ch, err := readChunk(v.snap.db, BlockRef{p.Height, hash}, p.Index/chunkTxs)
	if err != nil {
		return PlacedTx{}, placed{}, err
	}
	if int(p.Index%chunkTxs) >= ch.len() {
		return PlacedTx{}, placed{}, ErrUnknown
	}
	out := PlacedTx{Place: p, Block: hash}
	if len(ch.Link) > 0 {
		l := Link(ch.Link)
		out.Prev = &l
	}
	var it placed
	for i := range int(p.Index%chunkTxs) + 1 {
		if i > 0 {
			l := out.Link
			out.Prev = &l
		}
		if it, err = ch.item(i); err != nil {
			return PlacedTx{}, placed{}, damaged(fmt.Sprintf("block %d", p.Height), err)
		}
		out.Link = LegacyHash(it.tx, out.Prev)
	}
	out.Tx = it.tx
	return out, it, nil
}

// Find gives the transactions of the chain with this ID: one from an open
// sender at most, and one for each keyed sender, at most limit.
func (v *View) Find(id uuid.UUID, limit int) ([]PlacedTx, error) {
	var found []PlacedTx
	err := scanIn(v.snap.db, append([]byte{keyTx}, id[:]...), func(_, value []byte) error {
		if len(found) >= limit || len(value) != placeSize {
			return nil
		}
		tx, _, err := v.at(*readPlace(value))
		if err == nil {
			found = append(found, tx)
		}
		return err
	})
	return found, err
}

// An Account is what the chain says of an account.
type Account struct {
	ID       uuid.UUID
	Issuer   bool
	Keyed    bool   // made from a key: only its holder can send from it
	Balance  uint64 // 0 for issuers
	Minted   string // decimal, issuers only: may pass 2^64
	Redeemed string
	Newest   *Place // of its last transaction; nil: none
}

// Account gives the account's state; an unknown account holds 0.
func (v *View) Account(id uuid.UUID) (Account, error) {
	a, err := state{v.snap.db}.account(id)
	if err != nil {
		return Account{}, err
	}
	out := Account{ID: id, Issuer: v.net.IsIssuer(id), Keyed: IsKeyed(id), Balance: a.balance, Newest: a.newest}
	if out.Issuer {
		out.Minted, out.Redeemed = plus(a.minted, 0).String(), plus(a.redeemed, 0).String()
	}
	return out, nil
}

// History gives the account's transactions, newest first, from a place on (nil:
// the newest), at most limit, and the place to go on from, nil at the end. A
// place that is none of the account's gives ErrUnknown.
func (v *View) History(id uuid.UUID, from *Place, limit int) ([]PlacedTx, *Place, error) {
	if from == nil {
		a, err := state{v.snap.db}.account(id)
		if err != nil {
			return nil, nil, err
		}
		from = a.newest
	}
	var out []PlacedTx
	for from != nil && len(out) < limit {
		tx, it, err := v.at(*from)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, tx)
		switch id {
		case tx.Tx.Sender:
			from = it.sender
		case tx.Tx.Receiver:
			from = it.receiver
		default:
			return nil, nil, ErrUnknown
		}
	}
	return out, from, nil
}
