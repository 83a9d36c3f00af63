package chain

import (
	"context"
	"errors"
	"runtime"

	"foxchain/ledger"

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

// AddHeaders offers headers, lowest first, each the parent of the next. It keeps
// those before the first invalid one, and returns how many were new. The errors are
// those of AddBlock.
func (c *Chain) AddHeaders(ctx context.Context, hs []*ledger.SealedHeader) (int, error) {
	for i, h := range hs {
		if err := c.net.CheckHeader(h); err != nil {
			n, first := c.addHeaders(hs[:i])
			if first == nil {
				c.blame(err)
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
	defer func() { c.seen.count(c.counters()) }()
	for _, h := range hs {
		n, on, err := c.forks.link(h, h.Hash())
		if err == nil && !on && n.body { // staged before a restart: it may win now
			_, err = c.advance(n.hash)
		}
		if err != nil {
			return int(c.forks.added - before), err
		}
	}
	c.forks.trim()
	return int(c.forks.added - before), nil
}

// AddBlock offers a block whose parent is known. A block on the tip becomes the tip.
// One that completes a branch that wins ([ledger.CompareTips]) makes the chain switch
// to that branch. All of a branch that begins below the tip is validated first. Any
// other block is kept, since its branch may win later. The error is a *BlockError (of
// this block or of another on its branch), ErrUnknownParent, ErrStopped, or our own.
// Signatures and proofs are checked before the chain's lock is taken.
func (c *Chain) AddBlock(ctx context.Context, b *ledger.Block) (Change, error) {
	_, change, err := c.AddBlocks(ctx, []*ledger.Block{b})
	return change, err
}

// addBlock adds a block whose header and body have been checked. When it extends the
// chain and is not the last of a run, the caller must make it durable and publish
// it. The caller holds mu.
func (c *Chain) addBlock(b *ledger.Block, last bool) (Change, error) {
	n, on, err := c.forks.link(&b.SealedHeader, b.Hash())
	if err != nil || on {
		return Held, err
	}
	if n.body { // staged, perhaps before a restart: it may win now
		return c.advance(n.hash)
	}
	if b.Parent == c.store.Info.Tip {
		if err := newReorg(c).extend(b, n.hash, last); err != nil {
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
	c.seen.count(c.counters())
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
	if err := w.PutBlock(&b.SealedHeader, n.hash, items); err != nil {
		return err
	}
	if err := c.commit(w, false); err != nil {
		return err
	}
	n.body = true
	return nil
}

// advance switches to the best branch through the block h whose bodies are all
// here, if it wins. When a branch turns out to break a rule, its bad block is marked,
// the best of what is left is tried, and the first such error is returned at the end.
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
		did, err := newReorg(c).switchTo(path)
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

// AddBlocks offers a run of blocks, as AddBlock does each in turn. All that extend
// the chain take one fsync and one snapshot together, since a node that syncs would
// otherwise wait for the disk at each. It returns how many were taken before the
// error, and the greatest change that any of them made. The error is that of the next
// block, or of one that waited above the last one taken; a *BlockError has its hash.
// Headers and bodies are checked on all cores.
func (c *Chain) AddBlocks(ctx context.Context, run []*ledger.Block) (added int, change Change, err error) {
	whole, broken := c.checkRun(run)
	if broken != nil {
		c.blame(broken)
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

// endRun makes durable and visible what a run wrote, unless its last block did, and
// returns the error with which the run ended. The caller holds mu.
func (c *Chain) endRun(ended error) error {
	if c.Tip().Hash == c.store.Info.Tip || c.Err() != nil {
		return ended
	}
	if err := c.commit(c.store.Begin(), true); err != nil {
		return err
	}
	c.publish()
	return ended
}

// checkRun checks headers and bodies. It returns how many blocks, from the first on,
// are whole, and what is wrong with the next.
func (c *Chain) checkRun(run []*ledger.Block) (whole int, broken error) {
	errs := make([]error, len(run))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, b := range run {
		g.Go(func() error {
			errs[i] = c.net.CheckBlock(b)
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

// blame marks the block of an error that was found outside the lock.
func (c *Chain) blame(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forks.blame(err)
}

// resume goes on with an interrupted switch, whose branch was validated before it
// began. If it cannot go on after all (a body is missing, a rule is broken), the node
// stays at its tip, which is valid, and sync does the rest.
func (c *Chain) resume(target ledger.Hash) error {
	n, _, err := c.forks.find(target)
	if err != nil {
		return err
	}
	if n != nil && c.forks.wins(n.ref()) {
		path, err := c.forks.path(n)
		if err != nil {
			return err
		}
		if path != nil {
			_, err := newReorg(c).switchTo(path)
			var rule *ledger.BlockError
			if err != nil && !errors.As(err, &rule) {
				return err
			}
		}
	}
	if c.store.Info.Target == (ledger.Hash{}) {
		return nil
	}
	w := c.store.Begin()
	w.Info.Target = ledger.Hash{}
	return c.commit(w, true)
}

// MergeBlocks takes blocks from a client, each checked by ParseBlocks. It passes over
// a block that is held already, and one in the original's form that does not stand on
// the tip. One in the original's form on the tip is sealed with seal (nil:
// ErrNotBuilding). If its parent is not known, it stands on the block before it in
// the list. A transaction that the chain below has already is a *DuplicateError.
//
// Blocks on the tip are all tried before any is written. Sealed blocks beside the tip
// are taken one by one, as AddBlock does, so after an error those before it stay.
// Their transactions are applied when their branch wins. The error is a *MergeError
// around a *BlockError, or our own.
func (c *Chain) MergeBlocks(ctx context.Context, blocks []*ledger.GivenBlock, seal Seal) error {
	for i, g := range blocks {
		if err := g.Check(c.net); err != nil {
			return &MergeError{i, err}
		}
	}
	m := &merge{c: c, given: make(map[ledger.Hash]*ledger.Block)}
	if err := m.try(blocks, seal != nil); err != nil {
		return err
	}
	if err := m.seal(ctx, seal); err != nil {
		return err
	}
	return m.write(ctx)
}
