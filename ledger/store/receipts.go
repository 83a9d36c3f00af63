package store

import (
	"errors"
	"slices"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// A Receipt is the reason why a transaction that this node had accepted is gone. It is
// kept for ever. Only accepted transactions get one, so the pool's caps bound how fast
// receipts grow.
type Receipt struct {
	Tx     *ledger.Transaction
	Reason string // "expired after 24h0m0s of waiting: …", "another transaction with the id … is in block 17"
	Time   time.Time
	Final  bool // the transaction is not taken from peers again; a client may submit it again
}

// receipts calls f with the receipts under prefix.
func (r Reader) receipts(prefix []byte, f func(id uuid.UUID, receipt *Receipt, err error) error) error {
	return r.scan(prefix, func(key, value []byte) error {
		if len(key) == flagSize {
			return nil
		}
		id := uuid.UUID(key[1:17])
		receipt, err := decodeReceipt(value)
		if err == nil && string(receiptKey(receipt.Tx)) != string(key) {
			err = errors.New("it is of another transaction")
		}
		if err != nil {
			err = r.damaged("receipt "+id.String(), err)
		}
		return f(id, receipt, err)
	})
}

func decodeReceipt(b []byte) (*Receipt, error) {
	var r receiptRecord
	if err := ledger.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	tx, err := ledger.DecodeTransaction(r.Tx)
	if err != nil {
		return nil, err
	}
	return &Receipt{Tx: tx, Reason: r.Reason, Time: time.UnixMilli(r.Time), Final: r.Final}, nil
}

// Receipts returns the receipts for an ID, at most limit. If sender is not nil, it returns
// only that sender's.
func (r Reader) Receipts(id uuid.UUID, sender *uuid.UUID, limit int) ([]Receipt, error) {
	var out []Receipt
	err := r.receipts(idKey(keyReceipt, id, sender), func(_ uuid.UUID, receipt *Receipt, err error) error {
		if err == nil && len(out) < limit && (sender == nil || receipt.Tx.Sender == *sender) {
			out = append(out, *receipt)
		}
		return err
	})
	return out, err
}

// receiptsOf returns the receipts of a key. Transactions with different contents may have
// been accepted under it, each with its own receipt.
func (s *Store) receiptsOf(k ledger.TxKey) (all []*Receipt, err error) {
	if s.filter.lacks(txKey(keyTx, k)) {
		return nil, nil
	}
	flag := txKey(keyReceipt, k)
	// LevelDB's Bloom filters answer this look-up. The scan below cannot use them.
	if some, err := s.has(flag); err != nil || !some {
		return nil, err
	}
	err = s.receipts(flag, func(_ uuid.UUID, r *Receipt, err error) error {
		if err == nil {
			all = append(all, r)
		}
		return err
	})
	return all, err
}

// GoneForGood returns the receipts of a key whose transactions are not taken from peers
// again.
func (s *Store) GoneForGood(k ledger.TxKey) ([]*Receipt, error) {
	all, err := s.receiptsOf(k)
	return slices.DeleteFunc(all, func(r *Receipt) bool { return !r.Final }), err
}

// PutReceipt writes a receipt.
func (c *Batch) PutReceipt(r *Receipt) {
	c.s.filter.add(txKey(keyTx, r.Tx.Key()))
	c.batch.Put(txKey(keyReceipt, r.Tx.Key()), nil)
	c.put(receiptKey(r.Tx), receiptRecord{Tx: r.Tx.Encode(), Reason: r.Reason, Time: r.Time.UnixMilli(), Final: r.Final})
}

// Forgive deletes the receipts of a transaction that is taken again. Receipts of other
// transactions with its ID stay.
func (c *Batch) Forgive(tx *ledger.Transaction) error {
	all, err := c.s.receiptsOf(tx.Key())
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.Tx.Same(tx) {
			c.batch.Delete(receiptKey(r.Tx))
		}
	}
	return nil
}
