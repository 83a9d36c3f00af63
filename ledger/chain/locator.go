package chain

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"foxchain/ledger"
)

// What nodes ask each other: headers after a fork, and which bodies are worth
// fetching.

// maxLocator bounds a locator. Ten single steps and then doubling ones reach the
// first block of any chain within it.
const maxLocator = 64

// Locator returns hashes by which a peer finds the fork between its chain and this
// one: of the ten newest blocks, then of older ones in doubling steps, and at the end
// the network's ID. They are at most 64.
func (c *Chain) Locator() ([]ledger.Hash, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var locator []ledger.Hash
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

// HeadersAfter returns up to max headers of the chain after the first hash of locator
// that is on it. When none is, it returns headers from the first block on.
func (c *Chain) HeadersAfter(locator []ledger.Hash, max int) ([]*ledger.SealedHeader, error) {
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
		if !errors.Is(err, ledger.ErrUnknown) {
			return nil, err
		}
	}
	var out []*ledger.SealedHeader
	for height := from; height < v.Tip().Blocks && len(out) < max; height++ {
		h, err := v.Header(height)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

// HeaderByHash returns a header of the chain, or of a side branch that is known down
// to the chain. Otherwise the error is ErrUnknown, even when the store still has the
// header of a block whose branch is not known down to the chain.
func (c *Chain) HeaderByHash(h ledger.Hash) (*ledger.SealedHeader, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if height, err := v.Height(h); err == nil { // the usual case, without the lock
		return v.Header(height)
	} else if !errors.Is(err, ledger.ErrUnknown) {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	n, on, err := c.forks.find(h)
	switch {
	case err != nil:
		return nil, err
	case n != nil:
		return n.header, nil
	case on:
		return c.store.Header(h)
	}
	return nil, ledger.ErrUnknown
}

// SideHeaders returns at most max headers that are not on the chain, from a height
// on, lowest first. They are of branches that lost, and of branches whose bodies are
// still missing. It looks at all side headers, which are at most 100,000.
func (c *Chain) SideHeaders(from uint64, max int) []*ledger.SealedHeader {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sides []*sideHeader
	for _, n := range c.forks.nodes {
		if n.header.Height >= from {
			sides = append(sides, n)
		}
	}
	slices.SortFunc(sides, func(x, y *sideHeader) int {
		return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), bytes.Compare(x.hash[:], y.hash[:]))
	})
	headers := make([]*ledger.SealedHeader, min(max, len(sides)))
	for i := range headers {
		headers[i] = sides[i].header
	}
	return headers
}

// BlockByHash returns any block whose body is here, on the chain or off it. Otherwise
// the error is ErrUnknown.
func (c *Chain) BlockByHash(h ledger.Hash) (*ledger.Block, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	return v.BlockByHash(h)
}

// A Candidate is a branch of known headers that would win if its bodies were
// here and valid.
type Candidate struct {
	Tip     ledger.BlockRef
	Missing []ledger.BlockRef // the lowest bodies to fetch, in order, at most the asked number
}

// Candidates returns the winning branches, best first: at most n, with at most
// missing bodies each. Those that end in one of the blocks first come before them,
// in that order. Of branches that wait for the same body it returns the first
// only, and none with a tip and a lowest missing body that skip names (nil: none
// is): branches that no peer delivers must not stand in the way of others. A branch
// whose bodies are all here already (a crash came before the switch) is
// switched to at once.
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
	for _, h := range first {
		if node := c.forks.nodes[h]; node != nil {
			asked = append(asked, node)
		}
	}
	var out []Candidate
	waits := make(map[ledger.Hash]bool)         // lowest missing bodies
	walked := make(map[ledger.Hash]ledger.Hash) // by lowestMissing
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
			var rule *ledger.BlockError
			if _, err := c.advance(end.hash); err != nil && !errors.As(err, &rule) {
				return nil, err
			}
			clear(walked) // the branches are others now
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

// FailedBlock returns the mark of a block that broke a rule, nil for others.
func (c *Chain) FailedBlock(h ledger.Hash) *ledger.BlockError {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forks.failed[h]
}
