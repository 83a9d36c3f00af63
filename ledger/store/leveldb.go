package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"foxchain/ledger/durable"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// Options are LevelDB's. Its bloom filters keep the look-up of an unknown ID,
// which every new transaction needs, from reading tables where the store's own
// filter does not answer (filter.go); a write buffer of 8 MiB keeps bursts from
// stalling on tables.
func Options(strict opt.Strict, writeBuffer int) *opt.Options {
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

// Config configures openStore.
type Config struct {
	Dir         string          // the LevelDB directory; made when absent
	Storage     storage.Storage // when set, used in place of Dir
	WriteBuffer int             // LevelDB's, in bytes; 0: 8 MiB
}

// Open opens LevelDB strictly. How it went otherwise is in opened.
func Open(cfg Config) (s *Store, how Opened, err error) {
	s = new(Store)
	files := cfg.Storage
	if files == nil {
		if files, err = storage.OpenFile(cfg.Dir, false); err != nil {
			return nil, how, OpenError(cfg.Dir, err)
		}
		s.Files = files
		// The directory itself may be new.
		if err := durable.SyncDir(filepath.Dir(cfg.Dir)); err != nil {
			return nil, how, errors.Join(OpenError(cfg.Dir, err), s.Close())
		}
	}
	db, how, err := openFiles(newDurableFiles(files, cfg.Dir), cfg.WriteBuffer)
	if err != nil {
		if missing := missingNames(err); missing != "" {
			err = fmt.Errorf("%w: %s is missing", ErrDamaged, missing)
		} else if ldberrors.IsCorrupted(err) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, how, errors.Join(OpenError(cfg.Dir, err), s.Close())
	}
	s.DB = &Database{DB: db}
	return s, how, nil
}

func OpenError(dir string, err error) error {
	if isLocked(err) {
		return fmt.Errorf("%w (%s): is a foxchain node running on it already?", ErrInUse, dir)
	}
	return fmt.Errorf("open the ledger in %s: %w", dir, err)
}

// Opened is what LevelDB passed over when it opened the store.
type Opened struct {
	Torn    bool // the end of a journal or of the manifest, as a power cut leaves it
	Emptied bool // nothing: the journal is empty, which only a crash at the start leaves
}

// openFiles opens LevelDB strictly. Where that fails over a journal or the
// manifest, it opens without the part that cannot be read: checkCommits then
// distinguishes a torn end from a hole. A damaged or missing table is an error, since
// what it held cannot be known.
func openFiles(files *durableFiles, writeBuffer int) (db *leveldb.DB, how Opened, err error) {
	if err := removeUnborn(files); err != nil {
		return nil, how, err
	}
	if how.Emptied, err = JournalEmpty(files); err != nil {
		return nil, how, err
	}
	db, err = leveldb.Open(files, Options(opt.DefaultStrict|opt.StrictManifest|opt.StrictJournal, writeBuffer))
	if !ldberrors.IsCorrupted(err) || missingNames(err) != "" {
		return db, how, err
	}
	how.Torn = true
	db, err = leveldb.Open(files, Options(opt.DefaultStrict, writeBuffer))
	return db, how, err
}

// JournalEmpty reports whether nothing is in the journals of a store that has
// tables. That there is no journal at all is damage.
func JournalEmpty(files storage.Storage) (bool, error) {
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

// corruption is the cause inside LevelDB's error, which does not unwrap.
func corruption(err error) error {
	if e, ok := err.(*ldberrors.ErrCorrupted); ok {
		return e.Err
	}
	return err
}

// missingNames names the files that LevelDB misses, if that is its trouble.
func missingNames(err error) string {
	var missing *ldberrors.ErrMissingFiles
	if !errors.As(corruption(err), &missing) {
		return ""
	}
	names := make([]string, len(missing.Fds))
	for i, fd := range missing.Fds {
		names[i] = fd.String()
	}
	return strings.Join(names, ", ")
}

// removeUnborn removes the files of a store that was never finished being made:
// the power failed before the first CURRENT. Nothing was in it.
func removeUnborn(files storage.Storage) error {
	if _, err := files.GetMeta(); !errors.Is(err, os.ErrNotExist) {
		return nil // LevelDB reports what is wrong with it
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

// ErrDamaged reports that the files of the store are not what was written to them. Match it
// with errors.Is. Nothing that is read under it may be passed on; a repair
// keeps what is whole.
var ErrDamaged = errors.New("the ledger's database is damaged")

// ErrInUse reports that another process has the store open. Match it with errors.Is.
var ErrInUse = errors.New("another process uses this ledger")

// Damaged names the record that cannot be read.
func Damaged(what string, err error) error {
	return fmt.Errorf("%w at %s: %w", ErrDamaged, what, err)
}

// readError names what went wrong with a read, and reports damage.
func readError(err error, tell func(error)) error {
	if !ldberrors.IsCorrupted(err) && !errors.Is(err, os.ErrNotExist) { // a table that is gone
		return fmt.Errorf("read the ledger's database: %w", err)
	}
	err = fmt.Errorf("%w: %w", ErrDamaged, err)
	if tell != nil {
		tell(err)
	}
	return err
}

// A Database is LevelDB whose reads report damage when they meet it, wherever
// that is: a node that has a damaged store stops at once.
type Database struct {
	*leveldb.DB
	Tell func(error) // nil while the store opens
}

func (d *Database) failedRead(err error) error { return readError(err, d.Tell) }

// A snapshotReader is a snapshot of a database, with the same.
type snapshotReader struct {
	*leveldb.Snapshot
	tell func(error)
}

func (r *snapshotReader) failedRead(err error) error { return readError(err, r.tell) }

func (d *Database) snapshot() (*snapshotReader, error) {
	s, err := d.GetSnapshot()
	if err != nil {
		return nil, err
	}
	return &snapshotReader{s, d.Tell}, nil
}

// Has reports whether there is a record.
func Has(g Reader, key []byte) (bool, error) {
	ok, err := g.Has(key, nil)
	if err != nil {
		return false, g.failedRead(err)
	}
	return ok, nil
}
