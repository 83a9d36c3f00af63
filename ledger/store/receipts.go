package store

import (
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// A Receipt is the reason why a transaction that this node had accepted is gone. It is
// kept for good: each was accepted once, so the pool's caps bound how fast they
// can grow.
type Receipt struct {
	Tx     *ledger.Transaction
	Reason string // "expired after 24h0m0s of waiting: …", "another transaction with the id … is in block 17"
	Time   time.Time
	Final  bool // it is never taken from a peer again; a client may submit it again
}

// FlagSize is the length of a receipt's flag (schema.go).
const FlagSize = 1 + 16 + 16

// receipts reads those of a key: one for each content that was accepted under
// it.
func (s *Store) receiptsOf(k ledger.TxKey) ([]*Receipt, error) {
	if !s.Receipts {
		return nil, nil
	}
	flag := TxKey(KeyReceipt, k)
	// A look-up that the bloom filter answers, before a scan that it cannot.
	if some, err := Has(s.DB, flag); err != nil || !some {
		return nil, err
	}
	var all []*Receipt
	err := s.Scan(flag, func(key, value []byte) error {
		if len(key) == FlagSize {
			return nil
		}
		r, err := DecodeReceipt(k.ID, value)
		all = append(all, r)
		return err
	})
	return all, err
}

// GoneForGood returns the receipt that keeps peers from bringing a key back; nil
// when there is none.
func (s *Store) GoneForGood(k ledger.TxKey) (*Receipt, error) {
	all, err := s.receiptsOf(k)
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

// Forgive deletes the receipts of a transaction that is taken again. Those of
// others under its ID stay: they are still gone.
func (c *Batch) Forgive(tx *ledger.Transaction) error {
	all, err := c.s.receiptsOf(tx.Key())
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Tx.Same(tx) {
			c.Delete(ReceiptKey(r.Tx))
		}
	}
	return nil
}

func DecodeReceipt(id uuid.UUID, b []byte) (*Receipt, error) {
	var r receiptRecord
	if err := ledger.Unmarshal(b, &r); err != nil {
		return nil, Damaged("receipt "+id.String(), err)
	}
	tx, err := ledger.DecodeTransaction(r.Tx)
	if err != nil {
		return nil, Damaged("receipt "+id.String(), err)
	}
	return &Receipt{Tx: tx, Reason: r.Reason, Time: time.UnixMilli(r.Time), Final: r.Final}, nil
}

// ReceiptsFor returns the receipts for an ID, at most limit.
func (s *Store) ReceiptsFor(id uuid.UUID, limit int) ([]Receipt, error) {
	var out []Receipt
	err := s.Scan(append([]byte{KeyReceipt}, id[:]...), func(key, value []byte) error {
		if len(out) >= limit || len(key) == FlagSize {
			return nil
		}
		r, err := DecodeReceipt(id, value)
		if err == nil {
			out = append(out, *r)
		}
		return err
	})
	return out, err
}
