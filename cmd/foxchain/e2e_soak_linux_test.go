package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"
)

// soakEnv is how long TestSoak goes on, as Go writes durations: SOAK=30m. Without
// it each fault comes once.
const soakEnv = "SOAK"

// Bounds that hold for each node at any moment.
const (
	soakMemory = 400     // MiB resident
	soakLog    = 1 << 20 // bytes, of all its runs
)

// TestSoak runs five machines on one wire, each with a client, in rounds of faults that
// overlap. At each moment each node must report of itself and of the others what the test
// has done to them, within bounds. After a round all nodes have one tip, are connected,
// and report that all is well. In the end each transaction that was answered 202 is in
// each chain or pool exactly once.
func TestSoak(t *testing.T) {
	waits(t)
	if clocksMove {
		shiftedBinary(t) // here, so that it is built once for all tests
	}
	inLab(t, func(t *testing.T, l *lab) {
		s := newSoak(t, l)
		watch, unwatch := context.WithCancel(t.Context())
		var clients, watchers sync.WaitGroup
		defer watchers.Wait()
		defer unwatch()
		for i := range s.nodes {
			watchers.Go(func() { s.watch(watch, i) })
		}
		s.settle("the start")
		ctx, cancel := context.WithCancel(t.Context())
		for i := range s.nodes {
			clients.Go(func() { s.client(ctx, i) })
		}
		rounds := 0
		for length := s.length(); rounds == 0 || time.Since(s.begin) < length; rounds++ {
			s.round(rounds)
			s.settle(fmt.Sprintf("round %d", rounds))
		}
		cancel()
		clients.Wait()
		s.account()
		t.Logf("%s, %d rounds, faults: %v, %d transactions accepted, 0 lost, 0 twice",
			time.Since(s.begin).Round(time.Second), rounds, s.played, len(s.accepted))
		s.report()
	})
}

type soak struct {
	t      *testing.T
	l      *lab
	r      *rand.Rand
	nodes  []*node
	ids    []string // their peer IDs
	begin  time.Time
	logged []int          // bytes that earlier runs of each node have logged
	played map[string]int // faults by name
	judge  *judge

	truth truth

	mu       sync.Mutex // guards what follows
	accepted map[string]bool
	well     []time.Time        // when each node last reported that all is well
	most     map[string]float64 // the largest of what was measured, by name
	wrongs   int
}

func newSoak(t *testing.T, l *lab) *soak {
	s := &soak{
		t: t, l: l, r: rand.New(rand.NewPCG(1, 0)), begin: time.Now(), logged: make([]int, 5), well: make([]time.Time, 5),
		played: make(map[string]int), accepted: make(map[string]bool), most: make(map[string]float64),
	}
	l.addBridge("lan")
	l.addBridge("cut")
	for range 5 {
		h, dir := l.addHost("lan"), t.TempDir()
		if clocksMove {
			h.setClock(t, 0)
		}
		l.mount(t, dir, "size=200m")
		s.nodes = append(s.nodes, launch(t, h, dir, "-k", "20"))
	}
	s.judge = newJudge(t) // while they start
	for _, n := range s.nodes {
		n.awaitReady()
		in, err := s.info(n)
		if err != nil {
			t.Fatal(err)
		}
		s.ids = append(s.ids, in.PeerID)
	}
	s.truth.start(len(s.nodes))
	return s
}

func (s *soak) length() time.Duration {
	text := os.Getenv(soakEnv)
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("%s is %q: must be a duration, such as 30m", soakEnv, text)
	}
	return d
}

// round plays each fault once. One node is away for all of it, and the others have
// the rest, one after the other on each and at the same time on all.
func (s *soak) round(number int) {
	order := s.r.Perm(len(s.nodes))
	long := s.length() > 0
	queues := make([][]fault, len(s.nodes))
	faults := s.faults(order)
	queues[order[0]] = faults[:1]
	rest := faults[1:]
	s.r.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	for n, f := range rest {
		switch {
		case f.name == "suspension" && number%6 == 5:
			f.lasts = 5 * time.Minute
		case long && f.end != nil:
			f.lasts *= time.Duration(1 + 3*s.r.IntN(3))
		}
		i := order[1+n%(len(order)-1)]
		queues[i] = append(queues[i], f)
	}
	ends := make([]time.Time, len(s.nodes)) // of the fault that a node has, zero while it has none
	begins := make([]time.Time, len(s.nodes))
	for left := len(faults); left > 0; pause(s.t, 100*time.Millisecond) {
		for i, q := range queues {
			switch now := time.Now(); {
			case len(q) == 0:
			case ends[i].IsZero() && now.After(begins[i]):
				s.played[q[0].name]++
				s.t.Logf("after %s: %s of %s for %s", time.Since(s.begin).Round(time.Second), q[0].name, s.nodes[i].host.netns, q[0].lasts)
				q[0].begin(i)
				ends[i] = now.Add(q[0].lasts)
			case !ends[i].IsZero() && now.After(ends[i]):
				if q[0].end != nil {
					q[0].end(i)
				}
				queues[i], ends[i] = q[1:], time.Time{}
				if long {
					begins[i] = now.Add(time.Duration(s.r.IntN(20)) * time.Second)
				}
				left--
			}
		}
	}
}

// client submits some transactions a second to one node, whatever happens to it.
func (s *soak) client(ctx context.Context, i int) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var ws *websocket.Conn
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			if ws != nil {
				ws.Close()
			}
			return
		case <-tick.C:
		}
		if ws == nil {
			if ws, _, _ = s.nodes[i].handshake(s.nodes[i].url(), nil); ws == nil {
				continue
			}
		}
		id := fmt.Sprintf("%08x-0000-4000-8000-%012x", i+1, number)
		ws.SetReadDeadline(time.Now().Add(time.Second))
		err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"merge","args":{"pool":[{"id":%q,"sender":%q,"receiver":%q,"amount":1}]}}`, id, numbered(0), numbered(i+1)))
		var text []byte
		if err == nil {
			_, text, err = ws.ReadMessage()
		}
		var answer reply
		if err != nil || json.Unmarshal(text, &answer) != nil {
			ws.Close()
			ws = nil
		} else if answer.Status == 202 {
			s.mu.Lock()
			s.accepted[id] = true
			s.mu.Unlock()
		}
	}
}

// settle waits until all nodes have one tip, know all peers, and report that all is well,
// and checks what holds for each at any moment.
func (s *soak) settle(what string) {
	s.t.Helper()
	begin := time.Now()
	eventually(s.t, "after "+what+" all agree", func() error {
		var tip string
		for i, n := range s.nodes {
			in, err := s.info(n)
			if err != nil {
				return err
			}
			if in.Peers != len(s.nodes)-1 {
				return fmt.Errorf("%s has %d peers", n.name, in.Peers)
			}
			if tip == "" {
				tip = in.Tip
			}
			if in.Tip != tip {
				return fmt.Errorf("%s has the tip %s, another %s", n.name, in.Tip, tip)
			}
			s.mu.Lock()
			well := s.well[i].After(begin)
			s.mu.Unlock()
			if !well {
				return fmt.Errorf("%s does not say that all is well", n.name)
			}
		}
		return nil
	})
	s.measure("seconds until all agree after a round", time.Since(begin).Seconds())
	for i, n := range s.nodes {
		if status, body, err := n.get("/healthz", nil); err != nil || status != 200 {
			s.t.Errorf("%s: /healthz: %d %s %v", n.name, status, body, err)
		}
		rss, size := n.memory("VmRSS"), s.logged[i]+len(n.out.String())
		s.measure("MiB resident", rss)
		s.measure("bytes logged by a node", float64(size))
		if rss > soakMemory {
			s.t.Errorf("%s: %.0f MiB are resident", n.name, rss)
		}
		if size > soakLog {
			s.t.Errorf("%s: its log has %d bytes", n.name, size)
		}
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// measure keeps the largest of some measurements for the report.
func (s *soak) measure(name string, value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most[name] = max(s.most[name], value)
}

func (s *soak) report() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for name, value := range s.most {
		lines = append(lines, fmt.Sprintf("%s: %.1f", name, value))
	}
	slices.Sort(lines)
	s.t.Logf("the most of\n%s", strings.Join(lines, "\n"))
}

func (s *soak) info(n *node) (in info, err error) {
	ws, _, err := n.handshake(n.url(), nil)
	if err != nil {
		return in, err
	}
	defer ws.Close()
	text, err := response(ws, "info")
	if err != nil {
		return in, err
	}
	return in, json.Unmarshal(text, &in)
}

// account checks that each node has each accepted transaction once.
func (s *soak) account() {
	s.settle("the last client")
	for _, n := range s.nodes {
		eventually(s.t, n.name+" has all that was accepted", func() error {
			found := n.everything()
			for id := range s.accepted {
				if found[id] != 1 {
					return fmt.Errorf("transaction %s was answered 202 and is there %d times", id, found[id])
				}
			}
			return nil
		})
	}
}
