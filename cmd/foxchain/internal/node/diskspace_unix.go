//go:build linux || darwin

package node

import (
	"golang.org/x/sys/unix"
)

// DiskFree returns the bytes that this user may still write to the disk of path.
func DiskFree(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
