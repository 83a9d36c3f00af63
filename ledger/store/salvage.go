package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// Lost counts what Salvage does not find whole.
type Lost struct {
	Damaged int // tables that were left out, and journals that were left out in part
	Missing int // files in the store's own list that are not there
}

// Salvage opens the journals and the undamaged tables of a damaged store in dir, whatever
// the manifest lists. It links them into the directory links, which it makes, so that
// nothing is written to the old files. Close the store before you remove links. files is
// dir, opened by the caller, which holds its lock.
func Salvage(ctx context.Context, files storage.Storage, dir, links string) (s *Store, lost Lost, err error) {
	if lost.Missing, err = countMissing(files); err != nil {
		return nil, lost, err
	}
	if lost.Damaged, err = linkWhole(ctx, dir, links); err != nil {
		return nil, lost, err
	}
	db, err := leveldb.RecoverFile(links, options(opt.DefaultStrict, 0))
	if err != nil {
		return nil, lost, err
	}
	s = new(Store)
	s.DB, s.Reader.db = db, db
	return s, lost, nil
}

// countMissing counts the files in the old store's own list that are not there, as far as
// the list can be read.
func countMissing(files storage.Storage) (missing int, err error) {
	if _, err := journalEmpty(files); errors.Is(err, ErrDamaged) { // no journal is there
		missing++
	} else if err != nil {
		return missing, err
	}
	o := options(opt.DefaultStrict|opt.StrictManifest, 0)
	o.ReadOnly = true
	db, err := leveldb.Open(files, o)
	if err != nil {
		return missing, nil // linkWhole finds errors of the files
	}
	list, err := db.GetProperty("leveldb.sstables")
	if err := errors.Join(err, db.Close()); err != nil {
		return missing, fmt.Errorf("list the old files: %w", err)
	}
	there, err := files.List(storage.TypeTable)
	if err != nil {
		return missing, fmt.Errorf("list the old files: %w", err)
	}
	for line := range strings.Lines(list) {
		number, _, _ := strings.Cut(line, ":") // number:size[first .. last]
		n, err := strconv.ParseInt(number, 10, 64)
		if err == nil && !slices.ContainsFunc(there, func(fd storage.FileDesc) bool { return fd.Num == n }) {
			missing++
		}
	}
	return missing, nil
}

// linkWhole links the journals and the undamaged tables of the old store into a directory
// of their own, where LevelDB may recover them. It skips the damaged part of a journal. A
// damaged table is left out.
func linkWhole(ctx context.Context, dir, links string) (damaged int, err error) {
	names, err := os.ReadDir(dir)
	if err == nil {
		err = os.Mkdir(links, 0o700)
	}
	for _, n := range names {
		kind := filepath.Ext(n.Name())
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return 0, err
		}
		if kind != ".ldb" && kind != ".sst" && kind != ".log" {
			continue
		}
		var whole bool
		file := filepath.Join(dir, n.Name())
		if whole, err = isWhole(file, kind == ".log"); !whole {
			damaged++
		}
		if err == nil && (whole || kind == ".log") {
			err = linkOrCopy(file, filepath.Join(links, n.Name()))
		}
	}
	return damaged, err
}

// isWhole reads a file of the store to its end, and reports whether it is undamaged.
func isWhole(file string, isJournal bool) (bool, error) {
	f, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if isJournal {
		return journalWhole(f), nil
	}
	info, err := f.Stat()
	return err == nil && tableWhole(f, info.Size()), err
}

func tableWhole(f *os.File, size int64) bool {
	t, err := table.NewReader(f, size, storage.FileDesc{Type: storage.TypeTable}, nil, util.NewBufferPool(4<<10), &opt.Options{Strict: opt.StrictAll})
	if err != nil {
		return false
	}
	defer t.Release()
	it := t.NewIterator(nil, nil)
	defer it.Release()
	for it.Next() {
	}
	return it.Error() == nil
}

func journalWhole(f *os.File) bool {
	r := journal.NewReader(f, nil, true, true)
	for {
		next, err := r.Next()
		if errors.Is(err, io.EOF) {
			return true
		}
		if err == nil {
			_, err = io.Copy(io.Discard, next)
		}
		if err != nil {
			return false
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
