package node

import (
	"os"

	"golang.org/x/sys/windows"
)

// markOf returns the mark of a file, its file ID on NTFS and ReFS, which keep it. Its
// creation time is not used, since robocopy may give a copy that of the original.
func markOf(file string) (fileMark, error) {
	f, err := os.Open(file)
	if err != nil {
		return fileMark{}, err
	}
	defer f.Close()
	h := windows.Handle(f.Fd())
	name := make([]uint16, windows.MAX_PATH+1)
	if err := windows.GetVolumeInformationByHandle(h, nil, 0, nil, nil, nil, &name[0], uint32(len(name))); err != nil {
		return fileMark{}, nil // a network drive, or an unnamed file system
	}
	if fs := windows.UTF16ToString(name); fs != "NTFS" && fs != "ReFS" {
		return fileMark{}, nil
	}
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(h, &info); err != nil {
		return fileMark{}, nil
	}
	return fileMark{ID: uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow)}, nil
}
