package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

const (
	// maxBranches is how many branches are fetched at once, so that one whose only
	// source is silent delays no other. keptBranches of these places are for branches
	// of peers that deliver, since others may be made up.
	maxBranches  = 8
	keptBranches = 2
	// maxStretch is how many blocks of a branch are fetched before the fork
	// choice is asked again.
	maxStretch = 512
	// maxBranchTxs bounds the transactions of a branch that wait for the chain. A small
	// block counts for leastBlockTxs, so at most 64 blocks wait, or two of the largest.
	maxBranchTxs  = 2 * ledger.MaxBlockTxs
	leastBlockTxs = maxBranchTxs / 64
	// maxParts is how many bodies are kept that came in part, at most 2 MiB each.
	maxParts = 8
	// Up to relayStretch missing blocks are filled from the pool. Of more, the pool has
	// no transactions.
	relayStretch = 4

	// A body that no peer has is asked for again after retryFirst, since the peers that
	// announced it may be fetching it, then after twice as long each time, up to
	// retryMost. The chain keeps maxPauses headers without bodies, too.
	retryFirst = 100 * time.Millisecond
	retryMost  = 5 * time.Second
	maxPauses  = 100_000
)

// A bodyFetcher fetches the bodies of every branch that would win, as soon as its
// headers are known and a peer has them.
type bodyFetcher struct {
	*core
	peers      *peers
	recent     *recentBlocks
	incoming   *incoming
	catchingUp atomic.Int32  // branches of many blocks that are being fetched
	caughtUp   chan struct{} // catchingUp has fallen

	parts *lru.Cache[partKey, []*ledger.Transaction] // the first transactions of bodies, maxParts of them

	// Of the loop.
	done    chan fetched
	active  map[ledger.Hash]bool            // bodies that a running branch asks for
	failed  *lru.Cache[ledger.Hash, *pause] // bodies that no peer delivered when last asked, and the tips of their branches
	running int
	others  int // of them, those of which no peer that delivers has the tip
}

func newBodyFetcher(c *core, peers *peers, recent *recentBlocks, incoming *incoming) *bodyFetcher {
	return &bodyFetcher{
		core: c, peers: peers, recent: recent, incoming: incoming, caughtUp: make(chan struct{}, 1),
		parts: newLRU[partKey, []*ledger.Transaction](maxParts),
		done:  make(chan fetched), active: make(map[ledger.Hash]bool), failed: newLRU[ledger.Hash, *pause](maxPauses),
	}
}

// A pause is how long a branch waits whose next body no peer delivered, so that
// it does not take the place of others.
type pause struct {
	until time.Time
	last  time.Duration
}

// fetched is how the fetch of a branch ended.
type fetched struct {
	branch chain.Candidate
	kept   bool  // a peer that delivers has it
	moved  bool  // the chain took a block
	err    error // the node must end
}

// run fetches until ctx ends or the ledger stops.
func (f *bodyFetcher) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.loop(ctx, g) })
	if len(f.Chain.Network().Builders) > 0 {
		g.Go(func() error { return f.watchVotes(ctx) })
	}
	return g.Wait()
}

// watchVotes looks again at what the peers have when the builders voted for a block that
// is not on the chain. Its branch may be known, and may have lost so far.
func (f *bodyFetcher) watchVotes(ctx context.Context) error {
	for last := (ledger.Hash{}); ; {
		changed := f.Chain.Changed()
		if h := f.Chain.Status().Lacks; h != last {
			last = h
			signal(f.peers.sources)
			f.peers.pullAll()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (f *bodyFetcher) loop(ctx context.Context, g *errgroup.Group) error {
	again := time.NewTimer(retryFirst)
	defer again.Stop()
	for {
		began := time.Now()
		next, err := f.startBranches(ctx, g)
		if err != nil {
			return ended(ctx, err)
		}
		if took := time.Since(began); took > time.Millisecond { // many branches, and the chain is locked meanwhile
			time.Sleep(min(2*took, retryFirst))
		}
		if !next.IsZero() {
			again.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		case <-f.peers.sources:
			for _, h := range f.peers.announcedNow() {
				if p, _ := f.failed.Peek(h); p != nil {
					p.until = time.Time{} // there may be a source now
				}
			}
		case end := <-f.done:
			if f.end(end); end.err != nil {
				return end.err
			}
		}
	}
}

// startBranches starts to fetch winning branches, first those of peers that deliver,
// then the best. It returns when the first pause of another ends, or zero.
func (f *bodyFetcher) startBranches(ctx context.Context, g *errgroup.Group) (next time.Time, err error) {
	now, kept, others := time.Now(), f.peers.deliveringTips(), f.others
	skip := func(tip, body ledger.Hash) bool {
		p, _ := f.failed.Peek(body)
		if p == nil || !now.Before(p.until) {
			if f.active[body] || slices.Contains(kept, tip) {
				return f.active[body]
			}
			others++
			return others > maxBranches-keptBranches
		}
		if next.IsZero() || p.until.Before(next) {
			next = p.until
		}
		return true
	}
	candidates, err := f.Chain.Candidates(maxBranches-f.running, maxStretch, skip, kept...)
	if err != nil {
		return next, fmt.Errorf("look for blocks to fetch: %w", err)
	}
	for _, c := range candidates {
		for _, ref := range c.Missing {
			f.active[ref.Hash] = true
		}
		end := fetched{branch: c, kept: slices.Contains(kept, c.Tip.Hash)}
		f.running++
		if !end.kept {
			f.others++
		}
		f.incoming.Add(c.Tip.Hash, c.Tip.Height)
		if len(c.Missing) > maxNewHeaders {
			f.catchingUp.Add(1)
		}
		g.Go(func() error {
			end.moved, end.err = f.fetchBranch(ctx, c)
			select {
			case f.done <- end:
			case <-ctx.Done():
			}
			return nil
		})
	}
	return next, nil
}

// end frees what a branch held while it was fetched.
func (f *bodyFetcher) end(e fetched) {
	f.running--
	if !e.kept {
		f.others--
	}
	f.incoming.Remove(e.branch.Tip.Hash)
	for _, ref := range e.branch.Missing {
		f.incoming.Remove(ref.Hash)
		delete(f.active, ref.Hash)
	}
	if len(e.branch.Missing) > maxNewHeaders {
		f.catchingUp.Add(-1)
		signal(f.caughtUp)
	}
	first := e.branch.Missing[0].Hash
	if e.moved {
		f.failed.Remove(first)
		f.failed.Remove(e.branch.Tip.Hash)
		f.peers.pullAll()
		return
	}
	p, _ := f.failed.Peek(first)
	if p == nil {
		p = &pause{last: retryFirst / 2}
		f.failed.Add(first, p)
	}
	f.failed.Add(e.branch.Tip.Hash, p)
	p.last = min(2*p.last, retryMost)
	p.until = time.Now().Add(p.last)
}

// fetchBranch fetches the missing bodies of c, several at once from several
// peers, and adds them to the chain in order. It reports whether the chain took
// any. An error ends the node.
func (f *bodyFetcher) fetchBranch(ctx context.Context, c chain.Candidate) (moved bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b := &branch{f: f, c: c, lacks: make(map[peer.ID]uint64)}
	room := semaphore.NewWeighted(maxBranchTxs)
	bodies := make([]chan delivery, len(c.Missing))
	for i := range bodies {
		bodies[i] = make(chan delivery, 1)
	}
	var g errgroup.Group
	g.Go(func() error {
		for i, ref := range c.Missing {
			h, err := f.Chain.HeaderByHash(ref.Hash)
			if err != nil {
				bodies[i] <- delivery{err: err}
				return nil
			}
			weight := max(int64(h.Count), leastBlockTxs)
			if room.Acquire(ctx, weight) != nil {
				return nil
			}
			g.Go(func() error {
				d := b.fetch(ctx, h)
				d.weight = weight
				bodies[i] <- d
				return nil
			})
		}
		return nil
	})
	for left := bodies; len(left) > 0 && err == nil; {
		var run []delivery
		run, err = nextRun(ctx, left)
		took, addErr := f.addBodies(ctx, run)
		for _, d := range run {
			room.Release(d.weight)
		}
		left = left[len(run):]
		moved, err = moved || took, cmp.Or(addErr, err)
	}
	cancel()
	_ = g.Wait() // its functions return no errors, which bodies carries
	if fatal(err) {
		return moved, err
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		f.Log.Debug("a branch was not fetched to its end", "height", c.Tip.Height, "tip", c.Tip.Hash.Short(), "err", err)
	}
	return moved, nil
}

// fetchBody fetches the body of h from r, by compact relay or whole. All its
// exchanges together may take as long as one message of its size.
func (f *bodyFetcher) fetchBody(ctx context.Context, r *remotePeer, h *ledger.SealedHeader, relay bool) ([]*ledger.Transaction, error) {
	within, cancel := context.WithTimeout(ctx, pace(2*keyedTxBytes*int(h.Count)))
	defer cancel()
	fetch := f.wholeBody
	if relay {
		fetch = f.relayBody
	}
	txs, err := fetch(within, r, h)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w: the body of block %d took too long: %w", errNoAnswer, h.Height, within.Err())
	}
	return txs, err
}

// A delivery is a body, and the peer that sent it.
type delivery struct {
	block  *ledger.Block
	from   *remotePeer
	weight int64
	err    error
}

// nextRun waits for the first of bodies, and takes those after it that are there
// too, which the chain writes at once. It returns the error of the delivery
// behind the run.
func nextRun(ctx context.Context, bodies []chan delivery) (run []delivery, err error) {
	for _, body := range bodies {
		var d delivery
		if len(run) == 0 {
			select {
			case d = <-body:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		} else {
			select {
			case d = <-body:
			default:
				return run, nil
			}
		}
		if d.err != nil {
			return run, d.err
		}
		run = append(run, d)
	}
	return run, nil
}

// addBodies adds fetched blocks to the chain, in order. A block that breaks a rule
// fails its branch, and bans no peer, since its sender need not have known.
func (f *bodyFetcher) addBodies(ctx context.Context, run []delivery) (took bool, err error) {
	if len(run) == 0 {
		return false, nil
	}
	blocks := make([]*ledger.Block, len(run))
	for i, d := range run {
		blocks[i] = d.block
	}
	_, change, err := f.Chain.AddBlocks(ctx, blocks)
	if be := new(ledger.BlockError); errors.As(err, &be) {
		f.Log.Warn("a block breaks the rules, its branch is not followed", "height", be.Height, "hash", be.Hash.Short(), "err", be)
	}
	return change != chain.Held, err
}

// A branch is one whose bodies are being fetched.
type branch struct {
	f *bodyFetcher
	c chain.Candidate

	mu    sync.Mutex
	lacks map[peer.ID]uint64 // peers that did not have the block of this height
}

// fetch gets the body of h from one peer. When that is quiet, another is asked beside
// it, then twice as many each quietTime. The first body is taken.
func (b *branch) fetch(ctx context.Context, h *ledger.SealedHeader) delivery {
	ctx, cancel := context.WithCancel(ctx)
	type end struct {
		*question
		delivery
	}
	ended, tried := make(chan end), make(map[peer.ID]bool)
	var running []*question
	defer func() {
		cancel()
		for range running {
			<-ended
		}
	}()
	tick := time.NewTicker(quietTime / 4)
	defer tick.Stop()
	for due := 1; ; {
		for ; due > 0; due-- {
			r := b.source(h, tried)
			if r == nil {
				break
			}
			tried[r.id] = true
			q := newQuestion(r, openTxBytes*int(h.Count))
			running = append(running, q)
			go func() { ended <- end{q, b.fetchFrom(ctx, r, h)} }()
		}
		if len(running) == 0 {
			return delivery{err: fmt.Errorf("no peer has block %d now", h.Height)}
		}
		select {
		case e := <-ended:
			running = slices.DeleteFunc(running, func(q *question) bool { return q == e.question })
			if e.block != nil {
				b.f.penaliseQuiet(e.question, running)
			}
			if e.block != nil || ctx.Err() != nil {
				return e.delivery
			}
			due = 1
		case now := <-tick.C:
			if !slices.ContainsFunc(running, func(q *question) bool { return !q.quiet(now) }) {
				due = len(running)
			}
		}
	}
}

// penaliseQuiet penalises those that sent nothing for longer than a body is waited for,
// see awaitBody, while another peer delivered one. That one must have taken less than
// quietTime: on a slow line the bytes of the others wait behind its own.
func (f *bodyFetcher) penaliseQuiet(delivered *question, asked []*question) {
	now := time.Now()
	if now.Sub(delivered.asked()) >= quietTime {
		return
	}
	for _, q := range asked {
		if now.Sub(q.lastSign()) > awaitTime+quietTime {
			f.noteBenched(q.r.penalise(now))
		}
	}
}

// fetchFrom gets the body of h from r.
func (b *branch) fetchFrom(ctx context.Context, r *remotePeer, h *ledger.SealedHeader) delivery {
	places := r.places()
	if err := r.bodies.Acquire(ctx, places); err != nil {
		return delivery{err: err}
	}
	defer r.bodies.Release(places)
	if r.isPenalised() { // it failed others while this one waited
		return delivery{err: errNoAnswer}
	}
	isNew := len(b.c.Missing) <= relayStretch
	relay := isNew && r.announced.Contains(h.Hash()) // it may wait for the body, see awaitBody
	r.asked.Add(1)
	txs, err := b.f.fetchBody(ctx, r, h, relay)
	r.asked.Add(-1)
	switch {
	case err == nil:
		r.forgive()
		block := &ledger.Block{SealedHeader: *h, Txs: txs}
		if isNew { // peers that wait for it need not wait for our disk
			b.f.recent.put(block)
		}
		return delivery{block: block, from: r}
	case ctx.Err() != nil:
	case errors.Is(err, errNotKnown):
		tip := r.latest().Tip
		if first := b.noteLack(r, h.Height); first && (tip == b.c.Tip.Hash || tip == h.Hash()) {
			b.f.noteBenched(r.withheld(time.Now()))
		}
	default:
		b.f.Log.Debug("a peer did not deliver a block", "peer", r.id, "height", h.Height, "err", err)
		b.f.blame(r, err)
	}
	return delivery{err: err}
}

// noteLack notes that r does not have the block of this height, and reports whether
// it is the first of the branch.
func (b *branch) noteLack(r *remotePeer, height uint64) (first bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	lack, lacks := b.lacks[r.id]
	if !lacks || height < lack {
		b.lacks[r.id] = height
	}
	return !lacks
}

// source returns the peer to ask for the body of h, or nil when none is left. Peers that
// announced it or the branch come before those whose chain is long enough. Of equal ones
// those come first that deliver, and of these the least busy. Not asked are peers that
// were tried, are penalised, or lack a lower block of the branch.
func (b *branch) source(h *ledger.SealedHeader, tried map[peer.ID]bool) *remotePeer {
	hash := h.Hash()
	b.mu.Lock()
	defer b.mu.Unlock()
	type source struct {
		*remotePeer
		announced bool
		delivers  bool
		asked     int32
	}
	var may []source
	for _, r := range b.f.peers.all() {
		lack, lacks := b.lacks[r.id]
		announced := r.announced.Contains(b.c.Tip.Hash) || r.announced.Contains(hash)
		switch {
		case tried[r.id], lacks && lack <= h.Height, r.isPenalised():
		case announced, r.latest().Blocks > h.Height:
			may = append(may, source{r, announced, r.isDelivering(), r.asked.Load()})
		}
	}
	if len(may) == 0 {
		return nil
	}
	return slices.MinFunc(may, func(x, y source) int {
		return cmp.Or(trueFirst(x.announced, y.announced), trueFirst(x.delivers, y.delivers), cmp.Compare(x.asked, y.asked))
	}).remotePeer
}
