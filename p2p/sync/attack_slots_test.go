package sync

import (
	"slices"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger/ledgertest"
)

// TestAttackSlots checks that peers that ask again and again for large answers, and read a
// byte a second of them, keep no other from being answered.
func TestAttackSlots(t *testing.T) {
	const bad = maxServed/maxServedPeer + 1
	testMesh(t, 2+bad, func(m *mesh) {
		victim, other := m.nodes[0], m.nodes[1]
		victim.buildBlocks(1, 10_000)
		tip := victim.Chain.Tip().Hash
		for i, n := range m.nodes[2:] {
			m.connect(0, 2+i)
			n.untilTip(time.Minute, tip)
		}
		payload, err := encodeMessage(&bodyRequest{Hash: tip})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.nodes[2:] {
			for range maxServedPeer {
				n.followers.Go(func() {
					for m.ctx.Err() == nil {
						str, err := n.open(m.ctx, victim.Host.ID())
						if err == nil {
							err = n.writeFrame(str, kindBody, payload)
						}
						for err == nil {
							time.Sleep(time.Second)
							_, err = str.Read(make([]byte, 1))
						}
					}
				})
			}
		}
		time.Sleep(2 * quietTime)
		m.connect(0, 1)
		other.untilTip(5*time.Second, tip)
	})
}

// TestSlotsAreShared checks which peer loses a slot when all are taken, and when.
func TestSlotsAreShared(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		s := new(slots)
		for p := range maxServed {
			s.try(peer.ID(rune(p)), func() {})
		}
		for _, gets := range []bool{false, true} {
			time.Sleep(slotTime / 2)
			if got := s.try("other", func() {}) != nil; got != gets {
				t.Errorf("of peers that have one slot each, another gets one: %v", got)
			}
		}
	})
	ledgertest.Bubble(t, func(t *testing.T) {
		s, ended := new(slots), 0
		for range maxServed - 1 {
			s.try("many", func() { ended++ })
		}
		s.try("one", func() { t.Error("the only slot of a peer is taken from it") })
		for _, c := range []struct {
			peer peer.ID
			gets bool
		}{{"other", false}, {"many", false}, {"other", true}, {"many", false}} {
			if got := s.try(c.peer, func() {}) != nil; got != c.gets {
				t.Errorf("after %d were ended, %q gets a slot: %v", ended, c.peer, got)
			}
			if c.peer == "many" {
				time.Sleep(slotTime)
			}
		}
		if ended != 1 || len(s.held) != maxServed {
			t.Errorf("%d slots were ended, and %d are held", ended, len(s.held))
		}
	})
}

// TestSlotsOfMany checks that honest peers that all want more than their share get it, and do not
// take slots from each other for ever.
func TestSlotsOfMany(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		const peers = 30
		s, ended, held := new(slots), 0, make([]int, peers)
		for round := range 10 {
			before := ended
			for p := range held {
				for held[p] < maxBodies && s.try(peer.ID(rune(p)), func() { ended++ }) != nil {
					clear(held)
					for _, x := range s.held {
						held[[]rune(x.peer)[0]]++
					}
				}
			}
			if round > 2 && (ended > before || slices.Min(held) < maxServed/peers) {
				t.Errorf("round %d: %d slots were ended, and the peers have %v", round, ended-before, held)
			}
			time.Sleep(slotTime)
		}
	})
}
