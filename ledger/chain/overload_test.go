package chain

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"

	"github.com/google/uuid"
)

// numberedTx makes a transaction whose ID is a number in a space of its own.
func numberedTx(space byte, n int, from, to uuid.UUID) *ledger.Transaction {
	id := uuid.UUID{0: space}
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return &ledger.Transaction{ID: id, Sender: from, Receiver: to, Amount: 1, T: 1}
}

// flood submits n transactions in batches and returns the outcomes' numbers.
func flood(t *testing.T, c *Chain, n int, from pool.Origin, make func(i int) *ledger.Transaction) (taken, refused int, why string) {
	t.Helper()
	for i := 0; i < n; {
		var batch []*ledger.Transaction
		for ; i < n && len(batch) < 2000; i++ {
			batch = append(batch, make(i))
		}
		out, err := c.Submit(context.Background(), batch, from)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.Taken {
				taken++
			} else {
				refused++
				why = o.Refused
			}
		}
	}
	return taken, refused, why
}

// TestMadeUpSenders floods the pool with 100,000 transfers of senders that hold nothing,
// through clients and through peers. The waiting ones end at their bound. A sender that
// can pay is taken, at once and also when a block has come.
func TestMadeUpSenders(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 1000))
	l.add("g", Extended)
	for i, from := range []pool.Origin{pool.FromPeer, pool.FromClient} {
		taken, refused, why := flood(t, l.chain, 50_000, from, func(n int) *ledger.Transaction {
			sender := uuid.UUID{0: 0xbb, 1: byte(i)}
			binary.BigEndian.PutUint64(sender[8:], uint64(n))
			return numberedTx(byte(0xa0+i), n, sender, ledgertest.Account(2))
		})
		if want := MaxWaiting * (1 - i); taken != want || refused != 50_000-want || !strings.Contains(why, "needs 1 more") || !strings.Contains(why, "10000 transactions wait for money already") {
			t.Errorf("origin %d: %d taken, %d refused: %s", from, taken, refused, why)
		}
	}
	honest := []*ledger.Transaction{l.tx(1, 3, 10), l.tx(0, 4, 5), l.tx(4, 5, 5)}
	for _, tx := range honest {
		out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromClient)
		if err != nil || !out[0].Taken || out[0].Waiting != "" {
			t.Fatalf("an honest transaction: %+v %v", out, err)
		}
	}
	tpl := l.chain.Template(100)
	if len(tpl.Txs) != len(honest) {
		t.Fatalf("a block would hold %d, want the %d honest ones", len(tpl.Txs), len(honest))
	}
	l.next("a", "g", tpl.Txs...)
	l.add("a", Extended)
	if st := l.chain.Status(); st.Waiting != MaxWaiting || st.Payable != 0 {
		t.Errorf("%+v", st)
	}
}

// TestFullPool fills the pool to its bound. One more is refused with what to do, in
// bounded memory, and a block makes room.
func TestFullPool(t *testing.T) {
	l := newLab(t)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	taken, refused, why := flood(t, l.chain, MaxPool+1000, pool.FromClient, func(n int) *ledger.Transaction {
		return numberedTx(0xaa, n, ledgertest.Account(0), ledgertest.Account(1+n%1000))
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if taken != MaxPool || refused != 1000 || !strings.HasPrefix(why, "pool is full, retry later") {
		t.Errorf("%d taken, %d refused: %s", taken, refused, why)
	}
	if got := l.chain.Status().Refused; got != 1000 {
		t.Errorf("%d refused in the status", got)
	}
	used := (after.HeapAlloc - before.HeapAlloc) >> 20
	t.Logf("a full pool of %d takes %d MiB", taken, used)
	if used > 200 {
		t.Errorf("a full pool takes %d MiB", used)
	}
	tpl := l.chain.Template(ledger.MaxBlockTxs)
	l.next("g", "", tpl.Txs...)
	if _, err := l.chain.AddBlock(context.Background(), l.blocks["g"]); err != nil {
		t.Fatal(err)
	}
	out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{l.tx(0, 1, 1)}, pool.FromClient)
	if err != nil || !out[0].Taken {
		t.Errorf("after a block: %+v %v", out, err)
	}
}

// TestReadersDoNotWait checks that the node's status and gossip can read while a write
// holds the chain's lock, however long the disk takes.
func TestReadersDoNotWait(t *testing.T) {
	l := newLab(t)
	l.next("g", "", l.tx(0, 1, 1000))
	l.add("g", Extended)
	g := l.ref("g").Hash
	l.chain.mu.Lock()
	defer l.chain.mu.Unlock()
	read := make(chan error, 1)
	go func() {
		l.chain.Status()
		l.chain.FailedBlock(g)
		_, err := l.chain.BlockByHash(g)
		_, err2 := l.chain.HeaderByHash(g)
		read <- errors.Join(err, err2)
	}()
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("readers wait for the writer")
	}
}
