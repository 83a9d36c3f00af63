package main_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A fault happens to one node from begin to end. Where end is nil it is over when
// begin returns.
type fault struct {
	name       string
	lasts      time.Duration
	begin, end func(i int)
}

// faults returns each fault once. The first lasts longer than a node takes to report that
// another is missing. order holds all nodes, and the first fault is for the first of them.
func (s *soak) faults(order []int) []fault {
	return []fault{
		{"kill", endedWithin + missingWithin + time.Second, func(i int) { s.down(i, s.nodes[i].kill) }, s.up},
		{"cut network", 8 * time.Second,
			func(i int) { s.plug("cut", i, s.partner(order, i)) },
			func(i int) { s.plug("lan", i, s.partner(order, i)) }},
		{"stop", time.Second, func(i int) { s.down(i, s.nodes[i].stop) }, s.up},
		{"suspension", 10 * time.Second,
			func(i int) {
				s.change(func(m []machine) { m[i].runs = suspended }, func() { s.signal(i, syscall.SIGSTOP) })
			},
			func(i int) {
				s.change(func(m []machine) { m[i].runs, m[i].woke = awake, time.Now() }, func() { s.signal(i, syscall.SIGCONT) })
			}},
		{"cable out", 5 * time.Second,
			func(i int) { s.unplug(i, "ip link set %s down", s.nodes[i].host.port) },
			func(i int) { s.replug(i, "ip link set %s up", s.nodes[i].host.port) }},
		{"interface down", 5 * time.Second,
			func(i int) { s.unplug(i, "ip -n %s link set eth0 down", s.nodes[i].host.netns) },
			func(i int) {
				s.replug(i, "ip -n %s link set eth0 up", s.nodes[i].host.netns)
				s.l.sh("ip -n %s route add default via 10.77.0.254", s.nodes[i].host.netns)
			}},
		{"further interface", 5 * time.Second,
			func(i int) {
				ns := s.nodes[i].host.netns
				s.l.sh("ip -n %s link add docker0 type bridge", ns)
				s.l.sh("ip -n %s addr add 172.17.0.1/16 dev docker0", ns)
				s.l.sh("ip -n %s link set docker0 up", ns)
			},
			func(i int) { s.l.sh("ip -n %s link del docker0", s.nodes[i].host.netns) }},
		{"other address", 8 * time.Second,
			func(i int) { s.readdress(i, s.nodes[i].host.addr, fmt.Sprintf("10.77.0.%d", 100+i)) },
			func(i int) { s.readdress(i, fmt.Sprintf("10.77.0.%d", 100+i), s.nodes[i].host.addr) }},
		{"clock set", 0, s.setClock, nil},
		{"full disk", 0, s.fullDisk, nil},
		{"held terminal", time.Second, func(i int) { s.down(i, s.nodes[i].stop) }, func(i int) {
			n := s.nodes[i]
			_, held := heldPipe(s.t)
			s.change(func(m []machine) { m[i].runs = awake }, func() {
				s.logged[i] += len(n.out.String())
				cmd := n.host.command(context.WithoutCancel(s.t.Context()), s.t, append([]string{"node"}, n.args...)...)
				cmd.Stdout, cmd.Stderr = held, held
				n.process = startCommand(s.t, n.name, cmd, n.dir)
				n.awaitReady()
			})
		}},
	}
}

// partner returns which node is cut off together with i.
func (s *soak) partner(order []int, i int) int {
	others := order[1:]
	return others[(slices.Index(others, i)+1)%len(others)]
}

func (s *soak) down(i int, how func()) {
	s.change(func(m []machine) { m[i].runs = ended }, how)
}

func (s *soak) up(i int) {
	s.change(func(m []machine) { m[i].runs = awake }, func() {
		s.logged[i] += len(s.nodes[i].out.String())
		s.nodes[i].process = s.nodes[i].again().process
	})
}

func (s *soak) signal(i int, sig syscall.Signal) {
	s.t.Helper()
	if err := s.nodes[i].cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *soak) plug(bridge string, nodes ...int) {
	for _, i := range nodes {
		s.change(func(m []machine) { m[i].bridge = bridge }, func() { s.l.plug(s.nodes[i].host, bridge) })
	}
}

func (s *soak) unplug(i int, format string, args ...any) {
	s.change(func(m []machine) { m[i].unplugged = true }, func() { s.l.sh(format, args...) })
}

func (s *soak) replug(i int, format string, args ...any) {
	s.change(func(m []machine) { m[i].unplugged = false }, func() { s.l.sh(format, args...) })
}

// readdress gives a node another address, as another lease does.
func (s *soak) readdress(i int, from, to string) {
	ns := s.nodes[i].host.netns
	s.change(func(m []machine) { m[i].moves++ }, func() {
		s.l.sh("ip -n %s addr del %s/24 dev eth0", ns, from)
		s.l.sh("ip -n %s addr add %s/24 dev eth0", ns, to)
		s.l.sh("ip -n %s route replace default via 10.77.0.254", ns)
	})
}

// setClock sets a node's clock while it runs, or back when it was set.
func (s *soak) setClock(i int) {
	if !clocksMove {
		return
	}
	const year = 365 * 24 * time.Hour
	ways := []time.Duration{2 * time.Hour, -8 * time.Hour, year, -year, 0}
	s.truth.mu.Lock()
	ways = slices.DeleteFunc(ways, func(d time.Duration) bool { return d == s.truth.nodes[i].shift() })
	s.truth.mu.Unlock()
	ahead := ways[s.r.IntN(len(ways))]
	s.change(func(m []machine) { m[i].shifts = append(m[i].shifts, shift{ahead, time.Now()}) }, func() { s.nodes[i].host.setClock(s.t, ahead) })
}

// fullDisk fills the node's disk, so that the node ends, and makes room again.
func (s *soak) fullDisk(i int) {
	n := s.nodes[i]
	ballast := filepath.Join(n.dir, "ballast")
	s.down(i, func() {
		if err := fill(ballast); err == nil {
			s.t.Fatal("the disk is not full")
		}
		select {
		case <-n.ended:
		case <-time.After(60 * time.Second * slack):
			s.t.Fatalf("%s goes on on a full disk", n.name)
		}
	})
	if err := os.Remove(ballast); err != nil {
		s.t.Fatal(err)
	}
	s.up(i)
}

// A truth is what the test has done to the machines.
type truth struct {
	mu    sync.Mutex
	nodes []machine
	pairs [][]meeting // of node i and node j, the same as of j and i
}

// A machine is what the test has done to one.
type machine struct {
	runs      running
	starts    int
	woke      time.Time // from its last suspension
	bridge    string    // that its cable leads to
	unplugged bool
	moves     int // times that it got another address
	shifts    []shift
	changed   span // of runs
}

// A running is the state of a process.
type running int

const (
	awake running = iota
	suspended
	ended
)

// A shift is by how much a clock is ahead since some time.
type shift struct {
	ahead time.Duration
	since time.Time
}

func (m *machine) shift() time.Duration { return m.shifts[len(m.shifts)-1].ahead }

// leapt reports whether the clock was last set forward by over half a day.
func (m *machine) leapt() bool {
	n := len(m.shifts)
	return n > 1 && m.shifts[n-1].ahead-m.shifts[n-2].ahead > 12*time.Hour
}

// A span is when a change began, and when it was complete, zero while it is not.
type span struct{ began, done time.Time }

// over reports whether the change was complete for so long at a time.
func (s span) over(at time.Time, d time.Duration) bool {
	return !s.done.IsZero() && at.Sub(s.done) >= d
}

// A meeting is whether two nodes can reach each other, and since when.
type meeting struct {
	joined  bool
	ended   bool // not joined, since one of them ended and the other noticed
	changed span
}

func (t *truth) start(n int) {
	now := time.Now()
	for range n {
		t.nodes = append(t.nodes, machine{bridge: "lan", changed: span{now, now}, shifts: []shift{{0, now}}})
		t.pairs = append(t.pairs, slices.Repeat([]meeting{{joined: true, changed: span{now, now}}}, n))
	}
}

// snapshot returns a copy.
func (t *truth) snapshot() (nodes []machine, pairs [][]meeting) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.pairs {
		pairs = append(pairs, slices.Clone(p))
	}
	return slices.Clone(t.nodes), pairs
}

// change notes what is done to the machines, before and after it is done.
func (s *soak) change(note func([]machine), do func()) {
	t := &s.truth
	t.mu.Lock()
	before, now := slices.Clone(t.nodes), time.Now()
	note(t.nodes)
	for i := range t.nodes {
		if t.nodes[i].runs != before[i].runs {
			t.nodes[i].changed = span{began: now}
			if before[i].runs == ended {
				t.nodes[i].starts++
			}
		}
		for j := range t.nodes {
			a, b, p := &t.nodes[i], &t.nodes[j], &t.pairs[i][j]
			joined := a.runs == awake && b.runs == awake && !a.unplugged && !b.unplugged && a.bridge == b.bridge
			moved := a.moves != before[i].moves || b.moves != before[j].moves
			if joined != p.joined || joined && moved {
				// A goodbye to an address, or over a link, that just went is not received.
				heard := p.joined && p.changed.over(now, joinedWithin)
				*p = meeting{joined, heard && (a.runs == ended || b.runs == ended), span{began: now}}
			}
		}
	}
	t.mu.Unlock()
	do()
	t.mu.Lock()
	defer t.mu.Unlock()
	now = time.Now()
	for i := range t.nodes {
		if t.nodes[i].changed.done.IsZero() {
			t.nodes[i].changed.done = now
		}
		for j := range t.nodes {
			if p := &t.pairs[i][j]; p.changed.done.IsZero() {
				p.changed.done = now
			}
		}
	}
}
