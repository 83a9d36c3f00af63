//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// SameOwner gives what an administrator made in a directory, with all below it, to the owner
// of another name there, as whom the node runs, or of the directory, if that is a link. For
// other users it does nothing. It follows no link but to the directory itself, and passes over
// files that have a second name.
func SameOwner(dir, as string, made ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	owner, err := root.Lstat(as)
	if err == nil && owner.Mode()&fs.ModeSymlink != 0 {
		owner, err = root.Lstat(".")
	}
	if err != nil {
		return err
	}
	of := owner.Sys().(*syscall.Stat_t)
	give := func(name string, _ fs.DirEntry, err error) error {
		info, gone := root.Lstat(name)
		switch {
		case errors.Is(gone, fs.ErrNotExist):
			return nil
		case err != nil || gone != nil:
			return errors.Join(err, gone)
		case info.Mode().IsRegular() && info.Sys().(*syscall.Stat_t).Nlink > 1:
			return nil
		}
		return root.Lchown(name, int(of.Uid), int(of.Gid))
	}
	for _, name := range made {
		info, gone := root.Lstat(name)
		if gone == nil && info.IsDir() {
			err = errors.Join(err, fs.WalkDir(root.FS(), name, give))
		} else {
			err = errors.Join(err, give(name, nil, nil))
		}
	}
	return err
}
