package chain

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"foxchain/ledger"
	"foxchain/ledger/store"

	lru "github.com/hashicorp/golang-lru/v2"
)

// maxSideHeaders bounds the headers that are not on the chain. At the bound the ends of
// the branches with the least work are evicted, the oldest first. So a flood of cheap
// branches cannot evict one that would win.
const maxSideHeaders = 100_000

// maxSideTxs bounds the stored transactions of blocks beside the chain, some 200 MB. The
// winning branch of which most is here is kept whole beyond that, however long it is. At
// the bound the ends of the other branches are evicted, header and body, those with the
// least work first.
const maxSideTxs = 1_000_000

// maxFailed bounds the marks of failed blocks. The oldest are evicted, since a mark
// only saves work.
const maxFailed = 10_000

// forks finds blocks, on the chain and beside it. It holds in memory the headers beside
// the chain, of branches that lost and of branches whose bodies are still missing. Peers
// offer an evicted branch again. The chain's writer uses it, under the chain's lock.
//
// The parent of each node is a block of the chain, the network's ID, or another node.
// Other headers are not taken.
type forks struct {
	net      *ledger.Network
	store    *store.Store
	nodes    map[ledger.Hash]*sideHeader
	children map[ledger.Hash][]*sideHeader               // by parent, side headers only
	ends     map[ledger.Hash]*sideHeader                 // side headers without children
	failed   *lru.Cache[ledger.Hash, *ledger.BlockError] // marks; with its own lock, so that readers do not wait for the disk
	added    uint64                                      // side headers made so far
	trial    *trial                                      // of the last invalid branch; nil for none
	txs      int                                         // of the side headers whose bodies are in the store
	room     int                                         // maxSideTxs; tests make it small
	rivals   uint64                                      // headers at whose height another block was known
	dropped  uint64                                      // headers that were evicted
	wanted   [preferences]ledger.BlockRef                // blocks that the fork choice prefers; zero for none
	wishes   uint64                                      // rises when wanted changes
	ranked   sideHeader                                  // the hash and rank of a block of the chain
}

// A sideHeader is a header on a side branch.
type sideHeader struct {
	header *ledger.SealedHeader
	hash   ledger.Hash
	body   bool   // its transactions are in the store
	added  uint64 // rises in the order in which nodes are made
	ranked uint64 // forks.wishes when rank was computed
	rank   uint8  // which of forks.wanted its branch contains, as bits
}

func (n *sideHeader) ref() ledger.BlockRef {
	return ledger.BlockRef{Height: n.header.Height, Hash: n.hash}
}

func newForks(net *ledger.Network, s *store.Store) *forks {
	failed, _ := lru.New[ledger.Hash, *ledger.BlockError](maxFailed) // only a size below 1 is an error
	return &forks{
		net: net, store: s, room: maxSideTxs, failed: failed,
		nodes: make(map[ledger.Hash]*sideHeader), children: make(map[ledger.Hash][]*sideHeader), ends: make(map[ledger.Hash]*sideHeader),
	}
}

func (f *forks) add(h *ledger.SealedHeader, hash ledger.Hash, body bool) *sideHeader {
	if n := f.nodes[hash]; n != nil {
		if body {
			f.setBody(n)
		}
		return n
	}
	f.added++
	n := &sideHeader{header: h, hash: hash, added: f.added}
	if body {
		f.setBody(n)
	}
	f.nodes[hash] = n
	f.children[h.Parent] = append(f.children[h.Parent], n)
	delete(f.ends, h.Parent)
	if len(f.children[hash]) == 0 {
		f.ends[hash] = n
	}
	return n
}

func (f *forks) setBody(n *sideHeader) {
	if !n.body {
		n.body = true
		f.txs += int(n.header.Count)
	}
}

// load makes nodes of the side blocks whose bodies the store has. It deletes blocks that
// are not connected to the chain any more.
func (f *forks) load() error {
	return f.store.EachSide(func(ref ledger.BlockRef, count uint32) error {
		n, on, err := f.find(ref.Hash)
		if err == nil && n == nil && !on {
			err = f.store.DropBlock(ref, count)
		}
		return err
	})
}

// forget removes one header, and its body from the store. An error there shows at the
// next commit, since LevelDB writes nothing after one.
func (f *forks) forget(n *sideHeader) {
	if n.body {
		_ = f.store.DropBlock(n.ref(), n.header.Count)
	}
	f.remove(n.hash)
}

// remove removes one header, which joined the chain or is forgotten.
func (f *forks) remove(hash ledger.Hash) {
	n := f.nodes[hash]
	if n == nil {
		return
	}
	if n.body {
		f.txs -= int(n.header.Count)
	}
	delete(f.nodes, hash)
	delete(f.ends, hash)
	siblings := slices.DeleteFunc(f.children[n.header.Parent], func(o *sideHeader) bool { return o == n })
	if len(siblings) == 0 {
		delete(f.children, n.header.Parent)
		if parent := f.nodes[n.header.Parent]; parent != nil {
			f.ends[parent.hash] = parent
		}
	} else {
		f.children[n.header.Parent] = siblings
	}
}

// fail marks a block and all its descendants as failed. The block itself is marked last,
// so that its mark is evicted last.
func (f *forks) fail(e *ledger.BlockError) {
	stack := slices.Clone(f.children[e.Hash])
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = append(stack[:len(stack)-1], f.children[n.hash]...)
		f.failed.ContainsOrAdd(n.hash, failedParent(n.header, n.hash, e))
		f.forget(n)
	}
	f.failed.ContainsOrAdd(e.Hash, e)
	if n := f.nodes[e.Hash]; n != nil {
		f.forget(n)
	}
}

// blame marks the block that an error names as failed. It does not mark faults of senders
// and of this node, nor a header without the proof of work, since another such header
// would cost nothing.
func (f *forks) blame(err error) {
	var e *ledger.BlockError
	if errors.As(err, &e) && e.Fault == ledger.FaultBlock && e.Hash.ZeroBits() >= int(f.net.Bits) {
		f.fail(e)
	}
}

// mark returns the mark of a block that broke a rule, or nil.
func (f *forks) mark(h ledger.Hash) *ledger.BlockError {
	e, _ := f.failed.Peek(h) // reading does not renew a mark
	return e
}

// failedParent returns the error of a block on a failed one. It names the first cause
// only, so that errors do not grow along a branch.
func failedParent(h *ledger.SealedHeader, hash ledger.Hash, cause *ledger.BlockError) *ledger.BlockError {
	if first, ok := cause.Err.(*ledger.BlockError); ok {
		cause = first
	}
	return &ledger.BlockError{
		Fault: ledger.FaultBlock, Height: h.Height, Hash: hash, Field: "parent",
		Rule: "stands on a failed block: " + cause.Error(), Err: cause,
	}
}

// trim keeps the side headers and their bodies within their bounds.
func (f *forks) trim() {
	f.evict(nil, func() bool { return len(f.nodes) > maxSideHeaders })
	if f.txs > f.room {
		kept, here := f.fullest()
		f.evict(kept, func() bool { return f.txs-here > f.room })
	}
}

// evict forgets the ends of branches other than kept, those with the least work first,
// while over is true. It sorts the ends only once for each tenth of them, so that neither
// a flood of short branches nor a long branch makes it sort for each header.
func (f *forks) evict(kept *sideHeader, over func() bool) {
	for over() {
		ends := slices.SortedFunc(maps.Values(f.ends), func(x, y *sideHeader) int {
			return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), cmp.Compare(x.added, y.added))
		})
		ends = slices.DeleteFunc(ends, func(n *sideHeader) bool { return n == kept })
		if len(ends) == 0 {
			return
		}
		for _, n := range ends[:len(ends)/10+1] {
			if !over() {
				return
			}
			f.forget(n)
			f.dropped++
		}
	}
}

// fullest returns the end of the winning branch of which the store has the most
// transactions, and their number. So a branch is fetched to its end even if others have
// more headers, whose bodies no peer delivers.
func (f *forks) fullest() (end *sideHeader, txs int) {
	here := make(map[ledger.Hash]int) // transactions up to each block, 0 for those of the chain
	for _, e := range f.ends {
		if !f.wins(e.ref()) {
			continue
		}
		var path []*sideHeader // highest first
		for n := e; n != nil; n = f.nodes[n.header.Parent] {
			if _, met := here[n.hash]; met {
				break
			}
			path = append(path, n)
		}
		for _, n := range slices.Backward(path) {
			here[n.hash] = here[n.header.Parent]
			if n.body {
				here[n.hash] += int(n.header.Count)
			}
		}
		if end == nil || cmp.Or(cmp.Compare(txs, here[e.hash]), ledger.CompareTips(e.ref(), end.ref())) < 0 {
			end, txs = e, here[e.hash]
		}
	}
	return end, txs
}

// link finds a header whose fields have been checked, and makes a node of a new one. on
// reports that it is on the chain already. The caller holds mu.
func (f *forks) link(h *ledger.SealedHeader, hash ledger.Hash) (n *sideHeader, on bool, err error) {
	if mark := f.mark(hash); mark != nil {
		return nil, false, mark
	}
	n, on, err = f.find(hash)
	if err != nil || n != nil || on {
		return n, on, err
	}
	if mark := f.mark(h.Parent); mark != nil {
		e := failedParent(h, hash, mark)
		f.fail(e)
		return nil, false, e
	}
	height, err := f.heightAbove(h.Parent)
	if err != nil {
		return nil, false, err
	}
	if h.Height != height {
		e := &ledger.BlockError{Fault: ledger.FaultBlock, Height: h.Height, Hash: hash, Field: "height", Rule: "must be one more than the parent's, 0 on the network's ID"}
		f.fail(e)
		return nil, false, e
	}
	if height < f.store.Info.Blocks || len(f.children[h.Parent]) > 0 {
		f.rivals++
	}
	return f.add(h, hash, false), false, nil
}

// heightAbove returns the height of a block on parent, or ErrUnknownParent.
func (f *forks) heightAbove(parent ledger.Hash) (uint64, error) {
	if parent == f.net.ID() {
		return 0, nil
	}
	if parent == f.store.Info.Tip {
		return f.store.Info.Blocks, nil
	}
	n, on, err := f.find(parent)
	switch {
	case err != nil:
		return 0, err
	case n != nil:
		return n.header.Height + 1, nil
	case !on:
		return 0, ledger.ErrUnknownParent
	}
	h, err := f.store.Header(parent)
	if err != nil {
		return 0, err
	}
	return h.Height + 1, nil
}

// find looks up a block, on the chain or as a node. The network's ID counts as on the
// chain. If only the store has the header, since the block was once on the chain or
// staged, the block and those below it become nodes again. If one of their headers is
// gone the block is unknown, and peers must send its headers again.
func (f *forks) find(hash ledger.Hash) (n *sideHeader, on bool, err error) {
	var up []*ledger.SealedHeader // in the store and not in memory, highest first
	for at := hash; at != f.net.ID(); {
		if n = f.nodes[at]; n != nil {
			break
		}
		h, err := f.store.Header(at)
		if errors.Is(err, ledger.ErrUnknown) {
			return nil, false, nil
		} else if err != nil {
			return nil, false, err
		}
		on, err := onChain(f.store, ledger.BlockRef{Height: h.Height, Hash: at})
		if err != nil {
			return nil, false, err
		}
		if on {
			break
		}
		if f.mark(at) != nil {
			return nil, false, nil
		}
		up = append(up, h)
		at = h.Parent
	}
	if len(up) == 0 {
		return n, n == nil, nil
	}
	for _, h := range slices.Backward(up) {
		ref := ledger.BlockRef{Height: h.Height, Hash: h.Hash()}
		body, err := f.store.HasBody(ref)
		if err != nil {
			return nil, false, err
		}
		n = f.add(h, ref.Hash, body)
	}
	return n, false, nil
}

// onChain reports whether a block is on the chain of a store, as of the last commit.
func onChain(s *store.Store, ref ledger.BlockRef) (bool, error) {
	if ref.Height >= s.Info.Blocks {
		return false, nil
	}
	hash, err := s.Hash(ref.Height)
	return hash == ref.Hash, err
}

// childWith returns the chain's block on parent if it has these transactions, else nil.
// It recognises a block in the original's form, which has no hash.
func (f *forks) childWith(parent ledger.Hash, txs []*ledger.Transaction) (*ledger.Hash, error) {
	height, err := f.heightAbove(parent)
	if errors.Is(err, ledger.ErrUnknownParent) || err == nil && height >= f.store.Info.Blocks {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	hash, h, err := headerAt(f.store, height)
	if err != nil || h.Parent != parent || int(h.Count) != len(txs) || h.Root != ledger.Root(txs) {
		return nil, err
	}
	return &hash, nil
}

// headerAt reads the chain's header at height as of the last commit.
func headerAt(s *store.Store, height uint64) (ledger.Hash, *ledger.SealedHeader, error) {
	hash, err := s.Hash(height)
	if err != nil {
		return hash, nil, err
	}
	h, err := s.Header(hash)
	return hash, h, err
}

// lowestMissing returns the lowest block whose body the branch up to end lacks, or zero.
// walked holds the results for all blocks passed before, so that a thousand branches on
// one long trunk cost one walk.
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
// first. The walk down a branch reads headers in memory, and so is bounded by
// maxSideHeaders.
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
