package chain

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"

	"foxchain/ledger"

	"golang.org/x/sync/errgroup"
)

// A Change is what AddBlock did.
type Change uint8

const (
	Held     Change = iota // the block was known already
	Side                   // it is kept on a side branch
	Extended               // it is the new tip, on the old one
	Reorged                // a reorg made its branch the chain
)

// AddHeaders offers headers, lowest first, each the parent of the next. It keeps
// those before the first invalid one. The errors are those of AddBlock.
func (c *Chain) AddHeaders(ctx context.Context, hs []*ledger.SealedHeader) error {
	whole, broken := checkEach(len(hs), func(i int) error { return c.net.CheckHeader(hs[i]) })
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return err
	}
	c.forks.blame(broken)
	for _, h := range hs[:whole] {
		n, _, err := c.forks.link(h, h.Hash())
		if err == nil && n != nil && n.body { // staged before a restart, it may win now
			_, err = c.advance(n.hash)
		}
		if err != nil {
			broken = err
			break
		}
	}
	return c.endRun(broken)
}

// AddBlock offers a block whose parent is known. A block on the tip becomes the tip. If
// it completes a branch that wins ([ledger.CompareTips]), a reorg makes that branch the
// chain. A branch that begins below the tip is validated as a whole first. Any other
// block is kept, since its branch may win later. The error is a *BlockError (of this
// block or of another on its branch), ErrUnknownParent, ErrStopped, or a failure of this
// node. Signatures and proofs are checked before the chain's lock is taken.
func (c *Chain) AddBlock(ctx context.Context, b *ledger.Block) (Change, error) {
	return c.AddBlocks(ctx, []*ledger.Block{b})
}

// AddBlocks offers the blocks of a run in order, each as AddBlock does. All take one
// fsync and one snapshot, unless there is a reorg, since a syncing node would otherwise
// wait for the disk at each. It ends at the first error, which is that of a block of the
// run or of one staged above it. A *BlockError has its hash. It returns the greatest change.
func (c *Chain) AddBlocks(ctx context.Context, run []*ledger.Block) (change Change, err error) {
	whole, broken := checkEach(len(run), func(i int) error { return c.net.CheckBlock(run[i]) })
	if err := ctx.Err(); err != nil {
		return Held, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return Held, err
	}
	c.forks.blame(broken)
	for i := 0; i < whole && err == nil; i++ {
		var did Change
		did, err = c.addBlock(run[i], i == whole-1)
		change = max(change, did)
	}
	return change, c.endRun(cmp.Or(err, broken))
}

// checkEach runs check for n items, on all cores. It returns how many passed before the
// first that failed, and its error.
func checkEach(n int, check func(i int) error) (passed int, first error) {
	errs := make([]error, n)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range errs {
		g.Go(func() error {
			errs[i] = check(i)
			return nil
		})
	}
	_ = g.Wait() // each has its error in errs
	for i, err := range errs {
		if err != nil {
			return i, err
		}
	}
	return n, nil
}

// addBlock adds a block whose header and body have been checked. If it is not the last of
// a run, endRun makes it durable and publishes it. The caller holds mu.
func (c *Chain) addBlock(b *ledger.Block, last bool) (Change, error) {
	n, on, err := c.forks.link(&b.SealedHeader, b.Hash())
	if err != nil || on {
		return Held, err
	}
	change := Held
	switch {
	case n.body: // staged, perhaps before a restart, it may win now
	case b.Parent == c.store.Info.Tip:
		if err := newReorg(c).extend(b, n.hash, last); err != nil {
			return Held, err
		}
		if last {
			c.publish()
		}
		change = Extended // and blocks staged above it may win now
	default:
		if err := c.stage(b, n, last); err != nil {
			return Held, err
		}
		change = Side
	}
	did, err := c.advance(n.hash)
	if err == nil || change == Extended { // else the error may be of b
		did = max(did, change)
	}
	return did, err
}

// stage keeps the header and body of a side block in the store, so that a branch of any
// length can be validated without holding it in memory.
func (c *Chain) stage(b *ledger.Block, n *sideHeader, sync bool) error {
	w := c.store.Begin()
	items := make([]ledger.StoredTx, len(b.Txs))
	for i, tx := range b.Txs {
		items[i] = ledger.StoredTx{Tx: tx, Seen: c.running()}
	}
	w.PutBlock(&b.SealedHeader, n.hash, items)
	w.PutSide(&b.SealedHeader, n.hash)
	if err := c.commit(w, sync); err != nil {
		return err
	}
	c.forks.setBody(n)
	return nil
}

// endRun keeps the side branches within their bounds. It makes the blocks of a run
// durable and visible, unless the last block did, and returns the error with which the
// run ended, or the one that stops the chain. The caller holds mu.
func (c *Chain) endRun(ended error) error {
	if c.Err() == nil {
		c.forks.trim()
	}
	if c.Tip().Hash != c.store.Info.Tip && c.Err() == nil {
		if err := c.commit(c.store.Begin(), true); err != nil {
			return err
		}
	}
	c.publish()
	return cmp.Or(c.votes.check(), ended)
}

// advance is the fork choice. It takes the best branch through the block h whose bodies
// are all here, and makes it the chain if it wins. If a branch breaks a rule, its bad
// block is marked, the best remaining branch is tried, and the first such error is
// returned at the end. wins compares, best and path find the branch, and a reorg writes
// it.
func (c *Chain) advance(h ledger.Hash) (Change, error) {
	change := Held
	var broken error
	for {
		end := c.forks.best(h)
		if end == nil || !c.forks.wins(end.ref()) {
			return change, broken
		}
		path, err := c.forks.path(end)
		if err != nil || path == nil {
			return change, errors.Join(broken, err)
		}
		did, err := newReorg(c).to(path)
		change = max(change, did)
		if err != nil && !breaksRule(err) {
			return change, err
		}
		broken = cmp.Or(broken, err)
	}
}

// breaksRule reports whether err is the fault of a block, and not this node's own.
func breaksRule(err error) bool {
	var rule *ledger.BlockError
	return errors.As(err, &rule)
}

// wins reports whether a chain that ends with ref wins over the tip as of the last
// commit. The caller holds mu.
func (f *forks) wins(ref ledger.BlockRef) bool {
	in := &f.store.Info
	return in.Blocks == 0 || f.better(ref, ledger.BlockRef{Height: in.Blocks - 1, Hash: in.Tip})
}

// better is the fork choice between branches that end with x and y: first the preferred
// blocks (see [Votes]), then [ledger.CompareTips]. The caller holds mu.
func (f *forks) better(x, y ledger.BlockRef) bool {
	if f.wishes > 0 { // else there are no votes
		if in, other := f.rank(x.Hash), f.rank(y.Hash); in != other {
			return in > other
		}
	}
	return ledger.CompareTips(x, y) < 0
}

// best returns the best block among h and those of its descendants that are connected to
// it by blocks with bodies, or nil.
func (f *forks) best(h ledger.Hash) *sideHeader {
	var best *sideHeader
	stack := slices.Clone(f.children[h])
	if n := f.nodes[h]; n != nil {
		stack = []*sideHeader{n}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !n.body {
			continue
		}
		if best == nil || f.better(n.ref(), best.ref()) {
			best = n
		}
		stack = append(stack, f.children[n.hash]...)
	}
	return best
}

// path returns the nodes from the fork with the chain up to end, lowest first. It
// returns nil when a body is missing on the way.
func (f *forks) path(end *sideHeader) (path []*sideHeader, err error) {
	for n, on := end, false; !on; {
		if n == nil || !n.body {
			return nil, nil
		}
		path = append(path, n)
		if n, on, err = f.find(n.header.Parent); err != nil {
			return nil, err
		}
	}
	slices.Reverse(path)
	return path, nil
}

// resume goes on with an interrupted reorg. If that fails (a body is missing, a rule is
// broken), the node stays at its tip, which is valid, and sync does the rest. The caller
// holds mu.
func (c *Chain) resume(target ledger.Hash) error {
	if _, _, err := c.forks.find(target); err != nil {
		return err
	}
	if _, err := c.advance(target); err != nil && !breaksRule(err) {
		return err
	}
	w := c.store.Begin()
	w.Info.Target = ledger.Hash{}
	return c.commit(w, true)
}

// A Candidate is a branch of headers that would win if its bodies were here and valid.
type Candidate struct {
	Tip     ledger.BlockRef
	Missing []ledger.BlockRef // the lowest bodies to fetch, in order, at most the asked number
}

// Candidates returns at most n winning branches, best first, with at most missing bodies
// each. Branches that end in one of the blocks first come before the others, in that
// order. Of branches that lack the same lowest body it returns only the first. It leaves
// out branches for whose tip and lowest missing body skip, which may be nil, returns
// true, so that branches that no peer delivers do not hide others. A branch whose bodies
// are all here already (a crash came before the reorg) becomes the chain at once.
func (c *Chain) Candidates(n, missing int, skip func(tip, lowest ledger.Hash) bool, first ...ledger.Hash) ([]Candidate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	var ends []*sideHeader
	for _, end := range c.forks.ends {
		if c.forks.wins(end.ref()) {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, func(x, y *sideHeader) int { return ledger.CompareTips(x.ref(), y.ref()) })
	var asked []*sideHeader
	for _, h := range c.forks.preferred(first) {
		if node := c.forks.nodes[h]; node != nil {
			asked = append(asked, node)
		}
	}
	var out []Candidate
	waits := make(map[ledger.Hash]bool)         // lowest missing bodies
	walked := make(map[ledger.Hash]ledger.Hash) // of lowestMissing
	for _, end := range append(asked, ends...) {
		if len(out) >= n {
			break
		}
		if !c.forks.wins(end.ref()) {
			continue
		}
		lowest, err := c.forks.lowestMissing(end, walked)
		if err != nil {
			return nil, err
		}
		if lowest == (ledger.Hash{}) {
			if _, err := c.advance(end.hash); err != nil && !breaksRule(err) {
				return nil, err
			}
			clear(walked) // the branches have changed
			continue
		}
		if waits[lowest] || skip != nil && skip(end.hash, lowest) {
			continue
		}
		waits[lowest] = true
		refs, err := c.forks.missing(end, missing)
		if err != nil {
			return nil, err
		}
		out = append(out, Candidate{Tip: end.ref(), Missing: refs})
	}
	return out, nil
}

// MergeBlocks takes blocks from a client, each checked by ParseBlocks. It skips held
// blocks, and those in the original's form that are not on the tip. One in the original's
// form on the tip is sealed with seal, or an ErrNotBuilding if that is nil. If its parent
// is not known, the parent is the block before it in the list. A transaction that the
// chain below has already is a *DuplicateError.
//
// Blocks on the tip are all tried before any is written. Sealed blocks beside the tip are
// taken one by one, as AddBlock does, so after an error those before it stay. Their
// transactions are applied when their branch wins. The error is a *MergeError around a
// *BlockError, or a failure of this node.
func (c *Chain) MergeBlocks(ctx context.Context, blocks []*ledger.GivenBlock, seal Seal) error {
	for i, g := range blocks {
		if err := g.Check(c.net); err != nil {
			return &MergeError{i, err}
		}
	}
	m := &merge{c: c, given: make(map[ledger.Hash]*ledger.Block)}
	if err := m.plan(blocks, seal != nil); err != nil {
		return err
	}
	if err := m.seal(ctx, seal); err != nil {
		return err
	}
	return m.write(ctx)
}
