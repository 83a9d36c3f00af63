package sync

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"foxchain/ledger"
)

// maxAhead is how far headers may run ahead of the bodies: the chain keeps a
// bounded number of headers that have none. A longer chain is fetched in
// stretches.
const maxAhead = 20_000

// ahead reports whether a chain of so many blocks with this tip comes before
// ours in the fork choice: more work, which on one network is more blocks, or
// the same and the lower hash.
func (s *Syncer) ahead(blocks uint64, tip ledger.Hash) bool {
	ours := s.Chain.Tip()
	if blocks != ours.Blocks {
		return blocks > ours.Blocks
	}
	return bytes.Compare(tip[:], ours.Hash[:]) < 0
}

// pullHeaders fetches the headers of r's chain if it comes before ours: at most
// for turnTime and maxAhead headers, the rest in a later turn.
func (s *Syncer) pullHeaders(ctx context.Context, r *remotePeer) error {
	if !s.wantsHeaders(r) {
		return nil
	}
	if err := s.headerTurn.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.headerTurn.Release(1)
	for end := time.Now().Add(turnTime); time.Now().Before(end); {
		if !s.wantsHeaders(r) { // another peer may have sent them meanwhile
			return nil
		}
		more, err := s.pullPage(ctx, r)
		if err != nil || !more {
			return err
		}
	}
	signal(r.pull)
	return nil
}

// wantsHeaders reports whether r's chain comes before ours and has a tip that
// we do not know. A known one only needs its bodies.
func (s *Syncer) wantsHeaders(r *remotePeer) bool {
	st := s.latest(r)
	if s.isBenched(r) || !s.ahead(st.Blocks, st.Tip) || s.Chain.FailedBlock(st.Tip) != nil {
		return false
	}
	if _, err := s.Chain.HeaderByHash(st.Tip); err == nil {
		s.noteAnnounced(r, st.Tip)
		return false
	}
	return true
}

// pullPage fetches one page of headers from r, and reports whether to go on.
func (s *Syncer) pullPage(ctx context.Context, r *remotePeer) (more bool, err error) {
	locator, err := s.locator(r)
	if err != nil {
		return false, err
	}
	ans := new(HeadersAnswer)
	err = s.ask(ctx, r.id, &HeadersRequest{Locator: packHashes(locator), Max: maxHeaders}, ans)
	if errors.Is(err, errNotKnown) || err == nil && len(ans.Headers) == 0 {
		return false, nil // its chain changed since it told its status
	}
	if err != nil {
		return false, err
	}
	hs, err := s.readHeaders(ans, locator)
	if err != nil {
		return false, err
	}
	if err := s.takeHeaders(ctx, hs); err != nil {
		r.lastHeader = ledger.Hash{}
		return false, err
	}
	last := hs[len(hs)-1]
	r.lastHeader = last.Hash()
	s.noteAnnounced(r, r.lastHeader)
	return len(hs) == maxHeaders && last.Height < s.Chain.Tip().Blocks+maxAhead, nil
}

// locator names our chain and, before it, the last header that r sent.
func (s *Syncer) locator(r *remotePeer) ([]ledger.Hash, error) {
	locator, err := s.Chain.Locator()
	if err != nil {
		return nil, err
	}
	if _, err := s.Chain.HeaderByHash(r.lastHeader); err != nil || slices.Contains(locator, r.lastHeader) {
		return locator, nil
	}
	if len(locator) >= maxLocator { // the last of all, the network's ID, stays
		locator = slices.Delete(locator, maxLocator-2, len(locator)-1)
	}
	return slices.Insert(locator, 0, r.lastHeader), nil
}

// readHeaders decodes headers and checks that they are what the locator asked
// for: a chain on one of its hashes.
func (s *Syncer) readHeaders(ans *HeadersAnswer, locator []ledger.Hash) ([]*ledger.SealedHeader, error) {
	hs := make([]*ledger.SealedHeader, 0, len(ans.Headers))
	for _, b := range ans.Headers {
		h, err := ledger.DecodeHeader(b)
		if err != nil {
			return nil, misbehaved("sent a malformed header: %v", err)
		}
		if len(hs) == 0 {
			if !slices.Contains(locator, h.Parent) {
				return nil, misbehaved("sent headers that do not follow what was asked for")
			}
		} else if prev := hs[len(hs)-1]; h.Parent != prev.Hash() || h.Height != prev.Height+1 {
			return nil, misbehaved("sent headers that are not a chain: %d after %d", h.Height, prev.Height)
		}
		hs = append(hs, h)
	}
	return hs, nil
}

// takeHeaders gives headers to the chain. Headers that are invalid by
// themselves come from no honest node; such that stand on a block that failed
// here are only not taken.
func (s *Syncer) takeHeaders(ctx context.Context, hs []*ledger.SealedHeader) error {
	_, err := s.Chain.AddHeaders(ctx, hs)
	var be *ledger.BlockError
	if !errors.As(err, &be) {
		return err
	}
	for _, h := range hs {
		if bad := s.net.CheckHeader(h); bad != nil {
			return misbehaved("sent an invalid header: %v", bad)
		}
	}
	return err
}
