package gossip

import (
	"context"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
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
