package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"foxchain/ledger"
	"foxchain/ledger/durable"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// options returns the options of LevelDB. A writeBuffer of 0 is 8 MiB, so that bursts do
// not stall while tables are written. Every new transaction looks up an unknown ID. If
// the store's own filter does not answer (filter.go), LevelDB's Bloom filters save most
// reads of tables.
func options(strict opt.Strict, writeBuffer int) *opt.Options {
	if writeBuffer == 0 {
		writeBuffer = 8 * opt.MiB
	}
	return &opt.Options{
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		WriteBuffer:            writeBuffer,
		BlockCacheCapacity:     16 * opt.MiB,
		OpenFilesCacheCapacity: tablesOf(FileLimit()),
		// Never, since LevelDB sleeps at this trigger while the chain's lock is held. At
		// its pause trigger it waits for the tables themselves.
		WriteL0SlowdownTrigger: math.MaxInt,
		Strict:                 strict,
	}
}

// Config configures Open.
type Config struct {
	Dir      string          // the LevelDB directory; made when absent
	Storage  storage.Storage // when set, used in place of Dir, with small buffers
	ReadOnly bool            // opens strictly and writes nothing

	WriteBuffer int        // LevelDB's, in bytes; 0 for 8 MiB, or 1 MiB in Storage
	Filter      FilterSize // of the filter of keys
}

// Open opens the database, strictly if it can. Otherwise Opened reports what was left
// out.
func Open(cfg Config) (s *Store, how Opened, err error) {
	if cfg.Storage != nil { // in tests, with many stores in memory
		cfg.WriteBuffer = cmp.Or(cfg.WriteBuffer, opt.MiB)
		cfg.Filter.Bits = cmp.Or(cfg.Filter.Bits, 1<<20)
	}
	s = &Store{filterSize: cfg.Filter}
	files := cfg.Storage
	if files == nil {
		if !cfg.ReadOnly { // only the owner reads it: the address book has the tokens of other nodes
			_ = os.MkdirAll(cfg.Dir, 0o700) // what fails here fails in OpenFile
		}
		if files, err = storage.OpenFile(cfg.Dir, cfg.ReadOnly); err != nil {
			return nil, how, OpenError(cfg.Dir, err)
		}
		s.files = files
	}
	if cfg.ReadOnly {
		o := options(strict, 0)
		o.ReadOnly = true
		s.DB, err = leveldb.Open(files, o)
	} else {
		s.DB, how, err = openDurable(files, cfg)
	}
	s.Reader.db = s.DB
	if err != nil {
		return nil, how, errors.Join(OpenError(cfg.Dir, openDamage(err, cfg.ReadOnly)), s.Close())
	}
	return s, how, nil
}

// openDurable opens LevelDB over durableFiles.
func openDurable(files storage.Storage, cfg Config) (db *leveldb.DB, how Opened, err error) {
	if cfg.Storage == nil { // the directory itself may be new
		if err := durable.SyncDir(filepath.Dir(cfg.Dir)); err != nil {
			return nil, how, err
		}
	}
	return openFiles(newDurableFiles(files, cfg.Dir), cfg.WriteBuffer)
}

// openDamage marks an error of opening as ErrDamaged if it means damage.
func openDamage(err error, readOnly bool) error {
	if missing := missingNames(err); missing != "" {
		return fmt.Errorf("%w: %s is missing", ErrDamaged, missing)
	}
	if readOnly && errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return markDamage(err)
}

// OpenError describes an error of opening the ledger in dir, for people.
func OpenError(dir string, err error) error {
	if isLocked(err) {
		return fmt.Errorf("%w (%s): is a foxchain node running on it already?", ErrInUse, dir)
	}
	return fmt.Errorf("open the ledger in %s: %w", dir, err)
}

// Opened reports what LevelDB left out when it opened the store.
type Opened struct {
	Torn    bool // the torn end of a journal or of the manifest, as after a power cut
	Emptied bool // nothing, but the journal is empty, as only after a crash at the start
}

const strict = opt.DefaultStrict | opt.StrictManifest | opt.StrictJournal

// openFiles opens LevelDB strictly. If a journal or the manifest is damaged, it opens
// without the unreadable part. The caller finds by the commit counters whether that part
// was the end. A damaged or missing table is an error, since its contents cannot be
// known.
func openFiles(files *durableFiles, writeBuffer int) (db *leveldb.DB, how Opened, err error) {
	if err := removeUnborn(files); err != nil {
		return nil, how, err
	}
	if how.Emptied, err = journalEmpty(files); err != nil {
		return nil, how, err
	}
	db, err = leveldb.Open(files, options(strict, writeBuffer))
	if !ldberrors.IsCorrupted(err) || missingNames(err) != "" {
		return db, how, err
	}
	how.Torn = true
	db, err = leveldb.Open(files, options(opt.DefaultStrict, writeBuffer))
	return db, how, err
}

// journalEmpty reports whether a store with tables has only empty journals. A store
// with tables and no journal is damaged.
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
		return false, Damaged("its journal", errors.New("the file is missing"))
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

// missingNames returns the names of the files that err reports as missing, or "".
func missingNames(err error) string {
	var missing *ldberrors.ErrMissingFiles
	if e, ok := err.(*ldberrors.ErrCorrupted); ok { // not errors.As, since it does not unwrap
		err = e.Err
	}
	if !errors.As(err, &missing) {
		return ""
	}
	names := make([]string, len(missing.Fds))
	for i, fd := range missing.Fds {
		names[i] = fd.String()
	}
	return strings.Join(names, ", ")
}

// removeUnborn removes the files of a store that was never complete, since the power
// failed before its first CURRENT was written. The store was empty.
func removeUnborn(files storage.Storage) error {
	if _, err := files.GetMeta(); !errors.Is(err, os.ErrNotExist) {
		return nil // LevelDB reports the error
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

// Errors of a store. Match them with errors.Is.
var (
	// ErrDamaged reports that the files of the store are not as they were written. What
	// was read with this error must not be used. A repair keeps what is whole.
	ErrDamaged = errors.New("the ledger's database is damaged")
	// ErrInUse reports that another process has the store open.
	ErrInUse = errors.New("another process uses this ledger")
	// ErrForeign reports that the store belongs to another network.
	ErrForeign = errors.New("this is the ledger of another network")
	// ErrNewer reports that a newer program wrote the store.
	ErrNewer = errors.New("a newer version of foxchain wrote this ledger")
)

// Damaged returns an ErrDamaged that names the record that cannot be read.
func Damaged(what string, err error) error {
	return fmt.Errorf("%w at %s: %w", ErrDamaged, what, err)
}

// damaged is Damaged for a record that was read, and reports the damage.
func (r Reader) damaged(what string, err error) error { return r.failed(Damaged(what, err)) }

// failed turns the error of a read into one of a Reader, and reports damage.
func (r Reader) failed(err error) error {
	switch {
	case errors.Is(err, leveldb.ErrNotFound):
		return ledger.ErrUnknown
	case errors.Is(err, leveldb.ErrClosed), errors.Is(err, leveldb.ErrSnapshotReleased):
		return ledger.ErrStopped
	case ldberrors.IsCorrupted(err), errors.Is(err, os.ErrNotExist): // a missing table
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	case !errors.Is(err, ErrDamaged):
		return fmt.Errorf("read the ledger's database: %w", err)
	}
	if r.damage != nil {
		r.damage(err)
	}
	return err
}
