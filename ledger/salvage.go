package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/journal"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/table"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// A salvage reads every table and journal of a damaged store by itself, with no
// regard to the manifest, passes over the blocks whose checksum is wrong, and
// puts the newest version of each record into a database of its own. (LevelDB's
// own recovery gives up at a damaged table that holds two versions of a key.)
// A record whose deletion was in a damaged part comes back: whoever reads the
// result checks what it means.
type salvage struct {
	into   *leveldb.DB
	parts  int // damaged tables and journals
	writes *leveldb.Batch
	fresh  map[string]uint64 // numbers of the records in writes
}

// A record of the salvaged database is the number of the write that made it,
// then 1 and the value, or 0 for a deletion.
const salvagedHead = 9

// salvageBatch is how many bytes a salvage collects before it writes them.
const salvageBatch = 4 << 20

// salvageFiles reads the directory dir.
func salvageFiles(ctx context.Context, dir string, into *leveldb.DB) (parts int, err error) {
	s := &salvage{into: into, writes: new(leveldb.Batch), fresh: make(map[string]uint64)}
	names, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		file := filepath.Join(dir, n.Name())
		switch filepath.Ext(n.Name()) {
		case ".ldb", ".sst":
			err = s.table(file)
		case ".log":
			err = s.journal(file)
		}
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", file, err)
		}
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	return s.parts, s.settle()
}

func (s *salvage) table(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	// No filter: it is not needed to read all. Not StrictReader: a damaged block
	// is passed over.
	r, err := table.NewReader(f, size, storage.FileDesc{Type: storage.TypeTable}, nil, util.NewBufferPool(4<<10), &opt.Options{Strict: opt.StrictBlockChecksum})
	if err != nil {
		s.parts++
		return nil
	}
	defer r.Release()
	it := r.NewIterator(nil, nil)
	defer it.Release()
	damaged := false
	if e, ok := it.(interface{ SetErrorCallback(func(error)) }); ok {
		e.SetErrorCallback(func(error) { damaged = true })
	}
	for it.Next() {
		key := it.Key()
		if len(key) < 8 {
			continue
		}
		mark := binary.LittleEndian.Uint64(key[len(key)-8:]) // number << 8 | kind
		if err := s.put(key[:len(key)-8], mark>>8, mark&0xff == 1, it.Value()); err != nil {
			return err
		}
	}
	if damaged || it.Error() != nil {
		s.parts++
	}
	return nil
}

func (s *salvage) journal(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	d := new(drops)
	for r := journal.NewReader(f, d, false, true); ; {
		next, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if b, err := io.ReadAll(next); err == nil {
			if err := s.batch(b); err != nil {
				return err
			}
		}
	}
	if d.n > 0 {
		s.parts++
	}
	return nil
}

type drops struct{ n int }

func (d *drops) Drop(error) { d.n++ }

// batch takes over one journal entry: the number of its first write (8 bytes),
// how many (4), the writes.
func (s *salvage) batch(b []byte) error {
	var batch leveldb.Batch
	if len(b) < 12 || batch.Load(b[12:]) != nil {
		return nil
	}
	r := &batchReplay{s: s, number: binary.LittleEndian.Uint64(b)}
	if err := batch.Replay(r); err != nil && !ldberrors.IsCorrupted(err) {
		return err
	}
	return r.err
}

type batchReplay struct {
	s      *salvage
	number uint64
	err    error
}

func (r *batchReplay) Put(key, value []byte) { r.write(key, true, value) }
func (r *batchReplay) Delete(key []byte)     { r.write(key, false, nil) }

func (r *batchReplay) write(key []byte, live bool, value []byte) {
	r.err = errors.Join(r.err, r.s.put(key, r.number, live, value))
	r.number++
}

// put keeps a version of a record if it is the newest so far.
func (s *salvage) put(key []byte, number uint64, live bool, value []byte) error {
	if n, ok := s.fresh[string(key)]; ok {
		if n >= number {
			return nil
		}
	} else if old, err := s.into.Get(key, nil); err == nil && binary.BigEndian.Uint64(old) >= number {
		return nil
	} else if err != nil && !errors.Is(err, leveldb.ErrNotFound) {
		return err
	}
	kept := append(binary.BigEndian.AppendUint64(nil, number), 0)
	if live {
		kept[8] = 1
		kept = append(kept, value...)
	}
	s.writes.Put(key, kept)
	s.fresh[string(key)] = number
	if s.full() {
		return s.flush()
	}
	return nil
}

func (s *salvage) full() bool {
	return s.writes.Len() >= 1000 || len(s.writes.Dump()) >= salvageBatch
}

func (s *salvage) flush() error {
	err := s.into.Write(s.writes, nil)
	s.writes.Reset()
	clear(s.fresh)
	return err
}

// settle leaves the values alone, without numbers and deletions.
func (s *salvage) settle() error {
	it := s.into.NewIterator(nil, nil)
	defer it.Release()
	for it.Next() {
		value := it.Value()
		if len(value) < salvagedHead || value[8] == 0 {
			s.writes.Delete(it.Key())
		} else {
			s.writes.Put(it.Key(), slices.Clone(value[salvagedHead:]))
		}
		if s.full() {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	return errors.Join(it.Error(), s.flush())
}

// missingFiles says how many files are not there that the store's own list
// names, as far as that can be read. Nothing of the store is written: LevelDB
// compares the list with the names of the files, which stand empty in memory.
func missingFiles(files storage.Storage) (int, error) {
	fd, err := files.GetMeta()
	if err != nil {
		return 0, passOverFile(err)
	}
	names := storage.NewMemStorage()
	if err := copyFile(names, files, fd); err != nil {
		return 0, passOverFile(err)
	}
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		w, err := names.Create(table)
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return 0, err
		}
	}
	missing := 0
	if _, err := journalEmpty(files); errors.Is(err, ErrDamaged) { // there is none
		missing++
	} else if err != nil {
		return 0, err
	}
	db, err := leveldb.Open(names, options(opt.DefaultStrict, 0))
	if err == nil {
		_ = db.Close() // it may have met that the tables are empty
		return missing, nil
	}
	var list *ldberrors.ErrMissingFiles
	if errors.As(corruption(err), &list) {
		missing += len(list.Fds)
	}
	return missing, nil
}

// passOverFile drops the errors of a list of files that is not there or cannot
// be read.
func passOverFile(err error) error {
	if errors.Is(err, os.ErrNotExist) || ldberrors.IsCorrupted(err) {
		return nil
	}
	return err
}

// copyFile copies the list of files, and makes it the one to be used.
func copyFile(to, from storage.Storage, fd storage.FileDesc) error {
	r, err := from.Open(fd)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := to.Create(fd)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close(), to.SetMeta(fd))
}
