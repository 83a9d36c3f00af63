package p2p

import (
	"context"
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
// rounds of asking again. Who waits holds no slot; maxServedPeer bounds it. Two
// nodes cannot wait for each other: each asks who told it of the header.
func (v *server) awaitBody(ctx context.Context, hash ledger.Hash) {
	ctx, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	chain := v.s.chain
	for {
		changed, put := chain.Changed(), v.last.changed()
		h, err := chain.HeaderByHash(hash)
		if err != nil || v.last.is(hash) || !v.s.ahead(h.Height+1, hash) || chain.FailedBlock(hash) != nil {
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

// A lastBlock keeps the block that was served or fetched last: a new one is
// asked for by every peer at once, and a large one in several requests.
type lastBlock struct {
	mu    sync.Mutex
	hash  ledger.Hash
	block *ledger.Block
	moved chan struct{}
}

func newLastBlock() *lastBlock { return &lastBlock{moved: make(chan struct{})} }

// changed gives a channel that is closed when the next block is put.
func (l *lastBlock) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

func (l *lastBlock) is(hash ledger.Hash) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.block != nil && l.hash == hash
}

// put has a block served that the chain does not have yet. Its header holds, and
// the root in it is that of the transactions: if they break a rule, that is the
// fault of its builder, and all who get it see that.
func (l *lastBlock) put(b *ledger.Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hash, l.block = b.Hash(), b
	close(l.moved)
	l.moved = make(chan struct{})
}

// get gives a block, from the chain if it was not the last.
func (l *lastBlock) get(chain *ledger.Chain, hash ledger.Hash) (*ledger.Block, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.block != nil && l.hash == hash {
		return l.block, nil
	}
	b, err := chain.BlockByHash(hash)
	if err != nil {
		return nil, err
	}
	l.hash, l.block = hash, b
	return b, nil
}
