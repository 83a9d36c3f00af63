package chain

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"reflect"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"

	"github.com/google/uuid"
)

// TestSubmitTogether checks that those that come during a commit share the next one. None
// returns before its own is durable, nor waits for the one after.
func TestSubmitTogether(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		l := newLab(t)
		defer func() {
			l.chain.Close()
			time.Sleep(time.Minute) // LevelDB's buffer pool ends its goroutine a while after Close
		}()
		at, goOn := make(chan struct{}), make(chan struct{})
		l.chain.store.Hook = func(step string) error {
			if step == "before" {
				at <- struct{}{}
				<-goOn
			}
			return nil
		}
		var returned atomic.Int32
		submit := func() {
			tx := l.tx(0, 1, 5)
			go func() {
				out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromClient)
				if err != nil || !out[0].Taken {
					t.Errorf("%v %v", out, err)
				}
				returned.Add(1)
			}()
		}
		expect := func(n int32, when string) {
			t.Helper()
			synctest.Wait()
			if got := returned.Load(); got != n {
				t.Errorf("%d returned %s, want %d", got, when, n)
			}
		}
		submit()
		<-at // the first is being committed
		for range 5 {
			submit()
		}
		expect(0, "before a commit")
		goOn <- struct{}{}
		<-at // the five are
		expect(1, "after the first commit")
		submit()
		expect(1, "before the second commit")
		goOn <- struct{}{}
		<-at // the last one is
		expect(6, "after the second commit, while the third waits for the disk")
		goOn <- struct{}{}
		expect(7, "in the end")
		l.chain.store.Hook = nil
	})
}

// TestSubmitWhenTheDiskFails checks that all callers that wait get the error, those in
// the failed commit and those behind it.
func TestSubmitWhenTheDiskFails(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		l := newLab(t)
		defer func() {
			l.chain.Close()
			time.Sleep(time.Minute)
		}()
		at, goOn := make(chan struct{}), make(chan struct{})
		l.chain.store.Hook = func(string) error {
			at <- struct{}{}
			<-goOn
			return errors.New("disk")
		}
		failed := make(chan error)
		for range 3 {
			tx := l.tx(0, 1, 5)
			go func() {
				_, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromClient)
				failed <- err
			}()
			synctest.Wait()
		}
		<-at
		l.chain.store.Hook = nil
		goOn <- struct{}{}
		for range 3 {
			if err := <-failed; !errors.Is(err, ledger.ErrStopped) {
				t.Errorf("%v, want %v", err, ledger.ErrStopped)
			}
		}
	})
}

// TestGoneAfterRestart checks that what is gone for good stays gone for peers after a restart.
func TestGoneAfterRestart(t *testing.T) {
	l := newLab(t)
	wait := l.tx(1, 2, 5)
	l.submit(wait)
	l.chain.expiry = -time.Second
	if err := l.chain.expire(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{wait}, pool.FromPeer)
		if err != nil || !out[0].Final {
			t.Errorf("%+v, %v", out, err)
		}
		l.reopen()
	}
}

// TestTwoGone checks that of two transactions with one ID that are gone for good, peers bring
// back neither, also when one of them could now be paid in place of a third that waits.
func TestTwoGone(t *testing.T) {
	l := newLab(t)
	l.chain.expiry = -time.Second
	gone := []*ledger.Transaction{l.tx(1, 2, 5), l.tx(1, 3, 6)}
	gone[1].ID = gone[0].ID
	for _, tx := range gone {
		l.submit(tx)
		if err := l.chain.expire(); err != nil {
			t.Fatal(err)
		}
	}
	third := l.tx(1, 4, 100)
	third.ID = gone[0].ID
	for _, between := range [][]*ledger.Transaction{nil, {third}, {l.tx(0, 1, 10)}} {
		l.submit(between...)
		for i, tx := range gone {
			out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{tx}, pool.FromPeer)
			if err != nil || out[0].Refused == "" {
				t.Errorf("%d came back: %+v, %v", i, out, err)
			}
		}
	}
	l.check()
}

// TestReceiptsBySender checks that a receipt is found by its sender, however many others
// have its ID.
func TestReceiptsBySender(t *testing.T) {
	l := newLab(t)
	l.chain.expiry = -time.Second
	gone := []*ledger.Transaction{l.tx(1, 2, 5)}
	for i := range 3 {
		tx := l.tx(1, 2, 5)
		tx.ID = gone[0].ID
		tx.Sign(l.net, ledgertest.Key(i))
		gone = append(gone, tx)
	}
	l.submit(gone...)
	if err := l.chain.expire(); err != nil {
		t.Fatal(err)
	}
	for i, tx := range gone {
		r, err := l.chain.Receipts(tx.ID, &tx.Sender, 1)
		if err != nil || len(r) != 1 || !r[0].Tx.Same(tx) {
			t.Errorf("of sender %d: %v, %v", i, r, err)
		}
	}
	if r, err := l.chain.Receipts(gone[0].ID, &gone[0].Receiver, 1); err != nil || len(r) != 0 {
		t.Errorf("of another sender: %v, %v", r, err)
	}
}

// TestPayableReplacesWaiting checks that a transaction that cannot be paid does not keep its
// ID from one that can, neither while it waits nor when it has expired. It gets a receipt.
func TestPayableReplacesWaiting(t *testing.T) {
	for _, expired := range []bool{false, true} {
		l := newLab(t)
		wait, pays := l.tx(1, 2, 5), l.tx(0, 3, 7)
		pays.ID = wait.ID
		l.submit(wait)
		if expired {
			l.chain.expiry = -time.Second
			if err := l.chain.expire(); err != nil {
				t.Fatal(err)
			}
		}
		for _, want := range []Outcome{{Taken: true}, {Held: true}} {
			out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{pays}, pool.FromPeer)
			if err != nil || out[0] != want {
				t.Fatalf("expired %t: %+v, %v", expired, out, err)
			}
		}
		out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{wait}, pool.FromPeer)
		if err != nil || out[0].Refused == "" {
			t.Errorf("expired %t: the one that waited came back: %+v, %v", expired, out, err)
		}
		l.check()
		l.reopen()
		l.expectPool(pays)
		r, err := l.chain.Receipts(wait.ID, nil, 9)
		if err != nil || len(r) != 1 || !r[0].Tx.Same(wait) || r[0].Final != expired {
			t.Errorf("expired %t: receipts %+v, %v", expired, r, err)
		}
	}
}

// TestPayableBehindWaiting checks that of two with one ID that come at once the first is
// taken, also when only the second can be paid.
func TestPayableBehindWaiting(t *testing.T) {
	l := newLab(t)
	wait, pays := l.tx(1, 2, 5), l.tx(0, 3, 7)
	pays.ID = wait.ID
	out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{wait, pays}, pool.FromPeer)
	if err != nil || !out[0].Taken || out[1].Refused == "" {
		t.Errorf("%+v, %v", out, err)
	}
	l.check()
	l.reopen()
	l.expectPool(wait)
}

// TestHistoryOverChunks checks that a history whose transactions stand in several chunks
// of several blocks is read as it was written.
func TestHistoryOverChunks(t *testing.T) {
	l := newLab(t)
	l.addChunks("a", "")
	l.addChunks("b", "a")
	l.check() // compares all histories
	l.checkLinks()
}

// addChunks adds a block whose body stands in several records.
func (l *lab) addChunks(name, on string) {
	l.t.Helper()
	txs := make([]*ledger.Transaction, 3*128+5)
	for i := range txs {
		txs[i] = l.tx(0, 1+i%7, 5)
	}
	l.next(name, on, txs...)
	l.add(name, Extended)
}

// checkLinks compares the legacy hashes of histories with those of the blocks.
func (l *lab) checkLinks() {
	t := l.t
	t.Helper()
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, id := range []uuid.UUID{{}, ledgertest.Account(3)} {
		txs, _, err := v.History(id, nil, 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range txs {
			b, err := v.Block(tx.Place.Height)
			if err != nil {
				t.Fatal(err)
			}
			var prev *ledger.Link
			if tx.Place.Index > 0 {
				prev = &ledger.Links(b.Txs)[tx.Place.Index-1]
			}
			if want := b.Txs[tx.Place.Index]; tx.Tx.ID != want.ID || !reflect.DeepEqual(tx.Prev, prev) {
				t.Fatalf("%v is %s, want %s", tx.Place, tx.Tx.ID, want.ID)
			}
		}
	}
}

// TestTxsOfOneRecord checks that of a block only the records are read that hold what is
// asked for. The others are missing here.
func TestTxsOfOneRecord(t *testing.T) {
	l := newLab(t)
	var txs []*ledger.Transaction
	for range 300 { // three records
		txs = append(txs, l.tx(0, 1, 1))
	}
	l.next("g", "", txs...)
	l.add("g", Extended)
	ref := l.ref("g")
	for i := range uint32(2) {
		if err := l.chain.store.DB.Delete(key('b', ref.Height, ref.Hash, i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.chain.AddBlock(t.Context(), l.next("h", "g", l.tx(0, 1, 1))); err != nil { // readers see it
		t.Fatal(err)
	}
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, c := range []struct {
		pick  []int
		there bool
	}{{[]int{299, 256}, true}, {[]int{255, 299}, false}} {
		got, err := v.BlockTxs(ref.Hash, func(*ledger.SealedHeader) ([]int, error) { return c.pick, nil })
		if (err == nil) != c.there || c.there && (got[0].ID != txs[299].ID || got[1].ID != txs[256].ID) {
			t.Errorf("%v: %v", c.pick, err)
		}
	}
}

// TestPooledKeys checks that an ID leads to all that use it in the pool, and to none that left.
func TestPooledKeys(t *testing.T) {
	l := newLab(t)
	open := l.tx(0, 1, 5)
	keyed := []*ledger.Transaction{open}
	for i := range byte(3) {
		key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{i}, ed25519.SeedSize))
		tx := &ledger.Transaction{ID: open.ID, Receiver: ledgertest.Account(2), Amount: 1, T: 1}
		tx.Sign(l.net, key)
		keyed = append(keyed, tx)
	}
	l.submit(keyed...)
	want := []ledger.TxKey{keyed[0].Key(), keyed[1].Key(), keyed[2].Key(), keyed[3].Key()}
	keys := func(limit int) (keys []ledger.TxKey) {
		for _, e := range l.chain.Pool().WithID(open.ID, nil, limit) {
			keys = append(keys, e.Tx.Key())
		}
		return keys
	}
	for limit := range 5 {
		if got := keys(limit); !slices.Equal(got, want[:limit]) {
			t.Errorf("%v, want the first %d of %v", got, limit, want)
		}
	}
	for i, tx := range keyed {
		if got := l.chain.Pool().WithID(open.ID, &tx.Sender, 9); len(got) != 1 || got[0].Tx != tx {
			t.Errorf("of sender %d: %v", i, got)
		}
	}
	if got := l.chain.Pool().WithID(open.ID, &open.Receiver, 9); len(got) != 0 {
		t.Errorf("of another sender: %v", got)
	}
	for _, leaves := range [][]int{{2}, {1}, {0, 3}} { // one between others, the first, the rest
		for _, i := range leaves {
			if err := l.chain.pool.TipChanged(want[i:i+1], nil, nil, l.chain.store.Balance); err != nil {
				t.Fatal(err)
			}
			want[i] = ledger.TxKey{}
		}
		left := slices.DeleteFunc(slices.Clone(want), func(k ledger.TxKey) bool { return k == ledger.TxKey{} })
		if got := keys(10); !slices.Equal(got, left) {
			t.Errorf("%v, want %v", got, left)
		}
	}
}
