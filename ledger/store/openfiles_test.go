package store

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"testing"
)

func TestSockets(t *testing.T) {
	for limit, want := range map[int]struct{ tables, sockets int }{64: {64, 16}, 256: {76, 42}, 1024: {172, 378}, 4096: {256, 1872}, math.MaxInt32: {256, 1073741647}} {
		if tables, sockets := tablesOf(limit), socketsOf(limit); tables != want.tables || sockets != want.sockets {
			t.Errorf("of %d files %d are tables and %d sockets of a port, want %d", limit, tables, sockets, want)
		}
	}
}

func TestWaitForFile(t *testing.T) {
	calls := 0
	err := waitForFile(func() error {
		calls++
		if calls < 4 {
			return fmt.Errorf("open: %w", syscall.EMFILE)
		}
		return nil
	})
	if err != nil || calls != 4 {
		t.Errorf("%d calls, %v", calls, err)
	}
	other := errors.New("other")
	if err := waitForFile(func() error { calls++; return other }); !errors.Is(err, other) || calls != 5 {
		t.Errorf("%d calls, %v", calls, err)
	}
}
