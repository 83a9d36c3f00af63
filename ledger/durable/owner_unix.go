//go:build unix

package durable

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// SameOwner gives what an administrator made in a directory, with all below it, to the owner
// of another name there, as whom the node runs. For other users it does nothing. It follows
// no link that this user may have put there, but to the directory itself.
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
	if err != nil {
		return err
	}
	of := owner.Sys().(*syscall.Stat_t)
	give := func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = root.Lchown(name, int(of.Uid), int(of.Gid))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	for _, name := range made {
		err = errors.Join(err, fs.WalkDir(root.FS(), name, give))
	}
	return err
}
