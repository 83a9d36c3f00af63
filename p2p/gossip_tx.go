package p2p

import (
	"context"
	"fmt"
	"slices"
	"sync"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
)

const (
	// maxTxsMessage bounds a message of the tx topic in bytes, maxKeyedMessage
	// the signatures in it: a validator must be done within some milliseconds.
	maxTxsMessage   = 64_000
	maxTxsInMessage = 1_000
	maxKeyedMessage = 128

	// subBuffer is how many messages of a topic wait for its drain loop, which
	// does not wait for the disk; further ones are dropped and come by sync.
	subBuffer = 1024
	// maxArrived is how many transactions wait to be submitted, submitAtOnce how
	// many are submitted together.
	maxArrived   = 50_000
	submitAtOnce = 2_000
)

// A gossip is a topic that this node publishes to and reads.
type gossip struct {
	topic *pubsub.Topic
	sub   *pubsub.Subscription
}

// join registers the validator before it subscribes: without one, pubsub
// accepts everything.
func join(ps *pubsub.PubSub, name string, validate pubsub.ValidatorEx) (gossip, error) {
	if err := ps.RegisterTopicValidator(name, validate); err != nil {
		return gossip{}, fmt.Errorf("topic %s: %w", name, err)
	}
	topic, err := ps.Join(name)
	if err != nil {
		return gossip{}, fmt.Errorf("topic %s: %w", name, err)
	}
	sub, err := topic.Subscribe(pubsub.WithBufferSize(subBuffer))
	if err != nil {
		return gossip{}, fmt.Errorf("topic %s: %w", name, err)
	}
	return gossip{topic: topic, sub: sub}, nil
}

// validateTxs accepts a message of the tx topic or rejects it and cuts off who
// forwarded it. It knows nothing of the chain: what it rejects, every node
// rejects. It never ignores: an ignored message could not come again.
func (s *syncer) validateTxs(_ context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	txs, err := s.readTxs(msg.GetData())
	if err != nil {
		s.stats.TxMessagesRejected.Add(1)
		s.cutMisbehaved(from, err)
		return pubsub.ValidationReject
	}
	msg.ValidatorData = txs
	return pubsub.ValidationAccept
}

// readTxs does the checks of a tx message, cheap ones first.
func (s *syncer) readTxs(data []byte) ([]*ledger.Transaction, error) {
	if len(data) > maxTxsMessage {
		return nil, misbehaved("gossiped %d bytes of transactions, over the limit of %d", len(data), maxTxsMessage)
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
		if err := tx.CheckFields(s.net); err != nil {
			return nil, misbehaved("gossiped an invalid transaction: %v", err)
		}
	}
	return txs, nil
}

// drainTxs submits what the tx topic brings. Messages that came while the last
// ones were written to disk are submitted together, and share a fsync.
func (s *syncer) drainTxs(ctx context.Context) error {
	arrived := &txQueue{wake: make(chan struct{}, 1)}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for {
			msg, err := s.txs.sub.Next(ctx)
			if err != nil {
				return ended(ctx, err)
			}
			if msg.ReceivedFrom == s.host.ID() {
				continue
			}
			if txs := msg.ValidatorData.([]*ledger.Transaction); !arrived.push(txs) {
				s.stats.TxsOverflowed.Add(uint64(len(txs)))
			}
		}
	})
	g.Go(func() error {
		for {
			select {
			case <-arrived.wake:
			case <-ctx.Done():
				return nil
			}
			for txs := arrived.take(); len(txs) > 0; txs = arrived.take() {
				if err := s.submitGossip(ctx, txs); err != nil {
					return ended(ctx, err)
				}
			}
		}
	})
	return g.Wait()
}

// A txQueue holds at most maxArrived transactions between the topic, which must
// not wait, and the disk. Further ones are dropped and counted; sync brings them.
type txQueue struct {
	wake chan struct{}

	mu  sync.Mutex
	txs []*ledger.Transaction
}

// push reports whether there was room.
func (q *txQueue) push(txs []*ledger.Transaction) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.txs)+len(txs) > maxArrived {
		return false
	}
	q.txs = append(q.txs, txs...)
	signal(q.wake)
	return true
}

// take gives up to submitAtOnce transactions, none when the queue is empty.
func (q *txQueue) take() []*ledger.Transaction {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.txs), submitAtOnce)
	txs := slices.Clone(q.txs[:n])
	q.txs = slices.Delete(q.txs, 0, n)
	return txs
}

// submitGossip offers transactions to the pool. A refusal is an outcome like
// any other; if it was for the moment only, sync offers the transaction again.
func (s *syncer) submitGossip(ctx context.Context, txs []*ledger.Transaction) error {
	outcomes, err := s.chain.Submit(ctx, txs, pool.FromPeer)
	switch {
	case fatal(err) || ctx.Err() != nil:
		return err
	case err != nil: // our own trouble with this batch: sync brings it again
		s.log.Warn("transactions from gossip were not taken", "count", len(txs), "err", err)
		return nil
	}
	for _, o := range outcomes {
		s.count(o)
	}
	return nil
}

func (s *syncer) count(o chain.Outcome) {
	switch {
	case o.Taken:
		s.stats.TxsTaken.Add(1)
	case o.Refused != "":
		s.stats.TxsRefused.Add(1)
	}
}

// ended gives nil for the error of a loop whose context has ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
