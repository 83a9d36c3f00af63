package gossip

import (
	"bytes"
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"

	"foxchain/ledger"
)

// Bounds of one topic, in bytes of new messages, counted for the peer that sent each
// first. Each peer has a share. What exceeds it counts against a common share.
const (
	peerRate  = 256 << 10 // a second
	peerBurst = 4 << 20
	allRate   = 8 << 20
	allBurst  = 32 << 20
	// maxBudgets is how many peers' shares are kept, those used last.
	maxBudgets = 1024
)

// Most bytes of a message of each topic. The owner of a topic rejects larger ones.
const (
	MaxTxs    = 64_000
	MaxHeader = 512 // 206 at most
	MaxStatus = 8 << 10
	MaxVote   = 256 // 133 at most
)

// inspect returns a function that bounds the messages of an RPC before pubsub queues them. It
// cuts one over its topic's limit to a byte over it, which its validator rejects. It
// removes fields that pubsub does not know, since a message's ID and the budget do not
// count them, and they would be passed on.
func inspect(net *ledger.Network) func(peer.ID, *pubsub.RPC) error {
	most := map[string]int{TopicName(net, "tx"): MaxTxs, TopicName(net, "block"): MaxHeader, TopicName(net, "status"): MaxStatus, TopicName(net, "vote"): MaxVote}
	return func(_ peer.ID, rpc *pubsub.RPC) error {
		for _, m := range rpc.GetPublish() {
			if limit, ok := most[m.GetTopic()]; ok && len(m.GetData()) > limit {
				m.Data = bytes.Clone(m.Data[:limit+1])
			}
			m.ProtoReflect().SetUnknown(nil)
		}
		return nil
	}
}

// A budget bounds the messages of a topic in bytes, since the queues after it count
// messages.
type budget struct {
	all  *rate.Limiter
	each *lru.Cache[peer.ID, *rate.Limiter]
}

func newBudget() *budget {
	each, _ := lru.New[peer.ID, *rate.Limiter](maxBudgets) // only a size below 1 is an error
	return &budget{all: rate.NewLimiter(allRate, allBurst), each: each}
}

// allows reports whether p may send so many bytes now, and takes them if so.
func (b *budget) allows(p peer.ID, bytes int, now time.Time) bool {
	share, ok := b.each.Get(p)
	if !ok {
		share = rate.NewLimiter(peerRate, peerBurst)
		share.AllowN(now, peerBurst-peerRate) // the burst is saved up, since making a key is free
		b.each.Add(p, share)
	}
	return share.AllowN(now, bytes) || b.all.AllowN(now, bytes)
}

// bound returns a validator that passes this node's messages and those within the budget
// to validate. It ignores the others, whose contents package sync fetches.
func (b *budget) bound(self peer.ID, validate pubsub.ValidatorEx) pubsub.ValidatorEx {
	return func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
		if from != self && !b.allows(from, len(msg.GetData()), time.Now()) {
			return pubsub.ValidationIgnore
		}
		return validate(ctx, from, msg)
	}
}
