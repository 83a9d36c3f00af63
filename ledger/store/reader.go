package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"foxchain/ledger"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A Reader reads the records of the database, or of a snapshot of it. Its errors are
// ErrUnknown for a missing record, ErrDamaged for an unreadable one, ErrStopped after
// Close, and those of the disk.
type Reader struct {
	db interface {
		Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
		Has(key []byte, ro *opt.ReadOptions) (bool, error)
		NewIterator(slice *util.Range, ro *opt.ReadOptions) iterator.Iterator
	}
	damage func(error) // called when a read meets damage; nil if nothing is
}

func (r Reader) get(key []byte) ([]byte, error) { return r.getAs(key, nil) }

func (r Reader) getAs(key []byte, how *opt.ReadOptions) ([]byte, error) {
	b, err := r.db.Get(key, how)
	if err != nil {
		return nil, r.failed(err)
	}
	return b, nil
}

func (r Reader) has(key []byte) (bool, error) {
	ok, err := r.db.Has(key, nil)
	if err != nil {
		return false, r.failed(err)
	}
	return ok, nil
}

// scan calls f with each key and value under prefix, in order, until f fails. Both slices
// are valid only until f returns. All records of a kind do not fill LevelDB's cache, since
// each is read once.
func (r Reader) scan(prefix []byte, f func(key, value []byte) error) error {
	return r.scanRange(util.BytesPrefix(prefix), &opt.ReadOptions{DontFillCache: len(prefix) == 1}, f)
}

func (r Reader) scanRange(keys *util.Range, how *opt.ReadOptions, f func(key, value []byte) error) error {
	it := r.db.NewIterator(keys, how)
	defer it.Release()
	for it.Next() {
		if !isKey(it.Key()) {
			continue
		}
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return r.failed(err)
	}
	return nil
}

// idsFrom returns the IDs of size bytes, first in the keys of a kind, that begin with hex
// digits, each once, as hex, at most limit. Each costs one seek.
func (r Reader) idsFrom(kind byte, size int, digits string, limit int) (found []string, err error) {
	first, err := hex.DecodeString(digits + strings.Repeat("0", len(digits)%2))
	if err != nil {
		return nil, err
	}
	it := r.db.NewIterator(util.BytesPrefix([]byte{kind}), nil)
	defer it.Release()
	for ok := it.Seek(append([]byte{kind}, first...)); ok && len(found) < limit; {
		if !isKey(it.Key()) {
			ok = it.Next()
			continue
		}
		key := bytes.Clone(it.Key()[:1+size])
		id := hex.EncodeToString(key[1:])
		if !strings.HasPrefix(id, digits) {
			break
		}
		found = append(found, id)
		// Skip all other keys of this ID.
		ok = it.Seek(append(key, bytes.Repeat([]byte{0xff}, maxKey)...))
	}
	if err := it.Error(); err != nil {
		return nil, r.failed(err)
	}
	return found, nil
}

// ReadInfo reads the info record. The error is ErrNewer if a newer version of the program
// wrote it.
func (r Reader) ReadInfo() (in Info, err error) {
	b, err := r.get([]byte{keyInfo})
	if err != nil {
		return in, err
	}
	// The schema number is first, so that it can be read even if a newer version added
	// fields.
	if len(b) > 1 && b[1] < 24 && uint64(b[1]) > SchemaVersion {
		return in, fmt.Errorf("%w (schema %d, this one knows %d): use that version, or another directory", ErrNewer, b[1], SchemaVersion)
	}
	if err := ledger.Unmarshal(b, &in); err != nil {
		return Info{}, r.damaged("the info record", err)
	}
	return in, nil
}

// CommitsMissing reports whether the commit counters up to commits have a gap, which means
// that LevelDB lost a batch in the middle of its journal.
func (r Reader) CommitsMissing(commits uint64) (gap bool, err error) {
	var last uint64
	err = r.scan([]byte{keyCommit}, func(key, _ []byte) error {
		n := binary.BigEndian.Uint64(key[1:])
		gap = gap || last != 0 && n != last+1
		last = n
		return nil
	})
	return gap || last != commits, err
}

// Hash returns the hash of the chain's block at height.
func (r Reader) Hash(height uint64) (ledger.Hash, error) {
	b, err := r.get(numberKey(keyHeight, height))
	if err != nil {
		return ledger.Hash{}, err
	}
	if len(b) != len(ledger.Hash{}) {
		return ledger.Hash{}, r.damaged(fmt.Sprintf("height %d", height), fmt.Errorf("%d bytes", len(b)))
	}
	return ledger.Hash(b), nil
}

// Header returns a header, of the chain or of a side branch.
func (r Reader) Header(h ledger.Hash) (*ledger.SealedHeader, error) {
	b, err := r.get(headerKey(h))
	if err != nil {
		return nil, err
	}
	sh, err := ledger.DecodeHeader(b)
	if err != nil {
		return nil, r.damaged("header "+h.String(), err)
	}
	return sh, nil
}

// HasHeader reports whether a header is in the store.
func (r Reader) HasHeader(h ledger.Hash) (bool, error) { return r.has(headerKey(h)) }

// HasBody reports whether the body of a block is in the store.
func (r Reader) HasBody(ref ledger.BlockRef) (bool, error) { return r.has(bodyKey(ref, 0)) }

// Block returns a block, of the chain or of a side branch.
func (r Reader) Block(h ledger.Hash) (*ledger.Block, error) {
	sh, err := r.Header(h)
	if err != nil {
		return nil, err
	}
	txs, err := body(r, &sh.Header, h, (*chunk).tx)
	if err != nil {
		return nil, err
	}
	return &ledger.Block{SealedHeader: *sh, Txs: txs}, nil
}

// BlockItems returns a block, and its transactions as they are stored.
func (r Reader) BlockItems(h ledger.Hash) (*ledger.Block, []ledger.StoredTx, error) {
	sh, err := r.Header(h)
	if err != nil {
		return nil, nil, err
	}
	items, err := body(r, &sh.Header, h, (*chunk).item)
	if err != nil {
		return nil, nil, err
	}
	b := &ledger.Block{SealedHeader: *sh, Txs: make([]*ledger.Transaction, len(items))}
	for i := range items {
		b.Txs[i] = items[i].Tx
	}
	return b, items, nil
}

// body returns what item reads of each transaction of a block.
func body[T any](r Reader, h *ledger.Header, hash ledger.Hash, item func(*chunk, int) (T, error)) ([]T, error) {
	items := make([]T, 0, h.Count)
	for n := uint32(0); n*chunkTxs < h.Count; n++ {
		ch, err := r.chunk(ledger.BlockRef{Height: h.Height, Hash: hash}, n)
		if err != nil {
			return nil, err
		}
		for i := range ch.len() {
			it, err := item(ch, i)
			if err != nil {
				return nil, r.damaged(fmt.Sprintf("block %d", h.Height), err)
			}
			items = append(items, it)
		}
	}
	if len(items) != int(h.Count) {
		return nil, r.damaged(fmt.Sprintf("block %d", h.Height), fmt.Errorf("%d transactions of %d", len(items), h.Count))
	}
	return items, nil
}

func (r Reader) chunk(ref ledger.BlockRef, n uint32) (*chunk, error) {
	// In LevelDB's cache it would take as much as the indexes and filters of a whole table.
	b, err := r.getAs(bodyKey(ref, n), &opt.ReadOptions{DontFillCache: true})
	if err != nil {
		return nil, err
	}
	ch, err := decodeChunk(b)
	if err != nil {
		return nil, r.damaged(fmt.Sprintf("block %d, chunk %d", ref.Height, n), err)
	}
	return ch, nil
}

// Account returns the state of an account at the tip, an empty one if it is unknown.
func (r Reader) Account(id uuid.UUID) (*ledger.AccountState, error) {
	b, err := r.get(accountKey(id))
	if errors.Is(err, ledger.ErrUnknown) {
		return &ledger.AccountState{}, nil
	} else if err != nil {
		return nil, err
	}
	a, err := decodeAccount(b)
	if err != nil {
		return nil, r.damaged("account "+id.String(), err)
	}
	return a, nil
}

// Place returns the place of a transaction in the chain, or nil.
func (r Reader) Place(k ledger.TxKey) (*ledger.Place, error) {
	b, err := r.get(txKey(keyTx, k))
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if len(b) != placeSize {
		return nil, r.damaged("index of "+k.ID.String(), fmt.Errorf("%d bytes", len(b)))
	}
	return readPlace(b), nil
}

// Tx returns the transaction at a place of the chain.
func (r Reader) Tx(p ledger.Place) (*ledger.Transaction, error) {
	hash, err := r.Hash(p.Height)
	if err != nil {
		return nil, err
	}
	ch, err := r.chunk(ledger.BlockRef{Height: p.Height, Hash: hash}, p.Index/chunkTxs)
	if err != nil {
		return nil, err
	}
	tx, err := ch.tx(int(p.Index % chunkTxs))
	if err != nil {
		return nil, r.damaged(fmt.Sprintf("block %d", p.Height), err)
	}
	return tx, nil
}

// Book returns every entry of the address book.
func (r Reader) Book() (map[string][]byte, error) {
	all := make(map[string][]byte)
	err := r.scan([]byte{keyBook}, func(key, value []byte) error {
		all[string(key[1:])] = bytes.Clone(value)
		return nil
	})
	return all, err
}

// Each of the following methods calls f with all records of a kind, in the order of their
// keys, until f fails. If f takes an error, it is that of an unreadable record.

// EachPlace calls f with each entry of the transaction index. at is nil if the value is
// no place.
func (r Reader) EachPlace(f func(k ledger.TxKey, at *ledger.Place) error) error {
	return r.scan([]byte{keyTx}, func(key, value []byte) error {
		var at *ledger.Place
		if len(value) == placeSize {
			at = readPlace(value)
		}
		return f(ledger.TxKey{ID: uuid.UUID(key[1:17]), Sender: uuid.UUID(key[17:])}, at)
	})
}

// EachAccount calls f with the state of each account.
func (r Reader) EachAccount(f func(id uuid.UUID, a *ledger.AccountState, err error) error) error {
	return r.scan([]byte{keyAccount}, func(key, value []byte) error {
		a, err := decodeAccount(value)
		return f(uuid.UUID(key[1:]), a, err)
	})
}

// EachBody calls f with each block that has any part of its body in the store, by
// height.
func (r Reader) EachBody(f func(ledger.BlockRef) error) error {
	var last *ledger.BlockRef
	return r.eachChunk(func(ref ledger.BlockRef, _ []byte) error {
		if last != nil && *last == ref {
			return nil
		}
		last = &ref
		return f(ref)
	})
}

// EachSide calls f with each block that PutSide noted, by height.
func (r Reader) EachSide(f func(ref ledger.BlockRef, count uint32) error) error {
	return r.scan([]byte{keySide}, func(key, value []byte) error {
		if len(value) != 4 {
			return nil
		}
		return f(ledger.BlockRef{Height: binary.BigEndian.Uint64(key[1:]), Hash: ledger.Hash(key[9:])}, binary.BigEndian.Uint32(value))
	})
}

// EachChunk calls f with each part of a body, and its readable transactions.
func (r Reader) EachChunk(f func(ref ledger.BlockRef, txs []*ledger.Transaction) error) error {
	return r.eachChunk(func(ref ledger.BlockRef, value []byte) error {
		ch, err := decodeChunk(value)
		if err != nil {
			return nil
		}
		var txs []*ledger.Transaction
		for i := range ch.len() {
			if tx, err := ch.tx(i); err == nil {
				txs = append(txs, tx)
			}
		}
		return f(ref, txs)
	})
}

func (r Reader) eachChunk(f func(ref ledger.BlockRef, value []byte) error) error {
	return r.scan([]byte{keyBody}, func(key, value []byte) error {
		return f(ledger.BlockRef{Height: binary.BigEndian.Uint64(key[1:]), Hash: ledger.Hash(key[9:41])}, value)
	})
}

// EachPool calls f with each record of the pool and the arrival number of its
// first item.
func (r Reader) EachPool(f func(first uint64, items []PoolItem, err error) error) error {
	return r.scan([]byte{keyPool}, func(key, value []byte) error {
		first := binary.BigEndian.Uint64(key[1:])
		var items []PoolItem
		err := ledger.Unmarshal(value, &items)
		if err != nil {
			err = r.damaged(fmt.Sprintf("pool record %d", first), err)
		}
		return f(first, items, err)
	})
}

// EachReceipt calls f with each receipt and the ID of its transaction.
func (r Reader) EachReceipt(f func(id uuid.UUID, receipt *Receipt, err error) error) error {
	return r.receipts([]byte{keyReceipt}, f)
}
