package sync

import (
	"context"
	"testing"
	"time"

	"foxchain/ledger/chain"
)

// TestProgress looks at a node that fetches a chain of 120 blocks with three
// transactions each from a peer that takes 200 ms for every four of them.
func TestProgress(t *testing.T) {
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
		if p, behind := b.Progress(time.Now()); behind {
			t.Errorf("alone: %+v", p)
		}
		m.connect()
		b.until(time.Minute, "half of the chain", func(st chain.Status) bool { return st.Tip.Blocks >= 60 })
		p, behind := b.Progress(time.Now())
		if !behind || p.Best != 120 || p.Blocks < 60 || p.Blocks > 70 {
			t.Errorf("halfway: %+v, %v", p, behind)
		}
		b.untilTip(time.Minute, a.Chain.Tip().Hash)
		if p, behind := b.Progress(time.Now()); behind {
			t.Errorf("at the end: %+v", p)
		}
	})
}

// TestProgressOfLies: a chain that is only claimed and never delivered does not
// count for long.
func TestProgressOfLies(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(30, 1)
		a.replace(kindHeaders, stall)
		m.connect()
		settle()
		if p, behind := b.Progress(time.Now()); !behind || p.Best != 30 {
			t.Errorf("claimed: %+v, %v", p, behind)
		}
		time.Sleep(25 * time.Second) // the bubble's: for the answer in vain
		if p, behind := b.Progress(time.Now()); behind {
			t.Errorf("not delivered: %+v", p)
		}
	})
}
