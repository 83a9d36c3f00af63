package sync

import (
	"context"
	"errors"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
)

// maxAhead is how far headers may be ahead of the bodies, since the chain keeps a bounded
// number of headers without bodies. A longer chain is fetched in stretches.
const maxAhead = 20_000

// probeHeaders is how many headers are asked of a peer whose last ones were not new.
const probeHeaders = 64

// A headerFetcher fetches the headers of chains that come before ours.
type headerFetcher struct {
	*core
	peers *peers
	turns *turns
}

// pull fetches the headers of r's chain if it comes before ours, maxAhead at most.
func (f *headerFetcher) pull(ctx context.Context, r *remotePeer) error {
	return f.turns.pull(ctx, r, f.wantsHeaders, f.pullPage)
}

// wantsHeaders reports whether r's tip is unknown, and its chain comes before ours or may
// have a block that the builders voted for. A known tip only needs its bodies.
func (f *headerFetcher) wantsHeaders(r *remotePeer) bool {
	st := r.latest()
	if r.isPenalised() || !f.ahead(st.Blocks, st.Tip) && !f.Chain.Votes().Lacking() || f.Chain.FailedBlock(st.Tip) != nil {
		return false
	}
	if _, err := f.Chain.HeaderByHash(st.Tip); err == nil {
		f.peers.noteAnnounced(r, st.Tip)
		return false
	}
	return true
}

// pullPage fetches one page of headers from r, and reports whether to go on.
func (f *headerFetcher) pullPage(ctx context.Context, q *question) (more bool, err error) {
	r, limit := q.r, probeHeaders
	if r.fresh {
		limit = maxHeaders
	}
	locator, err := f.locator(r)
	if err != nil {
		return false, err
	}
	ans := new(headersAnswer)
	q.ask(slowly(limit * gossip.MaxHeader))
	err = f.ask(ctx, r.id, &headersRequest{Locator: packHashes(locator), Max: uint16(limit)}, ans)
	if errors.Is(err, errNotKnown) || err == nil && len(ans.Headers) == 0 {
		f.checkTip(r)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	hs, err := f.readHeaders(ans, locator)
	if err != nil {
		return false, err
	}
	before, last := r.lastHeader, hs[len(hs)-1]
	_, unknown := f.Chain.HeaderByHash(last.Hash())
	r.lastHeader, r.fresh = ledger.Hash{}, false
	if err := f.takeHeaders(ctx, hs); err != nil {
		return false, err
	}
	r.lastHeader, r.fresh = last.Hash(), unknown != nil
	f.peers.noteAnnounced(r, r.lastHeader)
	repeats := !r.fresh && before != (ledger.Hash{}) && hs[0].Parent != locator[0] // where an honest peer goes on
	if repeats || len(hs) < limit {
		f.checkTip(r)
		return false, nil
	}
	return last.Height < f.Chain.Tip().Blocks+maxAhead, nil
}

// checkTip notes whether the last headers of r led to the tip in its own status. They may
// not, since its chain may have changed since then.
func (f *headerFetcher) checkTip(r *remotePeer) {
	if _, err := f.Chain.HeaderByHash(r.latest().Tip); err != nil {
		f.notePenalised(r.withheld(time.Now()))
	}
}

// locator returns the locator of our chain with the last header that r sent in
// front.
func (f *headerFetcher) locator(r *remotePeer) ([]ledger.Hash, error) {
	v, err := f.Chain.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	locator, err := v.Locator()
	if err != nil {
		return nil, err
	}
	if _, err := f.Chain.HeaderByHash(r.lastHeader); err != nil || slices.Contains(locator, r.lastHeader) {
		return locator, nil
	}
	if len(locator) >= maxLocator { // the last one, the network's ID, stays
		locator = slices.Delete(locator, maxLocator-2, len(locator)-1)
	}
	return slices.Insert(locator, 0, r.lastHeader), nil
}

// readHeaders decodes headers and checks that they are a chain on one of the
// hashes of the locator.
func (f *headerFetcher) readHeaders(ans *headersAnswer, locator []ledger.Hash) ([]*ledger.SealedHeader, error) {
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

// takeHeaders adds headers to the chain. A header that is invalid by itself is
// misbehavior. One on a block that failed here is left out.
func (f *headerFetcher) takeHeaders(ctx context.Context, hs []*ledger.SealedHeader) error {
	err := f.Chain.AddHeaders(ctx, hs)
	var be *ledger.BlockError
	if !errors.As(err, &be) {
		return err
	}
	for _, h := range hs {
		if bad := f.net.CheckHeader(h); bad != nil {
			return misbehaved("sent an invalid header: %v", bad)
		}
	}
	return err
}
