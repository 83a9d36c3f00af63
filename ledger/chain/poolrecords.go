package chain

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
)

// recordItems is how many pooled transactions one record may hold: what a
// submission brought at once, in pieces of this size. When some of them leave,
// the record is written again without them; when all have, it is deleted.
const recordItems = 256

// poolRecords mirrors the pool's records of the store: which transaction
// stands in which. It belongs to the chain's writer.
type poolRecords struct {
	at map[uint64]*poolRecord // by arrival number of each live item
}

type poolRecord struct {
	first uint64
	items []*pool.Entry // nil: gone
	live  int
}

func newPoolRecords() *poolRecords { return &poolRecords{at: make(map[uint64]*poolRecord)} }

// add writes new entries, whose arrival numbers rise by one, into records.
func (r *poolRecords) add(c *store.Batch, entries []*pool.Entry) error {
	for part := range slices.Chunk(entries, recordItems) {
		rec := &poolRecord{first: part[0].Arrival, items: slices.Clone(part), live: len(part)}
		for _, e := range part {
			r.at[e.Arrival] = rec
		}
		if err := rec.put(c); err != nil {
			return err
		}
	}
	return nil
}

// take removes entries from their records.
func (r *poolRecords) take(c *store.Batch, entries []*pool.Entry) error {
	touched := make(map[*poolRecord]bool)
	for _, e := range entries {
		rec := r.at[e.Arrival]
		delete(r.at, e.Arrival)
		rec.items[e.Arrival-rec.first] = nil
		rec.live--
		touched[rec] = true
	}
	for rec := range touched {
		if rec.live == 0 {
			c.Delete(store.NumberKey(store.KeyPool, rec.first))
		} else if err := rec.put(c); err != nil {
			return err
		}
	}
	return nil
}

func (rec *poolRecord) put(c *store.Batch) error {
	items := make([]store.PoolItem, len(rec.items))
	for i, e := range rec.items {
		items[i].Tx = []byte{}
		if e != nil {
			items[i] = store.PoolItem{Tx: e.Tx.Encode(), Origin: uint8(e.Origin), Seen: e.FirstSeen.Milliseconds()}
		}
	}
	b, err := ledger.Marshal(items)
	if err != nil {
		return err
	}
	c.Put(store.NumberKey(store.KeyPool, rec.first), b)
	return nil
}

// load reads all records, in order of arrival.
func (r *poolRecords) load(s *store.Store) ([]*pool.Entry, error) {
	var all []*pool.Entry
	err := s.Scan([]byte{store.KeyPool}, func(key, value []byte) error {
		first := binary.BigEndian.Uint64(key[1:])
		var items []store.PoolItem
		if err := ledger.Unmarshal(value, &items); err != nil {
			return store.Damaged(fmt.Sprintf("pool record %d", first), err)
		}
		rec := &poolRecord{first: first, items: make([]*pool.Entry, len(items))}
		for i, it := range items {
			if len(it.Tx) == 0 {
				continue
			}
			tx, err := ledger.DecodeTransaction(it.Tx)
			if err != nil {
				return store.Damaged(fmt.Sprintf("pool record %d", first), err)
			}
			e := &pool.Entry{
				Arrival: first + uint64(i), Tx: tx, Key: tx.Key(), Origin: pool.Origin(it.Origin),
				FirstSeen: time.Duration(it.Seen) * time.Millisecond,
			}
			rec.items[i] = e
			rec.live++
			r.at[e.Arrival] = rec
			all = append(all, e)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b *pool.Entry) int { return cmp.Compare(a.Arrival, b.Arrival) })
	return all, err
}
