package sync

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"foxchain/p2p/internal/wait"
)

const (
	// quietTime is how long a peer that was asked may send nothing before another is
	// asked too. slowRate is how many bytes it must send in a second on average, if it was
	// asked for headers or its pool.
	quietTime = time.Second
	slowRate  = 16 << 10
	// maxTurns is how many peers are asked for headers at once, and how many for pools,
	// while none is quiet.
	maxTurns = 2
	// pullTime is how long a turn lasts.
	pullTime = 30 * time.Second
)

// A question is a running exchange with a peer.
type question struct {
	r     *remotePeer
	since atomic.Int64 // Unix nanoseconds
	until atomic.Int64 // after this the peer is quiet
	sent  atomic.Int64 // bytes that the peer had sent by then
}

func newQuestion(r *remotePeer, within time.Duration) *question {
	q := &question{r: r}
	q.ask(within)
	return q
}

// ask notes that the peer is asked now, and may take a time and quietTime.
func (q *question) ask(within time.Duration) {
	now := time.Now()
	q.since.Store(now.UnixNano())
	q.until.Store(now.Add(quietTime + within).UnixNano())
	q.sent.Store(q.r.sent.Load())
}

// slowly returns how long so many bytes take on a slow line.
func slowly(bytes int) time.Duration { return time.Duration(bytes) * time.Second / slowRate }

func (q *question) asked() time.Time { return time.Unix(0, q.since.Load()) }

// lastSign is when the peer was asked, or last sent anything.
func (q *question) lastSign() time.Time { return time.Unix(0, max(q.since.Load(), q.r.heard.Load())) }

// quiet reports whether to ask another peer too. A peer that sends is not quiet.
func (q *question) quiet(now time.Time) bool {
	return now.Sub(q.lastSign()) >= quietTime || now.UnixNano() >= q.until.Load()
}

// slow reports whether the peer has sent less than slowRate since it was asked.
func (q *question) slow(now time.Time) bool {
	return now.Sub(q.asked()) >= quietTime+slowly(int(q.r.sent.Load()-q.sent.Load()))
}

// turns lets maxTurns peers be asked at once, and two more for each that is quiet or slow. So
// silent or slow peers, however many, delay others by some seconds only.
type turns struct {
	mu    sync.Mutex
	held  map[*question]bool
	freed wait.Change
}

func newTurns() *turns { return &turns{held: make(map[*question]bool)} }

// pull waits for r's turn, and fetches page after page from it while wanted reports that
// r may have what this node lacks. Another peer may deliver it meanwhile. What is left
// after pullTime follows in a later turn.
func (t *turns) pull(ctx context.Context, r *remotePeer, wanted func(*remotePeer) bool, page func(context.Context, *question) (more bool, err error)) error {
	if !wanted(r) {
		return nil
	}
	var q *question
	if err := t.freed.Until(ctx, quietTime/4, func() bool { q = t.try(r); return q != nil }); err != nil {
		return err
	}
	defer t.give(q)
	for end := time.Now().Add(pullTime); time.Now().Before(end); {
		if !wanted(r) {
			return nil
		}
		if more, err := page(ctx, q); err != nil || !more {
			return err
		}
	}
	wait.Signal(r.pull)
	return nil
}

// try returns nil while too many peers are being asked. The caller ends the turn with give.
func (t *turns) try(r *remotePeer) *question {
	t.mu.Lock()
	defer t.mu.Unlock()
	busy, quiet, now := 0, 0, time.Now()
	for q := range t.held {
		if q.quiet(now) || q.slow(now) {
			quiet++
		} else {
			busy++
		}
	}
	if busy >= maxTurns+quiet {
		return nil
	}
	q := newQuestion(r, 0)
	t.held[q] = true
	return q
}

func (t *turns) give(q *question) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.held, q)
	t.freed.Made()
}

// A heardStream notes that its peer sent something.
type heardStream struct {
	network.Stream
	heard func(bytes int)
}

func (s *heardStream) Read(b []byte) (int, error) {
	n, err := s.Stream.Read(b)
	if n > 0 {
		s.heard(n)
	}
	return n, err
}
