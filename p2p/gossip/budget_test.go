package gossip

import (
	"context"
	"fmt"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/internal/simhost"
)

// TestAttackBudget checks that of what peers send, however much, no more gets in than
// their shares and the share of all. Beside them a peer that sends little is heard, and
// own messages cost nothing.
func TestAttackBudget(t *testing.T) {
	const size = 63_000
	b, now := newBudget(), time.Now()
	in := 0
	for i := range 2 * allBurst / size {
		if b.allows(peer.ID(fmt.Sprint(i%2)), size, now) {
			in += size
		}
	}
	if in > allBurst+2*peerBurst || in < allBurst {
		t.Errorf("%d bytes got in at once", in)
	}
	if !b.allows("honest", size, now) {
		t.Error("an honest peer is not heard")
	}
	if now = now.Add(time.Second); b.allows("0", peerRate+allRate+1, now) || !b.allows("0", peerRate-1, now) {
		t.Error("a second later, too much or nothing gets in")
	}
	validate := b.bound("self", func(context.Context, peer.ID, *pubsub.Message) pubsub.ValidationResult {
		return pubsub.ValidationAccept
	})
	msg := &pubsub.Message{Message: &pb.Message{Data: make([]byte, 2*allBurst)}}
	for from, want := range map[peer.ID]pubsub.ValidationResult{"self": pubsub.ValidationAccept, "0": pubsub.ValidationIgnore} {
		if got := validate(t.Context(), from, msg); got != want {
			t.Errorf("from %s: %d, want %d", from, got, want)
		}
	}
	in = 0
	for i := range 1000 { // many keys, each as soon as the last has nothing left
		for p := peer.ID(fmt.Sprint("key", i)); b.allows(p, size, now); {
			in += size
		}
	}
	if in > 1000*peerRate {
		t.Errorf("of 1,000 keys %d bytes got in at once", in)
	}
	for i := range 2 * maxBudgets {
		b.allows(peer.ID(fmt.Sprint("many", i)), 1, now)
		b.allows("0", 1, now)
	}
	if n := b.each.Len(); n != maxBudgets || !b.each.Contains("0") {
		t.Errorf("%d shares are kept; that of a peer that sends all the time: %t", n, b.each.Contains("0"))
	}
}

// TestAttackJoined checks that a joined topic has a budget. Messages of another node that
// come at once are validated up to the share of one peer and that of all.
func TestAttackJoined(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		wire := &simnet.Simnet{LatencyFunc: func(*simnet.Packet) time.Duration { return 0 }}
		wire.Start()
		defer wire.Close()
		stats, net := new(Counters), ledgertest.Network(t, ledger.Network{Name: "budget"})
		h := simhost.New(t, wire, 0, ledgertest.Key(0), simlibp2p.OneMbps, NewTraffic(stats))
		defer h.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ps, err := New(ctx, h, net, BanList(func(peer.ID) bool { return false }), stats)
		if err != nil {
			t.Fatal(err)
		}
		const size, sent = 63_000, 2 * allBurst / 63_000
		validated := 0
		flood := func(self peer.ID, kind string) int {
			validated = 0
			topic, err := Join(ps, self, TopicName(net, kind), func(context.Context, peer.ID, *pubsub.Message) pubsub.ValidationResult {
				validated++
				return pubsub.ValidationAccept
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range sent {
				_ = topic.Publish(ctx, fmt.Appendf(make([]byte, 0, size), "%0*d", size, i))
			}
			return validated
		}
		// What this host publishes counts as another node's on a topic that it did not
		// join as itself.
		const want = allBurst/size + peerRate/size
		if n := flood("another", "tx"); n != want {
			t.Errorf("of another's, %d of %d were validated, want %d", n, sent, want)
		}
		if n := flood(h.ID(), "block"); n != sent {
			t.Errorf("of its own, %d of %d were validated", n, sent)
		}
	})
}

// TestAttackPadding checks that a message reaches its validator without fields that
// pubsub does not know, and that a message that is too long is cut to one byte over the
// limit.
func TestAttackPadding(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		wire := &simnet.Simnet{LatencyFunc: func(*simnet.Packet) time.Duration { return 0 }}
		wire.Start()
		defer wire.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stats, net := new(Counters), ledgertest.Network(t, ledger.Network{Name: "padding", Builders: []ledger.PublicKey{ledgertest.Public(ledgertest.Key(0))}})
		h := simhost.New(t, wire, 0, ledgertest.Key(0), 100*simlibp2p.OneMbps, NewTraffic(stats))
		defer h.Close()
		liar := simhost.New(t, wire, 1, ledgertest.Key(1), 100*simlibp2p.OneMbps, NewTraffic(stats))
		defer liar.Close()
		ps, err := New(ctx, h, net, BanList(func(peer.ID) bool { return false }), stats)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan *pb.Message, 16)
		for _, name := range TopicNames(net) {
			if _, err := JoinUnread(ps, h.ID(), name, func(_ context.Context, _ peer.ID, m *pubsub.Message) pubsub.ValidationResult {
				got <- m.Message
				return pubsub.ValidationReject
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := liar.Connect(ctx, peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}); err != nil {
			t.Fatal(err)
		}
		s, err := liar.NewStream(ctx, h.ID(), pubsub.GossipSubID_v12)
		if err != nil {
			t.Fatal(err)
		}
		padding := protowire.AppendBytes(protowire.AppendTag(nil, 100, protowire.BytesType), make([]byte, 300_000))
		for kind, most := range map[string]int{"tx": MaxTxs, "block": MaxHeader, "status": MaxStatus, "vote": MaxVote} {
			for _, size := range []int{most, 600_000} {
				m := &pb.Message{Topic: new(TopicName(net, kind)), Data: make([]byte, size)}
				m.ProtoReflect().SetUnknown(padding)
				rpc, err := proto.Marshal(&pb.RPC{Publish: []*pb.Message{m}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Write(protowire.AppendBytes(nil, rpc)); err != nil {
					t.Fatal(err)
				}
				m = <-got
				if len(m.Data) != min(size, most+1) || len(m.ProtoReflect().GetUnknown()) > 0 {
					t.Errorf("of %d bytes of %s, %d are validated, with %d more", size, kind, len(m.Data), len(m.ProtoReflect().GetUnknown()))
				}
			}
		}
	})
}
