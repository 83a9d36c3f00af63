package sync

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

// headers makes a branch of n headers on the honest tip, with proof of work and
// signatures, whose bodies no node has. salt makes branches differ.
func (a *attack) headers(n int, salt uint64) []*ledger.SealedHeader {
	h := a.next()
	var hs []*ledger.SealedHeader
	for range n {
		h.Time = salt
		b := a.seal(a.bad, h, a.mint(1))
		hs = append(hs, &b.SealedHeader)
		h.Height, h.Parent = h.Height+1, b.Hash()
	}
	return hs
}

// offers has the hostile node answer questions about its status and headers with
// a branch that it does not have.
func (a *attack) offers(hs []*ledger.SealedHeader, body func(ctx context.Context) (syncMessage, error)) {
	last := hs[len(hs)-1]
	a.answers(func(ctx context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
		switch req.(type) {
		case *statusRequest:
			return &statusAnswer{Blocks: last.Height + 1, Tip: last.Hash()}, nil
		case *headersRequest:
			ans := new(headersAnswer)
			for _, h := range hs {
				ans.Headers = append(ans.Headers, ledger.EncodeHeader(h))
			}
			return ans, nil
		case *bodyRequest, *shortIDsRequest, *blockTxsRequest:
			return body(ctx)
		}
		return nil, nil
	})
}

// TestAttackHeadersWithoutBodies checks that a branch of headers with more work
// than the chain, whose bodies never come, holds up no node.
func TestAttackHeadersWithoutBodies(t *testing.T) {
	unknown := func(context.Context) (syncMessage, error) { return nil, errUnknown }
	stall := func(ctx context.Context) (syncMessage, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, body := range map[string]func(context.Context) (syncMessage, error){"unknown": unknown, "silence": stall} {
		t.Run(name, func(t *testing.T) {
			inAttack(t, func(t *testing.T, a *attack) {
				a.offers(a.headers(200, 7), body)
				a.strike()
				a.until(15*time.Second, "the headers are known", func() bool { return a.honest[1].Chain.Status().SideHeaders == 200 })
				a.goesOn()
				a.noneBanned()
				if penalised := a.honest[0].Stats.PeersPenalised.Load() > 0; penalised != (name == "silence") {
					t.Errorf("the hostile node was penalised: %v", penalised)
				}
				a.until(2*time.Minute, "penalised at last", func() bool { return a.honest[0].Stats.PeersPenalised.Load() > 0 })
			})
		})
	}
}

// TestAttackManyBranches checks that many branches of headers, each with more work than
// what the honest nodes build, do not hide the honest branch.
func TestAttackManyBranches(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		trunk := a.headers(3, 0)
		var all []*ledger.SealedHeader
		for salt := range uint64(40) { // branches from the tip on
			all = append(all, a.headers(4, salt+1)...)
		}
		for salt := range uint64(40) { // branches of one trunk
			h := trunk[2].Header
			h.Height, h.Parent, h.Time = h.Height+1, trunk[2].Hash(), salt+1
			b := a.seal(a.bad, h, a.mint(1))
			trunk = append(trunk, &b.SealedHeader)
		}
		a.answers(func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
			switch req.(type) {
			case *bodyRequest, *shortIDsRequest, *blockTxsRequest:
				return nil, errUnknown
			}
			return nil, nil
		})
		a.strike()
		for _, h := range append(all, trunk...) {
			a.gossip("block", ledger.EncodeHeader(h))
			time.Sleep(5 * time.Millisecond)
		}
		a.until(15*time.Second, "the headers are known", func() bool { return a.honest[1].Chain.Status().SideHeaders > 160 })
		a.goesOn()
		a.noneBanned()
		a.disconnect(2) // what it left behind holds up no node either
		a.goesOn()
	})
}

// TestAttackClaims checks that a peer that claims work that it does not have is not asked
// for anything, and is not believed.
func TestAttackClaims(t *testing.T) {
	for _, blocks := range []uint64{1000, math.MaxUint64} {
		inAttack(t, func(t *testing.T, a *attack) {
			a.answers(func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
				if _, ok := req.(*statusRequest); ok {
					return &statusAnswer{Blocks: blocks, Tip: ledger.Hash{1}, Pool: math.MaxUint32, Instance: 1, Next: math.MaxUint64}, nil
				}
				return nil, nil
			})
			a.strike()
			time.Sleep(3 * statusEvery)
			a.goesOn()
		})
	}
}

// TestAttackSilence checks that a peer that stops answering the sync protocol holds up no
// node. It is not banned, since a node under load may look like that.
func TestAttackSilence(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.answers(func(ctx context.Context, _ peer.ID, _ syncRequest) (syncMessage, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		a.strike()
		time.Sleep(3 * statusEvery)
		a.goesOn()
		a.noneBanned()
	})
}

// TestAttackOrphans checks that thousands of headers whose parents no node knows take no
// memory and hold up no node. They have proof of work, so no node is banned.
func TestAttackOrphans(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.strike()
		h := a.next()
		for i := range uint64(3000) {
			h.Height, h.Parent = 50+i, ledger.Hash{1, byte(i), byte(i >> 8)}
			b := a.seal(a.bad, h, a.mint(1))
			a.gossip("block", ledger.EncodeHeader(&b.SealedHeader))
			if i%200 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		a.goesOn()
		for _, n := range a.honest {
			if got := n.Chain.Status().SideHeaders; got > 0 {
				t.Errorf("node %d keeps %d headers without a parent", n.number(), got)
			}
			if got := n.Stats.HeadersOrphaned.Load(); got == 0 {
				t.Errorf("node %d counted no orphan", n.number())
			}
		}
		a.noneBanned()
	})
}
