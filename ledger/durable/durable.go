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
// returns leaves the whole file or none, and perhaps a *.tmp beside it. An error leaves an
// existing file as it was, and no new one unless only its directory could not be synced.
func Create(file string, perm fs.FileMode, write func(io.Writer) error) error {
	if err := absent(file); err != nil {
		return err
	}
	return put(file, perm, write, func(temp string) error { return renameNew(temp, file) })
}

func absent(file string) error {
	if _, err := os.Lstat(file); err == nil {
		return &fs.PathError{Op: "create", Path: file, Err: fs.ErrExist}
	}
	return nil
}

// Replace writes a file that only its owner may read. A crash before it returns
// leaves the old file or the new one, whole, and perhaps a *.tmp beside it.
func Replace(file string, content []byte) error {
	return put(file, 0o600, Content(content), func(temp string) error { return Rename(temp, file) })
}

// put writes a temporary file, and lets name rename it to file. Its errors name file.
func put(file string, perm fs.FileMode, write func(io.Writer) error, name func(temp string) error) error {
	temp := file + "." + rand.Text() + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return &fs.PathError{Op: "create", Path: file, Err: errors.Unwrap(err)}
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = name(temp)
	}
	if at := (*fs.PathError)(nil); errors.As(err, &at) && at.Path == temp {
		at.Path = file
	}
	if gone := os.Remove(temp); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return err
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

// SyncDir puts the names in a directory on disk, so that files that were created,
// renamed or removed in it stay so. Some file systems have no such call, and there it
// does nothing. Nor does it on Windows, where Rename itself waits for the disk.
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
