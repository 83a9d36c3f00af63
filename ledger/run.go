package ledger

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// AddBlocks offers a run of blocks, as AddBlock does each in turn, and makes what
// extends the chain durable and visible at once: one fsync and one snapshot for
// all, where a node that syncs would wait for the disk for each. It says how many
// were taken before the error, and the greatest change that any of them made. The
// error is that of the next, or of a block that waited above the last one taken:
// a *BlockError has its hash. Headers and bodies are checked on all cores.
func (c *Chain) AddBlocks(ctx context.Context, run []*Block) (added int, change Change, err error) {
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
// not, and gives back the error with which the run ended. The caller holds mu.
func (c *Chain) endRun(ended error) error {
	if c.snap.tip.Hash == c.store.info.Tip || c.Err() != nil {
		return ended
	}
	if err := c.commit(c.store.begin(), true); err != nil {
		return err
	}
	c.publish()
	return ended
}

// checkRun says how many blocks, from the first on, hold by themselves, and what
// is wrong with the next.
func (c *Chain) checkRun(run []*Block) (whole int, broken error) {
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
