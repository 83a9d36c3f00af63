//go:build !windows

package main

import "os"

// enableSequences does nothing: terminals act on escape sequences.
func enableSequences(*os.File) error { return nil }
