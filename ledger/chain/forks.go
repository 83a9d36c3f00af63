package chain

import (
	"cmp"
	"maps"
	"slices"

	"foxchain/ledger"
)

// maxSideHeaders bounds the headers that are not on the chain. At the bound
// the ends of the branches with the least work go first, the oldest of them
// first, so a flood of cheap branches cannot push out one that would win.
const maxSideHeaders = 100_000

// maxFailed bounds the marks of failed blocks; the oldest go first. A mark
// saves work, nothing rests on it.
const maxFailed = 10_000

// forks holds the known headers that are not on the chain: branches that
// lost, branches whose bodies are still to come. It is memory only, under the
// chain's lock; a branch that is forgotten is offered again by peers.
//
// Each node's parent is a block of the chain, the network's ID, or a node: a
// header whose way down has a hole is not taken.
type forks struct {
	nodes    map[ledger.Hash]*sideHeader
	children map[ledger.Hash][]*sideHeader // by parent, side headers only
	ends     map[ledger.Hash]*sideHeader   // nodes without children
	failed   map[ledger.Hash]*ledger.BlockError
	marks    []ledger.Hash // failed, oldest first
	added    uint64
}

// A sideHeader is a header on a side branch.
type sideHeader struct {
	header *ledger.SealedHeader
	hash   ledger.Hash
	body   bool   // its transactions are in the store
	added  uint64 // rises
}

func (n *sideHeader) ref() ledger.BlockRef {
	return ledger.BlockRef{Height: n.header.Height, Hash: n.hash}
}

func newForks() *forks {
	return &forks{
		nodes: make(map[ledger.Hash]*sideHeader), children: make(map[ledger.Hash][]*sideHeader), ends: make(map[ledger.Hash]*sideHeader),
		failed: make(map[ledger.Hash]*ledger.BlockError),
	}
}

func (b *forks) add(h *ledger.SealedHeader, hash ledger.Hash, body bool) *sideHeader {
	if n := b.nodes[hash]; n != nil {
		n.body = n.body || body
		return n
	}
	b.added++
	n := &sideHeader{header: h, hash: hash, body: body, added: b.added}
	b.nodes[hash] = n
	b.children[h.Parent] = append(b.children[h.Parent], n)
	delete(b.ends, h.Parent)
	if len(b.children[hash]) == 0 {
		b.ends[hash] = n
	}
	return n
}

// remove takes out one header: it joined the chain, or it is forgotten.
func (b *forks) remove(hash ledger.Hash) {
	n := b.nodes[hash]
	if n == nil {
		return
	}
	delete(b.nodes, hash)
	delete(b.ends, hash)
	siblings := slices.DeleteFunc(b.children[n.header.Parent], func(o *sideHeader) bool { return o == n })
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
func (b *forks) fail(e *ledger.BlockError) {
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

func (b *forks) mark(e *ledger.BlockError) {
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
func failedParent(h *ledger.SealedHeader, hash ledger.Hash, cause *ledger.BlockError) *ledger.BlockError {
	if first, ok := cause.Err.(*ledger.BlockError); ok {
		cause = first
	}
	return &ledger.BlockError{
		Fault: ledger.FaultBlock, Height: h.Height, Hash: hash, Field: "parent",
		Rule: "stands on a failed block: " + cause.Error(), Err: cause,
	}
}

// trim keeps the side headers within their bound, and returns how many it dropped.
// It takes a tenth of the ends at a time, the worst, so that neither a flood of
// short branches nor one long branch makes it look at all of them for each
// header.
func (b *forks) trim() (dropped int) {
	for len(b.nodes) > maxSideHeaders {
		ends := slices.SortedFunc(maps.Values(b.ends), func(x, y *sideHeader) int {
			return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), cmp.Compare(x.added, y.added))
		})
		for _, n := range ends[:min(len(ends)/10+1, len(b.nodes)-maxSideHeaders)] {
			b.remove(n.hash)
			dropped++
		}
	}
	return dropped
}
