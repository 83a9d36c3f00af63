package main_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// dialIn connects from inside a named network namespace. A namespace belongs to a thread,
// so the dial has one of its own, which ends with it.
func dialIn(ctx context.Context, netns, network, addr string) (net.Conn, error) {
	var conn net.Conn
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked, so the thread ends with the goroutine
		conn, err = dialHere(ctx, netns, network, addr)
	}()
	<-done
	return conn, err
}

func dialHere(ctx context.Context, netns, network, addr string) (net.Conn, error) {
	file, err := os.Open(netnsPath(netns))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering network namespace %s: %w", netns, err)
	}
	// addr must be an IP literal, since a name would be dialed by other threads.
	return new(net.Dialer).DialContext(ctx, network, addr)
}
