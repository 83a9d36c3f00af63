package p2p

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
)

// TestMeshFromOnePeer checks that nodes that know one bootstrap peer learn of each
// other by asking it, and all connect with all, over one connection each.
func TestMeshFromOnePeer(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		first := l.start(0, nil)
		nodes := []*labNode{first}
		for i := 1; i < 8; i++ {
			nodes = append(nodes, l.start(i, func(c *Config) { c.Peers = first.Addrs() }))
		}
		l.until(10*time.Second, "all are connected with all", func() bool {
			for _, n := range nodes {
				if n.connectedTo() != len(nodes)-1 {
					return false
				}
			}
			return true
		})
		time.Sleep(15 * time.Second)
		for _, n := range nodes {
			for _, p := range n.host.Network().Peers() {
				if c := len(n.host.Network().ConnsToPeer(p)); c != 1 {
					t.Errorf("%s has %d connections with %s", n.cfg.Name, c, p)
				}
			}
			if deaf := n.Stats()["peers_deaf"]; deaf != 0 {
				t.Errorf("%s: gossip was lost with %d peers", n.cfg.Name, deaf)
			}
			if got := len(n.Nodes()); got != len(nodes)-1 {
				t.Errorf("%s shows %d nodes, want %d", n.cfg.Name, got, len(nodes)-1)
			}
			for _, p := range n.Nodes() {
				if p.LatencyMS <= 0 || p.Name == "" || p.Seen == 0 {
					t.Errorf("%s shows a peer without latency, name or status: %+v", n.cfg.Name, p)
				}
			}
		}
	})
}

// TestUnknownOfPeer checks that two nodes that do not know each other, since they asked
// their one peer too early, connect soon after its status line named both, and lose no
// gossip.
func TestUnknownOfPeer(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		first := l.start(0, nil)
		with := func(c *Config) { c.Peers = first.Addrs() }
		nodes := []*labNode{first, l.start(1, with), l.start(2, with)}
		connected := func() bool {
			return !slices.ContainsFunc(nodes, func(n *labNode) bool { return n.connectedTo() != 2 })
		}
		l.until(10*time.Second, "all are connected with all", connected)
		for i, n := range nodes[1:] {
			other := nodes[2-i].host.ID()
			n.table.mu.Lock()
			n.table.forget(n.table.known[other])
			n.table.mu.Unlock()
			_ = n.host.Network().ClosePeer(other)
		}
		l.until(15*time.Second, "all are connected with all again", connected)
		time.Sleep(15 * time.Second)
		for _, n := range nodes {
			if deaf := n.Stats()["peers_deaf"]; deaf != 0 {
				t.Errorf("%s: gossip was lost with %d peers", n.cfg.Name, deaf)
			}
		}
	})
}

// TestPulledCable checks that the silence of a peer is noticed within 15 s. The peer is
// back within 15 s of the cable being plugged in again, however long that took.
func TestPulledCable(t *testing.T) {
	for _, out := range []time.Duration{30 * time.Second, 10 * time.Minute, 2 * time.Hour} {
		if testing.Short() && out > time.Hour {
			continue
		}
		t.Run(out.String(), func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				a := l.start(0, nil)
				b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
				c := l.start(2, func(c *Config) { c.Peers = a.Addrs() })
				all := func(n int) func() bool {
					return func() bool { return a.connectedTo() == n && b.connectedTo() == n && c.connectedTo() == n }
				}
				l.until(10*time.Second, "connected", all(2))
				l.pull(true, 1)
				l.until(15*time.Second, "the dead connections are closed", func() bool {
					return a.connectedTo() == 1 && b.connectedTo() == 0 && c.connectedTo() == 1
				})
				time.Sleep(out)
				l.pull(false, 1)
				l.until(15*time.Second, "healed", all(2))
			})
		})
	}
}

// TestAbsentNodes checks that dialing nodes that are away does not hold up one that
// was just registered.
func TestAbsentNodes(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a, b := l.start(0, nil), l.start(1, nil)
		a.table.mu.Lock()
		for i := range 200 {
			id, err := peerOf(ledger.PublicKey(sha256.Sum256([]byte{byte(i)})))
			if err != nil {
				t.Fatal(err)
			}
			e := a.table.add(id)
			e.setAddrs([]ma.Multiaddr{ma.StringCast("/ip4/10.8.8.8/udp/1/quic-v1")})
			e.reached, e.next = i%2 == 0, a.started
		}
		a.table.mu.Unlock()
		a.wake()
		l.until(time.Second, "the absent ones are dialed", func() bool { return a.Stats()["dials"] >= 8 })
		if err := a.Register(b.Addrs()); err != nil {
			t.Fatal(err)
		}
		l.until(2*time.Second, "connected", func() bool { return a.connectedTo() == 1 })
		a.table.mu.Lock()
		defer a.table.mu.Unlock()
		dials := 0
		for _, e := range a.table.known {
			if e.dialing {
				dials++
			}
		}
		if dials != dialSlots[reached] {
			t.Errorf("it dials %d absent nodes, want %d", dials, dialSlots[reached])
		}
	})
}

// TestBookOutlivesRestart checks that a node that is restarted without being given any
// address dials the nodes that it knew.
func TestBookOutlivesRestart(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
		a.stop()
		a2 := l.start(0, func(c *Config) {
			var err error
			if c.Chain, err = chain.Open(chain.Config{Network: l.net, Storage: a.store}); err != nil {
				t.Fatal(err)
			}
		})
		b.stop()
		b2 := l.start(1, nil) // with an empty book
		l.until(10*time.Second, "connected again", func() bool { return a2.connectedTo() == 1 && b2.connectedTo() == 1 })
		if a2.Copied() != "" || b2.Copied() != "" {
			t.Errorf("a restart was taken for a copy: %q, %q", a2.Copied(), b2.Copied())
		}
	})
}

// TestSameName checks that a network is its rules, and not its name.
func TestSameName(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, l.on(ledger.Network{Name: l.net.Name, Bits: l.net.Bits + 1}))
		if err := b.Register(a.Addrs()); err != nil {
			t.Fatal(err)
		}
		l.until(5*time.Second, "refused", func() bool {
			return a.peer(b).State == Refused && b.peer(a).State == Refused
		})
		for _, see := range []struct{ from, to *labNode }{{a, b}, {b, a}} {
			if reason := see.from.peer(see.to).Reason; !strings.Contains(reason, a.net.ID().Short()) || !strings.Contains(reason, b.net.ID().Short()) {
				t.Errorf("the reason does not tell the two apart: %q", reason)
			}
		}
	})
}

// TestForeignNetwork checks that both sides refuse and show why, once in the log.
func TestForeignNetwork(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, l.on(ledger.Network{Name: "class-3b", Bits: 1}))
		if err := b.Register(a.Addrs()); err != nil {
			t.Fatal(err)
		}
		l.until(5*time.Second, "refused", func() bool {
			return a.peer(b).State == Refused && b.peer(a).State == Refused
		})
		for _, see := range []struct{ from, to *labNode }{{a, b}, {b, a}} {
			reason := see.from.peer(see.to).Reason
			if !strings.Contains(reason, see.to.net.Name) || !strings.Contains(reason, see.from.net.Name) {
				t.Errorf("the reason does not name both networks: %q", reason)
			}
		}
		time.Sleep(5 * time.Minute)
		for _, n := range []*labNode{a, b} {
			if got := n.logs.count("refused a node"); got != 1 {
				t.Errorf("%s logged the refusal %d times:\n%s", n.cfg.Name, got, n.logs)
			}
			if n.connectedTo() != 0 || len(n.host.Network().Peers()) != 0 {
				t.Errorf("%s is connected", n.cfg.Name)
			}
		}
		if dials := b.Stats()["dials"]; dials > 8 {
			t.Errorf("a refused node was dialed %d times in 5 minutes", dials)
		}
	})
}

// TestDeafIsReconnected checks that a connection over which gossip does not run is replaced.
func TestDeafIsReconnected(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
		receives := func(n, o *labNode) bool {
			for _, topic := range gossip.TopicNames(l.net) {
				found := false
				for _, p := range n.ps.ListPeers(topic) {
					found = found || p == o.host.ID()
				}
				if !found {
					return false
				}
			}
			return true
		}
		l.until(5*time.Second, "gossip runs", func() bool { return receives(a, b) && receives(b, a) })
		// gossipsub does this to itself on a lost race.
		for range 6 {
			for _, c := range a.host.Network().ConnsToPeer(b.host.ID()) {
				for _, s := range c.GetStreams() {
					if strings.HasPrefix(string(s.Protocol()), "/meshsub/") {
						s.Reset()
					}
				}
			}
			time.Sleep(2 * time.Second)
		}
		l.until(time.Minute, "gossip runs again", func() bool { return receives(a, b) && receives(b, a) })
		if a.Stats()["peers_deaf"]+b.Stats()["peers_deaf"] == 0 {
			t.Error("no watchdog had to act: the test broke nothing")
		}
	})
}

// TestCopiedDirectory checks that two nodes with one key both report it, once in
// the log, and go on building. When one has stopped the other reports it no longer.
func TestCopiedDirectory(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		between := l.start(2, nil)
		builds := func(cfg *Config) {
			cfg.Key, cfg.Peers, cfg.Builds = ledgertest.Key(0), between.Addrs(), func() bool { return true }
		}
		a, b := l.start(0, builds), l.start(1, builds)
		l.until(time.Minute, "both report it", func() bool { return a.Copied() != "" && b.Copied() != "" })
		for _, n := range []*labNode{a, b} {
			if !n.Builds() || !strings.Contains(n.Copied(), "remove node.key") || n.logs.count("in use twice") != 1 {
				t.Errorf("it builds: %v, it reports %q\n%s", n.Builds(), n.Copied(), n.logs)
			}
		}
		b.stop()
		l.until(copiedMemory+time.Minute, "the other one has gone", func() bool { return a.Copied() == "" })
	})
}

// TestBan checks that a banned peer is disconnected at once and kept out.
func TestBan(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
		if err := b.statuses.gossip.Topic.Publish(t.Context(), []byte("no status")); err == nil {
			t.Error("a node publishes what it would reject")
		}
		a.table.ban(b.host.ID(), "sent nonsense")
		l.until(time.Second, "disconnected", func() bool { return a.connectedTo() == 0 })
		time.Sleep(5 * time.Minute)
		if p := a.peer(b); p.State != Banned || p.Reason != "sent nonsense" || b.connectedTo() != 0 {
			t.Errorf("a shows %+v", p)
		}
		l.until(10*time.Minute, "let in again", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
	})
}
