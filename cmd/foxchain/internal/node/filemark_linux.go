package node

import (
	"time"

	"golang.org/x/sys/unix"
)

// Magic numbers of file systems (statfs(2)) that keep birth times and inodes over a
// remount. FAT, exFAT, CIFS, NFS and FUSE are not among them.
var keepsInodes = map[int64]bool{
	unix.EXT4_SUPER_MAGIC:  true, // ext2 and ext3 too
	unix.XFS_SUPER_MAGIC:   true,
	unix.BTRFS_SUPER_MAGIC: true,
	unix.F2FS_SUPER_MAGIC:  true,
	unix.TMPFS_MAGIC:       true,
	0x2fc12fc1:             true, // ZFS
	0xca451a4e:             true, // bcachefs
}

// markOf returns the mark of a file. On an overlay (a container's root) inodes may
// change with each mount, and only the birth time, which is the lower file's, counts.
func markOf(file string) (fileMark, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(file, &fs); err != nil {
		return fileMark{}, err
	}
	overlay := int64(fs.Type) == unix.OVERLAYFS_SUPER_MAGIC
	if !overlay && !keepsInodes[int64(fs.Type)] {
		return fileMark{}, nil
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, file, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return fileMark{}, err
	}
	var m fileMark
	if st.Mask&unix.STATX_BTIME != 0 {
		m.Birth = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec)).UnixNano()
	}
	if !overlay {
		m.ID = st.Ino
	}
	return m, nil
}
