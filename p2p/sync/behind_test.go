package sync

import (
	"context"
	"testing"
	"time"

	"foxchain/ledger/chain"
)

// TestBehind looks at a node that fetches a chain of 120 blocks with three
// transactions each from a peer that takes 200 ms for every four of them.
func TestBehind(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(120, 3)
		a.replace(kindBody, func(ctx context.Context, _ syncRequest, honest syncMessage) (syncMessage, error) {
			select {
			case <-time.After(200 * time.Millisecond):
				return honest, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		if best, lacks := b.Behind(); lacks != 0 {
			t.Errorf("alone: lacks %d of %d", lacks, best)
		}
		m.connect()
		b.until(time.Minute, "half of the chain", func(st chain.Status) bool { return st.Tip.Blocks >= 60 })
		if best, lacks := b.Behind(); best != 120 || lacks < 50 || lacks > 60 {
			t.Errorf("halfway: lacks %d of %d", lacks, best)
		}
		b.untilTip(time.Minute, a.Chain.Tip().Hash)
		if best, lacks := b.Behind(); lacks != 0 {
			t.Errorf("at the end: lacks %d of %d", lacks, best)
		}
	})
}

// TestBehindLies checks that a chain that is only claimed and never delivered does
// not count for long.
func TestBehindLies(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(30, 1)
		a.replace(kindHeaders, stall)
		m.connect()
		settle()
		if best, lacks := b.Behind(); best != 30 || lacks != 30 {
			t.Errorf("claimed: lacks %d of %d", lacks, best)
		}
		time.Sleep(25 * time.Second) // of the bubble, for the answer in vain
		if best, lacks := b.Behind(); lacks != 0 {
			t.Errorf("not delivered: lacks %d of %d", lacks, best)
		}
	})
}
