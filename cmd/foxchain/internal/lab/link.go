package lab

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// resend is after how long TCP sends a lost packet again. It doubles with each further
// loss, up to resendMost. So a packet is 1.4 s late at most.
const (
	resend     = 200 * time.Millisecond
	resendMost = 800 * time.Millisecond
)

// Bounds of the data on its way over one connection in one direction. A sender of more
// waits, as with TCP.
const (
	maxPacket = 16 << 10 // bytes
	maxOnWay  = 64       // packets
)

// A link is the cable between two nodes. Both dial through it, so all their connections
// go through it.
type link struct {
	a, b int // the nodes, a < b

	mu      sync.Mutex
	faults  faults
	changed chan struct{} // closed when the faults change
}

// faults are what is wrong with a link.
type faults struct {
	cut   bool          // nothing passes
	dark  bool          // one of the two has no power, so nothing passes
	delay time.Duration // each way
	loss  int           // percent of the packets that are sent again
}

func newLink(a, b int) *link { return &link{a: a, b: b, changed: make(chan struct{})} }

// now returns the faults, and a channel that is closed when they change.
func (l *link) now() (faults, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults, l.changed
}

func (l *link) set(change func(*faults)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.faults)
	close(l.changed)
	l.changed = make(chan struct{})
}

// travel returns when a packet sent at a time arrives, or ctx ends.
func (l *link) travel(ctx context.Context, sent time.Time) error {
	var again time.Duration
	for first := true; ; first = false {
		f, changed := l.now()
		for next := resend; first && rand.IntN(100) < f.loss && next <= resendMost; next *= 2 {
			again += next
		}
		var arrived <-chan time.Time // never, while nothing passes
		if !f.cut && !f.dark {
			wait := time.Until(sent.Add(f.delay + again))
			if wait <= 0 {
				return ctx.Err()
			}
			arrived = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-arrived:
		}
	}
}

// dial connects to a node at the other end. On a cut cable it waits, as a system that
// repeats its first packet, until ctx ends or the cable is whole. The connection outlives
// ctx, and lasts until lab ends.
func (l *link) dial(ctx, lab context.Context, network, address string) (net.Conn, error) {
	if err := l.travel(ctx, time.Now()); err != nil {
		return nil, err
	}
	far, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	near, inner := net.Pipe()
	go l.carry(lab, far, inner)
	go l.carry(lab, inner, far)
	return &conn{Conn: near, far: far}, nil
}

// A conn is a connection through a link.
type conn struct {
	net.Conn // the near end of the link
	far      net.Conn
}

func (c *conn) LocalAddr() net.Addr  { return c.far.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr { return c.far.RemoteAddr() }

type packet struct {
	data []byte
	sent time.Time
}

// carry copies from one end to the other. The close of an end travels through the link as
// data does.
func (l *link) carry(ctx context.Context, to, from net.Conn) {
	onWay := make(chan packet, maxOnWay)
	go func() {
		defer close(onWay)
		buf := make([]byte, maxPacket)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				onWay <- packet{bytes.Clone(buf[:n]), time.Now()}
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		to.Close()
		from.Close() // which ends the reader
		for range onWay {
		}
	}()
	for p := range onWay {
		if l.travel(ctx, p.sent) != nil {
			return
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
	_ = l.travel(ctx, time.Now()) // the close travels too
}
