package p2p

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/store"
	"foxchain/p2p/gossip"
)

// An attack is a LAN of two honest nodes, connected with each other, and a
// hostile one that knows their chain and is not connected yet. The hostile one
// is a real node that validates no gossip and has one thing replaced.
type attack struct {
	*lab
	honest [2]*labNode
	bad    *labNode
	ids    uint64
}

// inAttack runs f with an attack on a chain of two blocks.
func inAttack(t *testing.T, f func(t *testing.T, a *attack)) {
	inLab(t, func(t *testing.T, l *lab) { f(t, newAttack(l)) })
}

func newAttack(l *lab) *attack {
	l.t.Helper()
	a := &attack{lab: l}
	a.honest[0] = l.start(0, nil)
	a.honest[1] = l.start(1, func(c *Config) { c.Peers = a.honest[0].Addrs() })
	a.bad = l.start(2, nil)
	l.until(10*time.Second, "the honest ones are connected", func() bool { return a.honest[0].connectedTo() == 1 && a.bad.syncs() })
	for range 2 {
		b := a.build(a.honest[0])
		a.follow(b)
		if _, err := a.bad.chain.AddBlock(context.Background(), b); err != nil {
			l.t.Fatal(err)
		}
	}
	a.unvalidate()
	return a
}

// unvalidate lets the hostile node publish anything to the status topic. What
// others publish it validates.
func (a *attack) unvalidate() {
	a.t.Helper()
	name := gossip.TopicName(a.net, "status")
	err := a.bad.ps.UnregisterTopicValidator(name)
	if err == nil {
		err = a.bad.ps.RegisterTopicValidator(name, func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
			if from == a.bad.host.ID() {
				return pubsub.ValidationAccept
			}
			return a.bad.statuses.validate(ctx, from, msg)
		})
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// syncs reports whether Run has begun, so that a test may use what it made.
func (n *labNode) syncs() bool {
	return n.sync.Load() != nil
}

// strike connects the hostile node with the honest ones.
func (a *attack) strike() {
	a.t.Helper()
	if err := a.bad.Register([]string{a.honest[0].Addrs()[0], a.honest[1].Addrs()[0]}); err != nil {
		a.t.Fatal(err)
	}
	a.until(10*time.Second, "the hostile node is connected", func() bool {
		return a.honest[0].peer(a.bad).Connected && a.honest[1].peer(a.bad).Connected
	})
}

// gossip publishes a message of the hostile node to the status topic.
func (a *attack) gossip(message []byte) {
	a.t.Helper()
	if err := a.bad.statuses.gossip.Topic.Publish(context.Background(), message); err != nil {
		a.t.Fatal(err)
	}
}

// mint makes transactions of the issuer to account 7.
func (a *attack) mint(n int) []*ledger.Transaction {
	txs := ledgertest.Mint(a.ids+1, n)
	a.ids += uint64(n)
	return txs
}

// seal makes a block of header and transactions by node n, with proof of work.
// The header's root and count are those of txs.
func (a *attack) seal(n *labNode, h ledger.Header, txs []*ledger.Transaction) *ledger.Block {
	return ledgertest.Seal(a.net, n.key, h, txs)
}

// build has an honest node build a block, of one new transaction.
func (a *attack) build(n *labNode) *ledger.Block {
	a.t.Helper()
	tip := n.chain.Tip()
	b := a.seal(n, ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Bits: a.net.Bits, Time: 2}, a.mint(1))
	a.take(n, b)
	return b
}

func (a *attack) take(n *labNode, b *ledger.Block) {
	a.t.Helper()
	if _, err := n.chain.AddBlock(context.Background(), b); err != nil {
		a.t.Fatal(err)
	}
}

// follow waits until both honest nodes have b as their tip.
func (a *attack) follow(b *ledger.Block) {
	a.t.Helper()
	a.until(15*time.Second, "the honest nodes agree on the true block", func() bool {
		return a.honest[0].chain.Tip().Hash == b.Hash() && a.honest[1].chain.Tip().Hash == b.Hash()
	})
}

// goesOn checks that the honest nodes still build, agree and reach each other,
// and that nothing of the attack is left over its bounds.
func (a *attack) goesOn() {
	a.t.Helper()
	for _, n := range a.honest {
		a.follow(a.build(n))
		if st := n.chain.Status(); st.FailedBlocks > 10_000 || st.SideHeaders > 100_000 || st.Waiting > chain.MaxWaiting {
			a.t.Errorf("over the bounds: %+v", st)
		}
	}
	if p := a.honest[0].peer(a.honest[1]); !p.Connected {
		a.t.Errorf("the honest nodes are not connected: %+v", p)
	}
}

// bannedFor checks that both honest nodes ban the hostile one, and show why.
func (a *attack) bannedFor(want string) {
	a.t.Helper()
	for _, n := range a.honest {
		a.until(5*time.Second, "banned for "+want, func() bool { return n.peer(a.bad).State == Banned })
		if got := n.peer(a.bad).Reason; !strings.Contains(got, want) {
			a.t.Errorf("banned for %q, want %q", got, want)
		}
		if got := n.Stats()["peers_cut"]; got != 1 {
			a.t.Errorf("%d peers were banned, want 1", got)
		}
		if got := n.logs.count("cut off a node"); got != 1 {
			a.t.Errorf("%d lines of log about it, want 1", got)
		}
	}
}

// notBanned checks that no node was banned.
func (a *attack) notBanned() {
	a.t.Helper()
	for _, n := range a.honest {
		if got := n.Stats()["peers_cut"]; got != 0 {
			a.t.Errorf("%d peers were banned, want none: %s", got, n.peer(a.bad).Reason)
		}
	}
}

// TestAttackStatusFlood checks that one status of garbage is enough to be banned,
// whatever follows.
func TestAttackStatusFlood(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		time.Sleep(publishEvery)
		for i := range 5000 {
			a.gossip([]byte{byte(i), byte(i >> 8), 0xff})
		}
		a.bannedFor("gossiped")
		if got := a.honest[0].Stats()["statuses_rejected"]; got == 0 {
			t.Errorf("statuses_rejected is %d", got)
		}
		a.goesOn()
	})
}

// TestAttackHellos checks that malformed hellos, and as many unfinished ones as a
// connection bears, are counted and hold up no node.
func TestAttackHellos(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		victim := a.honest[0]
		failed := func() int { return int(victim.Stats()["hellos_failed"]) }
		send := func(b []byte) (network.Stream, error) {
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
			str, err := send(b)
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
			if _, err := send([]byte{0, 100, 0x88}); err != nil {
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

// TestAttackStatusReplay gossips every status line once more, after gossip has
// forgotten it, and checks that no status goes back, and that no node is taken for
// a copy.
func TestAttackStatusReplay(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		tap, err := a.bad.statuses.gossip.Topic.Subscribe(pubsub.WithBufferSize(gossip.SubBuffer))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute) // gossip forgets after two or three
		counters := func() map[ledger.PublicKey]uint64 {
			last := make(map[ledger.PublicKey]uint64)
			for key, r := range a.honest[1].statuses.table.records() {
				last[key] = r.line.Counter
			}
			return last
		}
		before := counters()
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			msg, err := tap.Next(ctx)
			cancel()
			if err != nil {
				break
			}
			a.gossip(msg.GetData())
		}
		time.Sleep(publishEvery)
		for key, counter := range counters() {
			if counter < before[key] {
				t.Errorf("after the replay, %s is at line %d, before at %d", key, counter, before[key])
			}
		}
		for _, n := range a.honest {
			if n.Copied() != "" {
				t.Errorf("%s takes itself for a copy", n.cfg.Name)
			}
		}
		a.notBanned()
		a.goesOn()
	})
}

// TestAttackDeepReorg checks that a stronger chain is taken though it reverts more than
// ten blocks. It is logged with a loud warning and counted, and the reverted transactions
// wait in the pool to be built again.
func TestAttackDeepReorg(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		logged := func(c *Config) {
			var err error
			if c.Chain, err = chain.Open(chain.Config{Network: l.net, Storage: storage.NewMemStorage(), Log: slog.New(c.Log.Handler())}); err != nil {
				t.Fatal(err)
			}
		}
		victim, strong := l.start(0, logged), l.start(1, logged)
		a := &attack{lab: l, honest: [2]*labNode{victim, victim}}
		const lost = chain.DeepReorg + 2
		for range lost {
			a.build(victim)
		}
		for range lost + 3 {
			a.build(strong)
		}
		if err := strong.Register(victim.Addrs()[:1]); err != nil {
			t.Fatal(err)
		}
		l.until(15*time.Second, "the stronger chain is taken", func() bool { return victim.chain.Tip() == tipAt(victim, strong.chain.Tip()) })
		st := victim.chain.Status()
		if st.DeepReorgs != 1 || st.Reorgs != 1 || st.Pool != lost {
			t.Errorf("after it: %+v", st)
		}
		if got := victim.logs.count("DEEP REORG: 12 blocks"); got != 1 {
			t.Errorf("%d lines of log about it:\n%s", got, victim.logs)
		}
	})
}

// tipAt returns tip with the Since of the node's tip.
func tipAt(n *labNode, tip store.Tip) store.Tip {
	tip.Since = n.chain.Tip().Since
	return tip
}
