//go:build !windows

package durable

import "os"

// Rename replaces to. SyncDir puts the name on disk.
func Rename(from, to string) error { return os.Rename(from, to) }

// renameNew is Rename for a file that does not exist yet.
func renameNew(from, to string) error {
	if os.Link(from, to) == nil {
		return nil // from is removed later
	}
	if err := absent(to); err != nil { // if not, the file system has no links
		return err
	}
	return os.Rename(from, to)
}
