package chain

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"
)

// recordItems is how many pooled transactions one record may hold. One commit's new
// transactions are divided into records of this size. When some leave, the record is
// written again without them. When all have left, it is deleted.
const recordItems = 256

// poolRecords knows which record of the store holds which transaction of the pool. Only
// the chain's writer uses it.
type poolRecords struct {
	at map[uint64]*poolRecord // by arrival number of each live item
}

type poolRecord struct {
	first uint64
	items []*pool.Entry // nil for those that left
	live  int
}

func newPoolRecords() *poolRecords { return &poolRecords{at: make(map[uint64]*poolRecord)} }

// add writes new entries, whose arrival numbers rise by one, into records.
func (r *poolRecords) add(c *store.Batch, entries []*pool.Entry) {
	for part := range slices.Chunk(entries, recordItems) {
		rec := &poolRecord{first: part[0].Arrival, items: slices.Clone(part), live: len(part)}
		for _, e := range part {
			r.at[e.Arrival] = rec
		}
		rec.put(c)
	}
}

// take removes entries from their records.
func (r *poolRecords) take(c *store.Batch, entries []*pool.Entry) {
	touched := make(map[*poolRecord]bool)
	for _, e := range entries {
		rec := r.at[e.Arrival]
		delete(r.at, e.Arrival)
		rec.items[e.Arrival-rec.first] = nil
		rec.live--
		touched[rec] = true
	}
	for rec := range touched {
		rec.put(c)
	}
}

func (rec *poolRecord) put(c *store.Batch) {
	if rec.live == 0 {
		c.PutPool(rec.first, nil)
		return
	}
	items := make([]store.PoolItem, len(rec.items))
	for i, e := range rec.items {
		items[i].Tx = []byte{}
		if e != nil {
			items[i] = store.PoolItem{Tx: e.Tx.Encode(), Origin: uint8(e.Origin), Seen: e.FirstSeen.Milliseconds()}
		}
	}
	c.PutPool(rec.first, items)
}

// load reads all records. The ranges of their arrival numbers do not overlap, so the
// entries come in order of arrival.
func (r *poolRecords) load(s *store.Store) ([]*pool.Entry, error) {
	var all []*pool.Entry
	var next uint64 // the first number after the last record
	err := s.EachPool(func(first uint64, items []store.PoolItem, err error) error {
		if err != nil {
			return err
		}
		if first < next {
			return store.Damaged(fmt.Sprintf("pool record %d", first), errors.New("the one before it has items with its numbers"))
		}
		next = first + uint64(len(items))
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
	return all, err
}
