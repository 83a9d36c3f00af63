package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

// markOf returns the mark of a file. It is zero for a file that is a mount of its own,
// such as a container's secret, which may be made anew at each start.
func markOf(file string) (fileMark, error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(file, &disk); err != nil {
		return fileMark{}, err
	}
	overlay := int64(disk.Type) == unix.OVERLAYFS_SUPER_MAGIC
	if !overlay && !keepsInodes[int64(disk.Type)] {
		return fileMark{}, nil
	}
	if overlay {
		if err := copyUp(file); err != nil {
			return fileMark{}, err
		}
	}
	var st, dir unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, file, 0, unix.STATX_INO|unix.STATX_BTIME|unix.STATX_MNT_ID, &st); err != nil {
		return fileMark{}, err
	}
	if err := unix.Statx(unix.AT_FDCWD, filepath.Dir(file), 0, unix.STATX_MNT_ID, &dir); err != nil {
		return fileMark{}, err
	}
	if st.Mnt_id != dir.Mnt_id {
		return fileMark{}, nil
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

// copyUp copies a file of an overlay (a container's root) into its upper layer by setting
// its mode, as any first change does. There its birth time stays. Inodes may change with
// each mount of an overlay.
func copyUp(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if err := os.Chmod(file, info.Mode().Perm()); !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
		return err
	}
	return nil
}
