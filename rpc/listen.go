package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"golang.org/x/net/netutil"
)

// maxSockets bounds the TCP connections that one listener holds at a time,
// those still in their HTTP request included. The next ones wait in the
// kernel's queue; a request has 30 s, so a place becomes free.
const maxSockets = 1024

// A Listener is the open port of a server. It is made before the server,
// because the p2p side sends its peers the port, and the server needs the p2p
// side.
type Listener struct {
	list     []net.Listener
	port     int
	loopback bool
}

// LoopbackAddrs returns where a node listens by default: 127.0.0.1 and ::1.
func LoopbackAddrs(port int) []string {
	p := strconv.Itoa(port)
	return []string{net.JoinHostPort("127.0.0.1", p), net.JoinHostPort("::1", p)}
}

// Listen opens every address of addrs, each "host:port" with an IP literal,
// "localhost" or nothing (all interfaces) as host. Port 0 is any free port, and
// in the addresses that follow it is the same one.
//
// An address in use is an error with what to do. ::1 that cannot be
// opened for another reason (a machine without IPv6) is passed over as long as
// another address is open.
func Listen(ctx context.Context, addrs []string, log *slog.Logger) (*Listener, error) {
	if len(addrs) == 0 {
		return nil, errors.New("rpc: no address to listen on")
	}
	l := &Listener{loopback: true}
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
	l.list = append(l.list, netutil.LimitListener(nl, maxSockets))
	return nil
}

// Port returns the port of the first address.
func (l *Listener) Port() int { return l.port }

// Loopback reports whether only programs on this machine can connect.
func (l *Listener) Loopback() bool { return l.loopback }

// Close closes what Listen opened. A server that runs does it itself.
func (l *Listener) Close() error {
	var errs []error
	for _, nl := range l.list {
		if err := nl.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func isIPv6Loopback(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Is6() && ap.Addr().IsLoopback()
}

// isInUse knows the error's number on Windows too, where the syscall package
// has no portable name for it (WSAEADDRINUSE).
func isInUse(err error) bool {
	const wsaeAddrInUse = syscall.Errno(10048)
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaeAddrInUse)
}

// nextPort names a port to try: one above, for one node beside another.
func nextPort(port string) string {
	n, err := strconv.Atoi(port)
	if err != nil || n >= 65535 {
		return "9001"
	}
	return strconv.Itoa(n + 1)
}
