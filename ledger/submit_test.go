package ledger

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
)

// TestSubmitTogether: those that come during a commit share the next one; none
// returns before its own is durable, nor waits for the one after.
func TestSubmitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer func() {
			l.chain.Close()
			time.Sleep(time.Minute) // LevelDB's buffer pool ends its goroutine a while after Close
		}()
		at, goOn := make(chan struct{}), make(chan struct{})
		l.chain.store.hook = func(step string) error {
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
				out, err := l.chain.Submit(context.Background(), []*Transaction{tx}, FromClient)
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
		l.chain.store.hook = nil
	})
}

// TestSubmitWhenTheDiskFails: all that wait are told, those in the failed commit
// and those behind it.
func TestSubmitWhenTheDiskFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer func() {
			l.chain.Close()
			time.Sleep(time.Minute)
		}()
		at, goOn := make(chan struct{}), make(chan struct{})
		l.chain.store.hook = func(string) error {
			at <- struct{}{}
			<-goOn
			return errors.New("disk")
		}
		failed := make(chan error)
		for range 3 {
			tx := l.tx(0, 1, 5)
			go func() {
				_, err := l.chain.Submit(context.Background(), []*Transaction{tx}, FromClient)
				failed <- err
			}()
			synctest.Wait()
		}
		<-at
		l.chain.store.hook = nil
		goOn <- struct{}{}
		for range 3 {
			if err := <-failed; !errors.Is(err, ErrStopped) {
				t.Errorf("%v, want %v", err, ErrStopped)
			}
		}
	})
}

// TestGoneAfterRestart: what is gone for good stays gone for peers after a restart.
func TestGoneAfterRestart(t *testing.T) {
	l := newLab(t)
	wait := l.tx(1, 2, 5)
	l.submit(wait)
	l.chain.expiry = -time.Second
	if err := l.chain.expire(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := l.chain.Submit(t.Context(), []*Transaction{wait}, FromPeer)
		if err != nil || !out[0].Final {
			t.Errorf("%+v, %v", out, err)
		}
		l.reopen()
	}
}

// TestHistoryOverChunks: a history whose transactions stand in several chunks of
// several blocks is read as it was written.
func TestHistoryOverChunks(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"a", "b"} {
		txs := make([]*Transaction, 3*chunkTxs+5)
		for i := range txs {
			txs[i] = l.tx(0, 1+i%7, 5)
		}
		l.next(name, map[string]string{"b": "a"}[name], txs...)
		l.add(name, Extended)
	}
	l.check() // compares all histories
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, id := range []uuid.UUID{{}, acc(3)} {
		txs, _, err := v.History(id, nil, 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range txs {
			b, err := v.Block(tx.Place.Height)
			if err != nil {
				t.Fatal(err)
			}
			if want := b.Txs[tx.Place.Index]; tx.Tx.ID != want.ID || tx.Link != Links(b.Txs)[tx.Place.Index] {
				t.Fatalf("%v is %s, want %s", tx.Place, tx.Tx.ID, want.ID)
			}
		}
	}
}
