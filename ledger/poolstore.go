package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
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
	items []*pooled // nil: gone
	live  int
}

func newPoolRecords() *poolRecords { return &poolRecords{at: make(map[uint64]*poolRecord)} }

// add writes new entries, whose arrival numbers rise by one, into records.
func (r *poolRecords) add(c *commit, entries []*pooled) error {
	for part := range slices.Chunk(entries, recordItems) {
		rec := &poolRecord{first: part[0].arrival, items: slices.Clone(part), live: len(part)}
		for _, e := range part {
			r.at[e.arrival] = rec
		}
		if err := rec.put(c); err != nil {
			return err
		}
	}
	return nil
}

// take removes entries from their records.
func (r *poolRecords) take(c *commit, entries []*pooled) error {
	touched := make(map[*poolRecord]bool)
	for _, e := range entries {
		rec := r.at[e.arrival]
		delete(r.at, e.arrival)
		rec.items[e.arrival-rec.first] = nil
		rec.live--
		touched[rec] = true
	}
	for rec := range touched {
		if rec.live == 0 {
			c.delete(numberKey(keyPool, rec.first))
		} else if err := rec.put(c); err != nil {
			return err
		}
	}
	return nil
}

func (rec *poolRecord) put(c *commit) error {
	items := make([]poolItem, len(rec.items))
	for i, e := range rec.items {
		items[i].Tx = []byte{}
		if e != nil {
			items[i] = poolItem{Tx: e.tx.Encode(), Origin: uint8(e.origin), Seen: e.firstSeen.Milliseconds()}
		}
	}
	b, err := Marshal(items)
	if err != nil {
		return err
	}
	c.put(numberKey(keyPool, rec.first), b)
	return nil
}

// load reads all records, in order of arrival.
func (r *poolRecords) load(s *store) ([]*pooled, error) {
	var all []*pooled
	err := s.scan([]byte{keyPool}, func(key, value []byte) error {
		first := binary.BigEndian.Uint64(key[1:])
		var items []poolItem
		if err := Unmarshal(value, &items); err != nil {
			return damaged(fmt.Sprintf("pool record %d", first), err)
		}
		rec := &poolRecord{first: first, items: make([]*pooled, len(items))}
		for i, it := range items {
			if len(it.Tx) == 0 {
				continue
			}
			tx, err := DecodeTransaction(it.Tx)
			if err != nil {
				return damaged(fmt.Sprintf("pool record %d", first), err)
			}
			e := &pooled{
				arrival: first + uint64(i), tx: tx, key: tx.Key(), origin: Origin(it.Origin),
				firstSeen: time.Duration(it.Seen) * time.Millisecond,
			}
			rec.items[i] = e
			rec.live++
			r.at[e.arrival] = rec
			all = append(all, e)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b *pooled) int { return cmp.Compare(a.arrival, b.arrival) })
	return all, err
}
