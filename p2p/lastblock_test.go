package p2p

import (
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
)

// What was announced is served until the chain has it, whatever else is asked
// for and announced between two questions about it.
func TestServeUntakenBlock(t *testing.T) {
	testMesh(t, 1, func(m *mesh) {
		n := m.nodes[0]
		n.buildBlocks(1, 1)
		old := n.chain.Tip().Hash
		seal := func() *ledger.Block {
			n.offer(pool.FromPeer, m.mint(1)...)
			return n.seal(n.chain.Template(ledger.MaxBlockTxs))
		}
		first := seal()
		ask := func(req syncRequest) {
			t.Helper()
			if _, err := n.server.lookUp(req); err != nil {
				t.Errorf("%T: %v", req, err)
			}
		}
		n.announceOwn(m.ctx, first)
		ask(&shortIDsRequest{Hash: first.Hash()})
		ask(&bodyRequest{Hash: old})
		ask(&blockTxsRequest{Hash: first.Hash(), Indexes: []uint16{0}})
		for range maxUntaken - 1 {
			n.announceOwn(m.ctx, seal())
		}
		ask(&blockTxsRequest{Hash: first.Hash(), Indexes: []uint16{0}})
		ask(&bodyRequest{Hash: first.Hash()})
		n.announceOwn(m.ctx, seal())
		if _, err := n.server.lookUp(&bodyRequest{Hash: first.Hash()}); err == nil {
			t.Errorf("more than %d blocks are held", maxUntaken)
		}
		time.Sleep(time.Second) // gossip sends what was announced
	})
}

// A slow disk holds up who reads from it, and not who brings a block.
func TestPutWhileReading(t *testing.T) {
	l := newLastBlock()
	old := &ledger.Block{SealedHeader: ledger.SealedHeader{Header: ledger.Header{Height: 1}}}
	fetched := &ledger.Block{SealedHeader: ledger.SealedHeader{Header: ledger.Header{Height: 2}}}
	got, err := l.get(old.Hash(), func(ledger.Hash) (*ledger.Block, error) {
		if !l.mu.TryLock() {
			t.Fatal("the lock is held while the chain is read")
		}
		l.mu.Unlock()
		l.put(fetched)
		return old, nil
	})
	if err != nil || got != old || l.has(fetched.Hash()) != fetched || l.has(old.Hash()) != old {
		t.Errorf("got %v, %v", got, err)
	}
}
