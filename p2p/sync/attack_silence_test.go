package sync

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

// TestAttackCrowdOfSilent checks that thirty peers that are silent or slow about one kind
// of question cost a newcomer only some seconds. By its own status, each has what the
// honest peer has.
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

// TestAttackTrickle checks that thirty peers that deliver headers, and then send a byte
// of the next ones every 0.9 s, keep no newcomer waiting for long.
func TestAttackTrickle(t *testing.T) {
	slow := 30
	if testing.Short() {
		slow = 10
	}
	testMesh(t, slow+2, func(m *mesh) {
		honest, victim := m.nodes[0], m.nodes[1]
		honest.buildBlocks(probeHeaders+20, 1)
		for i, bad := range m.nodes[2:] {
			var probed atomic.Bool
			bad.server.answer = func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
				if req.kind() == kindHeaders && !probed.Swap(true) {
					req = &headersRequest{Locator: make([]byte, len(ledger.Hash{})), Max: probeHeaders}
				}
				return honest.server.lookUp(req)
			}
			bad.Host.SetStreamHandler(bad.protocol, func(str network.Stream) {
				if probed.Load() {
					str = &halfStream{str, kindHeaders, func(str network.Stream, rest []byte) error {
						for i := range rest {
							if _, err := str.Write(rest[i : i+1]); err != nil {
								return err
							}
							time.Sleep(9 * quietTime / 10)
						}
						return nil
					}}
				}
				bad.server.handle(str)
			})
			m.connect(1, 2+i)
		}
		time.Sleep(quietTime)
		m.connect(0, 1)
		victim.untilTip(5*time.Second, honest.Chain.Tip().Hash)
	})
}

// TestAttackEndless checks that ten peers with endless pools, whose transactions they do
// not have, do not delay the pool of an honest peer for long. Neither do ten that send
// the same headers again and again.
func TestAttackEndless(t *testing.T) {
	const bad = 10
	for name, blocks := range map[string]int{"pools": 1, "headers": maxHeaders + 100} {
		if testing.Short() && blocks > 1 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			testMesh(t, bad+2, func(m *mesh) {
				honest, victim := m.nodes[0], m.nodes[1]
				honest.buildBlocks(blocks, 1)
				m.connect(0, 1)
				victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
				m.disconnect(0)
				honest.submit(m.mint(1)...)
				honest.build()
				honest.submit(m.mint(3)...)
				for i, n := range m.nodes[2:] {
					var made atomic.Uint64
					n.server.answer = func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
						switch req := req.(type) {
						case *statusRequest:
							if name == "pools" {
								return &statusAnswer{Blocks: 0, Tip: m.net.ID(), Pool: 1, Instance: 1, Next: math.MaxUint64}, nil
							}
							return &statusAnswer{Blocks: math.MaxUint32, Tip: ledger.Hash{1}, Instance: 1}, nil
						case *poolSinceRequest:
							ans := &poolSinceAnswer{Instance: 1, Next: req.From + maxPoolKeys}
							for range maxPoolKeys {
								ans.Keys = binary.BigEndian.AppendUint64(ans.Keys, made.Add(1))
								ans.Keys = append(ans.Keys, make([]byte, keyBytes-8)...)
							}
							return ans, nil
						case *headersRequest:
							return honest.server.headers(&headersRequest{Locator: make([]byte, len(ledger.Hash{})), Max: req.Max})
						}
						return nil, nil
					}
					m.connect(1, 2+i)
				}
				time.Sleep(quietTime)
				m.connect(0, 1)
				victim.untilTip(5*time.Second, honest.Chain.Tip().Hash)
				victim.untilPool(5*time.Second, 3)
			})
		})
	}
}
