package gossip

import (
	"context"
	"fmt"
	"testing"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAttackBudget checks that peers that send as much as they can get in no more than
// their shares and that of all, that a peer that sends little is heard beside them,
// and that own messages cost nothing.
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
	for i := range 2 * maxBudgets {
		b.allows(peer.ID(fmt.Sprint("many", i)), 1, now)
		b.allows("0", 1, now)
	}
	if n := b.each.Len(); n != maxBudgets || !b.each.Contains("0") {
		t.Errorf("%d shares are kept; that of a peer that sends all the time: %t", n, b.each.Contains("0"))
	}
}
