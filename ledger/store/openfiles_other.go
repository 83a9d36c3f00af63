//go:build !unix

package store

import "math"

// fileLimit has no meaning here.
func fileLimit() int { return math.MaxInt32 }
