package sync

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger/ledgertest"
)

// TestPenaliseQuiet checks that a peer that sent nothing of a body counts as silent
// where another sent it at once, and not on a line that is slow for all.
func TestPenaliseQuiet(t *testing.T) {
	for took, want := range map[time.Duration]bool{quietTime / 2: true, 20 * time.Second: false} {
		ledgertest.Bubble(t, func(t *testing.T) {
			f := &bodyFetcher{core: &core{Config: Config{Stats: new(Counters)}}}
			silent := newQuestion(newRemote("silent"), 0)
			time.Sleep(awaitTime + quietTime)
			delivered := newQuestion(newRemote("delivers"), 0)
			time.Sleep(took)
			f.penaliseQuiet(delivered, []*question{silent})
			if got := silent.r.isPenalised(); got != want {
				t.Errorf("another took %s, and the silent one is penalised: %v", took, got)
			}
		})
	}
}

// TestBodyTime checks what shows how fast a peer is.
func TestBodyTime(t *testing.T) {
	const txs = 1000
	unknown := slowly(openTxBytes * txs)
	for name, tt := range map[string]struct {
		note func(r *remotePeer)
		want time.Duration
	}{
		"nothing":                       {func(*remotePeer) {}, unknown},
		"a part":                        {func(r *remotePeer) { r.notePart(50*time.Millisecond, 500) }, maxBodies * 100 * time.Millisecond},
		"a part on a slow line":         {func(r *remotePeer) { r.notePart(5*time.Second, 500) }, unknown},
		"some transactions":             {func(r *remotePeer) { r.notePart(5*time.Millisecond, 2) }, unknown},
		"short IDs":                     {func(r *remotePeer) { r.noteRelay(3*time.Millisecond, txs) }, maxBodies * txs * (3 * time.Millisecond / (txs * shortIDBytes / openTxBytes))},
		"short IDs of few":              {func(r *remotePeer) { r.noteRelay(3*time.Millisecond, 100) }, unknown},
		"short IDs that waited":         {func(r *remotePeer) { r.noteRelay(awaitTime, txs) }, unknown},
		"the slower of two parts, half": {func(r *remotePeer) { r.notePart(time.Second, 1000); r.notePart(1, 1000) }, maxBodies * 500 * time.Millisecond},
	} {
		r := newRemote("it")
		if tt.note(r); r.bodyTime(txs) != tt.want {
			t.Errorf("%s: %s, want %s", name, r.bodyTime(txs), tt.want)
		}
	}
}

// TestWaitingBodies checks that bodies that wait for a place with their source are not
// asked of another peer, however long the bodies before them take together.
func TestWaitingBodies(t *testing.T) {
	const blocks = 60
	testMesh(t, 3, func(m *mesh) {
		honest, other, victim := m.nodes[0], m.nodes[1], m.nodes[2]
		honest.buildBlocks(1, 100)
		for i := range 2 {
			m.connect(i, 2)
		}
		m.connect(0, 1)
		victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
		other.untilTip(time.Minute, honest.Chain.Tip().Hash)
		m.disconnect(2)
		honest.buildBlocks(blocks, 20)
		other.untilTip(time.Minute, honest.Chain.Tip().Hash)
		var asked atomic.Int64
		for _, n := range []*meshNode{honest, other} {
			answer := n.server.answer
			n.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
				if req.kind() == kindBody {
					asked.Add(1)
					time.Sleep(quietTime / 2)
				}
				return answer(ctx, p, req)
			}
		}
		for _, r := range []int{0, 1} {
			m.connect(r, 2)
		}
		victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
		if n := asked.Load(); n > blocks {
			t.Errorf("%d bodies were asked for, of %d", n, blocks)
		}
	})
}

// TestTurnsOfQuiet checks that quiet peers take no turns from others, and that a turn
// that is given back is free.
func TestTurnsOfQuiet(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		ts := newTurns()
		var held []*question
		fill := func(want int) {
			t.Helper()
			for range want {
				q := ts.try(newRemote("it"))
				if q == nil {
					t.Fatalf("%d are asked, and no other may be", len(ts.held))
				}
				held = append(held, q)
			}
			if q := ts.try(newRemote("it")); q != nil {
				t.Fatalf("%d are asked", len(ts.held))
			}
		}
		fill(maxTurns)
		time.Sleep(quietTime)
		fill(2 * maxTurns)
		freed := ts.freed.Next()
		ts.give(held[len(held)-1])
		<-freed
		fill(1)
		held[0].r.heard.Store(time.Now().UnixNano())
		held[0].ask(0) // one of the quiet is busy again
		ts.give(held[len(held)-1])
		ts.give(held[len(held)-2])
		fill(0)
	})
}

// TestProbes checks that a peer is asked for few headers until it has delivered some.
func TestProbes(t *testing.T) {
	testMesh(t, 2, func(m *mesh) {
		a, b := m.nodes[0], m.nodes[1]
		a.buildBlocks(2*probeHeaders, 1)
		var asked []uint16
		answer := a.server.answer
		a.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
			if req, ok := req.(*headersRequest); ok {
				asked = append(asked, req.Max)
			}
			return answer(ctx, p, req)
		}
		m.connect()
		b.untilTip(time.Minute, a.Chain.Tip().Hash)
		if len(asked) != 2 || asked[0] != probeHeaders || asked[1] != maxHeaders {
			t.Errorf("asked for %v headers, want %d, then %d", asked, probeHeaders, maxHeaders)
		}
	})
}
