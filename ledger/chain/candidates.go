package chain

import (
	"slices"

	"foxchain/ledger"
)

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
// whose bodies are all here already (a crash came before the reorg) becomes the chain
// at once.
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
			if _, err := c.advance(end.hash); err != nil && !breaksRule(err) {
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

// lowestMissing returns the lowest block whose body the branch up to end lacks, zero
// when it lacks none. walked holds the same for every block that was met before, so
// that a thousand branches on one long trunk cost one walk.
func (f *forks) lowestMissing(end *sideHeader, walked map[ledger.Hash]ledger.Hash) (lowest ledger.Hash, err error) {
	var path []*sideHeader // highest first
	for n := end; n != nil; {
		path = append(path, n)
		parent := n.header.Parent
		low, met := walked[parent]
		if met {
			lowest = low
			break
		}
		if n, _, err = f.find(parent); err != nil {
			return ledger.Hash{}, err
		}
		if n == nil {
			walked[parent] = ledger.Hash{} // on the chain
		}
	}
	for _, n := range slices.Backward(path) {
		if lowest == (ledger.Hash{}) && !n.body {
			lowest = n.hash
		}
		walked[n.hash] = lowest
	}
	return lowest, nil
}

// missing returns the lowest blocks whose bodies the branch up to end lacks, lowest
// first. The walk down a branch reads headers in memory, and is bounded as they are.
func (f *forks) missing(end *sideHeader, limit int) (refs []ledger.BlockRef, err error) {
	for n := end; n != nil; {
		if !n.body {
			refs = append(refs, n.ref())
		}
		if n, _, err = f.find(n.header.Parent); err != nil {
			return nil, err
		}
	}
	slices.Reverse(refs)
	return slices.Clone(refs[:min(limit, len(refs))]), nil
}
