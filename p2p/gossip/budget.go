package gossip

import (
	"context"
	"sync"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/time/rate"
)

// Of one topic, in bytes of messages that are new here, by the peer that sent each
// first. A peer has a share of its own, and what is over it comes from one that all
// have together.
const (
	peerRate  = 256 << 10 // a second
	peerBurst = 4 << 20
	allRate   = 8 << 20
	allBurst  = 32 << 20
	// maxBudgets bounds the shares that are kept, of which those go that are full.
	maxBudgets = 1024
)

// A budget bounds the messages of a topic in bytes, since the queues behind it count
// messages.
type budget struct {
	all *rate.Limiter

	mu   sync.Mutex
	each map[peer.ID]*rate.Limiter
}

func newBudget() *budget {
	return &budget{all: rate.NewLimiter(allRate, allBurst), each: make(map[peer.ID]*rate.Limiter)}
}

// allows reports whether p may send so many bytes now, and takes them if so.
func (b *budget) allows(p peer.ID, bytes int, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.each[p]
	if l == nil {
		if len(b.each) >= maxBudgets {
			b.forgetFull(now)
		}
		l = rate.NewLimiter(peerRate, peerBurst)
		b.each[p] = l
	}
	return l.AllowN(now, bytes) || b.all.AllowN(now, bytes)
}

// forgetFull forgets the shares that were not used for a while, all when there are
// none.
func (b *budget) forgetFull(now time.Time) {
	for p, l := range b.each {
		if l.TokensAt(now) >= peerBurst {
			delete(b.each, p)
		}
	}
	if len(b.each) >= maxBudgets {
		clear(b.each)
	}
}

// bound returns validate for what is within the budget, or of this node itself. What
// is over it is ignored, and package sync brings it.
func (b *budget) bound(self peer.ID, validate pubsub.ValidatorEx) pubsub.ValidatorEx {
	return func(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
		if from != self && !b.allows(from, len(msg.GetData()), time.Now()) {
			return pubsub.ValidationIgnore
		}
		return validate(ctx, from, msg)
	}
}
