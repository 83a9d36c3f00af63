package ledger

import (
	"errors"
	"time"
)

// rest takes over receipts, pool and address book. Running time and arrival
// numbers go on where the old ones were, as far as that is known.
func (r *repair) rest(old info) error {
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranFor += time.Duration(old.Running) * time.Millisecond
	f := &filler{r: r, w: c.store.begin()}
	f.w.info.Arrival = max(f.w.info.Arrival, old.Arrival)
	r.out.Pool = c.pool.len() // what the replay gave back
	// What is gone for good stays out of the pool, so receipts first.
	for _, part := range []func(*filler) error{r.receipts, r.pool, r.book} {
		if err := part(f); err != nil {
			return err
		}
		if err := f.flush(); err != nil {
			return err
		}
	}
	return nil
}

// A filler writes records in commits of at most MaxBlockTxs of them, so that
// neither a batch nor memory grows with the store.
type filler struct {
	r       *repair
	w       *commit
	n       int
	entries []*pooled // of the pool, to be written with w
}

// wrote counts a record that was put into w.
func (f *filler) wrote() error {
	if f.n++; f.n < MaxBlockTxs {
		return nil
	}
	return f.flush()
}

func (f *filler) flush() error {
	if err := errors.Join(f.r.ctx.Err(), f.r.at("filled")); err != nil {
		return err
	}
	c := f.r.new
	// The entries are not kept in memory: the pool is loaded by the next Open.
	if err := newPoolRecords().add(f.w, f.entries); err != nil {
		return err
	}
	if err := c.commit(f.w, false); err != nil {
		return err
	}
	f.w, f.n, f.entries = c.store.begin(), 0, f.entries[:0]
	return nil
}

func (r *repair) receipts(f *filler) error {
	return scanIn(r.old, []byte{keyReceipt}, func(key, value []byte) error {
		if len(key) <= flagSize {
			f.w.put(key, value)
			return f.wrote()
		}
		var rec receiptRecord
		if err := Unmarshal(value, &rec); err != nil {
			r.out.Unread++
			return nil
		}
		r.out.Receipts++
		f.w.put(key[:flagSize], nil)
		f.w.put(key, value)
		return f.wrote()
	})
}

// pool takes over what belongs into the new pool: of the old pool, and of blocks
// that were not kept or are beside the chain, what is in no block and not gone
// for good.
func (r *repair) pool(f *filler) error {
	err := scanIn(r.old, []byte{keyPool}, func(_, value []byte) error {
		var items []poolItem
		if err := Unmarshal(value, &items); err != nil {
			r.out.Unread++
			return nil
		}
		for _, it := range items {
			if len(it.Tx) == 0 {
				continue
			}
			tx, err := DecodeTransaction(it.Tx)
			if err != nil {
				r.out.Unread++
				continue
			}
			if err := f.pooled(tx, Origin(it.Origin), time.Duration(it.Seen)*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	now := r.new.running()
	givenBack := func(tx *Transaction) error { return f.pooled(tx, FromReorg, now) }
	if err := r.lost(givenBack); err != nil {
		return err
	}
	return r.new.eachOffChain(givenBack)
}

// keyMet marks, in the scratch database, what was given to filler.pooled: a set
// that does not grow in memory.
const keyMet = 'x'

// pooled writes a transaction into the pool if it has a place there.
func (f *filler) pooled(tx *Transaction, origin Origin, seen time.Duration) error {
	r, c, key := f.r, f.r.new, tx.Key()
	if c.pool.get(key) != nil { // a reorg of the replay gave it back
		return nil
	}
	mark := txKey(keyMet, key)
	if met, err := has(r.old, mark); err != nil || met {
		return err
	}
	if err := r.old.Put(mark, nil, nil); err != nil {
		return err
	}
	if tx.CheckFields(c.net) != nil {
		r.out.Unread++
		return nil
	}
	gone, err := c.settled(f.w, tx, key)
	if err != nil {
		return err
	}
	if !gone {
		f.entries = append(f.entries, &pooled{arrival: f.w.info.Arrival, tx: tx, key: key, origin: origin, firstSeen: seen})
		f.w.info.Arrival++
		r.out.Pool++
	}
	return f.wrote()
}

func (r *repair) book(f *filler) error {
	return scanIn(r.old, []byte{keyBook}, func(key, value []byte) error {
		r.out.Book++
		f.w.put(key, value)
		return f.wrote()
	})
}
