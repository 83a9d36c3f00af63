//go:build !unix

package store

import "math"

// FileLimit has no meaning here.
func FileLimit() int { return math.MaxInt32 }
