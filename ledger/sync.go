package ledger

import (
	"errors"
	"slices"
)

// What nodes ask each other: headers after a fork, and which bodies are worth
// fetching.

// maxLocator bounds a locator: 10 dense steps, then doubling ones, reach the
// first block of any chain.
const maxLocator = 64

// Locator names blocks of the chain from the tip back, ten of them dense, then
// in doubling steps, ending with the network's ID: where a peer finds the fork.
// At most 64.
func (c *Chain) Locator() ([]Hash, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var locator []Hash
	step := uint64(1)
	for height := v.Tip().Blocks; height > 0 && len(locator) < maxLocator-1; {
		hash, err := v.Hash(height - 1)
		if err != nil {
			return nil, err
		}
		locator = append(locator, hash)
		if len(locator) > 10 {
			step *= 2
		}
		if height <= step {
			break
		}
		height -= step
	}
	return append(locator, c.net.ID()), nil
}

// HeadersAfter gives up to max headers of the chain after the first of locator
// that is on it; all of them from the first when none is.
func (c *Chain) HeadersAfter(locator []Hash, max int) ([]*SealedHeader, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var from uint64
	for _, h := range locator {
		if h == c.net.ID() {
			break
		}
		height, err := v.Height(h)
		if err == nil {
			from = height + 1
			break
		}
		if !errors.Is(err, ErrUnknown) {
			return nil, err
		}
	}
	var out []*SealedHeader
	for height := from; height < v.Tip().Blocks && len(out) < max; height++ {
		h, err := v.Header(height)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// HeaderByHash gives any header known here: of the chain, or of a side branch.
func (c *Chain) HeaderByHash(h Hash) (*SealedHeader, error) {
	c.mu.Lock()
	n := c.branches.nodes[h]
	c.mu.Unlock()
	if n != nil {
		return n.header, nil
	}
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return readHeader(v.snap.db, h)
}

// BlockByHash gives any block whose body is here, on the chain or off it.
// ErrUnknown otherwise.
func (c *Chain) BlockByHash(h Hash) (*Block, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return readBlock(v.snap.db, h)
}

// A Candidate is a branch of known headers that would win if its bodies were
// here and valid.
type Candidate struct {
	Tip     BlockRef
	Missing []BlockRef // the lowest bodies to fetch, in order, at most the asked number
}

// Candidates gives winning branches, best first: at most n, with at most missing
// bodies each. Of branches that lack the same lowest body it gives the best, and
// those whose lowest missing body skip names are passed over: whoever offers
// many branches of headers and delivers no body must not hide the others.
func (c *Chain) Candidates(n, missing int, skip func(lowest Hash) bool) ([]Candidate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	var out []Candidate
	walked, given := make(map[Hash]Hash), make(map[Hash]bool)
	for _, end := range c.branches.leaves() {
		if len(out) >= n || !c.wins(end.ref()) {
			break
		}
		lowest, err := c.lowestMissing(end, walked)
		if err != nil {
			return nil, err
		}
		if lowest == (Hash{}) || given[lowest] || skip(lowest) {
			continue
		}
		refs, err := c.missing(end, missing)
		if err != nil {
			return nil, err
		}
		given[lowest] = true
		out = append(out, Candidate{Tip: end.ref(), Missing: refs})
	}
	return out, nil
}

// lowestMissing gives the lowest body that the branch up to end lacks, zero when
// it lacks none. walked holds the same for every node that was met before, so
// that many branches on one trunk cost one walk.
func (c *Chain) lowestMissing(end *node, walked map[Hash]Hash) (Hash, error) {
	var path []*node // highest first
	var lowest Hash
	for n := end; n != nil; {
		if low, ok := walked[n.hash]; ok {
			lowest = low
			break
		}
		path = append(path, n)
		if n.header.Parent == c.net.ID() {
			break
		}
		up, _, err := c.find(n.header.Parent)
		if err != nil {
			return Hash{}, err
		}
		n = up // nil on the chain
	}
	for _, n := range slices.Backward(path) {
		if lowest == (Hash{}) && !n.body {
			lowest = n.hash
		}
		walked[n.hash] = lowest
	}
	return lowest, nil
}

// missing gives the lowest bodies that the branch up to end lacks. Walking down
// a branch of headers is memory only, and bounded as they are.
func (c *Chain) missing(end *node, max int) ([]BlockRef, error) {
	var refs []BlockRef // highest first
	for n := end; n != nil; {
		if !n.body {
			refs = append(refs, n.ref())
		}
		if n.header.Parent == c.net.ID() {
			break
		}
		up, _, err := c.find(n.header.Parent)
		if err != nil {
			return nil, err
		}
		n = up // nil on the chain
	}
	lowest := make([]BlockRef, 0, min(max, len(refs)))
	for i := len(refs) - 1; i >= 0 && len(lowest) < max; i-- {
		lowest = append(lowest, refs[i])
	}
	return lowest, nil
}
