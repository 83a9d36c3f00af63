//go:build !linux && !darwin && !windows

package node

// markOf returns no mark: on this system a copied directory is not noticed.
func markOf(string) (fileMark, error) { return fileMark{}, nil }
