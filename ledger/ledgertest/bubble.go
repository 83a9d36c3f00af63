//go:build !race

package ledgertest

import (
	"testing"
	"testing/synctest"
)

// Race is 1 in a test binary with the race detector, else 0.
const Race = 0

// Bubble is synctest.Test, which runs f with a clock that moves on when all wait.
func Bubble(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) }
