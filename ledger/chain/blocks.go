package chain

import (
	"context"
	"errors"
	"runtime"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/store"

	"golang.org/x/sync/errgroup"
)

// A Change is what AddBlock did.
type Change uint8

const (
	Held     Change = iota // known already
	Side                   // kept on a side branch
	Extended               // the new tip, on the old one
	Reorged                // the chain switched to its branch
)

// AddHeaders offers headers, lowest first, each the parent of the next. It
// keeps those that are valid up to the first that is not, and returns how many
// were new. Errors as AddBlock's.
func (c *Chain) AddHeaders(ctx context.Context, hs []*ledger.SealedHeader) (int, error) {
	for i, h := range hs {
		if err := c.net.CheckHeader(h); err != nil {
			n, first := c.addHeaders(hs[:i])
			if first == nil {
				c.mark(err)
				first = err
			}
			return n, first
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return c.addHeaders(hs)
}

func (c *Chain) addHeaders(hs []*ledger.SealedHeader) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	before := c.forks.added
	defer c.publishCounters()
	for _, h := range hs {
		n, on, err := c.link(h, h.Hash())
		if err == nil && !on && n.body { // staged before a restart: it may win now
			_, err = c.advance(n.hash)
		}
		if err != nil {
			return int(c.forks.added - before), err
		}
	}
	c.stats.SideDropped += uint64(c.forks.trim())
	return int(c.forks.added - before), nil
}

// link finds the place of a header whose own fields hold: on the chain already
// (on is true), or as a node of a side branch, made when it is new. The caller
// holds mu.
func (c *Chain) link(h *ledger.SealedHeader, hash ledger.Hash) (n *sideHeader, on bool, err error) {
	if mark := c.forks.failed[hash]; mark != nil {
		return nil, false, mark
	}
	n, on, err = c.find(hash)
	if err != nil || n != nil || on {
		return n, on, err
	}
	if mark := c.forks.failed[h.Parent]; mark != nil {
		e := failedParent(h, hash, mark)
		c.forks.fail(e)
		return nil, false, e
	}
	height, err := c.heightAbove(h.Parent)
	if err != nil {
		return nil, false, err
	}
	if h.Height != height {
		e := &ledger.BlockError{Fault: ledger.FaultBlock, Height: h.Height, Hash: hash, Field: "height", Rule: "must be one more than the parent's, 0 on the network's ID"}
		c.forks.fail(e)
		return nil, false, e
	}
	if height < c.store.Info.Blocks || len(c.forks.children[h.Parent]) > 0 {
		c.stats.Rivals++
	}
	return c.forks.add(h, hash, false), false, nil
}

// heightAbove is the height of a block on parent, or ErrUnknownParent.
func (c *Chain) heightAbove(parent ledger.Hash) (uint64, error) {
	if parent == c.net.ID() {
		return 0, nil
	}
	if parent == c.store.Info.Tip {
		return c.store.Info.Blocks, nil
	}
	n, on, err := c.find(parent)
	switch {
	case err != nil:
		return 0, err
	case n != nil:
		return n.header.Height + 1, nil
	case !on:
		return 0, ledger.ErrUnknownParent
	}
	h, err := store.ReadHeader(c.store.DB, parent)
	if err != nil {
		return 0, err
	}
	return h.Height + 1, nil
}

// find looks a block up: on the chain, or as a node. A block whose header is in
// the store, because it was on the chain once or waited for its branch to win,
// becomes a node again, and so do those below it. Where one of those is not
// there any more it is unknown: headers have to come again.
func (c *Chain) find(hash ledger.Hash) (n *sideHeader, on bool, err error) {
	var up []*ledger.SealedHeader // in the store and not in memory, highest first
	for at := hash; ; {
		if n = c.forks.nodes[at]; n != nil || len(up) > 0 && at == c.net.ID() {
			break
		}
		h, err := store.ReadHeader(c.store.DB, at)
		if errors.Is(err, ledger.ErrUnknown) {
			return nil, false, nil
		} else if err != nil {
			return nil, false, err
		}
		if on, err = c.onChain(ledger.BlockRef{Height: h.Height, Hash: at}); err != nil || on && len(up) == 0 {
			return nil, on, err
		}
		if on {
			break
		}
		if c.forks.failed[at] != nil {
			return nil, false, nil
		}
		up = append(up, h)
		at = h.Parent
	}
	for i := len(up) - 1; i >= 0; i-- {
		h := up[i]
		ref := ledger.BlockRef{Height: h.Height, Hash: h.Hash()}
		body, err := store.HasBody(c.store.DB, ref)
		if err != nil {
			return nil, false, err
		}
		n = c.forks.add(h, ref.Hash, body)
	}
	return n, false, nil
}

func (c *Chain) onChain(ref ledger.BlockRef) (bool, error) {
	if ref.Height >= c.store.Info.Blocks {
		return false, nil
	}
	hash, err := store.ReadHash(c.store.DB, ref.Height)
	return hash == ref.Hash, err
}

// mark remembers a failed block. Faults of senders and of our own are not
// marked, nor is a header without the proof of work: it would cost nothing to
// make another.
func (c *Chain) mark(err error) {
	var e *ledger.BlockError
	if errors.As(err, &e) && e.Fault == ledger.FaultBlock && e.Hash.ZeroBits() >= int(c.net.Bits) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.forks.fail(e)
	}
}

// FailedBlock returns the mark of a block that broke a rule, nil for others.
func (c *Chain) FailedBlock(h ledger.Hash) *ledger.BlockError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forks.failed[h]
}

// AddBlock offers a block whose parent is known. Where it stands on the tip it
// becomes the tip; where it completes a branch that wins ([ledger.CompareTips]), the
// chain switches to that branch, all of which is validated first; else its
// header is kept, and its body too, for the branch may win later. Errors: a
// *BlockError (of this block or of another on its branch), ErrUnknownParent,
// ErrStopped, or our own. Signatures and proofs are checked before the chain's
// lock is taken.
func (c *Chain) AddBlock(ctx context.Context, b *ledger.Block) (Change, error) {
	_, change, err := c.AddBlocks(ctx, []*ledger.Block{b})
	return change, err
}

// addBlock adds a block whose header and body hold by themselves. Where it
// extends the chain and is not the last of a run, it is neither durable nor
// published: the caller sees to both. The caller holds mu.
func (c *Chain) addBlock(b *ledger.Block, last bool) (Change, error) {
	n, on, err := c.link(&b.SealedHeader, b.Hash())
	if err != nil || on {
		return Held, err
	}
	if n.body { // staged before a restart, perhaps: it may win now
		return c.advance(n.hash)
	}
	if b.Parent == c.store.Info.Tip {
		if err := c.extend(b, n.hash, last); err != nil {
			return Held, err
		}
		if last {
			c.publish()
		}
		// Bodies that came before this one may stand ready above it.
		change, err := c.advance(b.Hash())
		return max(change, Extended), err
	}
	if err := c.stage(b, n); err != nil {
		return Held, err
	}
	change, err := c.advance(n.hash)
	if change == Held && err == nil {
		change = Side
	}
	c.publishCounters()
	return change, err
}

// stage keeps the header and body of a side branch in the store, so that a
// branch of any length can be validated without holding it in memory.
func (c *Chain) stage(b *ledger.Block, n *sideHeader) error {
	w := c.store.Begin()
	items := make([]ledger.StoredTx, len(b.Txs))
	for i, tx := range b.Txs {
		items[i] = ledger.StoredTx{Tx: tx, Seen: c.running()}
	}
	if err := w.PutBody(b.Height, n.hash, items); err != nil {
		return err
	}
	w.Put(store.HeaderKey(n.hash), ledger.EncodeHeader(&b.SealedHeader))
	if err := c.commit(w, false); err != nil {
		return err
	}
	n.body = true
	return nil
}

// advance switches to the best branch through the block h whose bodies are all
// here, if it wins. A branch that turns out to break a rule is marked, and the
// error returned, after what is valid of it was used where that alone wins.
func (c *Chain) advance(h ledger.Hash) (Change, error) {
	change := Held
	var broken error
	for {
		end := c.best(h)
		if end == nil || !c.wins(end.ref()) {
			return change, broken
		}
		path, err := c.path(end)
		if err != nil || path == nil {
			return change, errors.Join(broken, err)
		}
		did, err := c.switchTo(path)
		change = max(change, did)
		var rule *ledger.BlockError
		if err != nil && !errors.As(err, &rule) {
			return change, err
		}
		if err != nil && broken == nil {
			broken = err
		}
	}
}

// best is the best end among h's descendants (h included) that are reached over
// blocks whose bodies are here; nil when there is none.
func (c *Chain) best(h ledger.Hash) *sideHeader {
	var best *sideHeader
	if n := c.forks.nodes[h]; n != nil {
		if !n.body {
			return nil
		}
		best = n
	}
	for stack := slices.Clone(c.forks.children[h]); len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !n.body {
			continue
		}
		if best == nil || ledger.CompareTips(n.ref(), best.ref()) < 0 {
			best = n
		}
		stack = append(stack, c.forks.children[n.hash]...)
	}
	return best
}

// path returns the nodes from the fork with the chain up to end, lowest first;
// nil when a body is missing on the way.
func (c *Chain) path(end *sideHeader) ([]*sideHeader, error) {
	var path []*sideHeader
	for n := end; ; {
		if !n.body {
			return nil, nil
		}
		path = append(path, n)
		parent := n.header.Parent
		if parent == c.net.ID() {
			break
		}
		up, on, err := c.find(parent)
		if err != nil {
			return nil, err
		}
		if on {
			break
		}
		if up == nil {
			return nil, nil
		}
		n = up
	}
	slices.Reverse(path)
	return path, nil
}

// publishCounters shows readers the counters that are not part of a commit.
func (c *Chain) publishCounters() {
	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	c.status.Rivals, c.status.Refused, c.status.SideDropped = c.stats.Rivals, c.stats.Refused, c.stats.SideDropped
	c.status.SideHeaders, c.status.FailedBlocks = len(c.forks.nodes), len(c.forks.failed)
}

// AddBlocks offers a run of blocks, as AddBlock does each in turn, and makes what
// extends the chain durable and visible at once: one fsync and one snapshot for
// all, where a node that syncs would wait for the disk for each. It returns how many
// were taken before the error, and the greatest change that any of them made. The
// error is that of the next, or of a block that waited above the last one taken:
// a *BlockError has its hash. Headers and bodies are checked on all cores.
func (c *Chain) AddBlocks(ctx context.Context, run []*ledger.Block) (added int, change Change, err error) {
	whole, broken := c.checkRun(run)
	if broken != nil {
		c.mark(broken)
	}
	if err := ctx.Err(); err != nil {
		return 0, Held, err
	}
	if whole == 0 {
		return 0, Held, broken
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return 0, Held, err
	}
	for i, b := range run[:whole] {
		did, err := c.addBlock(b, i == whole-1)
		change = max(change, did)
		if err != nil {
			if did != Held { // the error is another's, above it
				i++
			}
			return i, change, c.endRun(err)
		}
	}
	return whole, change, c.endRun(broken)
}

// endRun makes durable and visible what a run wrote, where its last block did
// not, and returns the error with which the run ended. The caller holds mu.
func (c *Chain) endRun(ended error) error {
	if c.snap.Tip.Hash == c.store.Info.Tip || c.Err() != nil {
		return ended
	}
	if err := c.commit(c.store.Begin(), true); err != nil {
		return err
	}
	c.publish()
	return ended
}

// checkRun returns how many blocks, from the first on, hold by themselves, and what
// is wrong with the next.
func (c *Chain) checkRun(run []*ledger.Block) (whole int, broken error) {
	errs := make([]error, len(run))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range run {
		g.Go(func() error {
			if errs[i] = c.net.CheckHeader(&b.SealedHeader); errs[i] == nil {
				errs[i] = c.net.CheckBody(&b.Header, b.Txs)
			}
			return nil
		})
	}
	_ = g.Wait() // each has its error in errs
	for i, err := range errs {
		if err != nil {
			return i, err
		}
	}
	return len(run), nil
}
