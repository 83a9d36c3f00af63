//go:build !windows

package term

import (
	"os"
)

// enableSequences does nothing. Terminals act on escape sequences.
func enableSequences(*os.File) error { return nil }
