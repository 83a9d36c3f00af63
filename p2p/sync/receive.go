package sync

import (
	"context"
	"errors"
	"sync/atomic"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
)

const (
	// Bounds of a message of the tx topic, since a validator must take only some
	// milliseconds. maxKeyedMessage bounds the signatures in it.
	maxTxsInMessage = 1_000
	maxKeyedMessage = 128

	// maxArrived is how many transactions wait to be submitted, submitAtOnce how
	// many are submitted together.
	maxArrived   = 50_000
	submitAtOnce = 2_000
)

// A receiver validates the messages of the tx and block topics, and passes their contents
// to the chain.
type receiver struct {
	*core
	topics
	peers    *peers
	incoming *incoming
}

// run takes messages until ctx ends or the ledger stops. The topics must not wait for the
// disk or the chain, so two goroutines read them and two process what was read.
func (v *receiver) run(ctx context.Context) error {
	arrived := make(chan *ledger.Transaction, maxArrived)   // dropped when full
	headers := make(chan *pubsub.Message, gossip.SubBuffer) // when full, the topic's buffer fills
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return v.each(ctx, v.txs, func(msg *pubsub.Message) {
			for _, tx := range msg.ValidatorData.([]*ledger.Transaction) {
				select {
				case arrived <- tx:
				default:
					v.Stats.TxsOverflowed.Add(1)
				}
			}
		})
	})
	// Transactions that came while the last ones were written share an fsync.
	g.Go(func() error {
		return takeAll(ctx, arrived, func(tx *ledger.Transaction) error { return v.submitGossip(ctx, drain(tx, arrived)) })
	})
	g.Go(func() error {
		return v.each(ctx, v.blocks, func(msg *pubsub.Message) { v.pass(ctx, msg, headers) })
	})
	g.Go(func() error {
		return takeAll(ctx, headers, func(msg *pubsub.Message) error {
			return v.takeHeader(ctx, msg.ReceivedFrom, msg.ValidatorData.(*ledger.SealedHeader))
		})
	})
	return g.Wait()
}

// pass queues a header. Its block counts as incoming at once, since the chain may be busy.
func (v *receiver) pass(ctx context.Context, msg *pubsub.Message, headers chan<- *pubsub.Message) {
	v.incoming.expect(msg.ValidatorData.(*ledger.SealedHeader))
	select {
	case headers <- msg:
	case <-ctx.Done():
	}
}

// takeAll calls take with each value of c until it returns an error or ctx ends.
func takeAll[T any](ctx context.Context, c <-chan T, take func(T) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-c:
			if err := take(x); err != nil {
				return wait.Ended(ctx, err)
			}
		}
	}
}

// validator returns a validator that accepts what read accepts. Any other message is
// rejected, and the peer that forwarded it banned. read does not look at the chain, so
// all nodes reject the same. No message is ignored, since it could not come again.
func validator[T any](c *core, read func([]byte) (T, error), rejected *atomic.Uint64) pubsub.ValidatorEx {
	return func(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
		if msg.ValidatorData != nil { // sent by this node
			return pubsub.ValidationAccept
		}
		m, err := read(msg.GetData())
		if err != nil {
			rejected.Add(1)
			c.banMisbehaved(from, err)
			return pubsub.ValidationReject
		}
		msg.ValidatorData = m
		return pubsub.ValidationAccept
	}
}

// each calls take with each message of a topic from another node, until ctx ends.
func (v *receiver) each(ctx context.Context, t gossip.Topic, take func(*pubsub.Message)) error {
	for {
		msg, err := t.Next(ctx)
		if err != nil {
			return wait.Ended(ctx, err)
		}
		if msg.ReceivedFrom != v.Host.ID() {
			take(msg)
		}
	}
}

// readTxs checks a tx message, cheap checks first.
func (v *receiver) readTxs(data []byte) ([]*ledger.Transaction, error) {
	if len(data) > gossip.MaxTxs {
		return nil, misbehaved("gossiped transactions over the limit of %d bytes", gossip.MaxTxs)
	}
	txs, err := ledger.DecodeTransactions(data, maxTxsInMessage)
	if err != nil {
		return nil, misbehaved("gossiped malformed transactions: %v", err)
	}
	keyed := 0
	for _, tx := range txs {
		if tx.Auth != nil {
			keyed++
		}
	}
	if len(txs) == 0 || keyed > maxKeyedMessage {
		return nil, misbehaved("gossiped %d transactions at once, %d signed: 1 to %d, of them %d signed, are allowed",
			len(txs), keyed, maxTxsInMessage, maxKeyedMessage)
	}
	for _, tx := range txs {
		if err := tx.CheckFields(v.net); err != nil {
			return nil, misbehaved("gossiped an invalid transaction: %v", err)
		}
	}
	return txs, nil
}

// drain returns first and those waiting behind it, submitAtOnce at most.
func drain(first *ledger.Transaction, arrived <-chan *ledger.Transaction) []*ledger.Transaction {
	txs := []*ledger.Transaction{first}
	for len(txs) < submitAtOnce {
		select {
		case tx := <-arrived:
			txs = append(txs, tx)
		default:
			return txs
		}
	}
	return txs
}

// submitGossip offers transactions to the pool. Those refused for the moment, or lost to
// a failure here, come again by sync.
func (v *receiver) submitGossip(ctx context.Context, txs []*ledger.Transaction) error {
	_, err := v.submit(ctx, txs)
	if err == nil || fatal(err) || ctx.Err() != nil {
		return err
	}
	v.Log.Warn("transactions from gossip were not taken", "count", len(txs), "error", err)
	return nil
}

// readHeader checks a message of the block topic, cheap checks first.
func (v *receiver) readHeader(data []byte) (*ledger.SealedHeader, error) {
	if len(data) > gossip.MaxHeader {
		return nil, misbehaved("gossiped a header over the limit of %d bytes", gossip.MaxHeader)
	}
	h, err := ledger.DecodeHeader(data)
	if err != nil {
		return nil, misbehaved("gossiped a malformed header: %v", err)
	}
	if err := v.net.CheckHeader(h); err != nil {
		return nil, misbehaved("gossiped an invalid header: %v", err)
	}
	return h, nil
}

// takeHeader adds a gossiped header to the chain, and notes that its sender has the
// block. If the parent is unknown, the sender is asked for its status now, and then for
// the headers between.
func (v *receiver) takeHeader(ctx context.Context, from peer.ID, h *ledger.SealedHeader) error {
	r := v.peers.get(from)
	if _, err := v.Chain.HeaderByHash(h.Hash()); err != nil {
		err := v.Chain.AddHeaders(ctx, []*ledger.SealedHeader{h})
		if err != nil {
			v.incoming.Remove(h.Hash())
		}
		switch {
		case fatal(err):
			return err
		case errors.Is(err, ledger.ErrUnknownParent):
			v.Stats.HeadersOrphaned.Add(1)
			if r != nil {
				wait.Signal(r.hurry)
			}
			return nil
		case err != nil: // the header stands on a failed block, or this node failed
			v.Stats.HeadersRefused.Add(1)
			v.Log.Debug("a gossiped header was not taken", "height", h.Height, "hash", h.Hash().Short(), "error", err)
			return nil
		}
		v.Stats.HeadersGossiped.Add(1)
	}
	v.seen.noteTip(from, h.Hash())
	if r != nil {
		v.peers.noteAnnounced(r, h.Hash())
	}
	return nil
}
