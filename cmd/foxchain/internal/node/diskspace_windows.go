package node

import "golang.org/x/sys/windows"

// DiskFree returns the bytes that this user may still write to the disk of path.
func DiskFree(path string) (uint64, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return free, err
}
