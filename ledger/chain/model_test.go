package chain

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"

	"github.com/google/uuid"
)

// TestRandomChains plays random stories from a seed: several nodes submit
// transactions (some that cannot be paid, some under one ID with other
// contents, some variants), build on whatever block they like, forget and open
// their store again, and hear of each other's blocks in random order. In the
// end all hear of all blocks. Then all have one tip, the one that the fork
// choice names, and every accepted transaction is in the chain, in the pool, or
// has a receipt.
func TestRandomChains(t *testing.T) {
	n := uint64(200)
	if testing.Short() {
		n = 20
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomChains(t, seed) })
	}
}

func randomChains(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	rules := ledger.Network{Name: "lab"}
	if seed%3 == 0 {
		rules.CreditDefault, rules.Credit = 15, map[uuid.UUID]uint64{ledgertest.Account(2): 0, ledgertest.Account(3): 60}
	}
	labs := make([]*lab, 2+r.IntN(3))
	accepted := make([][]*ledger.Transaction, len(labs))
	for i := range labs {
		labs[i] = newRulesLab(t, rules)
		labs[i].key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i)}, 32))
	}
	var blocks []*ledger.Block
	all := []*ledger.Transaction{}
	pick := func() *ledger.Transaction {
		tx := &ledger.Transaction{ID: ledgertest.Account(1 + r.IntN(60)), Sender: ledgertest.Account(r.IntN(6)), Receiver: ledgertest.Account(1 + r.IntN(6)), Amount: 1 + r.Uint64N(20), T: float64(r.IntN(3))}
		if len(all) > 0 && r.IntN(3) == 0 {
			variant := *all[r.IntN(len(all))]
			variant.T += 1
			tx = &variant
		}
		return tx
	}
	for range 60 {
		i := r.IntN(len(labs))
		l := labs[i]
		switch r.IntN(6) {
		case 0, 1:
			tx := pick()
			out, err := l.chain.Submit(context.Background(), []*ledger.Transaction{tx}, pool.FromClient)
			if err != nil {
				t.Fatal(err)
			}
			if out[0].Taken {
				accepted[i], all = append(accepted[i], tx), append(all, tx)
			}
		case 2, 3:
			tpl := l.chain.Template(1 + r.IntN(4))
			if tpl.Header.Count == 0 {
				continue
			}
			b := &ledger.Block{Txs: tpl.Txs}
			b.Header = tpl.Header
			b.Time = r.Uint64N(1 << 40)
			b.Builder = l.builder()
			b.SealedHeader = b.Header.Sign(l.net, l.key)
			if change, err := l.chain.AddBlock(context.Background(), b); err != nil || change != Extended {
				t.Fatalf("own block: %v, %v", change, err)
			}
			blocks = append(blocks, b)
		case 4:
			if len(blocks) > 0 {
				hear(t, l, blocks[r.IntN(len(blocks))])
			}
		case 5:
			if r.IntN(4) == 0 {
				l.reopen()
			}
		}
	}
	for _, l := range labs {
		for _, b := range blocks { // parents come before children
			hear(t, l, b)
		}
		l.check()
	}
	for i, l := range labs {
		if got, want := l.chain.Tip().Hash, labs[0].chain.Tip().Hash; got != want {
			t.Fatalf("node %d has tip %s, node 0 %s", i, got.Short(), want.Short())
		}
		for _, tx := range accepted[i] {
			expectTraced(t, l.chain, tx)
		}
	}
	for _, b := range blocks {
		if ref := (ledger.BlockRef{Height: b.Height, Hash: b.Hash()}); labs[0].chain.forks.wins(ref) && labs[0].chain.FailedBlock(ref.Hash) == nil {
			t.Fatalf("block %d %s beats the tip", ref.Height, ref.Hash.Short())
		}
	}
	if seed%3 == 0 { // the balances that owe are as Verify counts them
		l := labs[0]
		l.chain.Close()
		if report, err := Verify(context.Background(), VerifyConfig{Network: l.net, Storage: l.storage}); err != nil || len(report.Problems) > 0 {
			t.Fatalf("verify: %+v, %v", report, err)
		}
	}
}

func hear(t *testing.T, l *lab, b *ledger.Block) {
	t.Helper()
	if _, err := l.chain.AddBlock(context.Background(), b); err != nil && !errors.Is(err, ledger.ErrUnknownParent) {
		t.Fatal(err)
	}
}

// expectTraced expects an accepted transaction in the chain or the pool, or a receipt
// with the reason why it is gone.
func expectTraced(t testing.TB, c *Chain, tx *ledger.Transaction) {
	t.Helper()
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	found, err := v.Find(tx.ID, nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 1 && found[0].Tx.Same(tx) {
		return
	}
	if e := c.Pool().Get([]ledger.TxKey{tx.Key()})[0]; e.Tx != nil && e.Tx.Same(tx) {
		return
	}
	receipts, err := c.Receipts(tx.ID, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receipts {
		if r.Tx.Same(tx) {
			return
		}
	}
	t.Fatalf("accepted transaction %s is nowhere, and no receipt says why", tx.ID)
}

// TestExpiry checks that a waiting transaction expires after 24 h of running time, not of
// the calendar's, and gets a receipt. Peers cannot bring it back, clients can.
func TestExpiry(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		l := newLab(t)
		poor, rich := l.tx(3, 4, 5), l.tx(0, 1, 5)
		l.submit(poor, rich)
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := l.chain.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		run(23 * time.Hour)
		l.chain.Close()
		time.Sleep(48 * time.Hour) // off
		l.open()
		run(50 * time.Minute)
		l.expectPool(poor, rich)
		run(20 * time.Minute)
		l.expectPool(rich)
		if st := l.chain.Status(); st.Expired != 1 || st.Pool != 1 || st.Waiting != 0 {
			t.Errorf("%d expired, %d in the pool, %d of them waiting", st.Expired, st.Pool, st.Waiting)
		}
		if r, err := l.chain.Receipts(poor.ID, nil, 1); err != nil || len(r) != 1 {
			t.Fatalf("receipts: %v, %v", r, err)
		}
		out, err := l.chain.Submit(t.Context(), []*ledger.Transaction{poor}, pool.FromPeer)
		if err != nil || !out[0].Final {
			t.Fatalf("from a peer: %+v, %v", out, err)
		}
		if lacks, err := l.chain.Pool().Wanted([]ledger.TxKey{poor.Key()}); err != nil || len(lacks) != 0 {
			t.Fatalf("lacks %v, %v: it would be fetched for ever", lacks, err)
		}
		l.submit(poor)
		l.expectPool(rich, poor)
		l.chain.Close()
		time.Sleep(2 * time.Second) // LevelDB's buffer pool ends its goroutine a while after Close
	})
}

// TestExpiryCountsWaiting checks that what was payable for longer than the expiry and
// then begins to wait has its time before it.
func TestExpiryCountsWaiting(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		l := newLab(t)
		l.next("g", "", l.tx(0, 1, 100))
		l.add("g", Extended)
		pay := l.tx(1, 2, 80)
		l.submit(pay)
		run := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := l.chain.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}
		run(30 * time.Hour)
		l.next("a1", "g", l.tx(1, 3, 50)) // now 30 are missing
		l.add("a1", Extended)
		run(23 * time.Hour)
		l.expectPool(pay)
		run(2 * time.Hour)
		l.expectPool()
		l.chain.Close()
		time.Sleep(2 * time.Second) // LevelDB's buffer pool ends its goroutine a while after Close
	})
}
