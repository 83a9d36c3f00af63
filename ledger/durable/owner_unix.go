//go:build unix

package durable

import (
	"errors"
	"os"
	"syscall"
)

// SameOwner gives files to the owner of a directory, where the administrator made them
// for a node that runs as another user. That user may have put links there, which are
// not followed.
func SameOwner(dir string, files ...string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	of := info.Sys().(*syscall.Stat_t)
	var errs []error
	for _, file := range files {
		errs = append(errs, os.Lchown(file, int(of.Uid), int(of.Gid)))
	}
	return errors.Join(errs...)
}
