package sync

import (
	"context"
	"errors"
	"time"

	"foxchain/ledger"
)

// poolRetry is how long transactions wait that were refused for the moment, because
// our pool was full, before they are fetched again.
const poolRetry = 30 * time.Second

// digestTime is how long equal digests stand for a comparison, since transactions can be
// made so that pools with different ones have the same digest.
const digestTime = time.Minute

// A poolCursor marks how far a peer's pool was compared with ours, in arrival
// numbers of the peer's instance.
type poolCursor struct {
	instance uint64 // of the peer
	settled  uint64 // every transaction below is held, in the chain, refused for good, or gone there
	seen     uint64 // every transaction below was offered to our pool once; settled or more
	retryAt  time.Time
	equal    time.Time // since when equal digests stand for comparing all that follows; zero: they do not
}

// at makes the cursor one of the given instance.
func (c *poolCursor) at(instance uint64) {
	if c.instance != instance {
		*c = poolCursor{instance: instance}
	}
}

// rewind goes back to what was refused for the moment, when it is time to.
func (c *poolCursor) rewind(now time.Time) {
	if c.settled < c.seen && !now.Before(c.retryAt) {
		c.seen = c.settled
	}
}

// advance passes the transactions below next, which were offered. settled
// reports that none of them was refused for the moment only.
func (c *poolCursor) advance(next uint64, settled bool, now time.Time) {
	if settled && c.settled == c.seen {
		c.settled = next
	}
	if !settled && c.settled == c.seen {
		c.retryAt = now.Add(poolRetry)
	}
	c.seen = next
}

// empty passes all that came into the peer's pool below next, of which nothing is left.
func (c *poolCursor) empty(next uint64) {
	if next > c.settled {
		c.settled, c.seen, c.equal = next, max(next, c.seen), time.Time{}
	}
}

// spared reports whether a comparison can wait, since the digests of both pools are equal.
func (c *poolCursor) spared(equal bool, now time.Time) bool {
	if !equal {
		c.equal = time.Time{}
	} else if c.equal.IsZero() {
		c.equal = now
	}
	return equal && now.Sub(c.equal) < digestTime
}

// A poolFetcher fetches what the pools of peers have and ours lacks.
type poolFetcher struct {
	*core
	turns *turns
}

// pull fetches what r's pool has and ours lacks.
func (f *poolFetcher) pull(ctx context.Context, r *remotePeer) error {
	f.noteEqual(r)
	return f.turns.pull(ctx, r, f.wantsPool, f.pullPage)
}

// noteEqual notes what r was seen to have since its pool was this one, a page at a time.
func (f *poolFetcher) noteEqual(r *remotePeer) {
	to := r.latest().equalTo
	if to <= r.shown {
		return
	}
	var keys []ledger.TxKey
	entries := f.Chain.Pool().List(r.shown, maxPoolKeys)
	for _, e := range entries {
		if e.Arrival < to {
			keys = append(keys, e.Tx.Key())
		}
	}
	f.seen.notePage(r.id, false, packKeys(keys))
	if r.shown = to; len(keys) == maxPoolKeys {
		r.shown = entries[maxPoolKeys-1].Arrival + 1
	}
}

// wantsPool reports whether r's pool may have what was not compared yet.
func (f *poolFetcher) wantsPool(r *remotePeer) bool {
	st, now := r.latest(), time.Now()
	r.cursor.at(st.Instance)
	if st.Pool == 0 {
		r.cursor.empty(st.Next)
	}
	r.cursor.rewind(now)
	return !r.isPenalised() && st.Next > r.cursor.seen && !r.cursor.spared(st.equalTo > 0, now)
}

// pullPage compares one page, and reports whether there may be more.
func (f *poolFetcher) pullPage(ctx context.Context, q *question) (more bool, err error) {
	r := q.r
	from, ans := r.cursor.seen, new(poolSinceAnswer)
	q.ask(slowly(ans.limit()))
	err = f.ask(ctx, r.id, &poolSinceRequest{Instance: r.cursor.instance, From: from, Limit: maxPoolKeys}, ans)
	if errors.Is(err, errNotKnown) {
		return false, misbehaved("does not know its own pool")
	}
	if err != nil {
		return false, err
	}
	if ans.Instance != r.cursor.instance { // it restarted since its last status
		r.cursor.at(ans.Instance)
		from = 0
	}
	keys := unpackKeys(ans.Keys)
	if ans.Next < from+uint64(len(keys)) {
		return false, misbehaved("numbered %d transactions of its pool from %d to %d", len(keys), from, ans.Next)
	}
	f.seen.notePage(r.id, false, ans.Keys)
	q.ask(slowly(len(keys) * keyedTxBytes))
	settled, err := f.pullTxs(ctx, r, keys)
	if err != nil {
		return false, err
	}
	r.cursor.advance(ans.Next, settled, time.Now())
	if more = len(keys) == maxPoolKeys; !more || ans.Next >= r.latest().Next { // all is compared
		r.cursor.equal = time.Time{}
	}
	return more, nil
}

// pullTxs fetches those of keys that this node lacks from r's pool and offers
// them to ours. It reports whether all are settled, none being refused for the
// moment only.
func (f *poolFetcher) pullTxs(ctx context.Context, r *remotePeer, keys []ledger.TxKey) (settled bool, err error) {
	lacking, err := f.Chain.Pool().Wanted(keys)
	if err != nil || len(lacking) == 0 {
		return err == nil, err
	}
	txs, err := f.askTxs(ctx, r, &poolTxsRequest{Keys: packKeys(lacking)}, len(lacking))
	if errors.Is(err, errNotKnown) || err == nil && len(txs) == 0 {
		return true, nil // they left its pool meanwhile, and a block brings them
	}
	if err != nil {
		return false, err
	}
	asked := make(map[ledger.TxKey]bool, len(lacking))
	for _, k := range lacking {
		asked[k] = true
	}
	for _, tx := range txs {
		if !asked[tx.Key()] {
			return false, misbehaved("sent transaction %s, which was not asked for", tx.ID)
		}
		delete(asked, tx.Key())
	}
	settled, err = f.submit(ctx, txs)
	if field := (*ledger.FieldError)(nil); errors.As(err, &field) {
		return false, misbehaved("has an invalid transaction in its pool: %v", field)
	}
	return settled, err
}
