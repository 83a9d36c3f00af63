package sync

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/p2p/internal/wait"
)

const (
	// maxBranches is how many branches are fetched at once, so that one whose only source
	// is silent delays no other. keptBranches of these places are for branches of peers
	// that deliver, since other branches may be made up.
	maxBranches  = 8
	keptBranches = 2
	// maxStretch is how many blocks of a branch are fetched before the fork
	// choice is asked again.
	maxStretch = 512
	// maxParts is how many partly fetched bodies are kept, at most 2 MiB each.
	maxParts = 8

	// A body that no peer has is asked for again after retryFirst, since the peers that
	// announced it may be fetching it, then after twice as long each time, up to
	// retryMost. maxPauses is as many as the chain keeps headers beside it.
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
	caughtUp   chan struct{} // signalled when catchingUp falls

	parts *lru.Cache[partKey, []*ledger.Transaction] // the first transactions of bodies, maxParts of them

	// Of the loop.
	done    chan fetched
	active  map[ledger.Hash]bool // bodies that a running branch asks for
	running int
	others  int // of running, those whose tip no peer that delivers has
}

func newBodyFetcher(c *core, peers *peers, recent *recentBlocks, incoming *incoming) *bodyFetcher {
	return &bodyFetcher{
		core: c, peers: peers, recent: recent, incoming: incoming, caughtUp: make(chan struct{}, 1),
		parts: newLRU[partKey, []*ledger.Transaction](maxParts),
		done:  make(chan fetched), active: make(map[ledger.Hash]bool),
	}
}

// A pause is the wait of a branch whose next body no peer delivered, so that it does not
// take the place of others.
type pause struct {
	until atomic.Pointer[time.Time]
	last  time.Duration // of the loop
}

// fetched is how the fetch of a branch ended.
type fetched struct {
	branch chain.Candidate
	kept   bool  // a peer that delivers has its tip
	moved  bool  // the chain took a block
	err    error // ends the node
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

// watchVotes has the peers' status looked at again when the builders voted for a block
// that is not on the chain. Its branch may be known, and may have lost so far.
func (f *bodyFetcher) watchVotes(ctx context.Context) error {
	for last := (ledger.Hash{}); ; {
		changed := f.Chain.Changed()
		if h := f.Chain.Status().Lacks; h != last {
			last = h
			wait.Signal(f.peers.sources)
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
			return wait.Ended(ctx, err)
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
		case end := <-f.done:
			if f.end(end); end.err != nil {
				return end.err
			}
		}
	}
}

// startBranches starts to fetch winning branches, first those of peers that deliver, then
// the best. It returns when the first pause of a skipped branch ends, or zero.
func (f *bodyFetcher) startBranches(ctx context.Context, g *errgroup.Group) (next time.Time, err error) {
	now, kept, others := time.Now(), f.peers.deliveringTips(), f.others
	skip := func(tip, body ledger.Hash) bool {
		p, _ := f.peers.failed.Peek(body)
		if p == nil || !now.Before(*p.until.Load()) {
			if f.active[body] || slices.Contains(kept, tip) {
				return f.active[body]
			}
			others++
			return others > maxBranches-keptBranches
		}
		if until := *p.until.Load(); next.IsZero() || until.Before(next) {
			next = until
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

// end frees the places of a branch.
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
		wait.Signal(f.caughtUp)
	}
	first := e.branch.Missing[0].Hash
	if e.moved {
		f.peers.failed.Remove(first)
		f.peers.failed.Remove(e.branch.Tip.Hash)
		f.peers.pullAll()
		return
	}
	p, _ := f.peers.failed.Peek(first)
	if p == nil {
		p = &pause{last: retryFirst / 2}
	}
	p.last = min(2*p.last, retryMost)
	p.until.Store(new(time.Now().Add(p.last)))
	f.peers.failed.Add(first, p)
	f.peers.failed.Add(e.branch.Tip.Hash, p)
}
