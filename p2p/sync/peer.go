package sync

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
)

const (
	// Status is compared with each peer every statusEvery, which is also its sign
	// of life. Two silences in a row, of statusTime each, end the connection, so
	// that a dead one is noticed within 13 s. TCP and yamux alone take up to 40 s.
	StatusEvery = 4 * time.Second
	statusTime  = 4 * time.Second
	statusAgain = time.Second // after the first silence
	// A peer that is silent when asked for headers or bodies is not asked for
	// benchFirst, then twice as long each time, to benchMost. One that
	// delivers is forgiven.
	benchFirst = 5 * time.Second
	benchMost  = 5 * time.Minute
	// maxBodies is how many bodies one peer is asked for at once.
	maxBodies = 4
)

// A remotePeer is a peer that is followed.
type remotePeer struct {
	id     peer.ID
	gone   chan struct{}       // closed when it disconnects
	hurry  chan struct{}       // ask for its status now
	pull   chan struct{}       // it has something that we lack
	bodies *semaphore.Weighted // maxBodies
	asked  atomic.Int32        // for so many bodies now

	// Guarded by syncer.mu.
	status    Status
	answer    StatusAnswer // what status was made of
	announced hashRing     // blocks whose chain it said it has
	benched   time.Time    // not asked for headers or bodies before
	strikes   int

	// Of the pulling goroutine.
	cursor     poolCursor
	lastHeader ledger.Hash // the last header it sent: where to go on
}

func newRemote(p peer.ID) *remotePeer {
	return &remotePeer{
		id:     p,
		gone:   make(chan struct{}),
		hurry:  make(chan struct{}, 1),
		pull:   make(chan struct{}, 1),
		bodies: semaphore.NewWeighted(maxBodies),
	}
}

// follow compares status with r and fetches what we lack until r is gone. The
// two are apart so that a long fetch does not make r look dead. The error is
// non-nil only when the node must end.
func (s *Syncer) follow(ctx context.Context, r *remotePeer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(ctx, r) })
	g.Go(func() error { return s.pullLoop(ctx, r) })
	select {
	case <-r.gone:
	case <-ctx.Done():
	}
	cancel()
	return g.Wait()
}

// watch asks for r's status, now and then every statusEvery, until r has been
// silent twice.
func (s *Syncer) watch(ctx context.Context, r *remotePeer) error {
	for silences := 0; ; {
		wait := StatusEvery
		err := s.compare(ctx, r)
		switch {
		case ctx.Err() != nil:
			return nil
		case !silent(err):
			silences = 0
		case silences == 1:
			s.Dead(r.id, err)
			return nil
		default:
			silences, wait = 1, statusAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		case <-r.hurry:
		}
	}
}

// compare asks for r's status, and has fetched what this node lacks.
func (s *Syncer) compare(ctx context.Context, r *remotePeer) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	ans, asked := new(StatusAnswer), time.Now()
	err := s.ask(ctx, r.id, new(StatusRequest), ans)
	switch {
	case errors.Is(err, errNotKnown):
		s.Ban(r.id, "answered a question about its status with \"unknown\"")
	case err != nil:
		s.Log.Debug("a peer did not answer about its status", "peer", r.id, "err", err)
		s.cutMisbehaved(r.id, err)
	default:
		s.Alive(r.id, time.Since(asked))
		s.recordStatus(r, ans)
		signal(r.pull)
	}
	return err
}

func (s *Syncer) recordStatus(r *remotePeer, ans *StatusAnswer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.answer = *ans
	r.status = Status{Blocks: ans.Blocks, Tip: ans.Tip, Pool: int(ans.Pool), At: time.Now()}
}

// pullLoop fetches headers and pool transactions from r whenever its status
// shows that it has what we lack. Bodies are the fetch loop's.
func (s *Syncer) pullLoop(ctx context.Context, r *remotePeer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.pull:
		}
		for _, step := range []func(context.Context, *remotePeer) error{s.pullHeaders, s.pullPool} {
			err := step(ctx, r)
			switch {
			case ctx.Err() != nil:
				return nil
			case fatal(err):
				return err
			case err != nil:
				s.Log.Debug("synchronizing with a peer failed, to be tried again", "peer", r.id, "err", err)
				s.blame(r, err)
			}
		}
	}
}

// bench lets r lose its turn. Failures of exchanges that ran at once count as one.
func (s *Syncer) bench(r *remotePeer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Now().Before(r.benched) {
		return
	}
	r.benched = time.Now().Add(min(benchFirst<<min(r.strikes, 16), benchMost))
	r.strikes++
	s.Stats.PeersBenched.Add(1)
}

func (s *Syncer) isBenched(r *remotePeer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(r.benched)
}

// forgive takes back what bench did: r delivered.
func (s *Syncer) forgive(r *remotePeer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.benched, r.strikes = time.Time{}, 0
}

// noteAnnounced notes that r says it has the chain that ends in block h, and has
// its bodies fetched if that chain wins.
func (s *Syncer) noteAnnounced(r *remotePeer, h ledger.Hash) {
	s.mu.Lock()
	r.announced.add(h)
	s.mu.Unlock()
	signal(s.fetchWake)
}

// told reports whether r said that it has the chain that ends in block h.
func (s *Syncer) told(r *remotePeer, h ledger.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.announced.has(h)
}

func (s *Syncer) remote(p peer.ID) *remotePeer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remotes[p]
}

// latest gives what r last answered about itself.
func (s *Syncer) latest(r *remotePeer) StatusAnswer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.answer
}

// A hashRing remembers the hashes that were added last.
type hashRing struct {
	hashes [64]ledger.Hash
	n      int // added ever
}

func (g *hashRing) add(h ledger.Hash) {
	if !g.has(h) {
		g.hashes[g.n%len(g.hashes)] = h
		g.n++
	}
}

func (g *hashRing) has(h ledger.Hash) bool {
	for i := range min(g.n, len(g.hashes)) {
		if g.hashes[i] == h {
			return true
		}
	}
	return false
}
