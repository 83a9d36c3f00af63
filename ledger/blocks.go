package ledger

import (
	"context"
	"errors"
	"slices"
)

// A Change says what AddBlock did.
type Change uint8

const (
	Held     Change = iota // known already
	Side                   // kept on a side branch
	Extended               // the new tip, on the old one
	Reorged                // the chain switched to its branch
)

// A BlockRef names a block.
type BlockRef struct {
	Height uint64
	Hash   Hash
}

// AddHeaders offers headers, lowest first, each the parent of the next. It
// keeps those that are valid up to the first that is not, and says how many
// were new. Errors as AddBlock's.
func (c *Chain) AddHeaders(ctx context.Context, hs []*SealedHeader) (int, error) {
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

func (c *Chain) addHeaders(hs []*SealedHeader) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return 0, err
	}
	before := c.branches.added
	defer c.publishCounters()
	for _, h := range hs {
		n, on, err := c.link(h, h.Hash())
		if err == nil && !on && n.body { // staged before a restart: it may win now
			_, err = c.advance(n.hash)
		}
		if err != nil {
			return int(c.branches.added - before), err
		}
	}
	c.stats.SideDropped += uint64(c.branches.trim())
	return int(c.branches.added - before), nil
}

// link finds the place of a header whose own fields hold: on the chain already
// (on is true), or as a node of a side branch, made when it is new. The caller
// holds mu.
func (c *Chain) link(h *SealedHeader, hash Hash) (n *node, on bool, err error) {
	if mark := c.branches.failed[hash]; mark != nil {
		return nil, false, mark
	}
	n, on, err = c.find(hash)
	if err != nil || n != nil || on {
		return n, on, err
	}
	if mark := c.branches.failed[h.Parent]; mark != nil {
		e := failedParent(h, hash, mark)
		c.branches.fail(e)
		return nil, false, e
	}
	height, err := c.heightAbove(h.Parent)
	if err != nil {
		return nil, false, err
	}
	if h.Height != height {
		e := &BlockError{Fault: FaultBlock, Height: h.Height, Hash: hash, Field: "height", Rule: "must be one more than the parent's, 0 on the network's ID"}
		c.branches.fail(e)
		return nil, false, e
	}
	if height < c.store.info.Blocks || len(c.branches.children[h.Parent]) > 0 {
		c.stats.Rivals++
	}
	return c.branches.add(h, hash, false), false, nil
}

// heightAbove is the height of a block on parent, or ErrUnknownParent.
func (c *Chain) heightAbove(parent Hash) (uint64, error) {
	if parent == c.net.ID() {
		return 0, nil
	}
	if parent == c.store.info.Tip {
		return c.store.info.Blocks, nil
	}
	n, on, err := c.find(parent)
	switch {
	case err != nil:
		return 0, err
	case n != nil:
		return n.header.Height + 1, nil
	case !on:
		return 0, ErrUnknownParent
	}
	h, err := readHeader(c.store.db, parent)
	if err != nil {
		return 0, err
	}
	return h.Height + 1, nil
}

// find looks a block up: on the chain, or as a node. A block whose header is in
// the store, because it was on the chain once or waited for its branch to win,
// becomes a node again, and so do those below it. Where one of those is not
// there any more it is unknown: headers have to come again.
func (c *Chain) find(hash Hash) (n *node, on bool, err error) {
	var up []*SealedHeader // in the store and not in memory, highest first
	for at := hash; ; {
		if n = c.branches.nodes[at]; n != nil || len(up) > 0 && at == c.net.ID() {
			break
		}
		h, err := readHeader(c.store.db, at)
		if errors.Is(err, ErrUnknown) {
			return nil, false, nil
		} else if err != nil {
			return nil, false, err
		}
		if on, err = c.onChain(BlockRef{h.Height, at}); err != nil || on && len(up) == 0 {
			return nil, on, err
		}
		if on {
			break
		}
		if c.branches.failed[at] != nil {
			return nil, false, nil
		}
		up = append(up, h)
		at = h.Parent
	}
	for i := len(up) - 1; i >= 0; i-- {
		h := up[i]
		ref := BlockRef{h.Height, h.Hash()}
		body, err := hasBody(c.store.db, ref)
		if err != nil {
			return nil, false, err
		}
		n = c.branches.add(h, ref.Hash, body)
	}
	return n, false, nil
}

func (c *Chain) onChain(ref BlockRef) (bool, error) {
	if ref.Height >= c.store.info.Blocks {
		return false, nil
	}
	hash, err := readHash(c.store.db, ref.Height)
	return hash == ref.Hash, err
}

// mark remembers a failed block. Faults of senders and of our own are not
// marked, nor is a header without the proof of work: it would cost nothing to
// make another.
func (c *Chain) mark(err error) {
	var e *BlockError
	if errors.As(err, &e) && e.Fault == FaultBlock && e.Hash.zeroBits() >= int(c.net.Bits) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.branches.fail(e)
	}
}

// FailedBlock gives the mark of a block that broke a rule, nil for others.
func (c *Chain) FailedBlock(h Hash) *BlockError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.branches.failed[h]
}

// AddBlock offers a block whose parent is known. Where it stands on the tip it
// becomes the tip; where it completes a branch that wins (compareTips), the
// chain switches to that branch, all of which is validated first; else its
// header is kept, and its body too, for the branch may win later. Errors: a
// *BlockError (of this block or of another on its branch), ErrUnknownParent,
// ErrStopped, or our own. Signatures and proofs are checked before the chain's
// lock is taken.
func (c *Chain) AddBlock(ctx context.Context, b *Block) (Change, error) {
	_, change, err := c.AddBlocks(ctx, []*Block{b})
	return change, err
}

// addBlock adds a block whose header and body hold by themselves. Where it
// extends the chain and is not the last of a run, it is neither durable nor
// published: the caller sees to both. The caller holds mu.
func (c *Chain) addBlock(b *Block, last bool) (Change, error) {
	n, on, err := c.link(&b.SealedHeader, b.Hash())
	if err != nil || on {
		return Held, err
	}
	if n.body { // staged before a restart, perhaps: it may win now
		return c.advance(n.hash)
	}
	if b.Parent == c.store.info.Tip {
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
func (c *Chain) stage(b *Block, n *node) error {
	w := c.store.begin()
	items := make([]placed, len(b.Txs))
	for i, tx := range b.Txs {
		items[i] = placed{tx: tx, seen: c.running()}
	}
	if err := w.putBody(b.Height, n.hash, items); err != nil {
		return err
	}
	w.put(headerKey(n.hash), EncodeHeader(&b.SealedHeader))
	if err := c.commit(w, false); err != nil {
		return err
	}
	n.body = true
	return nil
}

// advance switches to the best branch through the block h whose bodies are all
// here, if it wins. A branch that turns out to break a rule is marked, and the
// error returned, after what is valid of it was used where that alone wins.
func (c *Chain) advance(h Hash) (Change, error) {
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
		var rule *BlockError
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
func (c *Chain) best(h Hash) *node {
	var best *node
	if n := c.branches.nodes[h]; n != nil {
		if !n.body {
			return nil
		}
		best = n
	}
	for stack := slices.Clone(c.branches.children[h]); len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !n.body {
			continue
		}
		if best == nil || compareTips(n.ref(), best.ref()) < 0 {
			best = n
		}
		stack = append(stack, c.branches.children[n.hash]...)
	}
	return best
}

// path gives the nodes from the fork with the chain up to end, lowest first;
// nil when a body is missing on the way.
func (c *Chain) path(end *node) ([]*node, error) {
	var path []*node
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
	c.status.SideHeaders, c.status.FailedBlocks = len(c.branches.nodes), len(c.branches.failed)
}
