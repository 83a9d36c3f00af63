package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"

	"foxchain/ledger/store"
)

// maxSockets bounds the TCP connections of the port on all its addresses, including those
// still in their HTTP request. If the process may open few files it is less, see
// [store.Sockets]. The next ones wait in the kernel's queue, where they cost no file. A
// request has 30 s, so places become free.
const maxSockets = 1024

// A Listener is the open port of a server. It is made before the server, since the p2p
// side reports the port to peers, and the server needs the p2p side.
type Listener struct {
	list     []net.Listener
	sockets  chan struct{} // holds a value for each taken place
	port     int
	loopback bool
}

// LoopbackAddrs returns where a node listens by default: 127.0.0.1 and ::1.
func LoopbackAddrs(port int) []string {
	p := strconv.Itoa(port)
	return []string{net.JoinHostPort("127.0.0.1", p), net.JoinHostPort("::1", p)}
}

// Listen opens every address of addrs, each "host:port" with an IP literal, "localhost"
// or nothing (all interfaces) as host. Port 0 is any free port, the same one in all
// addresses after it.
//
// An address in use is an error with what to do. If ::1 cannot be opened for another
// reason (no IPv6), it is left out as long as another address is open.
func Listen(ctx context.Context, addrs []string, log *slog.Logger) (*Listener, error) {
	if len(addrs) == 0 {
		return nil, errors.New("rpc: no address to listen on")
	}
	l := &Listener{loopback: true, sockets: make(chan struct{}, min(maxSockets, store.Sockets()))}
	var skipped error
	for _, addr := range addrs {
		err := l.open(ctx, addr)
		switch {
		case err == nil:
		case isIPv6Loopback(addr) && !isInUse(err):
			skipped = err
			if log != nil {
				log.Info("the WebSocket server does not listen on IPv6", "addr", addr, "reason", err)
			}
		default:
			return nil, errors.Join(err, l.Close())
		}
	}
	if len(l.list) == 0 {
		return nil, skipped
	}
	return l, nil
}

func (l *Listener) open(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address to listen on %q: must be host:port: %w", addr, err)
	}
	if port == "0" && l.port != 0 {
		port = strconv.Itoa(l.port)
	}
	var lc net.ListenConfig
	nl, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, port))
	switch {
	case isInUse(err):
		return fmt.Errorf("port %s on %s is in use, perhaps by another node: choose another port with -p, for instance -p %s: %w",
			port, host, nextPort(port), err)
	case err != nil:
		return fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	bound := nl.Addr().(*net.TCPAddr).AddrPort()
	if l.port == 0 {
		l.port = int(bound.Port())
	}
	l.loopback = l.loopback && bound.Addr().Unmap().IsLoopback()
	l.list = append(l.list, &boundedListener{Listener: nl, places: l.sockets, closed: make(chan struct{})})
	return nil
}

// Port returns the port of the first address.
func (l *Listener) Port() int { return l.port }

// Loopback reports whether only programs on this machine can connect.
func (l *Listener) Loopback() bool { return l.loopback }

// Close closes what Listen opened. A running server does so itself.
func (l *Listener) Close() error {
	var errs []error
	for _, nl := range l.list {
		if err := nl.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// A boundedListener accepts a connection when a place is free.
type boundedListener struct {
	net.Listener
	places chan struct{} // of all listeners of the port
	once   sync.Once
	closed chan struct{}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &socket{Conn: c, free: sync.OnceFunc(func() { <-l.places })}, nil
}

func (l *boundedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A socket is a connection that has a place. It keeps the last bytes that it received.
type socket struct {
	net.Conn
	free func()
	tail [7]byte
}

func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	last := b[max(0, n-len(s.tail)):n]
	copy(s.tail[:], s.tail[len(last):])
	copy(s.tail[len(s.tail)-len(last):], last)
	return n, err
}

// SetReadDeadline moves the deadline in 1970 that net/http sets to stop a read to a
// second ago, since the clock may be before 1970.
func (s *socket) SetReadDeadline(t time.Time) error {
	if t.Equal(time.Unix(1, 0)) {
		t = time.Now().Add(-time.Second)
	}
	return s.Conn.SetReadDeadline(t)
}

// endsWithHalfACode reports whether the last bytes received are a close frame of one
// byte, which RFC 6455 forbids (section 5.5.1): two bytes of head, the mask and the byte.
func (s *socket) endsWithHalfACode() bool { return s.tail[0] == 0x88 && s.tail[1] == 0x81 }

// CloseWrite ends this side of the connection.
func (s *socket) CloseWrite() error { return s.Conn.(interface{ CloseWrite() error }).CloseWrite() }

func (s *socket) Close() error {
	err := s.Conn.Close()
	s.free()
	return err
}

func isIPv6Loopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Is6() && ap.Addr().IsLoopback()
}

// isInUse reports whether an address is in use. The syscall package has no portable name
// for the error on Windows (WSAEADDRINUSE).
func isInUse(err error) bool {
	const wsaeAddrInUse = syscall.Errno(10048)
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaeAddrInUse)
}

// nextPort returns a port to suggest for a second node, one above.
func nextPort(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil || n >= 65535 {
		return "9001"
	}
	return strconv.Itoa(n + 1)
}
