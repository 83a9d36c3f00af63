package main_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	soakMemory = 400 << 20 // bytes resident
	soakLog    = 1 << 20   // bytes
)

// TestSoak runs five machines on one wire, each with a client, and has one fault
// after the other: a cut network, a kill, a stop, a suspended process, a cable that
// is out, a full disk, a terminal that takes no output. After each fault all nodes
// have one tip and all peers again. In the end each transaction that was answered 202
// is in each chain or pool exactly once.
func TestSoak(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		s := newSoak(t, l)
		s.settle("the start")
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for i := range s.nodes {
			clients.Go(func() { s.client(ctx, i) })
		}
		begin, rounds := time.Now(), 0
		for length := s.length(); rounds == 0 || time.Since(begin) < length; rounds++ {
			faults := s.faults(rounds)
			for _, i := range s.r.Perm(len(faults)) {
				victim := s.r.IntN(len(s.nodes))
				faults[i].run(victim)
				s.settle(fmt.Sprintf("%s of node %d", faults[i].name, victim))
			}
		}
		cancel()
		clients.Wait()
		s.account()
		t.Logf("%s, %d rounds of faults, %d transactions accepted, 0 lost, 0 twice", time.Since(begin).Round(time.Second), rounds, len(s.accepted))
	})
}

type soak struct {
	t     *testing.T
	l     *lab
	r     *rand.Rand
	nodes []*node

	mu       sync.Mutex
	accepted map[string]bool
}

func newSoak(t *testing.T, l *lab) *soak {
	s := &soak{t: t, l: l, r: rand.New(rand.NewPCG(1, 0)), accepted: make(map[string]bool)}
	l.addBridge("lan")
	l.addBridge("cut")
	for range 5 {
		dir := t.TempDir()
		l.mount(t, dir, "size=200m")
		s.nodes = append(s.nodes, startNode(t, l.addHost("lan"), dir, "-k", "20"))
	}
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

// A fault happens to one node and is over when run returns.
type fault struct {
	name string
	run  func(victim int)
}

func (s *soak) faults(round int) []fault {
	suspended := 10 * time.Second
	if round%8 == 7 {
		suspended = 5 * time.Minute
	}
	return []fault{
		{"a cut network", func(i int) {
			s.l.plug(s.nodes[i].host, "cut")
			s.l.plug(s.nodes[(i+1)%5].host, "cut")
			pause(s.t, 8*time.Second)
			s.l.plug(s.nodes[i].host, "lan")
			s.l.plug(s.nodes[(i+1)%5].host, "lan")
		}},
		{"a kill", func(i int) { s.nodes[i].kill(); s.again(i) }},
		{"a stop", func(i int) { s.nodes[i].stop(); s.again(i) }},
		{"a suspension", func(i int) {
			s.signal(i, syscall.SIGSTOP)
			pause(s.t, suspended)
			s.signal(i, syscall.SIGCONT)
		}},
		{"a cable out", func(i int) {
			s.l.sh("ip link set %s down", s.nodes[i].host.port)
			pause(s.t, 5*time.Second)
			s.l.sh("ip link set %s up", s.nodes[i].host.port)
		}},
		{"a full disk", s.fullDisk},
		{"a held terminal", func(i int) {
			n := s.nodes[i]
			n.stop()
			_, held := heldPipe(s.t)
			cmd := n.host.command(context.WithoutCancel(s.t.Context()), s.t, append([]string{"node"}, n.args...)...)
			cmd.Stdout, cmd.Stderr = held, held
			n.process = startCommand(s.t, n.name, cmd, n.dir)
			n.awaitReady()
		}},
	}
}

func (s *soak) signal(i int, sig syscall.Signal) {
	s.t.Helper()
	if err := s.nodes[i].cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

func (s *soak) again(i int) { s.nodes[i].process = s.nodes[i].again().process }

// fullDisk fills the node's disk, so that it ends, and makes room again.
func (s *soak) fullDisk(i int) {
	n := s.nodes[i]
	ballast := filepath.Join(n.dir, "ballast")
	if err := fill(ballast); err == nil {
		s.t.Fatal("the disk is not full")
	}
	select {
	case <-n.ended:
	case <-time.After(60 * time.Second * slack):
		s.t.Fatalf("%s goes on on a full disk", n.name)
	}
	if err := os.Remove(ballast); err != nil {
		s.t.Fatal(err)
	}
	s.again(i)
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

// settle waits until all nodes have one tip and know all peers, and checks what holds
// for each at any moment.
func (s *soak) settle(what string) {
	s.t.Helper()
	eventually(s.t, time.Minute, "after "+what+" all agree", func() error {
		var tip string
		for _, n := range s.nodes {
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
		}
		return nil
	})
	for _, n := range s.nodes {
		if status, body, err := n.get("/healthz", nil); err != nil || status != 200 {
			s.t.Errorf("%s: /healthz: %d %s %v", n.name, status, body, err)
		}
		if rss := resident(s.t, n.cmd.Process.Pid); rss > soakMemory {
			s.t.Errorf("%s: %d MiB are resident", n.name, rss>>20)
		}
		if size := len(n.out.String()); size > soakLog {
			s.t.Errorf("%s: its log has %d bytes", n.name, size)
		}
	}
}

type soakInfo struct {
	Peers int    `json:"peers"`
	Tip   string `json:"tip"`
}

func (s *soak) info(n *node) (in soakInfo, err error) {
	ws, _, err := n.handshake(n.url(), nil)
	if err != nil {
		return in, err
	}
	defer ws.Close()
	var answer reply
	ws.SetReadDeadline(time.Now().Add(5 * time.Second))
	if err = ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"info"}`)); err == nil {
		var text []byte
		if _, text, err = ws.ReadMessage(); err == nil {
			err = json.Unmarshal(text, &answer)
		}
	}
	if err != nil {
		return in, err
	}
	return in, json.Unmarshal(answer.Response, &in)
}

// account finds each accepted transaction once in each node.
func (s *soak) account() {
	s.settle("the last client")
	for _, n := range s.nodes {
		eventually(s.t, time.Minute, n.name+" has all that was accepted", func() error {
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

// resident returns the resident memory of a process in bytes.
func resident(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib << 10
		}
	}
	return 0
}
