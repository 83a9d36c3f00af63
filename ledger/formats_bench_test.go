package ledger

import (
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// someTxs returns n open transactions with IDs of their own.
func someTxs(n int) []*Transaction {
	txs := make([]*Transaction, n)
	for i := range txs {
		tx := &Transaction{Receiver: uuid.UUID{1, 2, 3}, Amount: uint64(i%70_000) + 1, T: 1620811762.848223 + float64(i)}
		binary.BigEndian.PutUint64(tx.ID[:], uint64(i)*0x9e3779b97f4a7c15)
		txs[i] = tx
	}
	return txs
}

// perItem reports the time for one of the n items that each iteration handles.
func perItem(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/item")
}

func BenchmarkEncode(b *testing.B) {
	tx := someTxs(1)[0]
	b.ReportAllocs()
	var enc []byte
	for b.Loop() {
		enc = tx.Encode()
	}
	b.SetBytes(int64(len(enc)))
}

func BenchmarkDigest(b *testing.B) {
	tx := someTxs(1)[0]
	b.ReportAllocs()
	for b.Loop() {
		tx.Digest()
	}
}

func BenchmarkDecodeTransactions(b *testing.B) {
	body := EncodeTransactions(someTxs(MaxBlockTxs))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeTransactions(body, MaxBlockTxs); err != nil {
			b.Fatal(err)
		}
	}
	perItem(b, MaxBlockTxs)
}

func BenchmarkRoot(b *testing.B) {
	txs := someTxs(MaxBlockTxs)
	b.ReportAllocs()
	for b.Loop() {
		Root(txs)
	}
	perItem(b, MaxBlockTxs)
}

func BenchmarkLinks(b *testing.B) {
	txs := someTxs(MaxBlockTxs)
	b.ReportAllocs()
	for b.Loop() {
		Links(txs)
	}
	perItem(b, MaxBlockTxs)
}

func BenchmarkParsePool(b *testing.B) {
	const n = 1_000
	list := poolJSON(someTxs(n))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParsePool(list, noStamp, n); err != nil {
			b.Fatal(err)
		}
	}
	perItem(b, n)
}

func BenchmarkAppendJSON(b *testing.B) {
	block := &Block{Txs: someTxs(1_000)}
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		dst = block.AppendJSON(dst[:0])
	}
	perItem(b, len(block.Txs))
}

// BenchmarkSearch measures one try. It searches for what is not to be found.
func BenchmarkSearch(b *testing.B) {
	const tries = 1 << 16
	h := Header{Height: 100_000, Count: 5_000, Time: 1_700_000_000_000, Bits: 255}
	b.ReportAllocs()
	for b.Loop() {
		asked := 0
		h.Search(0, func() bool { asked++; return asked > tries>>12 })
	}
	perItem(b, tries)
}

func BenchmarkCheckBody(b *testing.B) {
	net := defaultNetwork(b)
	for _, keyed := range []int{0, 1_000} {
		b.Run(fmt.Sprintf("keyed=%d", keyed), func(b *testing.B) {
			txs := someTxs(MaxBlockTxs)
			key := seedKey(b, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")
			for _, tx := range txs[:keyed] {
				tx.Sign(net, key)
			}
			h := &Header{Count: uint32(len(txs)), Root: Root(txs)}
			for b.Loop() {
				if err := net.CheckBody(h, txs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// poolJSON writes txs as a client sends them.
func poolJSON(txs []*Transaction) []byte {
	list := []byte{'['}
	for i, tx := range txs {
		if i > 0 {
			list = append(list, ',')
		}
		list = tx.AppendJSON(list, nil)
	}
	return append(list, ']')
}

// BenchmarkSigned checks a body of 1,000 signed transactions on all cores, for the first
// time and when its transactions were seen before.
func BenchmarkSigned(b *testing.B) {
	net, err := NewNetwork(Network{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	txs := someTxs(1000)
	for _, tx := range txs {
		tx.Sign(net, key)
	}
	for _, seen := range []bool{false, true} {
		b.Run(fmt.Sprintf("seen=%t", seen), func(b *testing.B) {
			for b.Loop() {
				if !seen {
					net.signed.Purge()
				}
				for _, err := range net.CheckAll(txs) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(len(txs)*b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	}
}
