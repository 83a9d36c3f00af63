package chain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"
)

// Votes makes a chain obey its builders' votes, on a network that has finality. The fork
// choice prefers, in this order, the branch that contains the chain's highest final
// block, the one that contains the last final block, which may not be here yet, and the
// one that contains the block notarized in the highest view. Then [ledger.CompareTips]
// decides. The first keeps a final block, the third makes the builders' chains converge.
//
// It also keeps what a voter needs after a start, and answers a voter's questions about
// blocks. It is under the chain's lock.
type Votes struct {
	c    *Chain
	cert *finality.Certificate // of the last final block, even if that is not here
}

// ErrFinal reports that the certificate of a final block contradicts this node's ledger. Either
// at least a third of the builders lie, or the programs differ. The chain stops.
var ErrFinal = errors.New("the builders made a block final that this ledger cannot have")

// The blocks that the fork choice prefers, in forks.wanted, in order.
const (
	anchor    = iota // the highest final block of the chain
	final            // the last final block, which may not be here yet
	notarized        // the block notarized in the highest view
	preferences
)

// want sets a preferred block.
func (f *forks) want(i int, b ledger.BlockRef) {
	if f.wanted[i] != b {
		f.wanted[i] = b
		f.wishes++
	}
}

// rank returns which of the preferred blocks a branch contains, the first as the highest
// bit. A node's rank is kept until the preferred blocks change. So a thousand ends on one
// long trunk cost one walk.
func (f *forks) rank(end ledger.Hash) (rank uint8) {
	var path []*sideHeader // highest first
	at := end
	for n := f.nodes[at]; n != nil; n = f.nodes[at] {
		if n.ranked == f.wishes {
			rank = n.rank
			break
		}
		path = append(path, n)
		at = n.header.Parent
	}
	if f.nodes[at] == nil {
		rank = f.rankOnChain(at)
	}
	for _, n := range slices.Backward(path) {
		for i, w := range f.wanted {
			if w == n.ref() {
				rank |= 1 << (preferences - 1 - i)
			}
		}
		n.rank, n.ranked = rank, f.wishes
	}
	return rank
}

// rankOnChain is the rank of a block of the chain, or of the network's ID. The last
// result is kept, usually the tip's.
func (f *forks) rankOnChain(h ledger.Hash) uint8 {
	if f.ranked.hash == h && f.ranked.ranked == f.wishes {
		return f.ranked.rank
	}
	f.ranked = sideHeader{hash: h, ranked: f.wishes}
	for i, w := range f.wanted {
		if f.extends(ledger.BlockRef{Hash: h}, w) {
			f.ranked.rank |= 1 << (preferences - 1 - i)
		}
	}
	return f.ranked.rank
}

// extends reports whether b is a or descends from it, and false if a block between is not
// known. It walks down from b to the height of a, or to the chain. The caller holds mu.
func (f *forks) extends(b, a ledger.BlockRef) bool {
	if a == (ledger.BlockRef{}) || b == a {
		return true
	}
	for at := b.Hash; at != f.net.ID(); {
		n, on, err := f.find(at)
		switch {
		case err != nil || n == nil && !on:
			return false
		case on:
			is, err := onChain(f.store, a)
			above, err2 := f.heightAbove(at)
			return err == nil && err2 == nil && is && a.Height < above
		case n.header.Height <= a.Height:
			return n.ref() == a
		}
		at = n.header.Parent
	}
	return false
}

// preferred returns the blocks that the builders voted for and that are not on the
// chain yet, before those of first.
func (f *forks) preferred(first []ledger.Hash) []ledger.Hash {
	var list []ledger.Hash
	for _, w := range f.wanted[final:] {
		if on, err := onChain(f.store, w); w != (ledger.BlockRef{}) && err == nil && !on {
			list = append(list, w.Hash)
		}
	}
	return append(list, first...)
}

// Apply applies two certificates, each of which may be nil, to the fork choice: the last
// final one, and that of the highest view with a notarized block. It keeps new
// certificates and evidence in the store, and switches to the preferred branch if it is
// here. The chain stops with ErrFinal if a final block breaks a rule, or neither of two
// final blocks descends from the other. It stops as soon as the blocks that show this are
// here, in whatever order certificates and blocks come.
func (v *Votes) Apply(fin, high *finality.Certificate, certs []*finality.Certificate, evidence []finality.Evidence) error {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if err := v.c.ready(); err != nil {
		return err
	}
	if len(evidence) > 0 { // first, in case the chain stops below
		if err := v.c.store.PutCertificates(nil, evidence); err != nil {
			return v.c.fail(err)
		}
		v.c.stats.Evidence += uint64(len(evidence))
		v.c.publish()
	}
	for len(certs) > 0 { // in batches with one final certificate at most, since each is compared with the kept ones
		end := 1
		for end < len(certs) && certs[end].Kind != finality.Finalize {
			end++
		}
		if err := v.beside(certs[0]); err != nil {
			return v.c.fail(err)
		}
		if err := v.c.store.PutCertificates(certs[:end], nil); err != nil {
			return v.c.fail(err)
		}
		certs = certs[end:]
	}
	return v.prefer(fin, high)
}

// beside compares a final certificate with the kept ones. A later view must have a higher
// block. If that holds, any contradiction shows when the chain reaches the last one.
func (v *Votes) beside(cert *finality.Certificate) error {
	if cert.Kind != finality.Finalize {
		return nil
	}
	b, anchored, s := cert.Block, v.c.forks.wanted[anchor], v.c.store
	above, _, err := s.FinalFrom(b.Height)
	if err != nil {
		return err
	}
	if above != nil && above.Block != b && (above.Block.Height == b.Height || above.View <= cert.View) {
		return contradict(b, above.Block)
	}
	below, err := s.FinalBelow(b.Height)
	if err != nil {
		return err
	}
	if below != nil && below.View >= cert.View {
		return contradict(b, below.Block)
	}
	if anchored == (ledger.BlockRef{}) || b.Height > anchored.Height {
		return nil
	}
	if on, err := onChain(s, b); on || err != nil {
		return err
	}
	return contradict(b, anchored)
}

func contradict(b, other ledger.BlockRef) error {
	return fmt.Errorf("%w: %s at height %d beside %s", ErrFinal, b.Hash.Short(), b.Height, other.Hash.Short())
}

// passed checks, when the chain has reached the last final block, that it has all final
// blocks below.
func (v *Votes) passed(last ledger.BlockRef) error {
	for end := last.Height; ; {
		f, err := v.c.store.FinalBelow(end)
		if f == nil || err != nil || f.Block == v.c.forks.wanted[anchor] {
			return err
		}
		if on, err := onChain(v.c.store, f.Block); err != nil {
			return err
		} else if !on {
			return contradict(f.Block, last)
		}
		end = f.Block.Height
	}
}

func (v *Votes) prefer(fin, high *finality.Certificate) error {
	if err := v.check(); err != nil { // since the last final block may have joined the chain
		return err
	}
	f, before, was := v.c.forks, v.c.forks.wishes, v.c.forks.wanted[notarized]
	v.set(fin, high)
	if f.wishes == before {
		return v.check()
	}
	from := f.preferred(nil)
	if !f.extends(f.wanted[notarized], was) { // so a branch that was not preferred may win now
		for parent := range f.children {
			if f.nodes[parent] == nil {
				from = append(from, parent)
			}
		}
	}
	for _, h := range from {
		if _, _, err := f.find(h); err != nil {
			return err
		}
		if _, err := v.c.advance(h); err != nil && !breaksRule(err) {
			return err
		}
	}
	v.c.publish()
	return v.check()
}

// set sets the preferred blocks by their certificates.
func (v *Votes) set(fin, high *finality.Certificate) {
	if fin != nil {
		v.cert = fin
		v.c.forks.want(final, fin.Block)
	}
	if high != nil {
		v.c.forks.want(notarized, high.Block)
	}
}

// check notes the chain's highest final block. It stops the chain if the last final block
// breaks a rule, or is on another branch. The caller holds mu.
func (v *Votes) check() error {
	f, last := v.c.forks, v.c.forks.wanted[final]
	if last == f.wanted[anchor] {
		return nil
	}
	if mark := f.mark(last.Hash); mark != nil {
		return v.c.fail(fmt.Errorf("%w: %w", ErrFinal, mark))
	}
	n, on, err := f.find(last.Hash)
	switch {
	case err != nil || n == nil && !on:
		return err
	case !f.extends(last, f.wanted[anchor]):
		return v.c.fail(contradict(last, f.wanted[anchor]))
	case on:
		if err := v.passed(last); err != nil {
			return v.c.fail(err)
		}
		f.want(anchor, last)
	}
	return nil
}

// load reads the preferred blocks, before the chain may move. The caller holds mu.
func (v *Votes) load() error {
	certs, err := v.c.store.Certificates()
	if err != nil {
		return err
	}
	var fin, high *finality.Certificate
	for _, cert := range certs {
		if cert.Kind == finality.Finalize && (fin == nil || cert.View > fin.View) {
			fin = cert
		}
		if cert.Kind != finality.Nullify && (high == nil || cert.View > high.View) {
			high = cert
		}
	}
	v.set(fin, high)
	return v.loadAnchor()
}

// loadAnchor finds the chain's highest final block, which is the last one for readers
// until the next is here.
func (v *Votes) loadAnchor() error {
	for end := v.c.store.Info.Blocks; end > 0; {
		f, err := v.c.store.FinalBelow(end)
		if f == nil || err != nil {
			return err
		}
		if on, err := onChain(v.c.store, f.Block); on || err != nil {
			v.c.forks.want(anchor, f.Block)
			v.c.seen.status.Final = f // without a lock, since Open has not returned
			return err
		}
		end = f.Block.Height
	}
	return nil
}

// Certificates returns the certificates from which a finality machine continues.
func (v *Votes) Certificates() ([]*finality.Certificate, error) { return v.c.store.Certificates() }

// From returns the kept certificates of the views from one on, without final ones, at most
// limit, lowest first.
func (v *Votes) From(view uint64, limit int) ([]*finality.Certificate, error) {
	return v.c.store.CertificatesFrom(view, limit)
}

// FinalFrom returns the lowest kept certificate that makes the chain's block at height
// final, or nil, and when it came, zero if not known.
func (v *Votes) FinalFrom(height uint64) (*finality.Certificate, time.Time, error) {
	if last := v.c.Status().Final; last == nil || last.Block.Height < height {
		return nil, time.Time{}, nil
	}
	return v.c.store.FinalFrom(height)
}

// Evidence returns the kept proofs that builders broke the rules of voting.
func (v *Votes) Evidence() ([]finality.Evidence, error) { return v.c.store.Evidence() }

// Extends reports whether b is a or descends from it, as far as headers are known. The
// zero BlockRef comes before every block.
func (v *Votes) Extends(b, a ledger.BlockRef) bool {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	return v.c.ready() == nil && v.c.forks.extends(b, a)
}

// Valid reports whether the branch that ends in a block is whole and valid. It tries a
// side branch, which costs as much as a reorg to it.
func (v *Votes) Valid(b ledger.BlockRef) bool {
	v.c.mu.Lock()
	defer v.c.mu.Unlock()
	if v.c.ready() != nil {
		return false
	}
	n, on, err := v.c.forks.find(b.Hash)
	if on || err != nil || n == nil || n.ref() != b {
		is, err := onChain(v.c.store, b)
		return is && err == nil
	}
	path, err := v.c.forks.path(n)
	return err == nil && path != nil && newReorg(v.c).validate(path, path[0].header.Height) == nil
}

// Lacking reports whether the builders voted for a block whose header is not known here.
// Any peer may have its branch, even a short one.
func (v *Votes) Lacking() bool {
	h := v.c.Status().Lacks
	if h == (ledger.Hash{}) {
		return false
	}
	_, err := v.c.HeaderByHash(h)
	return errors.Is(err, ledger.ErrUnknown)
}
