package ledger

import (
	"bytes"
	"cmp"
	"slices"
)

// maxSideHeaders bounds the headers that are not on the chain. At the bound
// the ends of the branches with the least work go first, the oldest of them
// first, so a flood of cheap branches cannot push out one that would win.
const maxSideHeaders = 100_000

// maxFailed bounds the marks of failed blocks; the oldest go first. A mark
// saves work, nothing rests on it.
const maxFailed = 10_000

// branches holds the known headers that are not on the chain: branches that
// lost, branches whose bodies are still to come. It is memory only, under the
// chain's lock; a branch that is forgotten is offered again by peers.
type branches struct {
	nodes    map[Hash]*node
	children map[Hash][]*node // by parent, side headers only
	failed   map[Hash]*BlockError
	marks    []Hash // failed, oldest first
	added    uint64
}

// A node is a header on a side branch.
type node struct {
	header *SealedHeader
	hash   Hash
	body   bool   // its transactions are in the store
	added  uint64 // rises
}

func (n *node) ref() BlockRef { return BlockRef{Height: n.header.Height, Hash: n.hash} }

func newBranches() *branches {
	return &branches{nodes: make(map[Hash]*node), children: make(map[Hash][]*node), failed: make(map[Hash]*BlockError)}
}

func (b *branches) add(h *SealedHeader, hash Hash, body bool) *node {
	if n := b.nodes[hash]; n != nil {
		n.body = n.body || body
		return n
	}
	b.added++
	n := &node{header: h, hash: hash, body: body, added: b.added}
	b.nodes[hash] = n
	b.children[h.Parent] = append(b.children[h.Parent], n)
	return n
}

// remove takes out one header: it joined the chain, or it is forgotten.
func (b *branches) remove(hash Hash) {
	n := b.nodes[hash]
	if n == nil {
		return
	}
	delete(b.nodes, hash)
	siblings := slices.DeleteFunc(b.children[n.header.Parent], func(o *node) bool { return o == n })
	if len(siblings) == 0 {
		delete(b.children, n.header.Parent)
	} else {
		b.children[n.header.Parent] = siblings
	}
}

// fail marks a block as failed, and with it all that is built on it.
func (b *branches) fail(e *BlockError) {
	b.mark(e)
	for stack := []*BlockError{e}; len(stack) > 0; {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, child := range b.children[at.Hash] {
			stack = append(stack, failedParent(child.header, child.hash, e))
			b.mark(stack[len(stack)-1])
		}
		b.remove(at.Hash)
	}
}

func (b *branches) mark(e *BlockError) {
	if _, ok := b.failed[e.Hash]; ok {
		return
	}
	b.failed[e.Hash] = e
	b.marks = append(b.marks, e.Hash)
	if len(b.marks) > maxFailed {
		delete(b.failed, b.marks[0])
		b.marks = b.marks[1:]
	}
}

// failedParent is the error of a block that stands on a failed one.
func failedParent(h *SealedHeader, hash Hash, cause *BlockError) *BlockError {
	return &BlockError{
		Fault: FaultBlock, Height: h.Height, Hash: hash, Field: "parent",
		Rule: "stands on a failed block: " + cause.Error(),
	}
}

// leaves gives the ends of branches, best first.
func (b *branches) leaves() []*node {
	var ends []*node
	for hash, n := range b.nodes {
		if len(b.children[hash]) == 0 {
			ends = append(ends, n)
		}
	}
	slices.SortFunc(ends, func(x, y *node) int { return compareTips(x.ref(), y.ref()) })
	return ends
}

// trim keeps the side headers within their bound.
func (b *branches) trim() {
	for len(b.nodes) > maxSideHeaders {
		ends := b.leaves()
		slices.SortFunc(ends, func(x, y *node) int {
			return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), cmp.Compare(x.added, y.added))
		})
		// A tenth of the ends at once, so that a flood does not sort at each header.
		for _, n := range ends[:min(len(ends)/10+1, len(b.nodes)-maxSideHeaders)] {
			b.remove(n.hash)
		}
	}
}

// compareTips is the fork choice among valid chains; negative: x wins.
//
//  1. Only chains that are valid from the network ID on: the caller's business.
//  2. Most work, the sum of 2^bits. Every header has the network's bits, so
//     more work is more blocks.
//  3. The lower block hash.
//
// It does not depend on the order of arrival, so nodes that hold the same
// blocks agree at once, also while nothing new is built.
func compareTips(x, y BlockRef) int {
	return cmp.Or(cmp.Compare(y.Height, x.Height), bytes.Compare(x.Hash[:], y.Hash[:]))
}
