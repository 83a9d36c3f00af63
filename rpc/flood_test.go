package rpc

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A counted listener records the largest number of connections open at a time.
type counted struct {
	net.Listener
	open, most atomic.Int64
	fill       sync.Once
	full       chan struct{} // closed when maxSockets are open for the first time
}

func (l *counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := l.open.Add(1)
	if l.most.Store(max(l.most.Load(), n)); n == maxSockets {
		l.fill.Do(func() { close(l.full) })
	}
	return &countedConn{Conn: c, l: l}, nil
}

type countedConn struct {
	net.Conn
	l    *counted
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(func() { c.l.open.Add(-1) })
	return c.Conn.Close()
}

// TestSocketFlood checks that more connections than there are places, each of which sends
// half a request, keep a client out for a moment only.
func TestSocketFlood(t *testing.T) {
	ln := &counted{full: make(chan struct{})}
	l := newLab(t, func(c *Config) {
		ln.Listener = c.Listener.list[0]
		c.Listener.list[0] = ln
	}).start()
	for range maxSockets + 100 {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: lo"); err != nil {
			t.Fatal(err)
		}
	}
	await(t, ln.full)
	l.client().ask(`{"op":"pool"}`)
	if n := ln.most.Load(); n > maxSockets {
		t.Errorf("%d connections at a time, the limit is %d", n, maxSockets)
	}
}

// TestPlacesOfAPort checks that the addresses of a port share its places.
func TestPlacesOfAPort(t *testing.T) {
	l := &Listener{sockets: make(chan struct{}, 2)}
	for range 2 {
		if err := l.open(t.Context(), "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		l.port = 0
	}
	accepted := make(chan net.Conn)
	for _, nl := range l.list {
		go func() {
			for {
				c, err := nl.Accept()
				if err != nil {
					accepted <- nil
					return
				}
				accepted <- c
			}
		}()
	}
	var d net.Dialer
	for _, nl := range l.list {
		c, err := d.DialContext(t.Context(), "tcp", nl.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first, second := <-accepted, <-accepted
	c, err := d.DialContext(t.Context(), "tcp", l.list[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	select {
	case <-accepted:
		t.Error("a third connection was accepted with two places")
	case <-time.After(50 * time.Millisecond):
	}
	_ = first.Close()
	_ = first.Close() // frees one place only
	_ = second.Close()
	third := <-accepted
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	<-accepted
	<-accepted
	_ = third.Close()
	if len(l.sockets) != 0 {
		t.Errorf("%d places are taken after all", len(l.sockets))
	}
}
