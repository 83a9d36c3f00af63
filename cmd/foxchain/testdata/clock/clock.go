// The files of this folder are built into the program by the tests of clocks, with
// go build -overlay. They move its wall clock, and nothing else.

package main

import (
	"os"
	"strconv"
	"time"
	_ "unsafe" // for linkname
)

// shift is what is added to the wall clock, in seconds.
var shift int64

//go:linkname vdsoClockgettimeSym runtime.vdsoClockgettimeSym
var vdsoClockgettimeSym uintptr

// addrOfClock returns the address of a clock_gettime that adds shift.
func addrOfClock() uintptr

func init() {
	vdsoClockgettimeSym = addrOfClock()
	read := func() {
		b, err := os.ReadFile(os.Getenv("CLOCK_SHIFT"))
		if n, bad := strconv.ParseInt(string(b), 10, 64); err == nil && bad == nil {
			shift = n
		}
	}
	read()
	go func() {
		for ; ; time.Sleep(20 * time.Millisecond) {
			read()
		}
	}()
}
