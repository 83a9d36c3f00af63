package sync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

// An attack is a mesh of two honest nodes, connected with each other, and a
// hostile one that knows their chain and is not connected yet. The hostile one
// is a real node that validates none of its own gossip and has one thing replaced.
type attack struct {
	*mesh
	honest [2]*meshNode
	bad    *meshNode
}

// inAttack runs f with an attack on a chain of two blocks.
func inAttack(t *testing.T, f func(t *testing.T, a *attack)) {
	attackOn(t, ledger.Network{Name: "mesh", Bits: 4}, f)
}

// attackOn is inAttack on a network of these rules.
func attackOn(t *testing.T, rules ledger.Network, f func(t *testing.T, a *attack)) {
	testMeshOn(t, rules, 3, func(m *mesh) {
		a := &attack{mesh: m, honest: [2]*meshNode(m.nodes), bad: m.nodes[2]}
		m.connect(0, 1)
		settle()
		for range 2 {
			b := a.build(a.honest[0])
			a.follow(b)
			a.take(a.bad, b)
		}
		a.unvalidate("tx", validator(a.bad.core, a.bad.readTxs, &a.bad.Stats.TxMessagesRejected))
		a.unvalidate("block", validator(a.bad.core, a.bad.readHeader, &a.bad.Stats.HeadersRejected))
		f(m.t.(*testing.T), a)
	})
}

// unvalidate lets the hostile node publish anything to a topic. What others
// publish it validates, as the readers of the topics rely on that.
func (a *attack) unvalidate(topic string, validate pubsub.ValidatorEx) {
	a.t.Helper()
	name := gossip.TopicName(a.net, topic)
	err := a.bad.PubSub.UnregisterTopicValidator(name)
	if err == nil {
		err = a.bad.PubSub.RegisterTopicValidator(name, func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
			if from == a.bad.Host.ID() {
				return pubsub.ValidationAccept
			}
			return validate(ctx, from, msg)
		})
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

// strike connects the hostile node with the honest ones.
func (a *attack) strike() {
	a.t.Helper()
	a.connect(0, 2)
	a.connect(1, 2)
	time.Sleep(time.Second) // gossip runs
}

// until waits for cond to hold, looking every 100 ms of the bubble's time.
func (a *attack) until(within time.Duration, what string, cond func() bool) {
	a.t.Helper()
	for deadline := time.Now().Add(within); !cond(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			a.t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// errUnknown has the hostile node answer that it does not have what is asked for.
var errUnknown = errors.New("unknown")

// answers puts f before the hostile node's answers. f returns nil for those that
// stay honest. It is called before strike.
func (a *attack) answers(f func(ctx context.Context, from peer.ID, req syncRequest) (syncMessage, error)) {
	honest := a.bad.server.answer
	a.bad.server.answer = func(ctx context.Context, from peer.ID, req syncRequest) (syncMessage, error) {
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
// given bodies, which need not match the headers.
func (a *attack) serves(bodies map[ledger.Hash][]*ledger.Transaction) {
	a.answers(func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
		switch req := req.(type) {
		case *bodyRequest:
			if txs, ok := bodies[req.Hash]; ok {
				return &txsAnswer{Txs: ledger.EncodeTransactions(txs)}, nil
			}
		case *shortIDsRequest:
			if txs, ok := bodies[req.Hash]; ok {
				return &shortIDsAnswer{IDs: packShortIDs(shortIDs(req.Hash, txs))}, nil
			}
		case *blockTxsRequest:
			if txs, ok := bodies[req.Hash]; ok {
				var some []*ledger.Transaction
				for _, i := range req.Indexes {
					some = append(some, txs[i])
				}
				return &txsAnswer{Txs: ledger.EncodeTransactions(some)}, nil
			}
		}
		return nil, nil
	})
}

// gossip publishes a message of the hostile node, which validates nothing.
func (a *attack) gossip(kind string, message []byte) {
	a.t.Helper()
	to := map[string]gossip.Topic{"tx": a.bad.txs, "block": a.bad.blocks}[kind]
	if err := to.Publish(a.ctx, message); err != nil {
		a.t.Fatal(err)
	}
}

// seal makes a block of header and transactions by node n, with proof of work.
// The header's root and count are those of txs.
func (a *attack) seal(n *meshNode, h ledger.Header, txs []*ledger.Transaction) *ledger.Block {
	return ledgertest.Seal(a.net, n.key, h, txs)
}

// next returns a header on the honest chain's tip.
func (a *attack) next() ledger.Header {
	tip := a.honest[0].Chain.Tip()
	return ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Bits: a.net.Bits, Time: 1}
}

// build has an honest node build a block, of one new transaction.
func (a *attack) build(n *meshNode) *ledger.Block {
	a.t.Helper()
	tip := n.Chain.Tip()
	b := a.seal(n, ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Bits: a.net.Bits, Time: 2}, a.mint(1))
	a.take(n, b)
	return b
}

func (a *attack) take(n *meshNode, b *ledger.Block) {
	a.t.Helper()
	if _, err := n.Chain.AddBlock(a.ctx, b); err != nil {
		a.t.Fatal(err)
	}
}

// follow waits until both honest nodes have b as their tip.
func (a *attack) follow(b *ledger.Block) {
	a.t.Helper()
	a.until(15*time.Second, "the honest nodes agree on the true block", func() bool {
		return a.honest[0].Chain.Tip().Hash == b.Hash() && a.honest[1].Chain.Tip().Hash == b.Hash()
	})
}

// goesOn checks that the honest nodes still build, agree and are connected, and
// that nothing of the attack is left over its bounds.
func (a *attack) goesOn() {
	a.t.Helper()
	for _, n := range a.honest {
		a.follow(a.build(n))
		if st := n.Chain.Status(); st.FailedBlocks > 10_000 || st.SideHeaders > 100_000 || st.Waiting > chain.MaxWaiting {
			a.t.Errorf("over the bounds: %+v", st)
		}
	}
	if a.honest[0].Host.Network().Connectedness(a.honest[1].Host.ID()) != network.Connected {
		a.t.Error("the honest nodes are not connected")
	}
}

// bannedFor checks that both honest nodes ban the hostile one, once.
func (a *attack) bannedFor(want string) {
	a.t.Helper()
	for _, n := range a.honest {
		if got := n.banReason(2*answerTime + statusEvery); !strings.Contains(got, want) {
			a.t.Errorf("banned for %q, want %q", got, want)
		}
		if !n.isBanned(a.bad.Host.ID()) {
			a.t.Errorf("node %d banned another peer than the hostile one", n.number())
		}
	}
	a.noneBanned()
}

// noneBanned checks that no peer was banned, or no further one.
func (a *attack) noneBanned() {
	a.t.Helper()
	for _, n := range a.honest {
		if len(n.bans) != 0 {
			a.t.Errorf("node %d banned a peer: %s", n.number(), <-n.bans)
		}
	}
}
