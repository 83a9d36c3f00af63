//go:build unix

package store

import (
	"math"
	"syscall"
)

// FileLimit returns how many files the process may have open. Go has raised it to the
// hard limit already.
func FileLimit() int {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return math.MaxInt32
	}
	return int(min(uint64(l.Cur), math.MaxInt32))
}
