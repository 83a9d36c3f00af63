package ledger

import (
	"bytes"
	"cmp"
	"maps"
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
//
// Each node's parent is a block of the chain, the network's ID, or a node: a
// header whose way down has a hole is not taken.
type branches struct {
	nodes    map[Hash]*node
	children map[Hash][]*node // by parent, side headers only
	ends     map[Hash]*node   // nodes without children
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
	return &branches{
		nodes: make(map[Hash]*node), children: make(map[Hash][]*node), ends: make(map[Hash]*node),
		failed: make(map[Hash]*BlockError),
	}
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
	delete(b.ends, h.Parent)
	if len(b.children[hash]) == 0 {
		b.ends[hash] = n
	}
	return n
}

// remove takes out one header: it joined the chain, or it is forgotten.
func (b *branches) remove(hash Hash) {
	n := b.nodes[hash]
	if n == nil {
		return
	}
	delete(b.nodes, hash)
	delete(b.ends, hash)
	siblings := slices.DeleteFunc(b.children[n.header.Parent], func(o *node) bool { return o == n })
	if len(siblings) == 0 {
		delete(b.children, n.header.Parent)
		if parent := b.nodes[n.header.Parent]; parent != nil {
			b.ends[parent.hash] = parent
		}
	} else {
		b.children[n.header.Parent] = siblings
	}
}

// fail marks a block as failed, and with it all that is built on it. The block
// itself is marked last, so that its mark is the last to go.
func (b *branches) fail(e *BlockError) {
	stack := slices.Clone(b.children[e.Hash])
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], b.children[n.hash]...)
		b.mark(failedParent(n.header, n.hash, e))
		b.remove(n.hash)
	}
	b.mark(e)
	b.remove(e.Hash)
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

// failedParent is the error of a block that stands, over others perhaps, on a
// failed one. It names the first cause only: a line of failed blocks must not
// carry all their reasons.
func failedParent(h *SealedHeader, hash Hash, cause *BlockError) *BlockError {
	if first, ok := cause.Err.(*BlockError); ok {
		cause = first
	}
	return &BlockError{
		Fault: FaultBlock, Height: h.Height, Hash: hash, Field: "parent",
		Rule: "stands on a failed block: " + cause.Error(), Err: cause,
	}
}

// trim keeps the side headers within their bound, and gives how many it dropped.
// It takes a tenth of the ends at a time, the worst, so that neither a flood of
// short branches nor one long branch makes it look at all of them for each
// header.
func (b *branches) trim() (dropped int) {
	for len(b.nodes) > maxSideHeaders {
		ends := slices.SortedFunc(maps.Values(b.ends), func(x, y *node) int {
			return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), cmp.Compare(x.added, y.added))
		})
		for _, n := range ends[:min(len(ends)/10+1, len(b.nodes)-maxSideHeaders)] {
			b.remove(n.hash)
			dropped++
		}
	}
	return dropped
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
