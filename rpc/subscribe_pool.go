package rpc

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
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

// tellPool sends how the pool differs from what the client knows.
func (sub *subscription) tellPool(ctx context.Context, again *time.Duration) error {
	s, w := sub.c.s, &sub.pool
	now := time.Now()
	if wait := w.due.Sub(now); wait > 0 {
		*again = min(*again, wait)
		return nil
	}
	st := s.cfg.Chain.Status()
	removed, changed := w.update(s.cfg.Chain)
	added := s.cfg.Chain.Pool().List(w.cursor, maxWindow-len(w.entries))
	if w.begun && len(removed)+len(changed)+len(added) == 0 && w.size == st.Pool && w.waiting == st.Waiting {
		return nil
	}
	for _, e := range added {
		w.entries[e.Arrival] = windowEntry{key: e.Tx.Key(), waiting: e.Waiting}
		w.cursor = e.Arrival + 1
	}
	w.begun, w.size, w.waiting, w.due = true, st.Pool, st.Waiting, now.Add(s.limits.redraw/4)
	return sub.send(ctx, "pool", func(dst []byte) []byte {
		dst = strconv.AppendInt(append(dst, `{"size":`...), int64(st.Pool), 10)
		dst = strconv.AppendInt(append(dst, `,"waiting":`...), int64(st.Waiting), 10)
		dst = appendEntries(append(dst, `,"added":[`...), added, true)
		dst = appendEntries(append(dst, `],"changed":[`...), changed, false)
		dst = append(dst, `],"removed":[`...)
		for i, n := range removed {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = strconv.AppendUint(dst, n, 10)
		}
		return append(dst, `]}`...)
	})
}

// update looks up the entries of the window: those that left it are returned by
// arrival number, and those that began or ceased to wait, or wait for another
// reason now.
func (w *poolWindow) update(chain *chain.Chain) (removed []uint64, changed []chain.PoolEntry) {
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
			changed = append(changed, e)
		}
	}
	return removed, changed
}

func appendEntries(dst []byte, list []chain.PoolEntry, withTx bool) []byte {
	for i, e := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(append(dst, `{"arrival":`...), e.Arrival, 10)
		dst = append(dst, `,"waiting":`...)
		if e.Waiting == "" {
			dst = append(dst, "null"...)
		} else {
			dst = appendQuote(dst, e.Waiting)
		}
		if withTx {
			dst = e.Tx.AppendJSON(append(dst, `,"tx":`...), nil)
		}
		dst = append(dst, '}')
	}
	return dst
}
