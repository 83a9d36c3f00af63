package sync

import (
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// TestStatusClock checks that a status answer brings the clock, and that the answer of an
// older node, which sends none, is taken too.
func TestStatusClock(t *testing.T) {
	testMesh(t, 3, func(m *mesh) {
		a, b, old := m.nodes[0], m.nodes[1], m.nodes[2]
		old.Host.SetStreamHandler(old.protocol, func(str network.Stream) {
			_, _, _ = readHead(str)
			payload, err := encodeMessage(&statusAnswer{Tip: old.net.ID()})
			if err == nil {
				err = old.writeFrame(str, kindStatus, payload)
			}
			if err != nil {
				t.Error(err)
			}
			_ = str.Close()
		})
		m.connect()
		ans := new(statusAnswer)
		if err := a.ask(m.ctx, b.Host.ID(), new(statusRequest), ans); err != nil || time.Since(ans.clock).Abs() > 10*time.Second {
			t.Errorf("the clock is %v: %v", ans.clock, err)
		}
		ans = new(statusAnswer)
		if err := a.ask(m.ctx, old.Host.ID(), new(statusRequest), ans); err != nil || ans.Tip != a.net.ID() || !ans.clock.IsZero() {
			t.Errorf("of an older node: %+v, %v", ans, err)
		}
	})
}
