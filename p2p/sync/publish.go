package sync

import (
	"context"
	"fmt"
	"slices"

	lru "github.com/hashicorp/golang-lru/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
)

// maxNewHeaders is how many new blocks are announced one by one. If there are more, as
// after a sync, only the tip is announced, and peers that lack the rest ask for it.
const maxNewHeaders = 16

// A publisher gossips transactions from this node's clients and new blocks of the chain.
type publisher struct {
	*core
	topics
	bodies *bodyFetcher

	// Of the publish loop.
	arrival uint64 // pool entries from here on are to be published

	headers *lru.Cache[ledger.Hash, struct{}] // published lately
}

// newPublisher makes a publisher that leaves out what is there already, since peers fetch
// that when they connect.
func newPublisher(c *core, bodies *bodyFetcher) *publisher {
	st := c.Chain.Status()
	p := &publisher{core: c, bodies: bodies, arrival: st.NextArrival, headers: newLRU[ledger.Hash, struct{}](maxAnnounced)}
	p.headers.Add(st.Tip.Hash, struct{}{})
	return p
}

// run publishes at every change of the chain.
func (p *publisher) run(ctx context.Context) error {
	for {
		changed := p.Chain.Changed()
		p.publishTxs(ctx)
		if err := p.publishHeaders(ctx); err != nil {
			return wait.Ended(ctx, err)
		}
		select {
		case <-changed:
		case <-p.bodies.caughtUp:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishTxs publishes the pool's new entries from this node's clients, in messages as
// large as the topic allows. Other entries are published by the node that accepted them.
func (p *publisher) publishTxs(ctx context.Context) {
	for ctx.Err() == nil {
		entries := p.Chain.Pool().List(p.arrival, maxTxsInMessage)
		if len(entries) == 0 {
			return
		}
		p.arrival = entries[len(entries)-1].Arrival + 1
		var txs []*ledger.Transaction
		for _, e := range entries {
			if e.Origin == pool.FromClient {
				txs = append(txs, e.Tx)
			}
		}
		for len(txs) > 0 {
			n := fitting(txs, gossip.MaxTxs, maxKeyedMessage)
			p.send(ctx, p.txs, ledger.EncodeTransactions(txs[:n]), txs[:n:n])
			p.Stats.TxsPublished.Add(uint64(n))
			txs = txs[n:]
		}
	}
}

// send publishes a message, with its decoded contents for the validator. A message that
// pubsub refuses is not sent again, since sync carries its contents.
func (p *publisher) send(ctx context.Context, to gossip.Topic, message []byte, holds any) {
	if err := to.Publish(ctx, message, pubsub.WithValidatorData(holds)); err != nil && ctx.Err() == nil {
		p.Log.Debug("a message was not gossiped, and sync carries its contents", "topic", to.Topic.String(), "error", err)
	}
}

// publishHeaders publishes the headers of new blocks, lowest first. It publishes none
// while old blocks are fetched, since the peers have those.
func (p *publisher) publishHeaders(ctx context.Context) error {
	tip := p.Chain.Tip()
	if tip.Blocks == 0 || p.headers.Contains(tip.Hash) || p.bodies.catchingUp.Load() > 0 {
		return nil
	}
	fresh, err := p.freshHeaders(tip.Hash)
	if err != nil {
		return fmt.Errorf("read the headers of new blocks: %w", err)
	}
	for _, h := range fresh {
		p.publishHeader(ctx, h)
	}
	return nil
}

func (p *publisher) publishHeader(ctx context.Context, h *ledger.SealedHeader) {
	if published, _ := p.headers.ContainsOrAdd(h.Hash(), struct{}{}); !published {
		p.send(ctx, p.blocks, ledger.EncodeHeader(h), h)
		p.Stats.HeadersPublished.Add(1)
	}
}

// freshHeaders returns the headers after the last published one up to tip,
// lowest first, or only the tip when there are more than maxNewHeaders.
func (p *publisher) freshHeaders(tip ledger.Hash) ([]*ledger.SealedHeader, error) {
	var fresh []*ledger.SealedHeader
	for at := tip; at != p.net.ID() && !p.headers.Contains(at); {
		if len(fresh) == maxNewHeaders {
			return fresh[:1], nil
		}
		h, err := p.Chain.HeaderByHash(at)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, h)
		at = h.Parent
	}
	slices.Reverse(fresh)
	return fresh, nil
}
