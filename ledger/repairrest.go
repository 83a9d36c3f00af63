package ledger

import "time"

// rest takes over receipts, pool and address book. Running time
// and arrival numbers go on where the old ones were, as far as that is known.
func (r *repair) rest(old info) error {
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranFor += time.Duration(old.Running) * time.Millisecond
	w := c.store.begin()
	w.info.Arrival = max(w.info.Arrival, old.Arrival)
	if err := r.receipts(w); err != nil {
		return err
	}
	if err := c.commit(w, false); err != nil { // what is gone for good stays out of the pool
		return err
	}
	w = c.store.begin()
	entries, err := r.pool(w)
	if err != nil {
		return err
	}
	if err := c.records.add(w, entries); err != nil {
		return err
	}
	if err := c.commit(w, true); err != nil {
		return err
	}
	for _, e := range entries {
		c.pool.now = e.firstSeen
		if err := c.pool.insert(e, c.balances()); err != nil {
			return err
		}
	}
	c.publish()
	return scanIn(r.old, []byte{keyBook}, func(key, value []byte) error {
		r.out.Book++
		return c.store.db.Put(key, value, nil)
	})
}

func (r *repair) receipts(w *commit) error {
	return scanIn(r.old, []byte{keyReceipt}, func(key, value []byte) error {
		if len(key) <= flagSize {
			w.put(key, value)
			return nil
		}
		var rec receiptRecord
		if err := Unmarshal(value, &rec); err != nil {
			r.out.Unread++
			return nil
		}
		r.out.Receipts++
		w.put(key[:flagSize], nil)
		w.put(key, value)
		return nil
	})
}

// pool gives what belongs into the new pool: of the old pool, and of blocks
// that were not kept, what is in no block and not gone for good.
func (r *repair) pool(w *commit) ([]*pooled, error) {
	c := r.new
	var all []*pooled
	have := make(map[TxKey]bool)
	add := func(tx *Transaction, origin Origin, seen time.Duration) error {
		key := tx.Key()
		if have[key] || c.pool.get(key) != nil { // a reorg of the replay may have given it back
			return nil
		}
		if tx.CheckFields(c.net) != nil {
			r.out.Unread++
			return nil
		}
		have[key] = true
		gone, err := c.settled(w, tx, key)
		if err != nil || gone {
			return err
		}
		all = append(all, &pooled{arrival: w.info.Arrival, tx: tx, key: key, origin: origin, firstSeen: seen})
		w.info.Arrival++
		return nil
	}
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
			if err := add(tx, Origin(it.Origin), time.Duration(it.Seen)*time.Millisecond); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, tx := range r.lost {
		if err := add(tx, FromReorg, c.running()); err != nil {
			return nil, err
		}
	}
	err = c.eachOffChain(func(tx *Transaction) error { return add(tx, FromReorg, c.running()) })
	return all, err
}
