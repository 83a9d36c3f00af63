package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A getter is what reads need: the database, or a snapshot of it.
type getter interface {
	Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
	Has(key []byte, ro *opt.ReadOptions) (bool, error)
	NewIterator(slice *util.Range, ro *opt.ReadOptions) iterator.Iterator
	failedRead(error) error // puts a read's error into words
}

// store reads and writes the records. It has no lock of its own: the chain's
// writer is the only one that commits, and readers use snapshots.
type store struct {
	db    *database
	files io.Closer // LevelDB's files where Open opened them; nil: the caller's storage
	info  info      // as of the last commit

	filter   *keyFilter   // of what account and place look up; nil: none yet
	accounts accountCache // what account gives, as of the last commit
	receipts bool         // a receipt was ever written here

	// hook, set by tests only, is asked before and after each commit reaches
	// LevelDB; its error stands for a failing disk.
	hook func(step string) error
}

// keptCommits is how many commit counters stay: a gap in them means that
// LevelDB lost a batch in the middle of its journal.
const keptCommits = 100_000

// A commit collects the writes of one atomic step. Until write returns nothing
// of it exists; after it all of it does.
type commit struct {
	s      *store
	batch  leveldb.Batch
	info   info
	states []*overlay // what putState wrote
}

func (s *store) close() error {
	var err error
	if s.db != nil {
		err = s.db.Close()
	}
	if s.files != nil {
		fileErr := s.files.Close()
		if err == nil {
			err = fileErr
		}
	}
	if ldberrors.IsCorrupted(err) { // LevelDB met it when it tidied up
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return fmt.Errorf("close the ledger's database: %w", err)
	}
	return nil
}

func (s *store) begin() *commit { return &commit{s: s, info: s.info} }

func (c *commit) put(key, value []byte) { c.batch.Put(key, value) }
func (c *commit) delete(key []byte)     { c.batch.Delete(key) }

// write is the commit point: one LevelDB batch. With sync it is on disk when
// write returns.
func (c *commit) write(sync bool) error {
	c.info.Commits++
	n := c.info.Commits
	c.put(numberKey(keyCommit, n), binary.BigEndian.AppendUint64(nil, c.info.Blocks))
	if n > keptCommits {
		c.delete(numberKey(keyCommit, n-keptCommits))
	}
	b, err := Marshal(c.info)
	if err != nil {
		return fmt.Errorf("encode info record: %w", err)
	}
	c.put([]byte{keyInfo}, b)
	if err := c.s.at("before"); err != nil {
		return err
	}
	if err := c.s.db.Write(&c.batch, &opt.WriteOptions{Sync: sync}); err != nil {
		if ldberrors.IsCorrupted(err) { // LevelDB met it when it tidied up
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return fmt.Errorf("write to the ledger's database: %w", err)
	}
	c.s.info = c.info
	for _, o := range c.states {
		for id, a := range o.accounts {
			c.s.accounts.put(id, *a)
		}
	}
	return c.s.at("after")
}

func (s *store) at(step string) error {
	if s.hook == nil {
		return nil
	}
	return s.hook(step)
}

// get reads one record; ErrUnknown when there is none.
func get(g getter, key []byte) ([]byte, error) {
	b, err := g.Get(key, nil)
	switch {
	case errors.Is(err, leveldb.ErrNotFound):
		return nil, ErrUnknown
	case errors.Is(err, leveldb.ErrClosed), errors.Is(err, leveldb.ErrSnapshotReleased):
		return nil, ErrStopped
	case err != nil:
		return nil, g.failedRead(err)
	}
	return b, nil
}

// account gives the state of an account at the tip, as of the last commit: a
// copy, empty when it is unknown.
func (s *store) account(id uuid.UUID) (*account, error) {
	if a, ok := s.accounts.get(id); ok {
		return &a, nil
	}
	if s.filter.lacks(accountKey(id)) {
		return &account{}, nil
	}
	a, err := state{s.db}.account(id)
	if err == nil {
		s.accounts.put(id, *a)
	}
	return a, err
}

// place gives where a transaction stands in the chain as of the last commit;
// nil when it does not.
func (s *store) place(k TxKey) (*Place, error) {
	if s.filter.lacks(txKey(keyTx, k)) {
		return nil, nil
	}
	return state{s.db}.place(k)
}

// state reads accounts and places from the database or a snapshot.
type state struct{ g getter }

func (s state) account(id uuid.UUID) (*account, error) {
	b, err := get(s.g, accountKey(id))
	if errors.Is(err, ErrUnknown) {
		return &account{}, nil
	} else if err != nil {
		return nil, err
	}
	a, err := decodeAccount(b)
	if err != nil {
		return nil, damaged("account "+id.String(), err)
	}
	return a, nil
}

func (s state) place(k TxKey) (*Place, error) {
	b, err := get(s.g, txKey(keyTx, k))
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if len(b) != placeSize {
		return nil, damaged("index of "+k.ID.String(), fmt.Errorf("%d bytes", len(b)))
	}
	return readPlace(b), nil
}

// putState writes what an overlay changed.
func (c *commit) putState(o *overlay) {
	for id, a := range o.accounts {
		key := accountKey(id)
		c.s.filter.add(key)
		c.put(key, a.encode())
	}
	c.states = append(c.states, o)
	for k, p := range o.places {
		key := txKey(keyTx, k)
		if p == nil {
			c.delete(key)
			continue
		}
		c.s.filter.add(key)
		c.put(key, p.append(nil))
	}
}

func readHeader(g getter, h Hash) (*SealedHeader, error) {
	b, err := get(g, headerKey(h))
	if err != nil {
		return nil, err
	}
	sh, err := DecodeHeader(b)
	if err != nil {
		return nil, damaged("header "+h.String(), err)
	}
	return sh, nil
}

// readHash gives the hash of the chain's block at height.
func readHash(g getter, height uint64) (Hash, error) {
	b, err := get(g, numberKey(keyHeight, height))
	if err != nil {
		return Hash{}, err
	}
	if len(b) != len(Hash{}) {
		return Hash{}, damaged(fmt.Sprintf("height %d", height), fmt.Errorf("%d bytes", len(b)))
	}
	return Hash(b), nil
}

// putBody writes a body in chunks.
func (c *commit) putBody(height uint64, h Hash, items []placed) error {
	var prev *Link
	for n := 0; n*chunkTxs < len(items); n++ {
		part := items[n*chunkTxs : min(len(items), (n+1)*chunkTxs)]
		b, err := encodeChunk(prev, part)
		if err != nil {
			return err
		}
		c.put(bodyKey(height, h, uint32(n)), b)
		for _, it := range part {
			link := LegacyHash(it.tx, prev)
			prev = &link
		}
	}
	return nil
}

func hasBody(g getter, ref BlockRef) (bool, error) {
	return has(g, bodyKey(ref.Height, ref.Hash, 0))
}

// readBody reads the items of a whole body, or ErrUnknown.
func readBody(g getter, h *Header, hash Hash) ([]placed, error) {
	items := make([]placed, 0, h.Count)
	for n := uint32(0); n*chunkTxs < h.Count; n++ {
		ch, err := readChunk(g, BlockRef{h.Height, hash}, n)
		if err != nil {
			return nil, err
		}
		for i := range ch.len() {
			it, err := ch.item(i)
			if err != nil {
				return nil, damaged(fmt.Sprintf("block %d", h.Height), err)
			}
			items = append(items, it)
		}
	}
	if len(items) != int(h.Count) {
		return nil, damaged(fmt.Sprintf("block %d", h.Height), fmt.Errorf("%d transactions of %d", len(items), h.Count))
	}
	return items, nil
}

func readChunk(g getter, ref BlockRef, n uint32) (*chunk, error) {
	b, err := get(g, bodyKey(ref.Height, ref.Hash, n))
	if err != nil {
		return nil, err
	}
	ch, err := decodeChunk(b)
	if err != nil {
		return nil, damaged(fmt.Sprintf("block %d, chunk %d", ref.Height, n), err)
	}
	return ch, nil
}

func transactions(items []placed) []*Transaction {
	txs := make([]*Transaction, len(items))
	for i := range items {
		txs[i] = items[i].tx
	}
	return txs
}

func (s *store) scan(prefix []byte, f func(key, value []byte) error) error {
	return scanIn(s.db, prefix, f)
}

// findReceipts looks whether there is a receipt: most nodes never write one, and
// then nothing has to be looked up for a new transaction.
func (s *store) findReceipts() error {
	it := s.db.NewIterator(util.BytesPrefix([]byte{keyReceipt}), nil)
	defer it.Release()
	s.receipts = it.Next()
	if err := it.Error(); err != nil {
		return s.db.failedRead(err)
	}
	return nil
}

// scanIn calls f with each key and value under prefix, in order, until f fails.
// Both slices die when f returns.
func scanIn(g getter, prefix []byte, f func(key, value []byte) error) error {
	it := g.NewIterator(util.BytesPrefix(prefix), nil)
	defer it.Release()
	for it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return g.failedRead(err)
	}
	return nil
}

// putReceipt says why a transaction that was accepted here is gone.
func (c *commit) putReceipt(tx *Transaction, reason string, final bool) error {
	b, err := Marshal(receiptRecord{Tx: tx.Encode(), Reason: reason, Time: time.Now().UnixMilli(), Final: final})
	if err != nil {
		return err
	}
	c.s.receipts = true
	c.put(txKey(keyReceipt, tx.Key()), nil)
	c.put(receiptKey(tx), b)
	return nil
}
