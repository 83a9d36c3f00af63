package pool

import (
	"encoding/binary"
	"testing"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// The shapes of a pool that cost the most: each account seldom, one sender of
// everything, one receiver of everything, and payments that never touch the
// issuer's side.
var poolShapes = []struct {
	name     string
	from, to func(i uint64) uuid.UUID
}{
	{"mint", func(uint64) uuid.UUID { return uuid.UUID{} }, benchAccount},
	{"pairs", benchAccount, func(i uint64) uuid.UUID { return benchAccount(i + 1<<32) }},
	{"sender", func(uint64) uuid.UUID { return benchAccount(1 << 40) }, benchAccount},
	{"receiver", benchAccount, func(uint64) uuid.UUID { return benchAccount(1 << 40) }},
}

func benchAccount(i uint64) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:], i+1)
	id[15] = 1
	return id
}

// A benchPool is a pool on a chain where every account holds 2^50 and amounts are 1.
type benchPool struct {
	*Pool
	made uint64
	fed  func(i uint64) *ledger.Transaction
	held map[uuid.UUID]int64 // where it is not 2^50
}

func newBenchPool(b *testing.B, from, to func(uint64) uuid.UUID) *benchPool {
	net, err := ledger.NamedNetwork("pool bench")
	if err != nil {
		b.Fatal(err)
	}
	p := &benchPool{Pool: New(net), held: make(map[uuid.UUID]int64)}
	p.fed = func(i uint64) *ledger.Transaction {
		return &ledger.Transaction{ID: benchAccount(i), Sender: from(i), Receiver: to(i), Amount: 1}
	}
	return p
}

func (p *benchPool) bal(id uuid.UUID) (int64, error) {
	if b, ok := p.held[id]; ok {
		return b, nil
	}
	return 1 << 50, nil
}

func (p *benchPool) fill(b *testing.B, n int) {
	for range n {
		p.made++
		tx := p.fed(p.made)
		e := &Entry{Arrival: p.made, Tx: tx, Key: tx.Key(), FirstSeen: time.Duration(p.made)}
		if err := p.Insert(e, p.bal); err != nil {
			b.Fatal(err)
		}
	}
}

// block lets the chain take the first n payable transactions.
func (p *benchPool) block(b *testing.B, n int) {
	var keys []ledger.TxKey
	var touched []uuid.UUID
	for _, e := range p.Payable(n) {
		keys = append(keys, e.Key)
		for _, end := range []struct {
			id uuid.UUID
			by int64
		}{{e.Tx.Sender, -int64(e.Tx.Amount)}, {e.Tx.Receiver, int64(e.Tx.Amount)}} {
			held, _ := p.bal(end.id)
			p.held[end.id] = held + end.by
			touched = append(touched, end.id)
		}
	}
	if err := p.TipChanged(keys, nil, touched, p.bal); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkPoolInsert(b *testing.B) {
	for _, s := range poolShapes {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			var p *benchPool
			for i := 0; b.Loop(); i++ {
				if i%100_000 == 0 {
					p = newBenchPool(b, s.from, s.to)
				}
				p.fill(b, 1)
			}
		})
	}
}

// BenchmarkPoolBlock measures one block out of a pool of 100,000 that is full again
// before the next. Filling is not counted for the big block.
func BenchmarkPoolBlock(b *testing.B) {
	for _, s := range poolShapes {
		b.Run(s.name+"/4", func(b *testing.B) {
			p := newBenchPool(b, s.from, s.to)
			p.fill(b, 100_000)
			for b.Loop() {
				p.block(b, 4)
				p.fill(b, 4)
			}
		})
		b.Run(s.name+"/10000", func(b *testing.B) {
			p := newBenchPool(b, s.from, s.to)
			p.fill(b, 100_000)
			for b.Loop() {
				p.block(b, 10_000)
				b.StopTimer()
				p.fill(b, 10_000)
				b.StartTimer()
			}
		})
	}
}

// BenchmarkPoolForeign measures a block of others that pays an account of the pool. All
// of 100,000 pooled transactions are looked at again.
func BenchmarkPoolForeign(b *testing.B) {
	for _, s := range poolShapes[1:] {
		b.Run(s.name, func(b *testing.B) {
			p := newBenchPool(b, s.from, s.to)
			p.fill(b, 100_000)
			hot := p.Payable(1)[0].Tx.Sender
			if s.name == "receiver" {
				hot = benchAccount(1 << 40)
			}
			for i := uint64(1); b.Loop(); i++ {
				p.held[hot] = 1<<50 + int64(i)
				if err := p.TipChanged(nil, nil, []uuid.UUID{hot}, p.bal); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPoolFall measures a sender of 100,000 that loses its money and gets it back.
func BenchmarkPoolFall(b *testing.B) {
	s := poolShapes[2]
	p := newBenchPool(b, s.from, s.to)
	p.fill(b, 100_000)
	hot := benchAccount(1 << 40)
	for i := 0; b.Loop(); i++ {
		p.held[hot] = int64(i%2) << 50
		if err := p.TipChanged(nil, nil, []uuid.UUID{hot}, p.bal); err != nil {
			b.Fatal(err)
		}
		if want := (i % 2) * 100_000; p.PayableCount() != want {
			b.Fatalf("%d are payable, want %d", p.PayableCount(), want)
		}
	}
}

func BenchmarkPoolList(b *testing.B) {
	p := newBenchPool(b, poolShapes[0].from, poolShapes[0].to)
	p.fill(b, 100_000)
	for i := uint64(0); b.Loop(); i += 37 {
		if got := len(p.List(i%99_000, 256)); got != 256 {
			b.Fatalf("%d entries", got)
		}
	}
}

func BenchmarkPoolPayable(b *testing.B) {
	p := newBenchPool(b, poolShapes[0].from, poolShapes[0].to)
	p.fill(b, 100_000)
	for b.Loop() {
		if got := len(p.Payable(ledger.MaxBlockTxs)); got != ledger.MaxBlockTxs {
			b.Fatalf("%d entries", got)
		}
	}
}
