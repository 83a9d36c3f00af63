package p2p

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
	chainsync "foxchain/p2p/sync"
)

// TestAttackPoolFlood: transfers from made-up senders, more than may wait, close
// no pool to honest clients, and are bounded.
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
		full := func(n *labNode) bool { return n.chain.Status().Waiting == chain.MaxWaiting }
		a.until(15*time.Second, "as many wait as may", func() bool { return full(a.honest[0]) && full(a.honest[1]) })
		txs := a.mint(10)
		outcomes, err := a.honest[0].chain.Submit(context.Background(), txs, pool.FromClient)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range outcomes {
			if !o.Taken {
				t.Errorf("an honest transaction was not taken: %+v", o)
			}
		}
		a.until(15*time.Second, "they reach the other honest node", func() bool { return a.honest[1].chain.Status().Payable == len(txs) })
		if got := a.honest[1].Stats()["txs_refused"]; got < 2000 {
			t.Errorf("%d refusals counted, want 2000", got)
		}
		a.goesOn()
		a.notCut()
	})
}

// TestAttackTopicFlood: one message of garbage is enough to be cut off, whatever
// follows.
func TestAttackTopicFlood(t *testing.T) {
	for _, topic := range []string{"tx", "block", "status"} {
		t.Run(topic, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				a.strike()
				time.Sleep(chainsync.StatusEvery)
				for i := range 5000 {
					a.gossip(topic, []byte{byte(i), byte(i >> 8), 0xff})
				}
				a.cutFor("gossiped")
				rejected := map[string]string{"tx": "tx_messages_rejected", "block": "headers_rejected", "status": "statuses_rejected"}[topic]
				if got := a.honest[0].Stats()[rejected]; got == 0 {
					t.Errorf("%s is %d", rejected, got)
				}
				a.goesOn()
			})
		})
	}
}

// TestAttackStreams: thousands of streams at once are refused and counted, and
// the others are served.
func TestAttackStreams(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		victim := a.honest[0]
		var open []network.Stream
		for range 2000 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			str, err := a.bad.host.NewStream(ctx, victim.host.ID(), a.bad.sync.Load().Protocol)
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
		if got := victim.Stats()["sync_streams_refused"]; got == 0 {
			t.Error("no stream was refused")
		}
		for _, str := range open {
			_ = str.Reset()
		}
		a.goesOn()
	})
}

// TestAttackHellos: hellos that no node says, and as many as a connection bears
// that are never finished, are counted and hold up nobody.
func TestAttackHellos(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		victim := a.honest[0]
		failed := func() int { return int(victim.Stats()["hellos_failed"]) }
		say := func(b []byte) (network.Stream, error) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			str, err := a.bad.host.NewStream(ctx, victim.host.ID(), helloProtocol)
			if err == nil {
				_, err = str.Write(b)
			}
			return str, err
		}
		for name, b := range map[string][]byte{
			"over the limit": {0xff, 0xff}, "garbage": {0, 3, 1, 2, 3}, "empty": {0, 0}, "a lie about its size": {0, 5, 0x9b, 0xff, 0xff, 0xff, 0xff},
		} {
			before := failed()
			str, err := say(b)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := str.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: it was answered", name)
			}
			if got := failed(); got != before+1 {
				t.Errorf("%s: %d counted, want %d", name, got, before+1)
			}
		}
		before, open := failed(), 0
		for range 2000 {
			if _, err := say([]byte{0, 100, 0x88}); err != nil {
				break // the connection bears no more streams
			}
			open++
		}
		a.goesOn()
		time.Sleep(helloTime)
		if got := failed() - before; open < 100 || got != open {
			t.Errorf("%d of %d unfinished ones were ended", got, open)
		}
		a.goesOn()
	})
}

// TestAttackConflicts: a hostile node gives each honest one another transaction
// under the same ID. The chain decides, and the loser's receipt says so.
func TestAttackConflicts(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		ours := a.mint(50)
		a.pull(true, 1) // so that each sees its own first
		time.Sleep(20 * time.Second)
		for i, n := range a.honest {
			var txs []*ledger.Transaction
			for _, tx := range ours {
				other := *tx
				other.Amount += uint64(i)
				txs = append(txs, &other)
			}
			if _, err := n.chain.Submit(context.Background(), txs, pool.FromPeer); err != nil {
				t.Fatal(err)
			}
		}
		a.pull(false, 1)
		a.until(20*time.Second, "they are connected again", func() bool { return a.honest[0].connectedTo() == 1 })
		winner := a.honest[0].chain.Template(ledger.MaxBlockTxs)
		b := a.seal(a.honest[0], winner.Header, winner.Txs)
		a.take(a.honest[0], b)
		a.follow(b)
		for _, tx := range ours {
			receipts, err := a.honest[1].chain.Receipts(tx.ID, 2)
			if err != nil || len(receipts) != 1 || receipts[0].Tx.Amount != tx.Amount+1 {
				t.Fatalf("receipts of %s: %+v, %v", tx.ID, receipts, err)
			}
		}
		if got := a.honest[1].chain.Status().Pool; got != 0 {
			t.Errorf("%d transactions are left", got)
		}
		a.goesOn()
		a.notCut()
	})
}

// TestAttackReplay: everything that was ever gossiped is gossiped once more, after
// gossip has forgotten it: nothing happens twice, no status goes back, and no
// node is taken for a copy.
func TestAttackReplay(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		taps := make(map[string]*pubsub.Subscription)
		for name, g := range map[string]gossip.Topic{"tx": a.bad.sync.Load().Txs, "block": a.bad.sync.Load().Blocks, "status": a.bad.statuses.gossip} {
			sub, err := g.Pub.Subscribe(pubsub.WithBufferSize(gossip.SubBuffer))
			if err != nil {
				t.Fatal(err)
			}
			taps[name] = sub
		}
		txs := a.mint(20)
		if _, err := a.honest[0].chain.Submit(context.Background(), txs, pool.FromClient); err != nil {
			t.Fatal(err)
		}
		a.until(10*time.Second, "the transactions are everywhere", func() bool { return a.honest[1].chain.Status().Pool == 20 })
		for range 3 {
			tmpl := a.honest[0].chain.Template(5)
			b := a.seal(a.honest[0], tmpl.Header, tmpl.Txs)
			a.take(a.honest[0], b)
			a.follow(b)
		}
		time.Sleep(5 * time.Minute) // gossip forgets after two or three
		before := a.honest[1].chain.Status()
		statuses := a.honest[1].Statuses()
		for topic, sub := range taps {
			for {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				msg, err := sub.Next(ctx)
				cancel()
				if err != nil {
					break
				}
				a.gossip(topic, msg.GetData())
			}
		}
		time.Sleep(chainsync.StatusEvery)
		if after := a.honest[1].chain.Status(); after != before {
			t.Errorf("after the replay: %+v, before: %+v", after, before)
		}
		for i, st := range a.honest[1].Statuses() {
			if st.Counter < statuses[i].Counter {
				t.Errorf("after the replay: %+v, before: %+v", st, statuses[i])
			}
		}
		for _, n := range a.honest {
			if n.Copied() != "" {
				t.Errorf("%s takes itself for a copy", n.cfg.Name)
			}
		}
		a.notCut()
		a.goesOn()
	})
}
