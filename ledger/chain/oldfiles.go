package chain

import (
	"errors"
	"fmt"
	"foxchain/ledger/store"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/journal"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/table"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// repairPending returns ErrRepairing where a repair of dir was killed between
// its two renames.
func repairPending(dir string) error {
	there, err := holdsStore(dir)
	if err == nil && !there && exists(filepath.Clean(dir)+newSuffix) {
		return fmt.Errorf("%w (%s)", ErrRepairing, dir)
	}
	return nil
}

// holdsStore reports whether files of a store are in dir, beyond those that a
// look at it makes.
func holdsStore(dir string) (bool, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	for _, n := range names {
		if n.Name() != "LOCK" && !strings.HasPrefix(n.Name(), "LOG") {
			return true, nil
		}
	}
	return false, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unusedName returns name, or where that is taken one that begins with it.
func unusedName(name string) (string, error) {
	for n, try := 2, name; ; n++ {
		if _, err := os.Lstat(try); errors.Is(err, os.ErrNotExist) {
			return try, nil
		} else if err != nil {
			return "", fmt.Errorf("name a place for the old files: %w", err)
		}
		try = fmt.Sprintf("%s-%d", name, n)
	}
}

// countMissing counts the files that the old store's own list names and that are
// not there, as far as the list can be read.
func (r *repair) countMissing() error {
	if _, err := store.JournalEmpty(r.files); errors.Is(err, store.ErrDamaged) { // there is no journal
		r.out.Missing++
	} else if err != nil {
		return err
	}
	o := store.Options(opt.DefaultStrict|opt.StrictManifest, 0)
	o.ReadOnly = true
	db, err := leveldb.Open(r.files, o)
	if err != nil {
		return nil // what is wrong shows when the files are read
	}
	list, err := db.GetProperty("leveldb.sstables")
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("list the old files: %w", err)
	}
	there, err := r.files.List(storage.TypeTable)
	if err != nil {
		return fmt.Errorf("list the old files: %w", err)
	}
	for line := range strings.Lines(list) {
		number, _, _ := strings.Cut(line, ":") // number:size[first .. last]
		n, err := strconv.ParseInt(number, 10, 64)
		if err == nil && !slices.ContainsFunc(there, func(fd storage.FileDesc) bool { return fd.Num == n }) {
			r.out.Missing++
		}
	}
	return nil
}

// linkWhole links the journals and the whole tables of the old store into a
// directory of their own, where LevelDB may recover them.
func (r *repair) linkWhole() error {
	names, err := os.ReadDir(r.cfg.Dir)
	if err != nil {
		return err
	}
	if err := os.Mkdir(r.cfg.Dir+readingSuffix, 0o700); err != nil {
		return err
	}
	for _, n := range names {
		file := filepath.Join(r.cfg.Dir, n.Name())
		whole, link := true, false
		switch filepath.Ext(n.Name()) {
		case ".ldb", ".sst":
			whole, err = tableWhole(file)
			link = whole
		case ".log":
			whole, err = journalWhole(file)
			link = true // LevelDB passes over the part that is not
		}
		if err == nil {
			err = r.ctx.Err()
		}
		if err == nil && link {
			err = linkOrCopy(file, filepath.Join(r.cfg.Dir+readingSuffix, n.Name()))
		}
		if err != nil {
			return err
		}
		if !whole {
			r.out.Damaged++
		}
	}
	return nil
}

// tableWhole reads a table to its end.
func tableWhole(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	t, err := table.NewReader(f, size, storage.FileDesc{Type: storage.TypeTable}, nil, util.NewBufferPool(4<<10), &opt.Options{Strict: opt.StrictAll})
	if err != nil {
		return false, nil
	}
	defer t.Release()
	it := t.NewIterator(nil, nil)
	defer it.Release()
	for it.Next() {
	}
	return it.Error() == nil, nil
}

// journalWhole reads a journal to its end.
func journalWhole(file string) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := journal.NewReader(f, nil, true, true)
	for {
		next, err := r.Next()
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		} else if errors.Is(err, io.EOF) {
			return true, nil
		}
		if err != nil {
			return false, nil
		}
	}
}

func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
