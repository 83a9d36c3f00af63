package durable

import (
	"os"

	"golang.org/x/sys/windows"
)

// Rename replaces to, which may be a directory only if it does not exist. The name is on
// disk when it returns, which os.Rename leaves open.
func Rename(from, to string) error {
	return move(from, to, windows.MOVEFILE_REPLACE_EXISTING)
}

// renameNew is Rename for a file that does not exist yet.
func renameNew(from, to string) error { return move(from, to, 0) }

func move(from, to string, flags uint32) error {
	a, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	b, err := windows.UTF16PtrFromString(to)
	if err == nil {
		err = windows.MoveFileEx(a, b, flags|windows.MOVEFILE_WRITE_THROUGH)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}
