package sync

import (
	"context"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
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

// TestBehindLies checks that a chain that is claimed and never delivered does not count
// for long, whatever the peer answers about its headers.
func TestBehindLies(t *testing.T) {
	first := &headersRequest{Locator: make([]byte, len(ledger.Hash{})), Max: 1}
	for name, answer := range map[string]func(ctx context.Context, a *server) (syncMessage, error){
		"nothing":   func(ctx context.Context, _ *server) (syncMessage, error) { return stall(ctx, nil, nil) },
		"unknown":   func(context.Context, *server) (syncMessage, error) { return nil, nil },
		"none":      func(context.Context, *server) (syncMessage, error) { return new(headersAnswer), nil },
		"the first": func(_ context.Context, a *server) (syncMessage, error) { return a.headers(first) },
	} {
		t.Run(name, func(t *testing.T) {
			testMesh(t, 2, func(m *mesh) {
				a, b := m.nodes[0], m.nodes[1]
				a.buildBlocks(30, 1)
				a.replace(kindHeaders, func(ctx context.Context, _ syncRequest, _ syncMessage) (syncMessage, error) {
					return answer(ctx, a.server)
				})
				m.connect()
				settle()
				if best, lacks := b.Behind(); best != 30 || lacks < 29 {
					t.Errorf("claimed: lacks %d of %d", lacks, best)
				}
				for end := time.Now().Add(10 * statusEvery); ; time.Sleep(time.Second) {
					if best, lacks := b.Behind(); lacks == 0 {
						break
					} else if time.Now().After(end) {
						t.Fatalf("not delivered: lacks %d of %d", lacks, best)
					}
				}
			})
		})
	}
}

// TestHeadersBehindTip checks a peer whose last headers this node's chain has overtaken
// with headers of another peer. It is asked for the next, and does not count as a peer
// that lacks its tip.
func TestHeadersBehindTip(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		const blocks, headers, all = 10, 10 + probeHeaders, 20 + probeHeaders
		var hs []*ledger.SealedHeader
		for i := range all {
			a.offer(pool.FromPeer, m.mint(1)...)
			block := a.build()
			hs = append(hs, &block.SealedHeader)
			if i < blocks {
				if _, err := b.Chain.AddBlock(m.ctx, block); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := b.Chain.AddHeaders(m.ctx, hs[:headers]); err != nil {
			t.Fatal(err)
		}
		a.replace(kindStatus, stall) // so that only this test asks
		m.connect()
		r := newRemote(a.Host.ID())
		r.answer = statusAnswer{Blocks: all, Tip: a.Chain.Tip().Hash}
		r.lastHeader = hs[blocks-3].Hash()
		for page, want := range []bool{true, false} {
			if more, err := b.headers.pullPage(m.ctx, newQuestion(r, 0)); err != nil || more != want || r.lacked > 0 {
				t.Errorf("page %d: more %v, it lacked %d: %v", page, more, r.lacked, err)
			}
		}
		if r.lastHeader != hs[all-1].Hash() {
			t.Error("the last headers did not come")
		}
	})
}
