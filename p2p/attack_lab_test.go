package p2p

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
	chainsync "foxchain/p2p/sync"
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
	a.unvalidate("tx", a.bad.sync.Load().ValidateTxs)
	a.unvalidate("block", a.bad.sync.Load().ValidateHeader)
	a.unvalidate("status", a.bad.statuses.validate)
	return a
}

// unvalidate lets the hostile node publish anything to a topic. What others
// publish it validates, as the readers of the topics rely on that.
func (a *attack) unvalidate(topic string, validate pubsub.ValidatorEx) {
	a.t.Helper()
	name := gossip.TopicName(a.net, topic)
	err := a.bad.ps.UnregisterTopicValidator(name)
	if err == nil {
		err = a.bad.ps.RegisterTopicValidator(name, func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
			if from == a.bad.host.ID() {
				msg.ValidatorData = a.bad.statuses.ownLine()
				return pubsub.ValidationAccept
			}
			return validate(ctx, from, msg)
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

// errUnknown has the hostile node answer that it does not have what is asked for.
var errUnknown = errors.New("unknown")

// answers puts f before the hostile node's answers: it gives nil for those that
// stay honest. It is called before strike.
func (a *attack) answers(f func(ctx context.Context, from peer.ID, req chainsync.Request) (chainsync.Message, error)) {
	honest := a.bad.sync.Load().Server.Answer
	a.bad.sync.Load().Server.Answer = func(ctx context.Context, from peer.ID, req chainsync.Request) (chainsync.Message, error) {
		ans, err := f(ctx, from, req)
		switch {
		case errors.Is(err, errUnknown):
			return nil, nil
		case ans != nil || err != nil:
			return ans, err
		}
		return honest(ctx, from, req)
	}
}

// serves has the hostile node answer for blocks that it does not hold, with the
// given bodies, whatever the headers say.
func (a *attack) serves(bodies map[ledger.Hash][]*ledger.Transaction) {
	a.answers(func(_ context.Context, _ peer.ID, req chainsync.Request) (chainsync.Message, error) {
		switch req := req.(type) {
		case *chainsync.BodyRequest:
			if txs, ok := bodies[req.Hash]; ok {
				return &chainsync.TxsAnswer{Txs: ledger.EncodeTransactions(txs)}, nil
			}
		case *chainsync.ShortIDsRequest:
			if txs, ok := bodies[req.Hash]; ok {
				return &chainsync.ShortIDsAnswer{IDs: chainsync.PackShortIDs(chainsync.ShortIDs(req.Hash, txs))}, nil
			}
		case *chainsync.BlockTxsRequest:
			if txs, ok := bodies[req.Hash]; ok {
				var some []*ledger.Transaction
				for _, i := range req.Indexes {
					some = append(some, txs[i])
				}
				return &chainsync.TxsAnswer{Txs: ledger.EncodeTransactions(some)}, nil
			}
		}
		return nil, nil
	})
}

// gossip publishes a message of the hostile node, which validates nothing.
func (a *attack) gossip(kind string, message []byte) {
	a.t.Helper()
	to := map[string]gossip.Topic{"tx": a.bad.sync.Load().Txs, "block": a.bad.sync.Load().Blocks, "status": a.bad.statuses.gossip}[kind]
	if err := to.Pub.Publish(context.Background(), message); err != nil {
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

// next is a header on the honest chain's tip.
func (a *attack) next() ledger.Header {
	tip := a.honest[0].chain.Tip()
	return ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Bits: a.net.Bits, Time: 1}
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

// goesOn checks that the honest nodes still build, agree and hear each other,
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

// cutFor checks that both honest nodes cut the hostile one off, and show why.
func (a *attack) cutFor(want string) {
	a.t.Helper()
	for _, n := range a.honest {
		a.until(2*chainsync.AnswerTime+chainsync.StatusEvery, "cut off for "+want, func() bool { return n.peer(a.bad).State == CutOff })
		if got := n.peer(a.bad).Reason; !strings.Contains(got, want) {
			a.t.Errorf("cut off for %q, want %q", got, want)
		}
		if got := n.Stats()["peers_cut"]; got != 1 {
			a.t.Errorf("%d peers were cut off, want 1", got)
		}
		if got := n.logs.count("banned a node"); got != 1 {
			a.t.Errorf("%d lines of log about it, want 1", got)
		}
	}
}

// notCut checks that nobody was cut off.
func (a *attack) notCut() {
	a.t.Helper()
	for _, n := range a.honest {
		if got := n.Stats()["peers_cut"]; got != 0 {
			a.t.Errorf("%d peers were cut off, want none: %s", got, n.peer(a.bad).Reason)
		}
	}
}
