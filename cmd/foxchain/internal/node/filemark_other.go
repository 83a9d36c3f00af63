//go:build !linux && !darwin && !windows

package node

// markOf returns no mark. On this system a copied directory is not noticed.
func markOf(string) (fileMark, error) { return fileMark{}, nil }
