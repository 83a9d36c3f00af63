package p2p

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"foxchain/ledger"
)

// shared is what all parts of a node use. Its fields do not change after New.
type shared struct {
	cfg      Config
	log      *slog.Logger
	net      *ledger.Network
	key      ed25519.PrivateKey
	pub      ledger.PublicKey
	instance uint64 // of this run
	started  time.Time
	host     host.Host
	near     *localNet
	stats    counters
	woken    chan struct{}

	mu      sync.Mutex // guards changed; nothing else is locked under it
	changed chan struct{}
}

// wake makes the next round begin soon.
func (s *shared) wake() { signal(s.woken) }

// notify closes the channel that Changed returned.
func (s *shared) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of what Nodes and
// Copied return. Take it, read, then wait.
func (s *shared) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// signal wakes the reader of c, which has room for one value.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// ended returns nil for the error of a loop whose context has ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
