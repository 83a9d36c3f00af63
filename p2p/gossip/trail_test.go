package gossip

import (
	"fmt"
	"testing"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// passing returns a message of transactions that a peer sent.
func passing(from peer.ID, txs []*ledger.Transaction) *pubsub.Message {
	data := ledger.EncodeTransactions(txs)
	return &pubsub.Message{Message: &pb.Message{Data: data}, ID: fmt.Sprint(txs[0].ID), ReceivedFrom: from, ValidatorData: txs}
}

// TestTrailIsBounded checks that the oldest messages are forgotten, and how much is kept
// of the others.
func TestTrailIsBounded(t *testing.T) {
	var trail Trail
	txs := ledgertest.Mint(1, trailMessages+1)
	var last *pubsub.Message
	for _, tx := range txs {
		last = passing("a", []*ledger.Transaction{tx})
		trail.note(last)
	}
	if got := trail.Of(txs[0].Key()); !got.Here.IsZero() {
		t.Errorf("the first is remembered: %+v", got)
	}
	for i := range 2 * trailPeers {
		trail.seen(peer.ID(fmt.Sprint("b", i)), last.ID, "unknown")
		trail.sent(&pubsub.RPC{RPC: pb.RPC{Publish: []*pb.Message{last.Message, {}}}}, peer.ID(fmt.Sprint("b", i)))
	}
	if got := trail.Of(txs[trailMessages].Key()); len(got.Had) != trailPeers || got.Had[0].Peer != "a" || len(got.Told) != trailPeers || got.Told[0].Peer != "b0" {
		t.Errorf("of the last: %d had it, %d were told", len(got.Had), len(got.Told))
	}
	big := passing("a", ledgertest.Mint(10_000, 1000))
	for i := range 100 {
		big := passing("a", big.ValidatorData.([]*ledger.Transaction))
		big.ID = fmt.Sprint(i)
		trail.note(big)
	}
	if trail.bytes > trailBytes || len(trail.all) != len(trail.byID) || len(trail.all) != len(trail.byBody) {
		t.Errorf("%d bytes of %d messages, %d, %d", trail.bytes, len(trail.all), len(trail.byID), len(trail.byBody))
	}
}

// BenchmarkTrail measures what remembering costs a message that comes from one peer,
// comes again from two, and is sent to three. Validating it costs a thousand times that.
func BenchmarkTrail(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var trail Trail
			txs := ledgertest.Mint(1, n)
			messages := make([]*pubsub.Message, 2*trailMessages)
			for i := range messages {
				messages[i] = passing("a", txs)
				messages[i].ID = fmt.Sprint(i)
			}
			for b.Loop() {
				m := messages[len(trail.all)*7%len(messages)]
				trail.note(m)
				rpc := &pubsub.RPC{RPC: pb.RPC{Publish: []*pb.Message{m.Message}}}
				for _, p := range []peer.ID{"b", "c"} {
					trail.seen(p, m.ID)
				}
				for _, p := range []peer.ID{"b", "c", "d"} {
					trail.sent(rpc, p)
				}
			}
		})
	}
}
