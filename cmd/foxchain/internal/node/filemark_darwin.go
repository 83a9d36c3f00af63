package node

import (
	"golang.org/x/sys/unix"
)

// markOf returns the mark of a file, its inode on APFS and HFS+, which keep it. Its birth
// time is not used, since Finder gives a copy that of the original.
func markOf(file string) (fileMark, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(file, &fs); err != nil {
		return fileMark{}, err
	}
	if name := unix.ByteSliceToString(fs.Fstypename[:]); name != "apfs" && name != "hfs" {
		return fileMark{}, nil
	}
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		return fileMark{}, err
	}
	return fileMark{ID: st.Ino}, nil
}
