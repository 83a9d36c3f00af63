package sync

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/p2p/internal/wait"
)

const (
	// Two silences in a row, of statusTime each, end the connection. So a dead connection
	// is noticed within 13 s, while TCP and yamux take up to 40 s.
	statusEvery = 4 * time.Second
	statusTime  = 4 * time.Second
	statusAgain = time.Second / 2 // after the first silence
	// Of more peers than that, about askedAtOnce are asked every statusEvery. Also asked is
	// each peer from which nothing, or no status line, came for lineTime, when its next line
	// is late, and each whose line differs (Compare).
	askedAtOnce = 3
	lineTime    = statusEvery + 250*time.Millisecond
	// A peer from which anything came meanwhile is busy and not silent, for busyTime at
	// most, since on a slow line its answer may wait behind other bytes.
	busyTime = 2 * time.Minute
	// A body is asked for in parts, which are kept, so that a slow line has room for
	// signs of life. The first has firstPart transactions. The next has twice as many if
	// the last came within partFast, and half as many if it took over partSlow. A peer
	// whose parts are smaller than firstPart is asked for one body at a time.
	firstPart, leastPart = 512, 16
	partFast             = 300 * time.Millisecond
	partSlow             = time.Second
	// leastPaced is how many transactions it takes to measure a peer, some 700 bytes.
	leastPaced = 10
	// A silent peer is not asked for headers, pools or bodies for penaltyFirst, then for twice
	// as long each time, up to penaltyMost, until it delivers.
	penaltyFirst = 5 * time.Second
	penaltyMost  = 5 * time.Minute
	// maxBodies is how many bodies one peer is asked for at once.
	maxBodies = 4
	// maxAnnounced is how many announced blocks of one peer are remembered, and how many
	// published headers of this node.
	maxAnnounced = 64
	// maxWithheld is how often in a row a peer may lack headers or bodies of the chain in its
	// own status before it is penalised. It may have changed to another chain.
	maxWithheld = 8
)

// A remotePeer is a peer that is followed.
type remotePeer struct {
	id       peer.ID
	hurry    chan struct{}       // signalled to ask for its status now
	pull     chan struct{}       // signalled when it may have what this node lacks
	differ   chan struct{}       // signalled when its status line differs, see Compare
	bodies   *semaphore.Weighted // maxBodies
	asked    atomic.Int32        // bodies that it is asked for now
	passed   atomic.Int32        // times that passOver was called
	heard    atomic.Int64        // when it last sent anything, Unix nanoseconds
	sent     atomic.Int64        // bytes that it sent
	delivers atomic.Bool         // it delivered the last body asked of it

	// announced holds the last blocks that it announced, and the tips of its chain.
	announced *lru.Cache[ledger.Hash, struct{}]

	mu        sync.Mutex   // guards what follows
	answer    statusAnswer // its last status, or zero
	lined     time.Time    // when its last status line came, or zero
	penalised time.Time    // until when it is not asked for headers, pools or bodies
	strikes   int
	lacked    int           // times that withheld was called since it last delivered
	part      int           // transactions of a body to ask for at once
	perTx     time.Duration // of the slowest of its last parts, or zero
	rtt       time.Duration // the shortest answer about its status, or zero

	// Of the pulling goroutine.
	cursor     poolCursor
	shown      uint64      // our arrival number below which its pool was noted as having our transactions
	lastHeader ledger.Hash // the last header it sent, from which to go on
	fresh      bool        // the last headers that it sent were new
}

func newRemote(p peer.ID) *remotePeer {
	return &remotePeer{
		id:        p,
		hurry:     make(chan struct{}, 1),
		pull:      make(chan struct{}, 1),
		differ:    make(chan struct{}, 1),
		bodies:    semaphore.NewWeighted(maxBodies),
		announced: newLRU[ledger.Hash, struct{}](maxAnnounced),
		part:      firstPart,
	}
}

// Follow compares status with p and fetches what this node lacks, until ctx ends. The two
// run apart, so that a long fetch does not make p look dead. Its only error is that the
// ledger has stopped.
func (s *Syncer) Follow(ctx context.Context, p peer.ID) error {
	r := newRemote(p)
	s.peers.add(r)
	defer s.peers.remove(r)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.watch(ctx, r) })
	g.Go(func() error { return s.pullLoop(ctx, r) })
	return g.Wait()
}

// watch compares status at once and then whenever it is due, until r has been silent
// twice.
func (s *Syncer) watch(ctx context.Context, r *remotePeer) error {
	answered := time.Now()
	for silences := 0; ; {
		asked := time.Now()
		err := s.compare(ctx, r)
		switch {
		case ctx.Err() != nil:
			return nil
		case !silent(err):
			silences, answered = 0, time.Now()
			s.rest(ctx, r, answered)
			continue
		case s.Heard(r.id).After(asked) && time.Since(answered) < busyTime:
		case silences == 1:
			s.Dead(r.id, err)
			return nil
		default:
			silences = 1
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(statusAgain):
		case <-r.hurry:
		}
	}
}

// rest waits until r, which answered at a time, is to be asked again, or ctx ends.
func (s *Syncer) rest(ctx context.Context, r *remotePeer, answered time.Time) {
	share := 0.5 + rand.Float64() // of the turn, so that no two keep step
	for {
		due := answered
		if n := s.peers.count(); n > askedAtOnce {
			due = due.Add(time.Duration(share * float64(n) / askedAtOnce * float64(statusEvery)))
		}
		for _, sign := range []time.Time{s.Heard(r.id), r.lastLine()} {
			if late := sign.Add(lineTime); late.Before(due) {
				due = late
			}
		}
		pause := max(time.Until(answered.Add(statusEvery)), time.Until(due))
		if pause <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		case <-r.hurry:
			return
		case <-r.differ:
			share = 0
		}
	}
}

// Compare takes the tip and the pool's size from p's status line. If they differ from p's
// last answer or this node's, or the pools differed at that answer, p is asked for its
// status, at most every 4 s.
func (s *Syncer) Compare(p peer.ID, tip ledger.Hash, pool uint64) {
	r := s.peers.get(p)
	if r == nil {
		return
	}
	r.mu.Lock()
	r.lined = time.Now()
	r.mu.Unlock()
	own, ans := s.Chain.Status(), r.latest()
	if tip != own.Tip.Hash || tip != ans.Tip || pool != uint64(own.Pool) || pool != uint64(ans.Pool) || ans.digest != own.PoolDigest {
		wait.Signal(r.differ)
	}
}

// compare asks for r's status, and wakes r's pullLoop.
func (s *Syncer) compare(ctx context.Context, r *remotePeer) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	ans, asked := new(statusAnswer), time.Now()
	err := s.ask(ctx, r.id, new(statusRequest), ans)
	switch {
	case errors.Is(err, errNotKnown):
		s.Ban(r.id, "answered a question about its status with \"unknown\"")
	case err != nil:
		s.Log.Debug("a peer did not answer about its status", "peer", r.id, "error", err)
		s.banMisbehaved(r.id, err)
	default:
		took := time.Since(asked)
		s.Alive(r.id, took, ans.clock)
		r.mu.Lock()
		if r.rtt == 0 || took < r.rtt {
			r.rtt = took
		}
		if own := s.Chain.Status(); ans.digest == own.PoolDigest && ans.Pool == uint32(own.Pool) {
			ans.equalTo = own.NextArrival
		}
		r.answer = *ans
		r.mu.Unlock()
		s.seen.noteTip(r.id, ans.Tip)
		wait.Signal(r.pull)
	}
	return err
}

// pullLoop fetches headers and pool transactions from r whenever its status
// shows that it has what this node lacks. Bodies are fetched by the bodyFetcher.
func (s *Syncer) pullLoop(ctx context.Context, r *remotePeer) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.pull:
		}
		for _, step := range []func(context.Context, *remotePeer) error{s.headers.pull, s.pool.pull} {
			err := step(ctx, r)
			switch {
			case ctx.Err() != nil:
				return nil
			case fatal(err):
				return err
			case err != nil:
				s.Log.Debug("synchronizing with a peer failed and is tried again", "peer", r.id, "error", err)
				s.blame(r, err)
			}
		}
	}
}

// partSize returns how many transactions of a body r is asked for at once.
func (r *remotePeer) partSize() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.part
}

// notePart notes how long r took for a part of so many transactions. The round trip is
// subtracted, since it does not depend on the size.
func (r *remotePeer) notePart(took time.Duration, txs int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	took -= r.rtt
	r.notePace(took, txs)
	switch {
	case took > partSlow:
		r.part = max(r.part/2, leastPart)
	case took < partFast:
		r.part = min(2*r.part, ledger.MaxBlockTxs)
	}
}

// noteRelay notes how long r took for so many short IDs. A time over partFast is ignored,
// since r may have waited for the body (awaitBody).
func (r *remotePeer) noteRelay(took time.Duration, ids int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if took -= r.rtt; took <= partFast {
		r.notePace(took, ids*shortIDBytes/openTxBytes)
	}
}

// notePace notes how long so many transactions, or as many bytes, took. The time of fewer
// than leastPaced is chance, and is ignored. The caller holds mu.
func (r *remotePeer) notePace(took time.Duration, txs int) {
	if txs >= leastPaced {
		r.perTx = max(took/time.Duration(txs), r.perTx/2, 1)
	}
}

// bodyTime returns how long r may take for a body of so many transactions before another
// peer is asked too: four times what its last parts took, and at most what a slow line
// takes.
func (r *remotePeer) bodyTime(txs int) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := slowly(txs * openTxBytes)
	if r.perTx == 0 {
		return most
	}
	return min(most, maxBodies*time.Duration(txs)*r.perTx)
}

// passOver makes others be asked first until r delivers again.
func (r *remotePeer) passOver() {
	r.delivers.Store(false)
	r.passed.Add(1)
}

// latest returns what r last answered about itself.
func (r *remotePeer) latest() statusAnswer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answer
}

// lastLine returns when the last status line of r came, or zero.
func (r *remotePeer) lastLine() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lined
}

// penalise keeps r from being asked for a while. Failures of simultaneous exchanges count
// as one, so it reports false if r is penalised already.
func (r *remotePeer) penalise(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Before(r.penalised) {
		return false
	}
	r.penalised = now.Add(min(penaltyFirst<<min(r.strikes, 16), penaltyMost))
	r.strikes++
	r.delivers.Store(false)
	return true
}

// withheld notes that r lacks a header or body of the chain in its own status. It reports
// whether it penalised r.
func (r *remotePeer) withheld(now time.Time) bool {
	r.delivers.Store(false)
	r.mu.Lock()
	r.lacked++
	often := r.lacked >= maxWithheld
	r.mu.Unlock()
	return often && r.penalise(now)
}

func (r *remotePeer) isPenalised() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Before(r.penalised)
}

// forgive lifts the penalty of a peer that has delivered.
func (r *remotePeer) forgive() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delivers.Store(true)
	r.penalised, r.strikes, r.lacked = time.Time{}, 0, 0
}

// peers holds the followed peers.
type peers struct {
	sources chan struct{}                   // signalled when a branch to fetch, or a source for one, may be new
	failed  *lru.Cache[ledger.Hash, *pause] // bodies that no peer delivered when last asked, and the tips of their branches

	mu   sync.Mutex // guards what follows; a remotePeer is locked after it
	byID map[peer.ID]*remotePeer
}

func newPeers() *peers {
	return &peers{sources: make(chan struct{}, 1), failed: newLRU[ledger.Hash, *pause](maxPauses), byID: make(map[peer.ID]*remotePeer)}
}

func (ps *peers) add(r *remotePeer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.byID[r.id] = r
}

// remove forgets r, unless its peer is already followed anew.
func (ps *peers) remove(r *remotePeer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.byID[r.id] == r {
		delete(ps.byID, r.id)
	}
}

// get returns a followed peer, or nil.
func (ps *peers) get(p peer.ID) *remotePeer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.byID[p]
}

// heard notes that p sent so many bytes.
func (ps *peers) heard(p peer.ID, bytes int) {
	if r := ps.get(p); r != nil {
		r.heard.Store(time.Now().UnixNano())
		r.sent.Add(int64(bytes))
	}
}

func (ps *peers) count() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.byID)
}

func (ps *peers) all() []*remotePeer {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return slices.Collect(maps.Values(ps.byID))
}

// noteAnnounced notes that r has the chain that ends in block h. Its bodies are
// fetched if that chain wins.
func (ps *peers) noteAnnounced(r *remotePeer, h ledger.Hash) {
	r.announced.Add(h, struct{}{})
	if p, ok := ps.failed.Peek(h); ok { // try again, since r is a source
		p.until.Store(new(time.Time))
	}
	wait.Signal(ps.sources)
}

// deliveringTips returns the tips of the peers that deliver.
func (ps *peers) deliveringTips() []ledger.Hash {
	var tips []ledger.Hash
	for _, r := range ps.all() {
		if tip := r.latest().Tip; r.delivers.Load() && !slices.Contains(tips, tip) {
			tips = append(tips, tip)
		}
	}
	return tips
}

// pullAll wakes every peer's pullLoop, since headers that were too far ahead may be
// fetched now.
func (ps *peers) pullAll() {
	for _, r := range ps.all() {
		wait.Signal(r.pull)
	}
}

// newLRU returns a cache of so many entries, which evicts the oldest.
func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, _ := lru.New[K, V](size) // only a size below 1 is an error
	return c
}
