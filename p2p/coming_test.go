package p2p

import (
	"context"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
)

// What a node announces its peers take, while it has not written it itself.
func TestAnnounceOwn(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		m.connect()
		settle()
		builder := m.nodes[0]
		txs := m.mint(3)
		builder.submit(txs[:2]...)
		for _, n := range m.nodes {
			n.untilPool(time.Second, 2)
		}
		builder.offer(pool.FromPeer, txs[2]) // not gossiped: who wants it asks
		block := builder.seal(builder.chain.Template(ledger.MaxBlockTxs))
		builder.announceOwn(m.ctx, block)
		for _, n := range m.nodes[1:] {
			n.untilTip(time.Second, block.Hash())
		}
		if blocks := builder.chain.Tip().Blocks; blocks != 0 {
			t.Fatalf("the builder itself has %d", blocks)
		}
		if _, err := builder.chain.AddBlock(m.ctx, block); err != nil {
			t.Fatal(err)
		}
		settle()
		if got := builder.stats.HeadersPublished.Load(); got != 1 {
			t.Errorf("announced %d times", got)
		}
	})
}

// A block is coming from its header on, until it is here.
func TestComing(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		asked, deliver := make(chan struct{}), make(chan struct{})
		a.replace(kindShortIDs, func(_ context.Context, _ syncRequest, honest syncMessage) (syncMessage, error) {
			close(asked)
			<-deliver
			return honest, nil
		})
		m.connect()
		settle()
		if b.coming() {
			t.Error("a block is coming before there is one")
		}
		a.submit(m.mint(1)...)
		block := a.build()
		<-asked
		if !b.coming() {
			t.Error("the block that is asked for is not coming")
		}
		close(deliver)
		b.untilTip(time.Second, block.Hash())
		if b.coming() {
			t.Error("the block that is here is coming still")
		}
	})
}

// A block that nobody delivers is not coming, but while it is asked for again.
func TestNotComing(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		withhold := func(context.Context, syncRequest, syncMessage) (syncMessage, error) { return nil, nil }
		a.replace(kindShortIDs, withhold)
		a.replace(kindBody, withhold)
		m.connect()
		settle()
		a.submit(m.mint(1)...)
		block := a.build()
		settle()
		if _, err := b.chain.HeaderByHash(block.Hash()); err != nil {
			t.Fatalf("the header did not come: %v", err)
		}
		if b.coming() {
			t.Error("a block is coming that nobody delivers")
		}
	})
}
