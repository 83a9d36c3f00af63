package sync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

const (
	// maxBranchTxs bounds the transactions of a branch that wait for the chain. A small
	// block counts for leastBlockTxs, so at most 64 blocks wait, or two of the largest.
	maxBranchTxs  = 2 * ledger.MaxBlockTxs
	leastBlockTxs = maxBranchTxs / 64
	// Up to relayStretch missing blocks are filled from the pool. If more are missing,
	// the pool does not have their transactions.
	relayStretch = 4
)

// A branch is a branch of the chain whose bodies are being fetched.
type branch struct {
	f *bodyFetcher
	c chain.Candidate

	mu    sync.Mutex
	lacks map[peer.ID]uint64 // the lowest height whose block the peer did not have
}

// fetchBranch fetches the missing bodies of c, several at once from several peers, and
// adds them to the chain in order. It reports whether the chain took any. Its error ends
// the node.
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
		f.Log.Debug("a branch was not fetched to its end", "height", c.Tip.Height, "tip", c.Tip.Hash.Short(), "error", err)
	}
	return moved, nil
}

// fetchBody fetches the body of h from r, by compact relay or whole. All its exchanges
// together may take as long as one message of the body's size.
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

// A delivery is a body, or why there is none.
type delivery struct {
	block  *ledger.Block
	weight int64
	err    error
}

// nextRun waits for the first of bodies, and takes those after it that are there too, so
// that the chain writes them at once. It returns the error of the delivery after the run.
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

// addBodies adds fetched blocks to the chain, in order. A block that breaks a rule fails
// its branch. Its sender is not banned, since it may not have checked the block yet.
func (f *bodyFetcher) addBodies(ctx context.Context, run []delivery) (took bool, err error) {
	if len(run) == 0 {
		return false, nil
	}
	blocks := make([]*ledger.Block, len(run))
	for i, d := range run {
		blocks[i] = d.block
	}
	change, err := f.Chain.AddBlocks(ctx, blocks)
	if be := new(ledger.BlockError); errors.As(err, &be) {
		f.Log.Warn("a block breaks the rules, so its branch is not followed", "height", be.Height, "hash", be.Hash.Short(), "error", be)
	}
	return change != chain.Held, err
}

// fetch gets the body of h from one peer. When all that were asked are quiet, it asks as
// many again. It takes the first body.
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
			q := newQuestion(r, busyTime) // until it has a place
			running = append(running, q)
			go func() { ended <- end{q, b.fetchFrom(ctx, q, h)} }()
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

// penaliseQuiet passes over the peers that were quiet while another delivered a body, and
// penalises those that sent nothing for longer than awaitBody may take. It does so only if
// the delivery took less than quietTime, since on a slow line the bytes of the others wait
// behind it.
func (f *bodyFetcher) penaliseQuiet(delivered *question, asked []*question) {
	now := time.Now()
	if now.Sub(delivered.asked()) >= quietTime {
		return
	}
	for _, q := range asked {
		if q.quiet(now) {
			q.r.passOver()
		}
		if now.Sub(q.lastSign()) > awaitTime+quietTime {
			f.notePenalised(q.r.penalise(now))
		}
	}
}

// fetchFrom gets the body of h from the peer of q, once the peer has a free place.
func (b *branch) fetchFrom(ctx context.Context, q *question, h *ledger.SealedHeader) delivery {
	r := q.r
	places, passed := int64(1), r.passed.Load()
	if r.partSize() < firstPart { // a slow line
		places = maxBodies
	}
	if err := r.bodies.Acquire(ctx, places); err != nil {
		return delivery{err: err}
	}
	defer r.bodies.Release(places)
	if r.isPenalised() || r.passed.Load() > passed { // r failed other questions meanwhile
		return delivery{err: errNoAnswer}
	}
	q.ask(r.bodyTime(int(h.Count)))
	isNew := len(b.c.Missing) <= relayStretch
	relay := isNew && r.announced.Contains(h.Hash()) // so it may wait for the body, see awaitBody
	r.asked.Add(1)
	txs, err := b.f.fetchBody(ctx, r, h, relay)
	r.asked.Add(-1)
	switch {
	case err == nil:
		r.forgive()
		block := &ledger.Block{SealedHeader: *h, Txs: txs}
		if isNew { // so that peers need not wait for our disk
			b.f.recent.put(block)
		}
		return delivery{block: block}
	case ctx.Err() != nil:
	case errors.Is(err, errNotKnown):
		tip := r.latest().Tip
		if first := b.noteLack(r, h.Height); first && (tip == b.c.Tip.Hash || tip == h.Hash()) {
			b.f.notePenalised(r.withheld(time.Now()))
		}
	default:
		b.f.Log.Debug("a peer did not deliver a block", "peer", r.id, "height", h.Height, "error", err)
		b.f.blame(r, err)
	}
	return delivery{err: err}
}

// noteLack notes that r does not have the block of this height, and reports whether it is
// the first that r lacks.
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
// the peers that deliver come first, and of these the least busy. Peers that were tried,
// are penalised, or lack this or a lower block of the branch are left out.
func (b *branch) source(h *ledger.SealedHeader, tried map[peer.ID]bool) *remotePeer {
	hash := h.Hash()
	b.mu.Lock()
	defer b.mu.Unlock()
	type source struct {
		*remotePeer
		rank  int
		asked int32
	}
	var may []source
	for _, r := range b.f.peers.all() {
		lack, lacks := b.lacks[r.id]
		announced := r.announced.Contains(b.c.Tip.Hash) || r.announced.Contains(hash)
		switch {
		case tried[r.id], lacks && lack <= h.Height, r.isPenalised():
		case announced, r.latest().Blocks > h.Height:
			rank := 0
			if !announced {
				rank = 2
			}
			if !r.delivers.Load() {
				rank++
			}
			may = append(may, source{r, rank, r.asked.Load()})
		}
	}
	if len(may) == 0 {
		return nil
	}
	return slices.MinFunc(may, func(x, y source) int {
		return cmp.Or(cmp.Compare(x.rank, y.rank), cmp.Compare(x.asked, y.asked))
	}).remotePeer
}
