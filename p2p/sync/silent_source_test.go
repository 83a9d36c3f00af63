package sync

import (
	"context"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// TestSilentSource checks a source that has delivered bodies, and then sends none or
// sends very slowly. It delays a branch that another peer has by less than two seconds,
// also while it answers everything else.
func TestSilentSource(t *testing.T) {
	const blocks, size = 6, 400
	for name, stop := range map[string]func(bad *meshNode){
		"silent": func(bad *meshNode) {
			answer := bad.server.answer
			bad.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
				if k := req.kind(); k == kindBody || k == kindBlockTxs || k == kindShortIDs {
					return stall(ctx, req, nil)
				}
				return answer(ctx, p, req)
			}
		},
		"a trickle": func(bad *meshNode) {
			then := func(str network.Stream, rest []byte) error {
				for _, b := range rest {
					if _, err := str.Write([]byte{b}); err != nil {
						return err
					}
					time.Sleep(quietTime / 2)
				}
				return nil
			}
			bad.Host.SetStreamHandler(bad.protocol, func(str network.Stream) {
				bad.server.handle(&halfStream{str, kindBody, then})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			testMesh(t, 3, func(m *mesh) {
				honest, bad, victim := m.nodes[0], m.nodes[1], m.nodes[2]
				honest.buildBlocks(blocks, size)
				m.connect(0, 1)
				m.connect(1, 2)
				victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
				m.disconnect(0)
				honest.buildBlocks(blocks, size)
				stop(bad)
				m.connect(0, 1)
				bad.untilTip(time.Minute, honest.Chain.Tip().Hash)
				m.connect(0, 2)
				ctx, cancel := context.WithCancel(m.ctx)
				defer cancel()
				go func() { // it answers all else
					for ctx.Err() == nil {
						_ = victim.ask(ctx, bad.Host.ID(), new(statusRequest), new(statusAnswer))
						time.Sleep(quietTime / 4)
					}
				}()
				began := time.Now()
				victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
				if took := time.Since(began); took > 2*quietTime {
					t.Errorf("the blocks came after %s", took)
				}
				if len(victim.bans) > 0 {
					t.Errorf("banned for %q", <-victim.bans)
				}
			})
		})
	}
}
