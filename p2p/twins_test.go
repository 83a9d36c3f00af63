package p2p

import (
	"fmt"
	"io"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// A ghost speaks as another run of a node's key: a copy of its data directory,
// or, where it names no run of now, an earlier run.
type ghost struct {
	of       *labNode
	instance uint64
	began    time.Time
}

// says gives a presence that the ghost signs now.
func (g *ghost) says(named ...naming) presence {
	p := presence{Key: g.of.pub, Instance: g.instance, Uptime: uint64(time.Since(g.began).Milliseconds()), Named: named}
	p.sign(g.of.net, g.of.key)
	return p
}

// naming gives what the ghost says when it hears now what the node signed ago.
func (g *ghost) naming(ago time.Duration) naming {
	up := g.of.uptime(time.Now().Add(-ago))
	return naming{Instance: g.of.instance, Uptime: up, Lead: time.Since(g.began).Milliseconds() - int64(up)}
}

// TestAgeOfAPresence: which of two runs began first shows by what they name of
// each other, by whomever it comes and however late; a run never looks older
// than it is. Where it is left open, the lower instance number counts as first.
func TestAgeOfAPresence(t *testing.T) {
	const lower, higher = 1, math.MaxUint64
	for _, c := range []struct {
		earlier     time.Duration // the other run began so long before this one
		there, back time.Duration // how old presences are when they arrive
		instance    uint64
		later       bool // this one is
	}{
		{-10 * time.Second, 0, 0, lower, false},
		{-10 * time.Second, 0, 8 * time.Second, lower, false},
		{-10 * time.Second, 9 * time.Second, 9 * time.Second, lower, false},
		{-time.Second, 0, 0, lower, false},
		{time.Second, 0, 0, higher, true},
		{4 * time.Second, 0, 0, higher, true},
		{10 * time.Second, 8 * time.Second, 8 * time.Second, higher, true},
		{time.Hour, 20 * time.Second, time.Minute, higher, true},
		{4 * time.Second, 8 * time.Second, 8 * time.Second, lower, true}, // open
		{4 * time.Second, 8 * time.Second, 8 * time.Second, higher, false},
		{-10 * time.Second, 20 * time.Second, 0, higher, false}, // a liar keeps back what it hears
		{-10 * time.Second, 0, time.Hour, lower, false},         // and what it says
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				a := l.start(0, nil)
				synctest.Wait() // what Run sets at its start is there
				g := &ghost{of: a, instance: c.instance, began: a.started.Add(-c.earlier)}
				time.Sleep(30 * time.Second)
				p := g.says(g.naming(c.there))
				time.Sleep(min(c.back, time.Minute))
				a.hearRuns([]presence{p})
				if a.Copied() == "" || a.Duplicate() != c.later {
					t.Errorf("a later one: %v, it says %q", a.Duplicate(), a.Copied())
				}
			})
		})
	}
}

// TestCopyAfterSuspend: uptimes stand still while a machine is suspended. A run
// that began earlier hears of one with more uptime then, and this one of it with
// less than it named before. Both know both, and exactly one of them builds.
func TestCopyAfterSuspend(t *testing.T) {
	for _, instance := range []uint64{1, math.MaxUint64} {
		inLab(t, func(t *testing.T, l *lab) {
			a := l.start(0, nil)
			synctest.Wait()
			g := &ghost{of: a, instance: instance, began: a.started.Add(10 * time.Second)}
			time.Sleep(30 * time.Second)
			early := g.naming(0)                // this node began first, as far as it goes
			g.began = a.started.Add(-time.Hour) // this node was suspended for an hour since
			p := g.says(early)
			a.hearRuns([]presence{p})
			if a.Copied() == "" || len(a.rivals) != 1 {
				t.Fatalf("the copy was not seen: %d runs", len(a.rivals))
			}
			r := a.rivals[0]
			its := &rival{naming: naming{Instance: a.instance, Lead: r.itsLead}, itsLead: r.Lead}
			if r.Lead >= 0 || r.itsLead >= 0 {
				t.Fatalf("the leads are %d and %d ms, the case is another", r.Lead, r.itsLead)
			}
			if a.Duplicate() != (a.instance > instance) || a.Duplicate() == its.later(instance) {
				t.Errorf("this one is later: %v, the other one: %v", a.Duplicate(), its.later(instance))
			}
		})
	}
}

// TestCopyThatEnded: what a copy said while it ran, kept back and played one by
// one when it is gone, holds up this node no longer than if it came at once.
func TestCopyThatEnded(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		synctest.Wait()
		g := &ghost{of: a, instance: 1, began: a.started.Add(-time.Hour)}
		var kept []presence
		for range 100 {
			time.Sleep(4 * time.Second)
			kept = append(kept, g.says(g.naming(0)))
		}
		a.hearRuns(kept[len(kept)-1:])
		if !a.Duplicate() {
			t.Fatal("the earlier one that lives does not hold it up")
		}
		for ended := time.Now(); time.Since(ended) < time.Hour; time.Sleep(10 * time.Second) {
			i := int(time.Since(ended)/(10*time.Second)) % len(kept)
			a.hearRuns([]presence{kept[i], kept[len(kept)-1]})
			if since := time.Since(ended); a.Duplicate() != (since <= twinMemory) {
				t.Fatalf("%s after the copy ended it holds up: %v", since, a.Duplicate())
			}
		}
	})
}

// TestRivalsAreBounded: presences of ever more earlier runs, played again, take
// no more memory, and push out no copy that is alive.
func TestRivalsAreBounded(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		g := &ghost{of: a, instance: 1, began: a.started.Add(-time.Hour)}
		a.hearRuns([]presence{g.says(g.naming(0))})
		for i := range uint64(3 * maxRivals) {
			old := &ghost{of: a, instance: 100 + i, began: a.started.Add(-time.Hour)}
			a.hearRuns([]presence{old.says()})
		}
		if len(a.rivals) != maxRivals || !a.Duplicate() {
			t.Errorf("%d runs are remembered, the copy holds up: %v", len(a.rivals), a.Duplicate())
		}
	})
}

// TestManyCopies: of several copies of one directory exactly one builds.
func TestManyCopies(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		const copies = 6
		between := l.start(copies, nil)
		for i := range copies {
			l.start(i, func(cfg *Config) {
				cfg.Key, cfg.Peers, cfg.Builds = labKey(0), between.Addrs(), func() bool { return true }
			})
			time.Sleep(5 * time.Second)
		}
		builds := func() (n int) {
			for _, node := range l.runs[1:] {
				if node.Builds() {
					n++
				}
			}
			return n
		}
		l.until(2*time.Minute, "one of them builds", func() bool { return builds() == 1 })
		if !l.runs[1].Builds() {
			t.Error("it is not the first")
		}
	})
}

// TestAttackOldRuns: a hostile peer plays again what earlier runs of an honest
// node signed, in its answers and by gossip. The node, which remembers none of
// them, goes on building, and nobody takes it for copied.
func TestAttackOldRuns(t *testing.T) {
	inAttack(t, func(t *testing.T, a *attack) {
		victim := a.honest[0]
		const runs = 200
		ghosts := make([]*ghost, runs)
		for i := range ghosts {
			ghosts[i] = &ghost{of: victim, instance: uint64(i + 1), began: time.Now().Add(-time.Hour)}
		}
		// Two of these were once copies of each other, and named each other.
		said := func(i int) presence {
			g, other := ghosts[i%runs], ghosts[(i+1)%runs]
			return g.says(naming{Instance: other.instance, Uptime: uint64(time.Since(other.began).Milliseconds())})
		}
		a.bad.host.SetStreamHandler(helloProtocol, func(str network.Stream) {
			i := int(time.Since(victim.started) / (4 * time.Second))
			_ = readHello(str, new(hello))
			_ = writeHello(str, &helloReply{Hello: a.bad.ownHello(), Twins: []presence{said(i), said(i + 1)}})
			_ = str.Close()
		})
		a.strike()
		for i := range 50 {
			p := said(i)
			line := testLine(victim.key, p.Instance, uint64(i))
			line.Uptime, line.Named, line.Presence = p.Uptime, p.Named, p.Signature
			b, err := encodeStatus(victim.net, line, victim.key)
			if err != nil {
				t.Fatal(err)
			}
			a.gossip("status", b)
			time.Sleep(4 * time.Second)
			if victim.Copied() != "" || victim.Duplicate() {
				t.Fatalf("after %d replays: %s", i, victim.Copied())
			}
		}
		if len(victim.rivals) < 50 {
			t.Errorf("it has heard of %d earlier runs only", len(victim.rivals))
		}
		for _, st := range a.honest[1].Network() {
			if st.Key == victim.pub && st.Copied {
				t.Error("the other one shows it as copied")
			}
		}
		a.notCut()
		a.goesOn()
	})
}

// TestAttackLongPresence: hostile hosts say hello as two runs each, which name as
// many others as a hello holds. That must not make the status lines of who hears
// them too long to be taken by anybody.
func TestAttackLongPresence(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		victim := l.start(0, nil)
		other := l.start(1, func(c *Config) { c.Peers = victim.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return victim.connectedTo() == 1 })
		to := peer.AddrInfo{ID: victim.host.ID(), Addrs: victim.host.Addrs()}
		for i := range maxShown {
			key := labKey(10 + i)
			bad := l.host(10+i, key)
			defer bad.Close()
			if err := bad.Connect(t.Context(), to); err != nil {
				t.Fatal(err)
			}
			for instance := range uint64(2) {
				h := hello{Version: helloVersion, Network: l.net.ID()}
				h.Presence = presence{Key: labPublic(10 + i), Instance: instance, Uptime: 1, Named: make([]naming, 400)}
				h.Presence.sign(l.net, key)
				str, err := bad.NewStream(t.Context(), to.ID, helloProtocol)
				if err != nil {
					t.Fatal(err)
				}
				if err := writeHello(str, &h); err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, str) // what it answers does not matter
			}
		}
		time.Sleep(2 * sayEvery)
		if _, at, ok := other.directory.get(victim.pub); !ok || time.Since(at) > sayEvery {
			t.Errorf("the victim was last heard %s ago\n%s", time.Since(at), victim.logs)
		}
		if victim.connectedTo() != 1 {
			t.Error("the honest nodes are not connected")
		}
	})
}
