package store

import (
	"errors"

	"foxchain/ledger"
)

// maxLocator bounds a locator. Ten single steps and then doubling ones reach the
// first block of any chain within it.
const maxLocator = 64

// Locator returns hashes by which a peer finds the fork between its chain and this one:
// of the ten newest blocks, then of older ones in doubling steps, and last the network's
// ID. They are at most 64.
func (v *View) Locator() ([]ledger.Hash, error) {
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
	return append(locator, v.net.ID()), nil
}

// HeadersAfter returns up to limit headers of the chain after the first hash of locator
// that is on it, or from the first block on if none is.
func (v *View) HeadersAfter(locator []ledger.Hash, limit int) ([]*ledger.SealedHeader, error) {
	var from uint64
	for _, h := range locator {
		if h == v.net.ID() {
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
	for height := from; height < v.Tip().Blocks && len(out) < limit; height++ {
		h, err := v.Header(height)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
