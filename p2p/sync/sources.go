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

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// A branch is one whose bodies are being fetched.
type branch struct {
	f *bodyFetcher
	c chain.Candidate

	mu    sync.Mutex
	lacks map[peer.ID]uint64 // peers that did not have the block of this height
}

// fetch gets the body of h from one peer. When that is quiet, another is asked beside
// it, then twice as many each quietTime. So a silent peer costs a second, and all
// that there may be some seconds. What comes first is taken.
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
				b.f.penaliseQuiet(running)
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

// penaliseQuiet penalises those that sent nothing while another peer delivered, for
// longer than a body is waited for, see awaitBody.
func (f *bodyFetcher) penaliseQuiet(asked []*question) {
	for _, q := range asked {
		if now := time.Now(); now.Sub(q.lastSign()) > awaitTime+quietTime {
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

// source returns the peer to ask for the body of h, or nil when none is left.
// Peers that announced it or the branch come first, then those whose chain is
// long enough, of equal ones those that deliver, and of these the least busy. Peers that were tried, that
// lack a lower block of the branch or that are penalised are passed over.
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
