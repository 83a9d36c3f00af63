package sync

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// TestAttackCrowdOfSilent checks that thirty peers that are silent, or slow, about one
// kind of question, each of which has what the honest peer has by its own status,
// cost a newcomer some seconds.
func TestAttackCrowdOfSilent(t *testing.T) {
	silent := 30
	if testing.Short() {
		silent = 10
	}
	slow := func(ctx context.Context, req syncRequest, honest syncMessage) (syncMessage, error) {
		time.Sleep(answerTime - time.Second)
		return honest, ctx.Err()
	}
	for _, c := range []struct {
		name   string
		kind   kind
		answer func(context.Context, syncRequest, syncMessage) (syncMessage, error)
	}{
		{"headers", kindHeaders, stall},
		{"bodies", kindBody, stall},
		{"short IDs", kindShortIDs, stall},
		{"the pool slowly", kindPoolSince, slow},
	} {
		t.Run(c.name, func(t *testing.T) {
			testMesh(t, silent+2, func(m *mesh) {
				honest, victim := m.nodes[0], m.nodes[1]
				blocks := 10
				if c.kind == kindShortIDs {
					blocks = 1
				}
				honest.buildBlocks(blocks, 2)
				honest.submit(m.mint(3)...)
				have := honest.Chain.Status()
				for _, bad := range m.nodes[2:] {
					answer := bad.server.answer
					bad.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
						if req.kind() == c.kind {
							ans, err := honest.server.lookUp(req)
							if err != nil {
								return nil, err
							}
							return c.answer(ctx, req, ans)
						}
						if req.kind() == kindAddresses {
							return answer(ctx, p, req)
						}
						return honest.server.lookUp(req)
					}
				}
				for i := range silent {
					m.connect(1, 2+i)
				}
				time.Sleep(time.Second)
				m.connect(0, 1)
				began := time.Now()
				victim.untilTip(10*time.Second, have.Tip.Hash)
				victim.untilPool(10*time.Second, have.Pool)
				t.Logf("after %s", time.Since(began))
				if len(victim.bans) != 0 {
					t.Errorf("banned for %q", <-victim.bans)
				}
			})
		})
	}
}
