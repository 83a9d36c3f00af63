package sync

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
)

// maxNewHeaders is how many new blocks are announced one by one. When more came
// at once (a sync, a long branch), the tip alone is: who lacks the rest asks.
const maxNewHeaders = 16

// A publisher is what was published so far.
type publisher struct {
	// Of the publish loop.
	arrival uint64      // pool entries from here on are to be published
	tip     ledger.Hash // published last

	mu      sync.Mutex
	headers hashRing // published lately; guarded by mu
}

// start begins with what comes after st. What is there already reaches the
// peers by sync when they connect.
func (p *publisher) start(st chain.Status) {
	p.arrival, p.tip = st.NextArrival, st.Tip.Hash
	p.note(st.Tip.Hash)
}

// note takes note that a header is published, and reports whether it was not before.
func (p *publisher) note(h ledger.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.headers.has(h) {
		return false
	}
	p.headers.add(h)
	return true
}

func (p *publisher) has(h ledger.Hash) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.headers.has(h)
}

// publish gossips what clients gave this node and the blocks that it builds or
// learns of, at every change of the chain.
func (s *Syncer) publish(ctx context.Context) error {
	for {
		changed := s.Chain.Changed()
		s.publishTxs(ctx)
		if err := s.publishHeaders(ctx); err != nil {
			return ended(ctx, err)
		}
		select {
		case <-changed:
		case <-s.publishWake:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishTxs publishes the pool's new entries that clients gave this node, in
// messages as large as the topic allows. Others came from a node that does that.
func (s *Syncer) publishTxs(ctx context.Context) {
	for ctx.Err() == nil {
		entries := s.Chain.Pool(s.sent.arrival, maxTxsInMessage)
		if len(entries) == 0 {
			return
		}
		s.sent.arrival = entries[len(entries)-1].Arrival + 1
		var txs []*ledger.Transaction
		for _, e := range entries {
			if e.Origin == pool.FromClient {
				txs = append(txs, e.Tx)
			}
		}
		for len(txs) > 0 {
			n := batch(txs)
			s.send(ctx, s.Txs, ledger.EncodeTransactions(txs[:n]))
			s.Stats.TxsPublished.Add(uint64(n))
			txs = txs[n:]
		}
	}
}

// send publishes a message. One that pubsub does not take is not sent again:
// sync carries what it held.
func (s *Syncer) send(ctx context.Context, to gossip.Topic, message []byte) {
	if err := to.Publish(ctx, message); err != nil && ctx.Err() == nil {
		s.Log.Warn("a message was not gossiped, its contents go by sync", "topic", to.Pub.String(), "err", err)
	}
}

// batch gives how many of txs, from the first on, one message takes.
func batch(txs []*ledger.Transaction) int {
	size, keyed := 16, 0
	for i, tx := range txs {
		size += txBytes(tx)
		if tx.Auth != nil {
			keyed++
		}
		if size > maxTxsMessage || keyed > maxKeyedMessage || i == maxTxsInMessage {
			return i
		}
	}
	return len(txs)
}

// publishHeaders publishes the headers of new blocks of the chain, lowest
// first. While old blocks are fetched it waits: the peers have them.
func (s *Syncer) publishHeaders(ctx context.Context) error {
	tip := s.Chain.Tip()
	if tip.Blocks == 0 || tip.Hash == s.sent.tip || s.catchingUp.Load() > 0 {
		return nil
	}
	fresh, err := s.freshHeaders(tip.Hash)
	if err != nil {
		return fmt.Errorf("read the headers of new blocks: %w", err)
	}
	for _, h := range fresh {
		s.publishHeader(ctx, h)
	}
	s.sent.tip = tip.Hash
	return nil
}

func (s *Syncer) publishHeader(ctx context.Context, h *ledger.SealedHeader) {
	if s.sent.note(h.Hash()) {
		s.send(ctx, s.Blocks, ledger.EncodeHeader(h))
		s.Stats.HeadersPublished.Add(1)
	}
}

// Announce publishes a block that was built here, before it is on this node's
// chain: while it is written here, the others fetch it from memory and write it
// too, and nobody begins a rival.
func (s *Syncer) Announce(ctx context.Context, b *ledger.Block) {
	s.Server.last.put(b)
	s.publishHeader(ctx, &b.SealedHeader)
}

// freshHeaders gives the headers from the last one that was published, exclusive,
// to tip, lowest first; the tip alone when there are more than maxNewHeaders.
func (s *Syncer) freshHeaders(tip ledger.Hash) ([]*ledger.SealedHeader, error) {
	var fresh []*ledger.SealedHeader
	for at := tip; at != s.net.ID() && !s.sent.has(at); {
		if len(fresh) == maxNewHeaders {
			return fresh[:1], nil
		}
		h, err := s.Chain.HeaderByHash(at)
		if err != nil {
			return nil, err
		}
		fresh = append(fresh, h)
		at = h.Parent
	}
	slices.Reverse(fresh)
	return fresh, nil
}
