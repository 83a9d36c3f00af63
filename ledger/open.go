package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
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
// its journal (a torn disk), or lost the list of its files, the state is derived
// again from the blocks that are whole, the log says so, and sync brings the
// rest. What cannot be mended so is ErrDamaged: Repair keeps what is whole.
func Open(cfg Config) (*Chain, error) {
	c := &Chain{
		net: cfg.Network, log: cfg.Log, expiry: cfg.Expiry, began: time.Now(), tipSince: time.Now(),
		pool: newPool(cfg.Network), records: newPoolRecords(), branches: newBranches(),
		filterBits: cmp.Or(cfg.filterBits, filterBits),
		changed:    make(chan struct{}), failed: make(chan struct{}),
		queue: submissions{turn: make(chan struct{}, 1)},
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.expiry == 0 {
		c.expiry = defaultExpiry
	}
	var how opened
	var err error
	if c.store, how, err = openStore(cfg); err != nil {
		return nil, err
	}
	if err := c.start(how); err != nil {
		return nil, errors.Join(err, c.store.close())
	}
	return c, nil
}

// options are LevelDB's. Its bloom filters keep the look-up of an unknown ID,
// which every new transaction needs, from reading tables where the store's own
// filter does not answer (filter.go); a write buffer of 8 MiB keeps bursts from
// stalling on tables.
func options(strict opt.Strict, writeBuffer int) *opt.Options {
	if writeBuffer == 0 {
		writeBuffer = 8 * opt.MiB
	}
	return &opt.Options{
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		WriteBuffer:            writeBuffer,
		BlockCacheCapacity:     16 * opt.MiB,
		OpenFilesCacheCapacity: 64,
		Strict:                 strict,
	}
}

// openStore opens LevelDB strictly. How it went otherwise is in opened.
func openStore(cfg Config) (s *store, how opened, err error) {
	s = new(store)
	files := cfg.Storage
	if files == nil {
		if files, err = storage.OpenFile(cfg.Dir, false); err != nil {
			return nil, how, openError(cfg.Dir, err)
		}
		s.files = files
		// The directory itself may be new.
		if err := syncDir(filepath.Dir(cfg.Dir)); err != nil {
			return nil, how, errors.Join(openError(cfg.Dir, err), s.close())
		}
	}
	db, how, err := openFiles(newDurableFiles(files, cfg.Dir), cfg.writeBuffer)
	if err != nil {
		if ldberrors.IsCorrupted(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, how, errors.Join(openError(cfg.Dir, err), s.close())
	}
	s.db = &database{DB: db}
	return s, how, nil
}

func openError(dir string, err error) error {
	if isLocked(err) {
		return fmt.Errorf("%w (%s): is a foxchain node running on it already?", ErrInUse, dir)
	}
	return fmt.Errorf("open the ledger in %s: %w", dir, err)
}

// opened says what LevelDB passed over when it opened the store.
type opened struct {
	torn      bool // the damaged part of a journal, as a power cut leaves it
	emptied   bool // nothing: the journal is empty, which only a crash at the start leaves
	recovered bool // the list of its files (manifest), which was made again from the files
}

// openFiles opens LevelDB strictly; where that fails over a journal, without
// what cannot be read of it; where it fails over the manifest, from the tables
// and journals that are there. A damaged or missing table is an error: what it
// held cannot be known.
func openFiles(files *durableFiles, writeBuffer int) (db *leveldb.DB, how opened, err error) {
	const strict = opt.DefaultStrict | opt.StrictManifest
	if err := removeUnborn(files); err != nil {
		return nil, how, err
	}
	if how.emptied, err = journalEmpty(files); err != nil {
		return nil, how, err
	}
	db, err = leveldb.Open(files, options(strict|opt.StrictJournal, writeBuffer))
	if !ldberrors.IsCorrupted(err) {
		return db, how, err
	}
	how.torn = true
	db, err = leveldb.Open(files, options(strict, writeBuffer))
	var missing *ldberrors.ErrMissingFiles
	if !ldberrors.IsCorrupted(err) || errors.As(corruption(err), &missing) {
		return db, how, err
	}
	how.recovered = true
	files.hold()
	db, err = leveldb.Recover(files, options(strict, writeBuffer))
	if err != nil {
		return nil, how, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	// Recovery may bring back records that were deleted, so the state is to be
	// derived again, also when a crash comes before that.
	err = db.Put([]byte{keyMending}, nil, &opt.WriteOptions{Sync: true})
	if err == nil {
		err = files.release()
	}
	if err != nil {
		return nil, how, errors.Join(err, db.Close())
	}
	return db, how, nil
}

// journalEmpty reports whether nothing is in the journals of a store that has
// tables. That there is no journal at all is damage.
func journalEmpty(files storage.Storage) (bool, error) {
	tables, err := files.List(storage.TypeTable)
	if err != nil || len(tables) == 0 {
		return false, err
	}
	journals, err := files.List(storage.TypeJournal)
	if err != nil {
		return false, err
	}
	if len(journals) == 0 {
		return false, damaged("its journal", errors.New("the file is missing"))
	}
	for _, fd := range journals {
		r, err := files.Open(fd)
		if err != nil {
			return false, err
		}
		size, err := r.Seek(0, io.SeekEnd)
		if err := errors.Join(err, r.Close()); err != nil {
			return false, err
		}
		if size > 0 {
			return false, nil
		}
	}
	return true, nil
}

// corruption is the cause inside LevelDB's error, which does not unwrap.
func corruption(err error) error {
	if e, ok := err.(*ldberrors.ErrCorrupted); ok {
		return e.Err
	}
	return err
}

// removeUnborn removes the files of a store that was never finished being made:
// the power failed before the first CURRENT. Nothing was in it.
func removeUnborn(files storage.Storage) error {
	if _, err := files.GetMeta(); !errors.Is(err, os.ErrNotExist) {
		return nil // LevelDB says what is wrong with it
	}
	all, err := files.List(storage.TypeAll)
	if err != nil {
		return err
	}
	for _, fd := range all {
		if fd.Type != storage.TypeManifest && fd.Type != storage.TypeTemp {
			return nil
		}
	}
	for _, fd := range all {
		if err := files.Remove(fd); err != nil {
			return err
		}
	}
	return nil
}

// isLocked reports whether opening failed because another process holds the
// store's lock: flock on Unix, a sharing violation on Windows.
func isLocked(err error) bool {
	const sharingViolation = syscall.Errno(32)
	return errors.Is(err, storage.ErrLocked) || errors.Is(err, syscall.EAGAIN) ||
		runtime.GOOS == "windows" && errors.Is(err, sharingViolation)
}

// start reads what the store holds.
func (c *Chain) start(how opened) error {
	if err := c.readInfo(); err != nil {
		return err
	}
	c.ranFor = time.Duration(c.store.info.Running) * time.Millisecond
	if err := c.store.findReceipts(); err != nil {
		return err
	}
	mended, err := c.mend(how)
	if err != nil {
		return err
	}
	if err := c.checkTip(); err != nil {
		return err
	}
	if err := c.loadPool(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if mended {
		if err := c.reconsider(); err != nil {
			return err
		}
	}
	if t := c.store.info.Target; t != (Hash{}) {
		c.log.Info("going on with a switch between branches that was interrupted", "to", t.Short())
		if err := c.resume(t); err != nil {
			return err
		}
	}
	// Something stands in the journal from now on: an empty one is suspect.
	if err := c.commit(c.store.begin(), true); err != nil {
		return err
	}
	c.store.db.tell = c.damage
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
	for _, e := range entries {
		at, err := c.store.place(e.key)
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
