package sync

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"foxchain/ledger/chain"
)

// A halfStream carries half of each answer of one kind, and is then reset, falls silent,
// or trickles.
type halfStream struct {
	network.Stream
	kind kind
	then func(str network.Stream, rest []byte) error
}

func (s *halfStream) Write(b []byte) (int, error) {
	if kind(b[4]) != s.kind {
		return s.Stream.Write(b)
	}
	n, err := s.Stream.Write(b[:len(b)/2])
	if err == nil {
		err = s.then(s.Stream, b[len(b)/2:])
	}
	return n, err
}

// TestHostileHalves checks that a peer that sends half of an answer and no more is left
// for the next peer. It is not banned, since a bad link looks like that.
func TestHostileHalves(t *testing.T) {
	for name, then := range map[string]func(str network.Stream, rest []byte) error{
		"reset": func(str network.Stream, _ []byte) error { return str.Reset() },
		"silence": func(network.Stream, []byte) error {
			time.Sleep(2 * answerTime)
			return network.ErrReset
		},
		"a trickle": func(str network.Stream, rest []byte) error {
			for _, b := range rest {
				if _, err := str.Write([]byte{b}); err != nil {
					return err
				}
				time.Sleep(time.Second)
			}
			return nil
		},
	} {
		for what, k := range map[string]kind{"status": kindStatus, "headers": kindHeaders, "a body": kindBody, "the pool": kindPoolTxs} {
			t.Run(name+" within "+what, func(t *testing.T) {
				testMesh(t, 3, func(m *mesh) {
					honest, bad, victim := m.nodes[0], m.nodes[1], m.nodes[2]
					honest.buildBlocks(10, 2)
					honest.submit(m.mint(3)...)
					m.connect(0, 1)
					bad.untilTip(time.Minute, honest.Chain.Tip().Hash)
					bad.untilPool(time.Minute, 3)
					m.disconnect(0)
					bad.Host.SetStreamHandler(bad.protocol, func(str network.Stream) {
						bad.server.handle(&halfStream{str, k, then})
					})
					m.connect(1, 2)
					time.Sleep(statusEvery)
					m.connect(0, 2)
					victim.until(30*time.Second, "the honest chain and pool", func(st chain.Status) bool {
						return st.Tip.Hash == honest.Chain.Tip().Hash && st.Pool == 3
					})
					if len(victim.bans) > 0 {
						t.Errorf("banned for %q", <-victim.bans)
					}
				})
			})
		}
	}
}
