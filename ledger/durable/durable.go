// Package durable writes files that a power cut does not take back. When Create,
// Replace or SyncDir has returned without error, what it wrote is on disk: the
// contents, and the name in its directory. Slots holds a value that changes often.
package durable

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Create makes a file that must not exist yet, with what write writes. A crash before it
// returns leaves the whole file or none, and perhaps a *.tmp beside it. After an error it
// leaves none, and an existing one is as it was.
func Create(file string, perm fs.FileMode, write func(io.Writer) error) error {
	absent := func() error {
		if _, err := os.Lstat(file); err == nil {
			return &fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}
		}
		return nil
	}
	if err := absent(); err != nil {
		return err
	}
	temp := file + "." + rand.Text() + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return &fs.PathError{Op: "create", Path: file, Err: errors.Unwrap(err)}
	}
	if err = fill(f, write); err == nil && os.Link(temp, file) != nil { // or the file system has no links
		if err = absent(); err == nil {
			err = os.Rename(temp, file)
		}
	}
	called(err, temp, file)
	if gone := os.Remove(temp); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(file))
}

// Replace writes a file that only its owner may read. A crash before it returns
// leaves the old file or the new one, whole, and perhaps a *.tmp beside it.
func Replace(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*.tmp") // 0600
	if err != nil {
		return err
	}
	err = fill(f, Content(content))
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		called(err, f.Name(), file)
		return errors.Join(err, os.Remove(f.Name()))
	}
	return SyncDir(filepath.Dir(file))
}

// Content returns a function for Create that writes b.
func Content(b []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	}
}

// called gives an error about temp the name of the file, which the caller knows.
func called(err error, temp, file string) {
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == temp {
		at.Path = file
	}
}

// fill writes, syncs and closes a file.
func fill(f *os.File, write func(io.Writer) error) error {
	err := write(f)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// SyncDir puts the names in a directory on disk, so that files that were created,
// renamed or removed in it stay so. Windows and some file systems have no such
// call; there it does nothing.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
