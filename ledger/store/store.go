package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A Reader is what reads need: the database, or a snapshot of it.
type Reader interface {
	Get(key []byte, ro *opt.ReadOptions) ([]byte, error)
	Has(key []byte, ro *opt.ReadOptions) (bool, error)
	NewIterator(slice *util.Range, ro *opt.ReadOptions) iterator.Iterator
	failedRead(error) error // puts a read's error into words
}

// Store reads and writes the records. It has no lock of its own: the chain's
// writer is the only one that commits, and readers use snapshots.
type Store struct {
	DB    *Database
	Files io.Closer // LevelDB's files where Open opened them; nil: the caller's storage
	Info  Info      // as of the last commit

	filter   *keyFilter   // of what account and place look up; nil: none yet
	accounts accountCache // what Account returns, as of the last commit
	Receipts bool         // a receipt was ever written here

	// Hook, set by tests only, is asked before and after each commit reaches
	// LevelDB; its error stands for a failing disk.
	Hook func(step string) error
}

// keptCommits is how many commit counters stay: a gap in them means that
// LevelDB lost a batch in the middle of its journal.
const keptCommits = 100_000

// A Batch collects the writes of one atomic step. Until write returns nothing
// of it exists; after it all of it does.
type Batch struct {
	s      *Store
	batch  leveldb.Batch
	Info   Info
	states []*ledger.Overlay // what putState wrote
}

func (s *Store) Close() error {
	var err error
	if s.DB != nil {
		err = s.DB.Close()
	}
	if s.Files != nil {
		fileErr := s.Files.Close()
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

func (s *Store) Begin() *Batch { return &Batch{s: s, Info: s.Info} }

// Writes returns what was put so far. Tests write it without a commit.
func (c *Batch) Writes() *leveldb.Batch { return &c.batch }

func (c *Batch) Put(key, value []byte) { c.batch.Put(key, value) }
func (c *Batch) Delete(key []byte)     { c.batch.Delete(key) }

// Write is the commit point: one LevelDB batch. With sync it is on disk when
// write returns.
func (c *Batch) Write(sync bool) error {
	c.Info.Commits++
	n := c.Info.Commits
	c.Put(NumberKey(KeyCommit, n), binary.BigEndian.AppendUint64(nil, c.Info.Blocks))
	if n > keptCommits {
		c.Delete(NumberKey(KeyCommit, n-keptCommits))
	}
	b, err := ledger.Marshal(c.Info)
	if err != nil {
		return fmt.Errorf("encode info record: %w", err)
	}
	c.Put([]byte{KeyInfo}, b)
	if err := c.s.at("before"); err != nil {
		return err
	}
	if err := c.s.DB.Write(&c.batch, &opt.WriteOptions{Sync: sync}); err != nil {
		if ldberrors.IsCorrupted(err) { // LevelDB met it when it tidied up
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return fmt.Errorf("write to the ledger's database: %w", err)
	}
	c.s.Info = c.Info
	for _, o := range c.states {
		for id, a := range o.Accounts {
			c.s.accounts.put(id, *a)
		}
	}
	return c.s.at("after")
}

func (s *Store) at(step string) error {
	if s.Hook == nil {
		return nil
	}
	return s.Hook(step)
}

// Get reads one record; ErrUnknown when there is none.
func Get(g Reader, key []byte) ([]byte, error) {
	b, err := g.Get(key, nil)
	switch {
	case errors.Is(err, leveldb.ErrNotFound):
		return nil, ledger.ErrUnknown
	case errors.Is(err, leveldb.ErrClosed), errors.Is(err, leveldb.ErrSnapshotReleased):
		return nil, ledger.ErrStopped
	case err != nil:
		return nil, g.failedRead(err)
	}
	return b, nil
}

// Lacks reports that the store certainly does not hold key.
func (s *Store) Lacks(key []byte) bool { return s.filter.lacks(key) }

// Account returns the state of an account at the tip, as of the last commit: a
// copy, empty when it is unknown.
func (s *Store) Account(id uuid.UUID) (*ledger.AccountState, error) {
	if a, ok := s.accounts.get(id); ok {
		return &a, nil
	}
	if s.Lacks(AccountKey(id)) {
		return &ledger.AccountState{}, nil
	}
	a, err := state{s.DB}.Account(id)
	if err == nil {
		s.accounts.put(id, *a)
	}
	return a, err
}

// Place returns where a transaction stands in the chain as of the last commit;
// nil when it does not.
func (s *Store) Place(k ledger.TxKey) (*ledger.Place, error) {
	if s.Lacks(TxKey(KeyTx, k)) {
		return nil, nil
	}
	return state{s.DB}.Place(k)
}

// state reads accounts and places from the database or a snapshot.
type state struct{ g Reader }

func NewState(g Reader) state { return state{g} }

func (s state) Account(id uuid.UUID) (*ledger.AccountState, error) {
	b, err := Get(s.g, AccountKey(id))
	if errors.Is(err, ledger.ErrUnknown) {
		return &ledger.AccountState{}, nil
	} else if err != nil {
		return nil, err
	}
	a, err := DecodeAccount(b)
	if err != nil {
		return nil, Damaged("account "+id.String(), err)
	}
	return a, nil
}

func (s state) Place(k ledger.TxKey) (*ledger.Place, error) {
	b, err := Get(s.g, TxKey(KeyTx, k))
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if len(b) != placeSize {
		return nil, Damaged("index of "+k.ID.String(), fmt.Errorf("%d bytes", len(b)))
	}
	return readPlace(b), nil
}

// PutState writes what an overlay changed.
func (c *Batch) PutState(o *ledger.Overlay) {
	for id, a := range o.Accounts {
		key := AccountKey(id)
		c.s.filter.add(key)
		c.Put(key, EncodeAccount(a))
	}
	c.states = append(c.states, o)
	for k, p := range o.Places {
		key := TxKey(KeyTx, k)
		if p == nil {
			c.Delete(key)
			continue
		}
		c.s.filter.add(key)
		c.Put(key, appendPlace(nil, p))
	}
}

func ReadHeader(g Reader, h ledger.Hash) (*ledger.SealedHeader, error) {
	b, err := Get(g, HeaderKey(h))
	if err != nil {
		return nil, err
	}
	sh, err := ledger.DecodeHeader(b)
	if err != nil {
		return nil, Damaged("header "+h.String(), err)
	}
	return sh, nil
}

// ReadHash returns the hash of the chain's block at height.
func ReadHash(g Reader, height uint64) (ledger.Hash, error) {
	b, err := Get(g, NumberKey(KeyHeight, height))
	if err != nil {
		return ledger.Hash{}, err
	}
	if len(b) != len(ledger.Hash{}) {
		return ledger.Hash{}, Damaged(fmt.Sprintf("height %d", height), fmt.Errorf("%d bytes", len(b)))
	}
	return ledger.Hash(b), nil
}

// PutBody writes a body in chunks.
func (c *Batch) PutBody(height uint64, h ledger.Hash, items []ledger.StoredTx) error {
	var prev *ledger.Link
	for n := 0; n*ChunkTxs < len(items); n++ {
		part := items[n*ChunkTxs : min(len(items), (n+1)*ChunkTxs)]
		b, err := encodeChunk(prev, part)
		if err != nil {
			return err
		}
		c.Put(BodyKey(height, h, uint32(n)), b)
		for _, it := range part {
			link := ledger.LegacyHash(it.Tx, prev)
			prev = &link
		}
	}
	return nil
}

func HasBody(g Reader, ref ledger.BlockRef) (bool, error) {
	return Has(g, BodyKey(ref.Height, ref.Hash, 0))
}

// ReadBody reads the items of a whole body, or ErrUnknown.
func ReadBody(g Reader, h *ledger.Header, hash ledger.Hash) ([]ledger.StoredTx, error) {
	items := make([]ledger.StoredTx, 0, h.Count)
	for n := uint32(0); n*ChunkTxs < h.Count; n++ {
		ch, err := ReadChunk(g, ledger.BlockRef{Height: h.Height, Hash: hash}, n)
		if err != nil {
			return nil, err
		}
		for i := range ch.Len() {
			it, err := ch.Item(i)
			if err != nil {
				return nil, Damaged(fmt.Sprintf("block %d", h.Height), err)
			}
			items = append(items, it)
		}
	}
	if len(items) != int(h.Count) {
		return nil, Damaged(fmt.Sprintf("block %d", h.Height), fmt.Errorf("%d transactions of %d", len(items), h.Count))
	}
	return items, nil
}

func ReadChunk(g Reader, ref ledger.BlockRef, n uint32) (*chunk, error) {
	b, err := Get(g, BodyKey(ref.Height, ref.Hash, n))
	if err != nil {
		return nil, err
	}
	ch, err := DecodeChunk(b)
	if err != nil {
		return nil, Damaged(fmt.Sprintf("block %d, chunk %d", ref.Height, n), err)
	}
	return ch, nil
}

func Transactions(items []ledger.StoredTx) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, len(items))
	for i := range items {
		txs[i] = items[i].Tx
	}
	return txs
}

func (s *Store) Scan(prefix []byte, f func(key, value []byte) error) error {
	return ScanIn(s.DB, prefix, f)
}

// FindReceipts looks whether there is a receipt: most nodes never write one, and
// then nothing has to be looked up for a new transaction.
func (s *Store) FindReceipts() error {
	it := s.DB.NewIterator(util.BytesPrefix([]byte{KeyReceipt}), nil)
	defer it.Release()
	s.Receipts = it.Next()
	if err := it.Error(); err != nil {
		return s.DB.failedRead(err)
	}
	return nil
}

// ScanIn calls f with each key and value under prefix, in order, until f fails.
// Both slices die when f returns.
func ScanIn(g Reader, prefix []byte, f func(key, value []byte) error) error {
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

// PutReceipt writes the reason why a transaction that was accepted here is gone.
func (c *Batch) PutReceipt(tx *ledger.Transaction, reason string, final bool) error {
	b, err := ledger.Marshal(receiptRecord{Tx: tx.Encode(), Reason: reason, Time: time.Now().UnixMilli(), Final: final})
	if err != nil {
		return err
	}
	c.s.Receipts = true
	c.Put(TxKey(KeyReceipt, tx.Key()), nil)
	c.Put(ReceiptKey(tx), b)
	return nil
}
