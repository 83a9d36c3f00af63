package sync

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
)

// settle lets the nodes compare status once, so that until the next comparison only
// gossip works.
func settle() { time.Sleep(statusEvery + time.Second) }

func TestGossipTransactions(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		m.connect()
		settle()
		txs := append(m.mint(500), m.sign(m.mint(300))...)
		m.nodes[0].submit(txs...)
		for _, n := range m.nodes {
			n.untilPool(time.Second, len(txs))
		}
		for _, tx := range txs {
			got := m.nodes[2].Chain.Pool().Get([]ledger.TxKey{tx.Key()})[0]
			if got.Tx == nil || got.Tx.Digest() != tx.Digest() || got.Origin != pool.FromPeer {
				t.Fatalf("got %+v, want %+v", got, tx)
			}
		}
	})
}

// TestGossipBurst gossips transactions that were submitted one by one in a burst.
func TestGossipBurst(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		m.connect()
		settle()
		for _, tx := range m.mint(3000) {
			m.nodes[0].submit(tx)
		}
		m.nodes[1].untilPool(2*statusEvery, 3000)
	})
}

func TestGossipBlocks(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		m.connect()
		settle()
		for range maxNewHeaders {
			m.nodes[0].submit(m.mint(4)...)
			for _, n := range m.nodes {
				n.untilPool(time.Second, 4)
			}
			tip := m.nodes[0].build()
			for _, n := range m.nodes {
				n.untilTip(time.Second, tip.Hash())
				n.untilPool(time.Second, 0)
			}
		}
		for _, n := range m.nodes[1:] {
			if got := n.Stats.RelayBlocks.Load(); got != maxNewHeaders {
				t.Errorf("%d blocks by compact relay, want %d", got, maxNewHeaders)
			}
			if got := n.Stats.RelayAsked.Load(); got != 0 {
				t.Errorf("asked for %d transactions that the pool has", got)
			}
		}
	})
}

// TestFreshHeaders checks what the publish loop announces after several blocks came at once.
func TestFreshHeaders(t *testing.T) {
	testMesh(t, 1, func(m *mesh) {
		n := m.nodes[0]
		p := newPublisher(n.core, n.bodies)
		for _, c := range []struct{ blocks, want int }{{1, 1}, {maxNewHeaders, maxNewHeaders}, {maxNewHeaders + 1, 1}} {
			n.buildBlocks(c.blocks, 1)
			tip := n.Chain.Tip()
			fresh, err := p.freshHeaders(tip.Hash)
			if err != nil || len(fresh) != c.want || fresh[len(fresh)-1].Hash() != tip.Hash {
				t.Errorf("after %d blocks: %d headers, %v, want %d", c.blocks, len(fresh), err, c.want)
			}
			p.headers.Add(tip.Hash, struct{}{})
		}
	})
}

// TestGossipRejected checks what validators reject, and that its sender is banned.
func TestGossipRejected(t *testing.T) {
	bad := map[string]func(m *mesh) (topic string, message []byte){
		"garbage transactions": func(*mesh) (string, []byte) { return "tx", []byte("garbage") },
		"no transactions":      func(*mesh) (string, []byte) { return "tx", ledger.EncodeTransactions(nil) },
		"zero amount": func(m *mesh) (string, []byte) {
			txs := m.mint(1)
			txs[0].Amount = 0
			return "tx", ledger.EncodeTransactions(txs)
		},
		"wrong signature": func(m *mesh) (string, []byte) {
			txs := m.sign(m.mint(1))
			txs[0].Amount++
			return "tx", ledger.EncodeTransactions(txs)
		},
		"too many signatures": func(m *mesh) (string, []byte) {
			return "tx", ledger.EncodeTransactions(m.sign(m.mint(maxKeyedMessage + 1)))
		},
		"too many": func(m *mesh) (string, []byte) {
			return "tx", ledger.EncodeTransactions(m.mint(maxTxsInMessage + 1))
		},
		"too long":        func(*mesh) (string, []byte) { return "tx", make([]byte, gossip.MaxTxs+1) },
		"header too long": func(*mesh) (string, []byte) { return "block", make([]byte, gossip.MaxHeader+1) },
		"garbage header":  func(*mesh) (string, []byte) { return "block", make([]byte, 200) },
		"header signed by another": func(m *mesh) (string, []byte) {
			n := m.nodes[0]
			n.offer(pool.FromPeer, m.mint(1)...)
			h := n.seal(n.Chain.Template(1)).SealedHeader
			h.Signature[0]++
			return "block", ledger.EncodeHeader(&h)
		},
		"header without proof": func(m *mesh) (string, []byte) {
			n := m.nodes[0]
			n.offer(pool.FromPeer, m.mint(1)...)
			h := n.Chain.Template(1).Header
			h.Builder = ledger.PublicKey(n.key[32:])
			sealed := h.Sign(m.net, n.key)
			for m.net.CheckHeader(&sealed) == nil {
				h.Nonce[7]++
				sealed = h.Sign(m.net, n.key)
			}
			return "block", ledger.EncodeHeader(&sealed)
		},
	}
	for name, craft := range bad {
		t.Run(name, func(t *testing.T) {
			testMesh(t, 2, func(m *mesh) {
				kind, message := craft(m)
				// A node that validates nothing is hostile enough.
				name := gossip.TopicName(m.net, kind)
				h := m.nodes[0]
				if err := h.PubSub.UnregisterTopicValidator(name); err != nil {
					t.Fatal(err)
				}
				m.connect()
				settle()
				topic := map[string]gossip.Topic{"tx": h.txs, "block": h.blocks}[kind].Topic
				if err := topic.Publish(m.ctx, message); err != nil {
					t.Fatal(err)
				}
				reason := m.nodes[1].banReason(time.Second)
				t.Log(reason)
				if long := strings.HasSuffix(t.Name(), "too_long"); long != strings.Contains(reason, "over the limit") {
					t.Errorf("banned for %q", reason)
				}
			})
		})
	}
}

// TestValidator checks that a validator reads what others sent, and not what this node did.
func TestValidator(t *testing.T) {
	var bad atomic.Uint64
	read := 0
	validate := validator(nil, func(b []byte) (int, error) { read++; return len(b), nil }, &bad)
	for _, c := range []struct {
		holds       any
		reads, want int
	}{{nil, 1, 3}, {7, 0, 7}} {
		read = 0
		msg := &pubsub.Message{Message: &pb.Message{Data: make([]byte, 3)}, ValidatorData: c.holds}
		if got := validate(t.Context(), "", msg); got != pubsub.ValidationAccept || read != c.reads || msg.ValidatorData != c.want {
			t.Errorf("%v: the answer is %v, after %d reads, with %v", c.holds, got, read, msg.ValidatorData)
		}
	}
}

// TestDrain looks at how many transactions are submitted at once.
func TestDrain(t *testing.T) {
	arrived := make(chan *ledger.Transaction, maxArrived)
	for range submitAtOnce + 1 {
		arrived <- new(ledger.Transaction)
	}
	for _, want := range []int{submitAtOnce, 1} {
		if got := len(drain(<-arrived, arrived)); got != want {
			t.Errorf("gave %d at once, want %d", got, want)
		}
	}
}

// TestSubmitGossip checks that only the end of the ledger or of the node ends the taking of
// transactions, and that the log has what was not taken.
func TestSubmitGossip(t *testing.T) {
	net := ledgertest.Network(t, ledger.Network{Name: "gossip"})
	good, bad := ledgertest.Minted(1), ledgertest.Minted(1)
	bad[0].Amount = 0
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		what   string
		ctx    context.Context
		txs    []*ledger.Transaction
		closed bool
		err    error
		logged bool
	}{
		{"taken", t.Context(), good, false, nil, false},
		{"not taken", t.Context(), bad, false, nil, true},
		{"the node ends", ended, good, false, context.Canceled, false},
		{"the ledger has ended", t.Context(), good, true, ledger.ErrStopped, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			var log bytes.Buffer
			own := chaintest.Open(t, chain.Config{Network: net})
			if c.closed {
				if err := own.Close(); err != nil {
					t.Fatal(err)
				}
			}
			v := &receiver{core: &core{Config: Config{Chain: own, Stats: new(Counters), Log: slog.New(slog.NewTextHandler(&log, nil))}}}
			if err := v.submitGossip(c.ctx, c.txs); !errors.Is(err, c.err) {
				t.Errorf("it returns %v, want %v", err, c.err)
			}
			if got := strings.Contains(log.String(), "not taken"); got != c.logged {
				t.Errorf("the log: %q", log.String())
			}
		})
	}
}
