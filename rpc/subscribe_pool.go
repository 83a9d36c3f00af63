package rpc

import (
	"context"
	"maps"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
)

// maxWindow is how many pool entries a subscription follows: the first ones.
// The counts that come with each event are of the whole pool.
const maxWindow = 1000

// A poolWindow is what the client knows of the pool.
type poolWindow struct {
	due     time.Time
	begun   bool
	size    int
	waiting int
	cursor  uint64                 // arrival number of the next entry to send
	entries map[uint64]windowEntry // by arrival number
}

type windowEntry struct {
	key     ledger.TxKey
	waiting string // why it waits; empty: it does not
}

// sendPool sends how the pool differs from what the client knows.
func (sub *subscription) sendPool(ctx context.Context, again *time.Duration) error {
	s, w := sub.s, &sub.pool
	if tooEarly(w.due, again) {
		return nil
	}
	st := s.cfg.Chain.Status()
	removed, changed := w.update(s.cfg.Chain)
	added := s.cfg.Chain.Pool().List(w.cursor, maxWindow-len(w.entries))
	if w.begun && len(removed)+len(changed)+len(added) == 0 && w.size == st.Pool && w.waiting == st.Waiting {
		return nil
	}
	e := api.PoolEvent{Size: st.Pool, Waiting: st.Waiting, Changed: changed, Removed: removed}
	for _, p := range added {
		w.entries[p.Arrival] = windowEntry{key: p.Tx.Key(), waiting: p.Waiting}
		w.cursor = p.Arrival + 1
		tx := api.NewTx(p.Tx, nil)
		e.Added = append(e.Added, api.PoolEntry{Arrival: p.Arrival, Waiting: orNil(p.Waiting), Tx: &tx})
	}
	w.begun, w.size, w.waiting, w.due = true, st.Pool, st.Waiting, time.Now().Add(s.limits.redraw/4)
	return sub.sendValue(ctx, "pool", e)
}

// orNil returns nil for no text.
func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// update looks up the entries of the window: those that left it are returned by
// arrival number, and those that began or ceased to wait, or wait for another
// reason now.
func (w *poolWindow) update(chain *chain.Chain) (removed []uint64, changed []api.PoolEntry) {
	if w.entries == nil {
		w.entries = make(map[uint64]windowEntry)
	}
	numbers := slices.Sorted(maps.Keys(w.entries))
	keys := make([]ledger.TxKey, len(numbers))
	for i, n := range numbers {
		keys[i] = w.entries[n].key
	}
	for i, e := range chain.Pool().Get(keys) {
		n := numbers[i]
		switch was := w.entries[n]; {
		case e.Tx == nil || e.Arrival != n:
			delete(w.entries, n)
			removed = append(removed, n)
		case was.waiting != e.Waiting:
			w.entries[n] = windowEntry{key: was.key, waiting: e.Waiting}
			changed = append(changed, api.PoolEntry{Arrival: n, Waiting: orNil(e.Waiting)})
		}
	}
	return removed, changed
}
