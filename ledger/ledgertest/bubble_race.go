//go:build race

package ledgertest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
)

// Race is 1 in a test binary with the race detector, else 0.
const Race = 1

// alone is held by the bubble that runs, since all have one GOMAXPROCS.
var alone sync.Mutex

// Bubble is synctest.Test, which runs f with a clock that moves on when all wait, on
// one processor at a time: the timers of a bubble have one state of the race detector,
// which is destroyed when two processors run timers at once (golang/go#78156, in
// Go 1.26). What orders two accesses is seen on one processor, too.
func Bubble(t *testing.T, f func(*testing.T)) {
	alone.Lock()
	defer alone.Unlock()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, f)
}
