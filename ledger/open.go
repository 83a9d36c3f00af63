package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"syscall"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// Errors of Open that have words of their own. Match them with errors.Is.
var (
	// ErrInUse: another process has the store open.
	ErrInUse = errors.New("another process uses this ledger")
	// ErrForeign: the store belongs to another network.
	ErrForeign = errors.New("this is the ledger of another network")
	// ErrNewer: a newer program wrote the store.
	ErrNewer = errors.New("a newer version of foxchain wrote this ledger")
)

// Open opens or makes the store, checks it, and finishes a switch between
// branches that a crash interrupted. Where LevelDB lost a batch in the middle of
// its journal (a torn disk), the chain goes back to the last good block, says
// so in the log, and sync brings the rest.
func Open(cfg Config) (*Chain, error) {
	c := &Chain{
		net: cfg.Network, log: cfg.Log, expiry: cfg.Expiry, began: time.Now(), tipSince: time.Now(),
		pool: newPool(cfg.Network), records: newPoolRecords(), branches: newBranches(),
		changed: make(chan struct{}), failed: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.expiry == 0 {
		c.expiry = defaultExpiry
	}
	var torn bool
	var err error
	if c.store, torn, err = openStore(cfg); err != nil {
		return nil, err
	}
	if err := c.start(torn); err != nil {
		c.store.close()
		return nil, err
	}
	return c, nil
}

// options are LevelDB's. The bloom filter makes the look-up of an unknown ID,
// which every new transaction needs, cheap; a write buffer of 8 MiB keeps bursts
// from stalling on tables.
func options(strict opt.Strict) *opt.Options {
	return &opt.Options{
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		WriteBuffer:            8 * opt.MiB,
		BlockCacheCapacity:     16 * opt.MiB,
		OpenFilesCacheCapacity: 64,
		Strict:                 strict,
	}
}

// openStore opens LevelDB strictly; torn is true when that failed over the
// journal and a lenient opening succeeded.
func openStore(cfg Config) (s *store, torn bool, err error) {
	s = new(store)
	files := cfg.Storage
	if files == nil {
		if files, err = storage.OpenFile(cfg.Dir, false); err != nil {
			if isLocked(err) {
				return nil, false, fmt.Errorf("%w (%s): is a foxchain node running on it already?", ErrInUse, cfg.Dir)
			}
			return nil, false, fmt.Errorf("open the ledger in %s: %w", cfg.Dir, err)
		}
		s.files = files
	}
	s.db, err = leveldb.Open(files, options(opt.DefaultStrict|opt.StrictJournal))
	if ldberrors.IsCorrupted(err) {
		torn = true
		s.db, err = leveldb.Open(files, options(opt.DefaultStrict))
	}
	if err != nil {
		err = fmt.Errorf("the ledger in %s cannot be opened: %w; move the directory aside and start again: the node fetches the chain from its peers", cfg.Dir, err)
		return nil, false, errors.Join(err, s.close())
	}
	return s, torn, nil
}

// isLocked reports whether opening failed because another process holds the
// store's lock: flock on Unix, a sharing violation on Windows.
func isLocked(err error) bool {
	const sharingViolation = syscall.Errno(32)
	return errors.Is(err, storage.ErrLocked) || errors.Is(err, syscall.EAGAIN) ||
		runtime.GOOS == "windows" && errors.Is(err, sharingViolation)
}

// start reads what the store holds.
func (c *Chain) start(torn bool) error {
	if err := c.readInfo(); err != nil {
		return err
	}
	c.ranFor = time.Duration(c.store.info.Running) * time.Millisecond
	if torn {
		if err := c.mend(); err != nil {
			return err
		}
	}
	if err := c.checkTip(); err != nil {
		return err
	}
	if err := c.loadPool(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.store.info.Target; t != (Hash{}) {
		c.log.Info("going on with a switch between branches that was interrupted", "to", t.Short())
		if err := c.resume(t); err != nil {
			return err
		}
	}
	c.publish()
	return nil
}

// loadPool reads the pool. Only after damage can a record hold what is in the
// chain already; it is passed over.
func (c *Chain) loadPool() error {
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	st := state{c.store.db}
	for _, e := range entries {
		at, err := st.place(e.key)
		if err != nil {
			return err
		}
		if at != nil || c.pool.get(e.key) != nil {
			continue
		}
		c.pool.now = e.firstSeen // it may have waited since then
		if err := c.pool.insert(e, c.balances()); err != nil {
			return err
		}
	}
	return nil
}

// readInfo reads the info record, or makes the first one.
func (c *Chain) readInfo() error {
	b, err := get(c.store.db, []byte{keyInfo})
	if errors.Is(err, ErrUnknown) {
		id := c.net.ID()
		w := c.store.begin()
		w.info = info{Schema: schemaVersion, Name: c.net.Name, Network: id, Tip: id}
		return w.write(true)
	} else if err != nil {
		return err
	}
	in := &c.store.info
	// The schema number stands first, so that it is read even where a newer
	// version put more behind it.
	if len(b) > 1 && b[1] < 24 && uint64(b[1]) > schemaVersion {
		return fmt.Errorf("%w (schema %d, this one knows %d): use that version, or another directory", ErrNewer, b[1], schemaVersion)
	}
	if err := Unmarshal(b, in); err != nil {
		return damaged("the info record", err)
	}
	if in.Network != c.net.ID() {
		return fmt.Errorf("%w: it is %q (%s), this node is to run %q (%s): give the other --network, or another directory",
			ErrForeign, in.Name, in.Network.Short(), c.net.Name, c.net.ID().Short())
	}
	return nil
}

// checkTip checks that the newest blocks hang together.
func (c *Chain) checkTip() error {
	in := &c.store.info
	want := in.Tip
	for height := in.Blocks; height > 0 && height+10 > in.Blocks; height-- {
		hash, err := readHash(c.store.db, height-1)
		if err == nil && hash != want {
			err = fmt.Errorf("it holds %s where %s belongs", hash.Short(), want.Short())
		}
		if err != nil {
			return damaged(fmt.Sprintf("block %d", height-1), err)
		}
		h, err := readHeader(c.store.db, hash)
		if err != nil {
			return damaged(fmt.Sprintf("header %d", height-1), err)
		}
		want = h.Parent
	}
	return nil
}

// resume goes on with an interrupted switch. What it was validated for then
// still holds. Where it cannot go on after all (a body is not there, a rule is
// broken), the node stays at the tip that it has, which is valid, and sync does
// the rest.
func (c *Chain) resume(target Hash) error {
	n, _, err := c.find(target)
	if err != nil {
		return err
	}
	if n != nil && c.wins(n.ref()) {
		path, err := c.path(n)
		if err != nil {
			return err
		}
		if path != nil {
			_, err := c.switchTo(path)
			var rule *BlockError
			if err != nil && !errors.As(err, &rule) {
				return err
			}
		}
	}
	if c.store.info.Target == (Hash{}) {
		return nil
	}
	w := c.store.begin()
	w.info.Target = Hash{}
	return c.commit(w, true)
}

// mend follows a lenient opening: LevelDB passed over a damaged part of its
// journal. If only the end is gone, what is left is an earlier state and
// nothing is wrong with it. If commits are missing in the middle, the state
// behind them cannot be trusted: it is derived again from the blocks before.
func (c *Chain) mend() error {
	good, gap, err := c.lastGood()
	if err != nil {
		return err
	}
	if !gap {
		c.log.Warn("the end of the ledger's journal was torn (a power cut?); the node goes on from the last whole step", "blocks", c.store.info.Blocks)
		return nil
	}
	c.log.Warn("a part of the ledger's journal is damaged; the node goes back to the last good block and syncs the rest from its peers",
		"had", c.store.info.Blocks, "good", good)
	return c.rebuild(good)
}

// lastGood reports whether commit counters are missing, and how many blocks the
// chain had at the last commit before the first gap.
func (c *Chain) lastGood() (blocks uint64, gap bool, err error) {
	var last uint64
	err = c.store.scan([]byte{keyCommit}, func(key, value []byte) error {
		n := binary.BigEndian.Uint64(key[1:])
		if last != 0 && n != last+1 {
			gap = true
		}
		if !gap {
			blocks = binary.BigEndian.Uint64(value)
		}
		last = n
		return nil
	})
	return blocks, gap || last != c.store.info.Commits, err
}

// rebuild derives the state again from the first blocks, as far as they are
// whole and hang together, through the same step as any block. What can be read
// of the blocks behind them goes to the pool: accepted stays accepted.
func (c *Chain) rebuild(good uint64) error {
	had := c.store.info.Blocks
	var keep []Hash
	var lost []*Transaction
	parent := c.net.ID()
	for height := range had {
		hash, err := readHash(c.store.db, height)
		if err != nil {
			continue
		}
		b, err := readBlock(c.store.db, hash)
		if err != nil {
			continue
		}
		if height < good && uint64(len(keep)) == height && b.Parent == parent {
			keep, parent = append(keep, hash), hash
		} else {
			lost = append(lost, b.Txs...)
		}
	}
	if err := c.wipeState(); err != nil {
		return err
	}
	for _, hash := range keep {
		b, err := readBlock(c.store.db, hash)
		if err != nil {
			return err
		}
		if err := c.extend(b, hash, false); err != nil {
			return err
		}
	}
	return c.restorePool(lost)
}

// restorePool brings the pool's records in line with the rebuilt chain: out
// goes what is in the chain, in comes what the lost blocks held.
func (c *Chain) restorePool(lost []*Transaction) error {
	w := c.store.begin()
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	have := make(map[TxKey]bool)
	var out, in []*pooled
	st := state{c.store.db}
	for _, e := range entries {
		at, err := st.place(e.key)
		if err != nil {
			return err
		}
		if at != nil {
			out = append(out, e)
		}
		have[e.key] = true
	}
	for _, tx := range lost {
		key := tx.Key()
		at, err := st.place(key)
		if err != nil {
			return err
		}
		if at != nil || have[key] {
			continue
		}
		have[key] = true
		in = append(in, &pooled{arrival: w.info.Arrival, tx: tx, key: key, origin: FromReorg, firstSeen: c.running()})
		w.info.Arrival++
	}
	if err := c.records.take(w, out); err != nil {
		return err
	}
	if err := c.records.add(w, in); err != nil {
		return err
	}
	c.records = newPoolRecords() // loadPool reads them again
	return c.commit(w, true)
}

// wipeState forgets accounts, the index and the chain's heights, and keeps
// headers, bodies, pool and receipts.
func (c *Chain) wipeState() error {
	for _, prefix := range []byte{keyAccount, keyTx, keyHeight, keyCommit} {
		for more := true; more; {
			w := new(leveldb.Batch)
			it := c.store.db.NewIterator(util.BytesPrefix([]byte{prefix}), nil)
			for w.Len() < 10_000 && it.Next() {
				w.Delete(it.Key())
			}
			more = w.Len() > 0
			err := it.Error()
			it.Release()
			if err == nil {
				err = c.store.db.Write(w, nil)
			}
			if err != nil {
				return fmt.Errorf("rebuild the ledger: %w", err)
			}
		}
	}
	w := c.store.begin()
	w.info.Blocks, w.info.Tip, w.info.Target = 0, c.net.ID(), Hash{}
	return c.commit(w, true)
}
