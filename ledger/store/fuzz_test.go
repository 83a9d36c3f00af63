package store

import (
	"bytes"
	"testing"

	"github.com/google/uuid"

	"foxchain/ledger"
)

// FuzzRecords gives one input to every decoder of the store's records: what is
// damaged and has a right checksum all the same is an error, not a panic, and
// what is read is written the same.
func FuzzRecords(f *testing.F) {
	tx := []*ledger.Transaction{{ID: uuid.UUID{1}, Receiver: uuid.UUID{1, 2, 3}, Amount: 1, T: 1620811762.848223}, {ID: uuid.UUID{2}, Receiver: uuid.UUID{1, 2, 3}, Amount: 70_000, T: 1620811763.848223}}
	ch, _ := newChunk(ledger.Link{}, []ledger.StoredTx{{Tx: tx[0]}, {Tx: tx[1], Sender: &ledger.Place{Height: 1, Index: 2}}})
	chunkBytes, err := ledger.Marshal(ch)
	if err != nil {
		f.Fatal(err)
	}
	accountBytes := appendAccount(nil, &ledger.AccountState{Balance: 7, Newest: &ledger.Place{Height: 3, Index: 4}})
	receipt, err := ledger.Marshal(receiptRecord{Tx: tx[0].Encode(), Reason: "expired", Time: 1, Final: true})
	if err != nil {
		f.Fatal(err)
	}
	items, err := ledger.Marshal([]PoolItem{{Tx: tx[0].Encode(), Seen: 5}, {Tx: []byte{}}})
	if err != nil {
		f.Fatal(err)
	}
	infoBytes, err := ledger.Marshal(Info{Schema: 1, Name: "x", Blocks: 2})
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range [][]byte{chunkBytes, accountBytes, receipt, items, infoBytes} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		same := func(again []byte, err error) {
			t.Helper()
			if err != nil || !bytes.Equal(again, b) {
				t.Errorf("%x is written as %x, %v", b, again, err)
			}
		}
		if ch, err := decodeChunk(b); err == nil {
			for i := range ch.len() + 1 {
				_, _ = ch.item(i)
				_, _ = ch.linkBefore(i)
			}
			same(ledger.Marshal(ch))
		}
		if a, err := decodeAccount(b); err == nil {
			_ = appendAccount(nil, a) // leading zeros of totals go
		}
		_, _ = decodeReceipt(b)
		var list []PoolItem
		if ledger.Unmarshal(b, &list) == nil && list != nil {
			same(ledger.Marshal(list))
		}
		var in Info
		if ledger.Unmarshal(b, &in) == nil {
			same(ledger.Marshal(in))
		}
	})
}
