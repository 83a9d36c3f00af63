package sync

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
)

// TestAttackWithheld checks that a node with a peer that delivers is not held up by more
// branches than were ever counted. Each has more work than the honest chain, and requests
// for its bodies are slowly answered as unknown.
func TestAttackWithheld(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		a.goesOn() // both deliver
		a.answers(func(_ context.Context, _ peer.ID, req syncRequest) (syncMessage, error) {
			switch req.(type) {
			case *bodyRequest, *shortIDsRequest, *blockTxsRequest:
				time.Sleep(3 * time.Second)
				return nil, errUnknown
			}
			return nil, nil
		})
		a.strike()
		branches := uint64(1100)
		if testing.Short() {
			branches = 110
		}
		for salt := range branches {
			hs := a.headers(3, salt+1)
			for _, n := range a.honest { // as if they were asked for
				if err := n.Chain.AddHeaders(a.ctx, hs); err != nil {
					t.Fatal(err)
				}
				n.peers.noteAnnounced(n.peers.get(a.bad.Host.ID()), hs[2].Hash())
			}
		}
		a.goesOn()
		a.noneBanned()
	})
}

// TestWithheldBranches checks that headers of better branches whose bodies no node
// has, many on one block or each on its own, do not keep a node from the honest
// chain.
func TestWithheldBranches(t *testing.T) {
	for _, tt := range []struct {
		name           string
		branches, ends int
	}{{"on one block", 1, 12}, {"each on its own", 20, 1}} {
		t.Run(tt.name, func(t *testing.T) {
			testMesh(t, 2, func(m *mesh) {
				honest, victim := m.nodes[0], m.nodes[1]
				withhold := func(parent ledger.Hash, height uint64) ledger.Hash {
					tpl := chain.Template{Txs: m.mint(1), Header: ledger.Header{Version: 1, Height: height, Parent: parent, Count: 1, Bits: m.net.Bits}}
					tpl.Header.Root = ledger.Root(tpl.Txs)
					b := honest.seal(tpl)
					if err := victim.Chain.AddHeaders(m.ctx, []*ledger.SealedHeader{&b.SealedHeader}); err != nil {
						panic(fmt.Sprint("a valid header: ", err))
					}
					return b.Hash()
				}
				for range tt.branches {
					at := m.net.ID()
					for height := range uint64(5) {
						at = withhold(at, height)
					}
					for range tt.ends {
						withhold(at, 5)
					}
				}
				honest.buildBlocks(3, 1)
				m.connect()
				victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
			})
		})
	}
}

// TestAttackPlaces checks that peers that keep the bodies of their branches, one for each
// branch that is fetched at once, take no place from a peer that delivers. Without
// places kept for it, its block waits until they count as silent, almost 10 s.
func TestAttackPlaces(t *testing.T) {
	testMesh(t, maxBranches+2, func(m *mesh) {
		honest, victim := m.nodes[0], m.nodes[1]
		honest.buildBlocks(1, 1)
		m.connect(0, 1)
		victim.untilTip(time.Minute, honest.Chain.Tip().Hash)
		for i, bad := range m.nodes[2:] {
			answer := bad.server.answer
			bad.server.answer = func(ctx context.Context, p peer.ID, req syncRequest) (syncMessage, error) {
				switch req.(type) {
				case *bodyRequest, *shortIDsRequest, *blockTxsRequest:
					<-ctx.Done()
					return nil, ctx.Err()
				}
				return answer(ctx, p, req)
			}
			m.connect(1, 2+i)
			bad.untilTip(time.Minute, honest.Chain.Tip().Hash)
		}
		for i, bad := range m.nodes[2:] {
			h := ledger.Header{Version: 1, Height: 1, Parent: honest.Chain.Tip().Hash, Bits: m.net.Bits, Time: uint64(i)}
			b := ledgertest.Seal(m.net, bad.key, h, m.mint(1))
			if err := victim.Chain.AddHeaders(m.ctx, []*ledger.SealedHeader{&b.SealedHeader}); err != nil {
				t.Fatal(err)
			}
			victim.peers.noteAnnounced(victim.peers.get(bad.Host.ID()), b.Hash())
		}
		time.Sleep(quietTime / 2) // they are being fetched
		honest.buildBlocks(1, 1)
		victim.untilTip(5*time.Second, honest.Chain.Tip().Hash)
	})
}
