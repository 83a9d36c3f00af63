//go:build !unix

package store

import "math"

// FileLimit is not known on this system.
func FileLimit() int { return math.MaxInt32 }
