package store

import (
	"errors"
	"sync/atomic"

	"foxchain/ledger/durable"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// durableFiles handles two cases in which LevelDB can lose synced or earlier commits when
// the power fails:
//
//   - The contents of a new journal are on disk before its name is. So Create syncs the
//     directory.
//   - When LevelDB begins a new journal it does not sync the end of the old one, so a later
//     commit could survive an earlier one. So Close syncs a journal. If that fails, nothing
//     more is written.
//
// If the process may open no more files, it waits for one, since LevelDB would stop.
type durableFiles struct {
	storage.Storage
	syncDir func() error

	err atomic.Pointer[error] // a journal's end could not be synced
}

// newDurableFiles wraps files in the directory dir. If dir is empty, they are not on a
// disk, and may have a SyncDir of their own.
func newDurableFiles(files storage.Storage, dir string) *durableFiles {
	d := &durableFiles{Storage: files, syncDir: func() error { return nil }}
	if s, ok := files.(interface{ SyncDir() error }); ok {
		d.syncDir = s.SyncDir
	} else if dir != "" {
		d.syncDir = func() error { return durable.SyncDir(dir) }
	}
	return d
}

func (d *durableFiles) Create(fd storage.FileDesc) (storage.Writer, error) {
	if err := d.failed(); err != nil {
		return nil, err
	}
	var w storage.Writer
	err := waitForFile(func() (err error) { w, err = d.Storage.Create(fd); return err })
	if err != nil {
		return nil, err
	}
	if err := waitForFile(d.syncDir); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if fd.Type == storage.TypeJournal {
		w = &journalFile{w, d}
	}
	return w, nil
}

func (d *durableFiles) Open(fd storage.FileDesc) (r storage.Reader, err error) {
	err = waitForFile(func() (err error) { r, err = d.Storage.Open(fd); return err })
	return r, err
}

func (d *durableFiles) SetMeta(fd storage.FileDesc) error {
	return waitForFile(func() error { return d.Storage.SetMeta(fd) })
}

func (d *durableFiles) Rename(from, to storage.FileDesc) error {
	if err := d.Storage.Rename(from, to); err != nil {
		return err
	}
	return waitForFile(d.syncDir)
}

func (d *durableFiles) failed() error {
	if err := d.err.Load(); err != nil {
		return *err
	}
	return nil
}

// A journalFile is a journal whose end is on disk before the next one begins.
type journalFile struct {
	storage.Writer
	d *durableFiles
}

func (j *journalFile) Sync() error {
	if err := j.d.failed(); err != nil {
		return err
	}
	return j.Writer.Sync()
}

// Close also syncs. LevelDB ignores the error of Close, so the next write returns it.
func (j *journalFile) Close() error {
	err := j.Writer.Sync()
	if err != nil {
		j.d.err.CompareAndSwap(nil, &err)
	}
	return errors.Join(err, j.Writer.Close())
}
