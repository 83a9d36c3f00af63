package sync

import (
	"context"
	"errors"
	"time"

	"foxchain/ledger"
)

// poolRetry is after how long transactions that were refused because our pool was full
// are fetched again.
const poolRetry = 30 * time.Second

// digestTime is how long equal digests replace a comparison, since transactions can be
// made so that different pools have one digest.
const digestTime = time.Minute

// A poolCursor marks how far a peer's pool has been compared with ours, in arrival
// numbers of the peer's instance.
type poolCursor struct {
	instance uint64 // of the peer
	settled  uint64 // every transaction below is held, in the chain, refused for good, or gone there
	seen     uint64 // every transaction below was offered to our pool once; at least settled
	retryAt  time.Time
	equal    time.Time // since when the digests have been equal, zero if they differ
}

// at resets the cursor if the peer's instance is another.
func (c *poolCursor) at(instance uint64) {
	if c.instance != instance {
		*c = poolCursor{instance: instance}
	}
}

// rewind goes back to what was refused for the moment, when it is due.
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

// empty passes all below next, of which the peer's pool has nothing left.
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

// noteEqual notes in sightings that r has the transactions of this pool, one page a call,
// if the pools were equal.
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

// wantsPool reports whether r's pool may have transactions that were not compared yet.
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
	if ans.Instance != r.cursor.instance { // r restarted since its last status
		r.cursor.at(ans.Instance)
		from = 0
	}
	keys := unpackKeys(ans.Keys)
	if ans.Next < from+uint64(len(keys)) {
		return false, misbehaved("numbered %d transactions of its pool from %d to %d", len(keys), from, ans.Next)
	}
	f.seen.notePage(r.id, false, ans.Keys)
	q.ask(slowly(len(keys) * keyedTxBytes))
	had, settled, err := f.pullTxs(ctx, r, keys)
	if err != nil {
		return false, err
	}
	r.cursor.advance(ans.Next, settled, time.Now())
	if more = len(keys) == maxPoolKeys; !more || ans.Next >= r.latest().Next { // everything is compared
		r.cursor.equal = time.Time{}
	}
	return more && had, nil
}

// pullTxs fetches those of keys that this node lacks from r's pool and offers them to
// ours. It reports whether r had any, and whether none was refused for the moment only.
func (f *poolFetcher) pullTxs(ctx context.Context, r *remotePeer, keys []ledger.TxKey) (had, settled bool, err error) {
	lacking, err := f.Chain.Pool().Wanted(keys)
	if err != nil || len(lacking) == 0 {
		return true, true, err
	}
	txs, err := f.askTxs(ctx, r, &poolTxsRequest{Keys: packKeys(lacking)}, len(lacking))
	if errors.Is(err, errNotKnown) || err == nil && len(txs) == 0 {
		return false, true, nil // they left r's pool meanwhile, probably with a block
	}
	if err != nil {
		return false, false, err
	}
	asked := make(map[ledger.TxKey]bool, len(lacking))
	for _, k := range lacking {
		asked[k] = true
	}
	for _, tx := range txs {
		if !asked[tx.Key()] {
			return true, false, misbehaved("sent transaction %s, which was not asked for", tx.ID)
		}
		delete(asked, tx.Key())
	}
	settled, err = f.submit(ctx, txs)
	if field := (*ledger.FieldError)(nil); errors.As(err, &field) {
		return true, false, misbehaved("has an invalid transaction in its pool: %v", field)
	}
	return true, settled, err
}
