package store

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestSockets(t *testing.T) {
	for limit, want := range map[int]int{64: 16, 256: 48, 1024: 432, 4096: 1968} {
		if got := socketsOf(limit); got != want {
			t.Errorf("of %d files %d are sockets of a port, want %d", limit, got, want)
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
