package ledger

import (
	"time"

	"github.com/google/uuid"
)

// A Receipt says why a transaction that this node had accepted is gone. It is
// kept for good: each was accepted once, so the pool's caps bound how fast they
// can grow.
type Receipt struct {
	Tx     *Transaction
	Reason string // "expired after 24h0m0s of waiting: …", "another transaction with the id … is in block 17"
	Time   time.Time
	Final  bool // it is never taken from a peer again; a client may submit it again
}

// flagSize is the length of a receipt's flag (schema.go).
const flagSize = 1 + 16 + 16

// receipts reads those of a key: one for each content that was accepted under
// it. The caller holds mu.
func (c *Chain) receipts(k TxKey) ([]*Receipt, error) {
	if !c.store.receipts {
		return nil, nil
	}
	flag := txKey(keyReceipt, k)
	// A look-up that the bloom filter answers, before a scan that it cannot.
	if some, err := has(c.store.db, flag); err != nil || !some {
		return nil, err
	}
	var all []*Receipt
	err := c.store.scan(flag, func(key, value []byte) error {
		if len(key) == flagSize {
			return nil
		}
		r, err := decodeReceipt(k.ID, value)
		all = append(all, r)
		return err
	})
	return all, err
}

// goneForGood gives the receipt that keeps peers from bringing a key back; nil
// when there is none. The caller holds mu.
func (c *Chain) goneForGood(k TxKey) (*Receipt, error) {
	all, err := c.receipts(k)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Final {
			return r, nil
		}
	}
	return nil, nil
}

// forgive deletes the receipts of a transaction that is taken again. Those of
// others under its ID stay: they are still gone.
func (c *Chain) forgive(w *commit, tx *Transaction) error {
	all, err := c.receipts(tx.Key())
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Tx.Same(tx) {
			w.delete(receiptKey(r.Tx))
		}
	}
	return nil
}

func decodeReceipt(id uuid.UUID, b []byte) (*Receipt, error) {
	var r receiptRecord
	if err := Unmarshal(b, &r); err != nil {
		return nil, damaged("receipt "+id.String(), err)
	}
	tx, err := DecodeTransaction(r.Tx)
	if err != nil {
		return nil, damaged("receipt "+id.String(), err)
	}
	return &Receipt{Tx: tx, Reason: r.Reason, Time: time.UnixMilli(r.Time), Final: r.Final}, nil
}

// Receipts gives the receipts for an ID, at most limit.
func (c *Chain) Receipts(id uuid.UUID, limit int) ([]Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	var out []Receipt
	err := c.store.scan(append([]byte{keyReceipt}, id[:]...), func(key, value []byte) error {
		if len(out) >= limit || len(key) == flagSize {
			return nil
		}
		r, err := decodeReceipt(id, value)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}
