package ledger

import (
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"
)

// A snapshot is the store at one tip, shared by the views of it. It is released
// when the chain has moved on and the last view is closed.
type snapshot struct {
	tip  Tip
	db   *reading // nil: the database was closed
	refs atomic.Int32
}

func openSnapshot(db *database, tip Tip) *snapshot {
	s := &snapshot{tip: tip}
	s.db, _ = db.snapshot() // fails only when closed, and then view says so
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
	r := chunkReader{view: v}
	return r.at(p)
}

// A chunkReader reads placed transactions. It keeps the chunk that it read last,
// as far as it was decoded: the transactions of an account often stand in one.
type chunkReader struct {
	view  *View
	first Place // of the chunk
	block Hash
	chunk *chunk // nil: none was read
	items []placed
	links []Link // of items
}

func (r *chunkReader) at(p Place) (PlacedTx, placed, error) {
	i := int(p.Index % chunkTxs)
	if first := (Place{p.Height, p.Index - uint32(i)}); r.chunk == nil || r.first != first {
		if err := r.read(first); err != nil {
			return PlacedTx{}, placed{}, err
		}
	}
	if i >= r.chunk.len() {
		return PlacedTx{}, placed{}, ErrUnknown
	}
	for n := len(r.items); n <= i; n++ {
		it, err := r.chunk.item(n)
		if err != nil {
			return PlacedTx{}, placed{}, damaged(fmt.Sprintf("block %d", p.Height), err)
		}
		r.links = append(r.links, LegacyHash(it.tx, r.before(n)))
		r.items = append(r.items, it)
	}
	return PlacedTx{Tx: r.items[i].tx, Place: p, Block: r.block, Prev: r.before(i), Link: r.links[i]}, r.items[i], nil
}

func (r *chunkReader) read(first Place) (err error) {
	r.chunk, r.items, r.links = nil, nil, nil
	if r.block, err = r.view.Hash(first.Height); err != nil {
		return err
	}
	r.first = first
	r.chunk, err = readChunk(r.view.snap.db, BlockRef{first.Height, r.block}, first.Index/chunkTxs)
	return err
}

// before is the legacy hash of the transaction before item n of the chunk, nil
// for the first of a block.
func (r *chunkReader) before(n int) *Link {
	switch {
	case n > 0:
		link := r.links[n-1]
		return &link
	case len(r.chunk.Link) == 0:
		return nil
	}
	link := Link(r.chunk.Link)
	return &link
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
	r := chunkReader{view: v}
	for from != nil && len(out) < limit {
		tx, it, err := r.at(*from)
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
