package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"foxchain/ledger"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// A Store reads and writes the records. It has no lock of its own, since only the
// chain's writer commits, and readers use a [Snapshot].
//
// Its own Account and Place answer from memory if they can. Those of its Reader always
// read the database.
type Store struct {
	Reader
	Info Info        // as of the last commit
	DB   *leveldb.DB // exported for tests, which change records

	files      io.Closer // LevelDB's files if Open opened them; nil with the caller's storage
	filter     *keyFilter
	filterSize FilterSize
	young, old map[uuid.UUID]ledger.AccountState // accounts used last and before, as of the last commit
	spare      *leveldb.Batch                    // an empty batch for the next commit, or nil

	// Hook, set by tests only, is called before and after each commit reaches LevelDB.
	// Its error simulates a failing disk.
	Hook func(step string) error
}

// cachedAccounts is how many of the accounts used last are in memory at least. At most
// twice as many are, some 17 MiB. With them a transaction reads its accounts from disk
// only once, when it is accepted, and not again with its block.
const cachedAccounts = 100_000

// keep adds an account to those in memory. If the young are enough, they become the old,
// and the old are evicted. An account that is in both is newer among the young.
func (s *Store) keep(id uuid.UUID, a ledger.AccountState) {
	if _, held := s.young[id]; s.young == nil || !held && len(s.young) >= cachedAccounts {
		s.young, s.old = make(map[uuid.UUID]ledger.AccountState), s.young
	}
	s.young[id] = a
}

// OnDamage sets a function that is called when a read meets damage, on the goroutine of
// that read, so that a node with a damaged store stops at once.
func (s *Store) OnDamage(f func(error)) { s.damage = f }

// Close closes the database.
func (s *Store) Close() error {
	var err error
	if s.DB != nil {
		err = markDamage(s.DB.Close())
	}
	if s.files != nil {
		err = errors.Join(err, s.files.Close())
	}
	if err != nil {
		return fmt.Errorf("close the ledger's database: %w", err)
	}
	return nil
}

// Account returns the state of an account as of the last commit, an empty one if it is
// unknown.
func (s *Store) Account(id uuid.UUID) (*ledger.AccountState, error) {
	a, err := s.account(id)
	return &a, err
}

// Balance returns the balance of an account as of the last commit.
func (s *Store) Balance(id uuid.UUID) (int64, error) {
	a, err := s.account(id)
	return a.Balance, err
}

func (s *Store) account(id uuid.UUID) (ledger.AccountState, error) {
	if a, ok := s.young[id]; ok {
		return a, nil
	}
	if a, ok := s.old[id]; ok {
		s.keep(id, a)
		return a, nil
	}
	if s.filter.lacks(accountKey(id)) {
		return ledger.AccountState{}, nil
	}
	a, err := s.Reader.Account(id)
	if err != nil {
		return ledger.AccountState{}, err
	}
	s.keep(id, *a)
	return *a, nil
}

// Place returns the place of a transaction in the chain as of the last commit, or nil.
func (s *Store) Place(k ledger.TxKey) (*ledger.Place, error) {
	if s.filter.lacks(txKey(keyTx, k)) {
		return nil, nil
	}
	return s.Reader.Place(k)
}

// A Batch collects the writes of one atomic step. Nothing is written before Write, which
// also returns errors of the earlier calls.
type Batch struct {
	Info Info // after the step

	s      *Store
	err    error // of the first value that cannot be encoded
	batch  *leveldb.Batch
	states []*ledger.Overlay // given to PutState
}

// maxSpare is the largest batch that is kept for reuse, in bytes. A batch grows by
// copying, many times until it holds a large block.
const maxSpare = 4 << 20

// Begin returns an empty batch.
func (s *Store) Begin() *Batch {
	b := s.spare
	if s.spare = nil; b == nil {
		b = new(leveldb.Batch)
	}
	return &Batch{s: s, Info: s.Info, batch: b}
}

// Snapshot takes a snapshot of the store, whose tip is tip.
func (s *Store) Snapshot(tip Tip) *Snapshot {
	snap := &Snapshot{Tip: tip}
	snap.db, _ = s.DB.GetSnapshot() // fails only if closed, which View reports
	snap.r = Reader{snap.db, s.damage}
	snap.refs.Store(1)
	return snap
}

// Copy takes a snapshot of all records. It needs no lock, since each commit is one batch.
func (s *Store) Copy() (*Copy, error) {
	snap, err := s.DB.GetSnapshot()
	if err != nil {
		return nil, s.failed(err)
	}
	c := &Copy{snap: snap, r: Reader{snap, s.damage}}
	if c.Info, err = c.r.ReadInfo(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// put adds a record.
func (c *Batch) put(key []byte, value any) {
	b, err := ledger.Marshal(value)
	c.err = cmp.Or(c.err, err)
	c.batch.Put(key, b)
}

// keptCommits is how many commit counters are kept. A gap in them means that LevelDB lost
// a batch in the middle of its journal.
const keptCommits = 100_000

// Write is the commit point, one LevelDB batch. With sync it is on disk when Write
// returns. A Batch must not be used after Write.
func (c *Batch) Write(sync bool) error {
	c.Info.Commits++
	n := c.Info.Commits
	c.batch.Put(numberKey(keyCommit, n), binary.BigEndian.AppendUint64(nil, c.Info.Blocks))
	if n > keptCommits {
		c.batch.Delete(numberKey(keyCommit, n-keptCommits))
	}
	c.put([]byte{keyInfo}, c.Info)
	if c.err != nil {
		return fmt.Errorf("encode a record: %w", c.err)
	}
	if err := c.s.hook("before"); err != nil {
		return err
	}
	if err := c.s.DB.Write(c.batch, &opt.WriteOptions{Sync: sync}); err != nil {
		return fmt.Errorf("write to the ledger's database: %w", markDamage(err))
	}
	if len(c.batch.Dump()) <= maxSpare {
		c.batch.Reset()
		c.s.spare = c.batch
	}
	c.batch, c.s.Info = nil, c.Info
	for _, o := range c.states {
		for id, a := range o.Accounts {
			c.s.keep(id, *a)
		}
	}
	return c.s.hook("after")
}

// markDamage marks an error as ErrDamaged if LevelDB reports damage.
func markDamage(err error) error {
	if ldberrors.IsCorrupted(err) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

func (s *Store) hook(step string) error {
	if s.Hook == nil {
		return nil
	}
	return s.Hook(step)
}

// PutState writes the changes of an overlay, in the order of keys, which costs LevelDB's
// table in memory half of what random order costs.
func (c *Batch) PutState(o *ledger.Overlay) {
	var value []byte
	for _, id := range slices.SortedFunc(maps.Keys(o.Accounts), compareIDs) {
		key := accountKey(id)
		c.s.filter.add(key)
		value = appendAccount(value[:0], o.Accounts[id])
		c.batch.Put(key, value)
	}
	c.states = append(c.states, o)
	for _, k := range slices.SortedFunc(maps.Keys(o.Places), compareTxKeys) {
		key, p := txKey(keyTx, k), o.Places[k]
		if p == nil {
			c.batch.Delete(key)
			continue
		}
		c.s.filter.add(key)
		c.batch.Put(key, appendPlace(make([]byte, 0, placeSize), p))
	}
}

// PutBlock writes a header, and its body in chunks.
func (c *Batch) PutBlock(sh *ledger.SealedHeader, hash ledger.Hash, items []ledger.StoredTx) {
	c.batch.Put(headerKey(hash), ledger.EncodeHeader(sh))
	var last ledger.Link
	for n := 0; n*chunkTxs < len(items); n++ {
		var ch *chunk
		ch, last = newChunk(last, items[n*chunkTxs:min(len(items), (n+1)*chunkTxs)])
		c.put(bodyKey(ledger.BlockRef{Height: sh.Height, Hash: hash}, uint32(n)), ch)
	}
}

// PutSide notes that the body of a block beside the chain is in the store.
func (c *Batch) PutSide(h *ledger.SealedHeader, hash ledger.Hash) {
	c.batch.Put(sideKey(ledger.BlockRef{Height: h.Height, Hash: hash}), binary.BigEndian.AppendUint32(nil, h.Count))
}

// DropBlock deletes a block beside the chain, with count transactions, outside any batch
// and not synced. If a crash undoes it, EachSide has the block again.
func (s *Store) DropBlock(ref ledger.BlockRef, count uint32) error {
	var b leveldb.Batch
	b.Delete(sideKey(ref))
	b.Delete(headerKey(ref.Hash))
	for n := uint32(0); n*chunkTxs < count; n++ {
		b.Delete(bodyKey(ref, n))
	}
	return s.DB.Write(&b, nil)
}

// AddTip puts a block on the tip of the chain.
func (c *Batch) AddTip(hash ledger.Hash) {
	c.batch.Put(numberKey(keyHeight, c.Info.Blocks), hash[:])
	c.batch.Delete(sideKey(ledger.BlockRef{Height: c.Info.Blocks, Hash: hash}))
	c.Info.Blocks, c.Info.Tip = c.Info.Blocks+1, hash
}

// DropTip takes the tip from the chain. parent is the hash of the block below.
func (c *Batch) DropTip(parent ledger.Hash) {
	c.Info.Blocks, c.Info.Tip = c.Info.Blocks-1, parent
	c.batch.Delete(numberKey(keyHeight, c.Info.Blocks))
}

// PutPool writes the record of the pool whose first item has the arrival number
// first. Without items it deletes the record.
func (c *Batch) PutPool(first uint64, items []PoolItem) {
	if len(items) == 0 {
		c.batch.Delete(numberKey(keyPool, first))
		return
	}
	c.put(numberKey(keyPool, first), items)
}

// PutBook writes an entry of the address book outside any batch, and not synced.
// An empty value deletes it.
func (s *Store) PutBook(name string, value []byte) error {
	key := BookKey(name)
	if len(value) == 0 {
		return s.DB.Delete(key, nil)
	}
	return s.DB.Put(key, value, nil)
}

// FillFilter builds the filter of the store's keys. That takes some seconds for millions
// of keys, so it holds mu only for short steps. It ends early with ready's error. Until
// it is done, and if it fails, every look-up goes to LevelDB.
func (s *Store) FillFilter(ctx context.Context, mu sync.Locker, ready func() error) error {
	mu.Lock()
	f := newKeyFilter(s.filterSize)
	s.filter = f
	// From here on writes add their keys themselves. The snapshot has all earlier keys.
	db, err := s.DB.GetSnapshot()
	mu.Unlock()
	if err != nil {
		return s.failed(err)
	}
	defer db.Release()
	var keys [][]byte
	add := func() error {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range keys {
			f.add(k)
		}
		keys = keys[:0]
		return cmp.Or(ctx.Err(), ready())
	}
	for _, prefix := range []byte{keyAccount, keyTx, keyReceipt} {
		err := Reader{db, s.damage}.scan([]byte{prefix}, func(key, _ []byte) error {
			key = slices.Clone(key[:min(len(key), flagSize)]) // a receipt's key without its digest
			if prefix == keyReceipt {
				key[0] = keyTx
			}
			if keys = append(keys, key); len(keys) < filterStep {
				return nil
			}
			return add()
		})
		if err != nil {
			return err
		}
	}
	if err := add(); err != nil {
		return err
	}
	mu.Lock()
	defer mu.Unlock()
	f.ready = true
	return nil
}
