package sync

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
)

// TestAttackPoolFlood checks that transfers from made-up senders, more than may wait, are
// bounded and close no pool to honest clients.
func TestAttackPoolFlood(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		for range 120 { // 12,000 transactions
			txs := a.mint(100)
			for _, tx := range txs {
				tx.Sender = uuid.UUID{0: 66, 14: tx.ID[14], 15: tx.ID[15]}
			}
			a.gossip("tx", ledger.EncodeTransactions(txs))
			time.Sleep(10 * time.Millisecond)
		}
		full := func(n *meshNode) bool { return n.Chain.Status().Waiting == chain.MaxWaiting }
		a.until(15*time.Second, "as many wait as may", func() bool { return full(a.honest[0]) && full(a.honest[1]) })
		txs := a.mint(10)
		outcomes, err := a.honest[0].Chain.Submit(context.Background(), txs, pool.FromClient)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if !o.Taken {
				t.Errorf("an honest transaction was not taken: %+v", o)
			}
		}
		a.until(15*time.Second, "they reach the other honest node", func() bool { return a.honest[1].Chain.Status().Payable == len(txs) })
		if got := a.honest[1].Stats.TxsRefused.Load(); got < 2000 {
			t.Errorf("%d refusals counted, want 2000", got)
		}
		a.goesOn()
		a.noneBanned()
	})
}

// TestAttackStreams checks that thousands of streams at once are refused and
// counted, and the others are served.
func TestAttackStreams(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		victim := a.honest[0]
		var open []network.Stream
		for range 2000 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			str, err := a.bad.Host.NewStream(ctx, victim.Host.ID(), a.bad.protocol)
			cancel()
			if err != nil {
				break // the victim's limit of streams
			}
			if _, err := str.Write([]byte{0}); err != nil {
				continue // it was reset already
			}
			open = append(open, str)
		}
		a.goesOn()
		if got := victim.Stats.SyncStreamsRefused.Load(); got == 0 {
			t.Error("no stream was refused")
		}
		for _, str := range open {
			_ = str.Reset()
		}
		a.goesOn()
	})
}

// TestAttackTopicFlood checks that one message of garbage is enough to be banned,
// whatever follows.
func TestAttackTopicFlood(t *testing.T) {
	for _, topic := range []string{"tx", "block"} {
		t.Run(topic, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				a.strike()
				time.Sleep(statusEvery)
				for i := range 5000 {
					a.gossip(topic, []byte{byte(i), byte(i >> 8), 0xff})
				}
				a.bannedFor("gossiped")
				stats := a.honest[0].Stats
				if rejected := stats.TxMessagesRejected.Load() + stats.HeadersRejected.Load(); rejected == 0 {
					t.Error("no rejected message was counted")
				}
				a.goesOn()
			})
		})
	}
}

// TestAttackReplay gossips everything once more, after gossip has forgotten it, and
// checks that nothing happens twice.
func TestAttackReplay(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		taps := make(map[string]*pubsub.Subscription)
		for name, g := range map[string]gossip.Topic{"tx": a.bad.txs, "block": a.bad.blocks} {
			sub, err := g.Topic.Subscribe(pubsub.WithBufferSize(gossip.SubBuffer))
			if err != nil {
				t.Fatal(err)
			}
			taps[name] = sub
		}
		a.honest[0].submit(a.mint(20)...)
		a.until(10*time.Second, "the transactions are everywhere", func() bool { return a.honest[1].Chain.Status().Pool == 20 })
		for range 3 {
			tmpl := a.honest[0].Chain.Template(5)
			b := a.seal(a.honest[0], tmpl.Header, tmpl.Txs)
			a.take(a.honest[0], b)
			a.follow(b)
		}
		time.Sleep(5 * time.Minute) // gossip forgets after two or three
		before := a.honest[1].Chain.Status()
		for topic, sub := range taps {
			replayed := 0
			for ; ; replayed++ {
				ctx, cancel := context.WithTimeout(a.ctx, time.Millisecond)
				msg, err := sub.Next(ctx)
				cancel()
				if err != nil {
					break
				}
				a.gossip(topic, msg.GetData())
			}
			if replayed == 0 {
				t.Errorf("nothing of topic %s was replayed", topic)
			}
		}
		time.Sleep(statusEvery)
		if after := a.honest[1].Chain.Status(); after != before {
			t.Errorf("after the replay: %+v, before: %+v", after, before)
		}
		a.noneBanned()
		a.goesOn()
	})
}

// TestAttackConflicts has a hostile node give each honest one another transaction
// under the same ID. The chain decides, and the loser's receipt names the winner.
func TestAttackConflicts(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		ours := a.mint(50)
		a.disconnect(1)         // so that each sees its own first
		time.Sleep(time.Second) // node 0 notices
		for i, n := range a.honest {
			var txs []*ledger.Transaction
			for _, tx := range ours {
				other := *tx
				other.Amount += uint64(i)
				txs = append(txs, &other)
			}
			if _, err := n.Chain.Submit(context.Background(), txs, pool.FromPeer); err != nil {
				t.Fatal(err)
			}
		}
		a.connect(0, 1)
		settle()
		winner := a.honest[0].Chain.Template(ledger.MaxBlockTxs)
		b := a.seal(a.honest[0], winner.Header, winner.Txs)
		a.take(a.honest[0], b)
		a.follow(b)
		for _, tx := range ours {
			receipts, err := a.honest[1].Chain.Receipts(tx.ID, nil, 2)
			if err != nil || len(receipts) != 1 || receipts[0].Tx.Amount != tx.Amount+1 {
				t.Fatalf("receipts of %s: %+v, %v", tx.ID, receipts, err)
			}
		}
		if got := a.honest[1].Chain.Status().Pool; got != 0 {
			t.Errorf("%d transactions are left", got)
		}
		a.goesOn()
		a.noneBanned()
	})
}
