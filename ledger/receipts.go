package ledger

import (
	"errors"
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

// receipt reads one; nil when there is none. The caller holds mu.
func (c *Chain) receipt(k TxKey) (*Receipt, error) {
	b, err := get(c.store.db, txKey(keyReceipt, k))
	if errors.Is(err, ErrUnknown) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return decodeReceipt(k.ID, b)
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
	err := c.store.scan(append([]byte{keyReceipt}, id[:]...), func(_, value []byte) error {
		if len(out) >= limit {
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
