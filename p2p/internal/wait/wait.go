package wait

import (
	"context"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Signal wakes the goroutine that waits on c, which has room for one value.
func Signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Ended returns nil for the error of a loop whose context has ended.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// A Change wakes all that wait for the next change of something.
type Change struct {
	mu   sync.Mutex // nothing else is locked under it
	next chan struct{}
}

// Next returns a channel that is closed by the next call of Made. Take it, read, then wait.
func (c *Change) Next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

// Made wakes all that wait.
func (c *Change) Made() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
}

// Until calls try, and again after each change and every so often, until it succeeds or ctx
// ends, whose error it returns.
func (c *Change) Until(ctx context.Context, every time.Duration, try func() bool) error {
	for {
		next := c.Next()
		if try() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		case <-time.After(every):
		}
	}
}

// A Bound lets so many requests of one peer be answered at once.
type Bound struct {
	Most int

	mu   sync.Mutex
	held map[peer.ID]int
}

// Enter counts a request in, and reports false where its peer has too many.
func (b *Bound) Enter(p peer.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[p] >= b.Most {
		return false
	}
	if b.held == nil {
		b.held = make(map[peer.ID]int)
	}
	b.held[p]++
	return true
}

// Leave counts out a request that Enter has let in.
func (b *Bound) Leave(p peer.ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held[p]--; b.held[p] == 0 {
		delete(b.held, p)
	}
}
