package sync

import (
	"bytes"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
)

// siblings makes n headers beside the tip of node 0 that win over it, with proof
// of work and signatures, whose bodies no node has.
func (m *mesh) siblings(n int) []*ledger.SealedHeader {
	m.t.Helper()
	bad := m.nodes[0]
	tip := bad.Chain.Tip()
	top, err := bad.Chain.HeaderByHash(tip.Hash)
	if err != nil {
		m.t.Fatal(err)
	}
	var hs []*ledger.SealedHeader
	for salt := uint64(1); len(hs) < n; salt++ {
		h := top.Header
		h.Time += salt
		txs := m.mint(1)
		h.Count, h.Root, h.Nonce = 1, ledger.Root(txs), ledger.Header{}.Nonce
		b := bad.seal(chain.Template{Header: h, Txs: txs})
		if hash := b.Hash(); bytes.Compare(hash[:], tip.Hash[:]) < 0 {
			hs = append(hs, &b.SealedHeader)
		}
	}
	return hs
}

// TestAttackSiblings has one hostile node of many gossip headers beside the tip that
// would win, and withhold their bodies. The honest nodes, all of which have a chain of that
// height, do not wait for each other. Their next block is everywhere before one such wait
// would end.
func TestAttackSiblings(t *testing.T) {
	const nodes, headers = 12, 16
	for _, c := range []struct {
		name    string
		friends int // honest nodes that the hostile one is connected to
	}{{"to all", nodes - 1}, {"to one", 1}} {
		t.Run(c.name, func(t *testing.T) {
			testMesh(t, nodes, func(m *mesh) {
				var honest []int
				for i := 1; i < nodes; i++ {
					honest = append(honest, i)
				}
				m.connect(honest...)
				for i := range c.friends {
					m.connect(0, 1+i)
				}
				settle()
				time.Sleep(3 * time.Second) // gossip's heartbeats make its mesh
				builder := m.nodes[nodes-1]
				builder.offer(pool.FromPeer, m.mint(1)...)
				first := builder.build()
				for _, n := range m.nodes {
					n.untilTip(10*time.Second, first.Hash()) // one outside every mesh gets it by sync
				}
				settle()
				bad := m.nodes[0]
				siblings := m.siblings(headers)
				for _, h := range siblings {
					bad.publisher.send(m.ctx, bad.blocks, ledger.EncodeHeader(h), h)
				}
				for _, n := range m.nodes[1:] {
					for _, h := range siblings {
						untilKnown(n, h)
					}
				}
				begin := time.Now()
				builder.offer(pool.FromPeer, m.mint(1)...)
				b := builder.build()
				for _, n := range m.nodes[1:] {
					n.untilTip(2*time.Minute, b.Hash())
				}
				if took := time.Since(begin); took > awaitTime/2 { // in the bubble's time
					t.Errorf("the honest block took %s", took)
				}
				for _, n := range m.nodes[1:] {
					if len(n.bans) > 0 {
						t.Errorf("node %d banned one: %s", n.number(), <-n.bans)
					}
				}
			})
		})
	}
}

// untilKnown waits until a node knows a header that does not change its tip.
func untilKnown(n *meshNode, h *ledger.SealedHeader) {
	n.m.t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := n.Chain.HeaderByHash(h.Hash()); err == nil {
			return
		} else if time.Now().After(end) {
			n.m.t.Fatalf("node %d does not know one: %v", n.number(), err)
		}
	}
}
