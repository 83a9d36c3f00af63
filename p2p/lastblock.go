package p2p

import (
	"context"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

// awaitTime is how long a question about a block waits for its body. It is less
// than answerTime, so that who asks hears "unknown" and can ask another.
const awaitTime = 2 * time.Second

// awaitBody holds up a question about a block that this node is about to take:
// the header, which gossip passes on at once, told the asker of it, and the body
// is being fetched. So a block needs one round trip for each hop, and not some
// rounds of asking again. Who waits holds no slot; maxServedPeer bounds it.
//
// Only the question for short IDs waits, and that is put only to who told the
// asker of this header: by gossip, and then it heard of it first, so that no two
// wait for each other; or by its status, and then it has the block. All others
// that may have it are asked for the whole body (see branch.fetch). Were they to
// wait too, headers without bodies would have all nodes wait for each other.
func (v *server) awaitBody(ctx context.Context, hash ledger.Hash) {
	ctx, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	chain := v.s.chain
	for {
		changed, put := chain.Changed(), v.last.changed()
		h, err := chain.HeaderByHash(hash)
		if err != nil || v.last.has(hash) != nil || !v.s.ahead(h.Height+1, hash) || chain.FailedBlock(hash) != nil {
			return
		}
		select {
		case <-changed:
		case <-put:
		case <-ctx.Done():
			return
		}
	}
}

// maxUntaken is how many blocks are served that the chain may not have yet: as
// many as a branch has that is filled from the pool.
const maxUntaken = relayStretch

// A lastBlock keeps blocks that are asked for by every peer at once, and large
// ones in several requests: the last one that was read from the chain, and the
// last maxUntaken that were built or fetched here. Over that the oldest goes,
// which the chain then mostly has; if it has not, who asks hears "unknown" and
// asks another.
type lastBlock struct {
	mu      sync.Mutex
	untaken []*ledger.Block // the newest comes last
	read    *ledger.Block   // nil: none yet
	moved   chan struct{}
}

func newLastBlock() *lastBlock { return &lastBlock{moved: make(chan struct{})} }

// changed gives a channel that is closed when the next block is put.
func (l *lastBlock) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

// has gives a block that is held here, or nil.
func (l *lastBlock) has(hash ledger.Hash) *ledger.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.untaken {
		if b.Hash() == hash {
			return b
		}
	}
	if l.read != nil && l.read.Hash() == hash {
		return l.read
	}
	return nil
}

// put has a block served that the chain does not have yet. Its header holds, and
// the root in it is that of the transactions: if they break a rule, that is the
// fault of its builder, and all who get it see that.
func (l *lastBlock) put(b *ledger.Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.untaken) == maxUntaken {
		l.untaken = slices.Delete(l.untaken, 0, 1)
	}
	l.untaken = append(l.untaken, b)
	close(l.moved)
	l.moved = make(chan struct{})
}

// get gives a block, by read from the chain if it is not held here. Who fetches
// a block does not wait for that read.
func (l *lastBlock) get(hash ledger.Hash, read func(ledger.Hash) (*ledger.Block, error)) (*ledger.Block, error) {
	if b := l.has(hash); b != nil {
		return b, nil
	}
	b, err := read(hash)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = b
	return b, nil
}
