package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/ledger"
	"foxchain/ledger/store"
	"foxchain/p2p"
	"foxchain/rpc/api"
	"foxchain/rpc/web/webtest"
)

func TestMain(m *testing.M) {
	node.QuietLibraries()
	code := m.Run()
	webtest.Close()
	os.Exit(code)
}

// newTestLab starts a lab that builds soon.
func newTestLab(t *testing.T, nodes int, voters bool) *Lab {
	t.Helper()
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Nodes: nodes, Voters: voters, wait: 100 * time.Millisecond, patience: maxWaitTime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	return l
}

// play runs lines of a scenario. A wait may take as long as a scenario allows, since the
// disk of a busy machine may stand still for some 20 s.
func (l *Lab) play(t *testing.T, lines ...string) {
	t.Helper()
	l.mu.Lock()
	p := &parser{nodes: len(l.lan.nodes)}
	l.mu.Unlock()
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		if word == "wait" && !strings.Contains(rest, " within ") {
			rest += " within " + maxWaitTime.String()
		}
		act, err := p.parseScripted(word, rest, line)
		if err == nil {
			err = act(t.Context(), l)
		}
		if err != nil {
			for _, n := range l.state().Nodes {
				t.Logf("%+v", n)
			}
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// together runs tests at one time, also more than there are processors, since they mostly wait.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	var all sync.WaitGroup
	for name, f := range tests {
		all.Go(func() { t.Run(name, f) })
	}
	all.Wait()
}

// Each lesson ends as it is written, and has its texts in both languages.
func TestLabLessons(t *testing.T) {
	tests := make(map[string]func(*testing.T))
	for _, name := range Names() {
		tests[name] = func(t *testing.T) {
			s, err := load(name)
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range s.steps {
				if s.title.ZH == "" || at.text.EN == "" || at.text.ZH == "" {
					t.Errorf("step %d lacks a text", i+1)
				}
			}
			if testing.Short() {
				return
			}
			var out strings.Builder
			if err := Check(t.Context(), Config{Dir: t.TempDir(), patience: maxWaitTime}, name, &out, "en"); err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		}
	}
	together(t, tests)
	if got := len(lessonTitles()); got != len(Names()) {
		t.Errorf("%d lessons, want %d", got, len(Names()))
	}
}

// A scenario that does not end as written fails with the line and what does not hold, also
// beside a lab whose nodes have the ports.
func TestLabCheckFails(t *testing.T) {
	t.Parallel()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	file := filepath.Join(t.TempDir(), "mine.txt")
	text := "title en Mine\nnodes 3\nstep\nen Look.\nstop C\nexpect linked A B within\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	err = Check(t.Context(), Config{Dir: t.TempDir()}, file, io.Discard, "en")
	if err == nil || !strings.Contains(err.Error(), file+":6: ") {
		t.Errorf("got %v", err)
	}
	text = strings.Replace(text, "linked A B within", "height >= 9", 1)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	err = Check(t.Context(), Config{Port: other.Addr().(*net.TCPAddr).Port - 1}, file, &out, "zh")
	if err == nil || !strings.Contains(err.Error(), file+":6: expect height >= 9: it is not so") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(out.String(), "Look.") || !strings.Contains(out.String(), "并非如此：height >= 9") { // it has no Chinese text
		t.Errorf("printed %s", out.String())
	}
	if err := Check(t.Context(), Config{Dir: t.TempDir()}, "no-such", io.Discard, "en"); err == nil || !strings.Contains(err.Error(), "split-and-heal") {
		t.Errorf("got %v, want the names of the lessons", err)
	}
}

// Errors of a scenario name the line and the rule.
func TestLabScenarioErrors(t *testing.T) {
	const head = "title en X\nnodes 4\nstep\nen Look.\n"
	for text, want := range map[string]string{
		"":                                "x.txt: a scenario begins with its title",
		"title en X\n":                    "x.txt: a scenario has at least one step",
		"title fr X\n":                    `x.txt:1: a text is en or zh, not "fr"`,
		"title en X\nnodes 2\n":           "x.txt:2: nodes 2: a number from 3 to 20",
		"title en X\nvoters off\n":        "x.txt:2: voters on, before the first step",
		"title en X\ncut A B\n":           "x.txt:2: cut: only title, nodes and voters",
		head + "nodes 5\n":                "x.txt:5: nodes 5: a number from 3 to 20, before the first step",
		head + "heal\nen More.\n":         "x.txt:6: the text of a step stands before its commands",
		head + "cut A E\n":                "x.txt:5: there is no node E: the nodes are A to D",
		head + "cut A A\n":                `x.txt:5: "cut A A" is not as it must be: cut A B`,
		head + "fly A\n":                  `x.txt:5: there is no command "fly". There are add, build, clock, `,
		head + "send E 5\n":               "x.txt:5: there is no node E: the nodes are A to D",
		head + "heal A\n":                 "heal for all links",
		head + "split A B C D\n":          "with each node once",
		head + "split A B | C\n":          "with each node once",
		head + "split A B | B C D\n":      "with each node once",
		head + "slow A B 11s\n":           "at most 10s",
		head + "slow A B fast\n":          "at most 10s",
		head + "loss A B 91%\n":           "at most 90%",
		head + "stop\n":                   "stop A",
		head + "kill A B\n":               "kill A",
		head + "start z\n":                "start A",
		head + "add A\n":                  "add",
		head + "clock A wrong\n":          "clock A +2h",
		head + "clock A +900000h\n":       "clock A right",
		head + "clock A +9999999h\n":      "clock A right",
		head + "build A maybe\n":          "build A on",
		head + "lie A loudly\n":           "lie A two-blocks",
		head + "send A 0\n":               "send A 5 from X to Y",
		head + "send A 5 from\n":          "send A 5 from X to Y",
		head + "send A 5 by x\n":          "send A 5 from X to Y",
		head + "conflict A B\n":           "conflict A B 5 from X",
		head + "conflict A A 5\n":         "conflict A B 5",
		head + "wait one\n":               `"one" is none of: one tip`,
		head + "expect not\n":             "is none of",
		head + "wait tips x\n":            "is none of",
		head + "wait linked A E\n":        "is none of",
		head + "wait tx pool A E\n":       "is none of",
		head + "wait final > 5\n":         "is none of",
		head + "wait one tip within 3m\n": "a time up to 2m0s",
		head + "lesson block\n":           `there is no command "lesson"`,
	} {
		_, err := parseScenario("x.txt", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text[:min(len(text), 60)], err, want)
		}
	}
	// A node that was added may be named.
	if _, err := parseScenario("x.txt", []byte(head+"add\r\nstop E\r\n")); err != nil {
		t.Error(err)
	}
}

// TestScenarioFiles checks that the file of a scenario may be in any form of text, and
// that one that is too large, endless or a directory is refused for what it is.
func TestScenarioFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.txt")
	for text, want := range map[string]string{
		"\ufefftitle en Own\r\nnodes 3\r\nstep\r\nen Look.\r\n": "",
		strings.Repeat("#", maxScenario+1):                      "more than 65536 bytes",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Find(file); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.20q: got %v, want %q", text, err, want)
		}
	}
	for name, want := range map[string]string{
		filepath.Dir(file): "is a directory",
		file + ".none":     "no file of that name",
	} {
		if err := Find(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
}

// linkTo returns a link, a listener behind it, and both ends of a connection through it.
func linkTo(t *testing.T) (l *link, near, far net.Conn) {
	t.Helper()
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { on.Close() })
	l = newLink(0, 1)
	if near, err = l.dial(t.Context(), t.Context(), "tcp", on.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = on.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return l, near, far
}

// expectByte reads one byte, within a time.
func expectByte(t *testing.T, from net.Conn, want byte, within time.Duration) bool {
	t.Helper()
	if err := from.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	n, _ := from.Read(b[:])
	if n == 1 && b[0] != want {
		t.Fatalf("got byte %q, want %q", b[0], want)
	}
	return n == 1
}

// While a link is cut nothing passes, either way, and afterwards all comes in order.
func TestLabLinkCut(t *testing.T) {
	t.Parallel()
	l, near, far := linkTo(t)
	l.set(func(f *faults) { f.cut = true })
	for _, b := range []byte("ab") {
		if _, err := near.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
		if _, err := far.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if expectByte(t, far, 'a', 50*time.Millisecond) || expectByte(t, near, 'a', 50*time.Millisecond) {
		t.Fatal("a byte passed a cut link")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.dial(ctx, t.Context(), "tcp", far.LocalAddr().String()); err == nil {
		t.Error("connected over a cut link")
	}
	l.set(func(f *faults) { f.cut = false })
	for _, b := range []byte("ab") {
		if !expectByte(t, far, b, 5*time.Second) || !expectByte(t, near, b, 5*time.Second) {
			t.Fatal("what was sent meanwhile is lost")
		}
	}
	near.Close()
	if _, err := far.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("the end of the connection did not pass: %v", err)
	}
}

// A slow link delays each way, and a lossy one repeats.
func TestLabLinkSlow(t *testing.T) {
	t.Parallel()
	l, near, far := linkTo(t)
	for name, fault := range map[string]faults{"slow": {delay: 60 * time.Millisecond}, "lossy": {loss: 100}} {
		l.set(func(f *faults) { *f = fault })
		began := time.Now()
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if fault.loss == 100 {
			l.set(func(f *faults) { f.loss = 0 }) // decided before or after, it comes all the same
		}
		if !expectByte(t, far, 'x', 10*time.Second) {
			t.Fatalf("%s: lost", name)
		}
		if took := time.Since(began); fault.delay > 0 && took < fault.delay {
			t.Errorf("%s: took %s only", name, took)
		}
	}
}

// What is done to links and nodes has its effect on the nodes.
func TestLabCommands(t *testing.T) {
	t.Parallel()
	l := newTestLab(t, 3, false)
	l.play(t, "wait linked A B", "wait linked A C", "wait linked B C", "build A off", "build B off", "build C off",
		"cut A C", "send A 9", "wait tx pool all")
	if via := l.state().Txs[0].Via; via["A"] != "" || via["B"] != "A" || via["C"] != "B" {
		t.Errorf("a transaction came by %v", via)
	}
	l.play(t, "heal", "wait linked A C", "build B on", "send A 5 to ann", "wait txs block all", "wait one tip")
	if b := l.state().Blocks; b[0].Builder != "B" {
		t.Errorf("%s built, want B", b[0].Builder)
	}
	// One node stops in order, and one without a goodbye. A node that is added gets all.
	l.play(t, "stop C", "wait not linked A C", "kill B", "send A 1", "add", "build D off", "wait tx pool A", "start C", "start B", "wait txs block all",
		"wait linked B C", "wait linked C D")
	// The blocks of a node whose clock is wrong are as good as any.
	l.play(t, "clock B +2h", "send C 1", "wait txs block all", "wait one tip")
	s := l.state()
	if tip := s.Blocks[len(s.Blocks)-1]; time.Until(time.UnixMilli(int64(tip.Time))) < time.Hour || s.Nodes[1].Clock != "+2h" {
		t.Errorf("the clock has no effect on block %+v", tip)
	}
	for _, p := range l.node(1).run.P2P.Nodes() {
		if ahead := p.Seen - ledger.UnixSeconds(time.Now()); p.Connected && ahead < 3600 {
			t.Errorf("by a clock that is 2 h ahead %s was seen at %.0f s from now", p.Name, ahead)
		}
	}
	l.play(t, "clock B right", "slow A B 20ms", "loss A C 5%", "conflict A C 5 from ann", "wait tx once", "conflict B D 3", "wait tx once")
	// Others build on without a block that is withheld.
	l.play(t, "lie B withhold", "build A on", "send B 2", "wait tx block all")
	for _, bad := range []string{"start A", "stop Z", "nothing", "", "next", "lesson no-such", "cut A B C"} {
		if err := l.Do(t.Context(), bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A liar that votes twice is proven, and nothing final is lost.
func TestLabSplitVoters(t *testing.T) {
	t.Parallel()
	l := newTestLab(t, 4, true)
	l.play(t, "send A 5", "wait final >= 0", "split A B C | D", "send A 1", "send D 2",
		"wait tx block D", "expect not final >= 1", "heal", "wait txs block all", "wait final >= 2")
}

// get asks the server of a lab as a client that names a host and an origin.
func get(t *testing.T, url, method, host, origin, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, string(text)
}

// The page comes, commands are done or refused in words, and no page of another site can
// send any.
func TestLabHTTP(t *testing.T) {
	t.Parallel()
	l := newTestLab(t, 3, false)
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx, on) }()
	url := "http://" + on.Addr().String()
	for _, tc := range []struct {
		method, path, host, origin, body string
		status                           int
		text                             string
	}{
		{"GET", "/", "", "", "", 200, "<title>"},
		{"GET", "/", "localhost:1", "", "", 200, "<title>"},
		{"GET", "/", "evil.example", "", "", 421, "this machine only"},
		{"POST", "/do", "evil.example", "", "heal", 421, "this machine only"},
		{"POST", "/do", "", "http://evil.example", "heal", 403, ""},
		{"POST", "/do", "", "null", "heal", 403, ""},
		{"POST", "/do", "", "", "cut A B", 200, "{}"},
		{"POST", "/do", "", "", "cut A D", 400, `{"error":{"en":"there is no node D: the nodes are A to C","zh":"没有节点 D：节点是 A 到 C"}}`},
		{"POST", "/do", "", "", strings.Repeat("x", maxCommand+1), 400, `"error"`},
		{"GET", "/nothing", "", "", "", 404, ""},
	} {
		status, text := get(t, url+tc.path, tc.method, tc.host, tc.origin, tc.body)
		if status != tc.status || !strings.Contains(text, tc.text) {
			t.Errorf("%s %s as %s%s: %d %.200s", tc.method, tc.path, tc.host, tc.origin, status, text)
		}
	}
	req, err := http.NewRequestWithContext(ctx, "GET", url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, 1<<20)
	var s state
	for kind := ""; lines.Scan() && len(s.Nodes) == 0; {
		if text, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			kind = text
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && kind == "state" {
			if err := json.Unmarshal([]byte(data), &s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(s.Nodes) != 3 || len(s.Links) != 3 || len(s.Lessons) != 6 || !s.Links[0].Cut {
		t.Errorf("the state is %+v", s)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// A lesson begins on a network of its own, goes on by next, and stops.
func TestLabLesson(t *testing.T) {
	t.Parallel()
	l := newTestLab(t, 3, false)
	do := func(text string) {
		t.Helper()
		if err := l.Do(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	ended := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), maxWaitTime)
		defer cancel()
		if err := l.await(ctx, func(*lan) bool { return l.lesson.done || l.lesson.failed != nil }); err != nil {
			t.Fatal(err)
		}
	}
	do("lesson split-and-heal")
	if s := l.state(); len(s.Nodes) != 4 || s.Lesson.Name != "split-and-heal" || s.Lesson.Step != 1 || s.Lesson.Steps != 3 {
		t.Errorf("the lesson is %+v", s.Lesson)
	}
	ended()
	do("next")
	do("next") // does not wait for the end of the step, and does what it is to do
	if err := l.Do(t.Context(), "next"); err == nil {
		t.Error("there is a step after the last one")
	}
	ended()
	if s := l.state(); s.Lesson.Failed != nil || !s.Lesson.Done {
		t.Errorf("the lesson is %+v", s.Lesson)
	}
	do("lesson stop")
	if s := l.state(); s.Lesson != nil || len(s.Nodes) != 4 {
		t.Errorf("the lesson is %+v", s.Lesson)
	}
}

func TestLabConfig(t *testing.T) {
	for _, cfg := range []Config{{Nodes: 2}, {Nodes: 21}, {Nodes: 4, Port: -1}, {Nodes: 4, Port: 65530}} {
		if _, err := New(t.Context(), cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
	if account(issuer) != [16]byte{} || account("ann") == account("bob") || ledger.IsKeyed(account("ann")) {
		t.Error("a name's account is wrong")
	}
}

// TestLabOtherNetwork checks that a command for a node that a new network does not have
// is refused, and that the lab goes on. A lesson begins again by its file.
func TestLabOtherNetwork(t *testing.T) {
	l := newTestLab(t, 4, false)
	for name, act := range map[string]action{
		"node": onNode(9, (*labNode).start),
		"link": onLinks([]int{0, 9}, func(*link, *faults) {}),
	} {
		if err := act(t.Context(), l); !isRefusal(err) {
			t.Errorf("a %s that there is none of: %v", name, err)
		}
	}
	if _, err := l.send(t.Context(), 9, newTx("issuer", "x", 1)); !isRefusal(err) {
		t.Errorf("a transaction for a node that there is none of: %v", err)
	}
	if err := l.Do(t.Context(), "lesson again"); err == nil {
		t.Error("a lesson begins again that never began")
	}
	if err := l.Do(t.Context(), "cut A B"); err != nil {
		t.Error(err)
	}
	file := filepath.Join(t.TempDir(), "own.txt")
	if err := os.WriteFile(file, []byte("title en Own\nnodes 3\nstep\nen Look.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.lan.out.Close(); err != nil { // so that the network does not end in order
		t.Fatal(err)
	}
	if err := l.Begin(file); err != nil {
		t.Fatal(err)
	}
	if err := l.Do(t.Context(), "lesson again"); err != nil {
		t.Error(err)
	}
	if nets, err := filepath.Glob(filepath.Join(l.Dir(), "net-*")); err != nil || len(nets) != 1 {
		t.Errorf("networks on the disk: %q %v", nets, err)
	}
	// The same port on another machine is not behind the node's link. It answers at once
	// while that is cut.
	l.play(t, "cut A B")
	ctx, cancel := context.WithTimeout(t.Context(), maxWaitTime)
	defer cancel()
	_, err := l.node(0).dial(ctx, "tcp", strings.Replace(l.node(1).tcp, "127.0.0.1", "127.0.0.2", 1))
	if err == nil || ctx.Err() != nil {
		t.Errorf("another machine at the port of B: %v", err)
	}
}

// TestLabRefusals checks that a refusal is whole in both languages, and that a lab without
// a directory leaves nothing.
func TestLabRefusals(t *testing.T) {
	t.Parallel()
	l, err := New(t.Context(), Config{Nodes: MinNodes})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "fly", "cut A Z", "cut A A", "heal A", "split A B C", "slow A B 11s", "loss A B 91%", "stop", "kill", "start", "add A", "clock A", "build A", "lie A", "send A", "conflict A B", "stop A", "send A 5", "next", "lesson x"} {
		err := l.Do(t.Context(), text)
		if err == nil {
			t.Errorf("%q is taken", text)
		} else if words := wordsOf(err); words.ZH == words.EN || strings.Contains(words.ZH, "%!") || strings.Contains(words.EN, "%!") {
			t.Errorf("%q: %+v", text, words)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(l.Dir()); !os.IsNotExist(err) {
		t.Errorf("%s stays: %v", l.Dir(), err)
	}
}

// TestLabReports checks that the log has each time that a node bans another one, and in
// both languages why a node ended by itself.
func TestLabReports(t *testing.T) {
	t.Parallel()
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Nodes: MinNodes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.mu.Lock()
	defer l.mu.Unlock()
	a, b := l.lan.nodes[0], l.lan.nodes[1]
	b.peer = "b"
	banned := []api.Peer{{ID: b.peer, State: p2p.Banned, Reason: "sent junk"}}
	for _, peers := range [][]api.Peer{banned, banned, nil, banned} {
		a.takePeers(peers)
	}
	if len(l.log) != 2 || !strings.Contains(l.log[1].Text.ZH, "A 切断与 B 的往来") {
		t.Errorf("cut off twice, the log has %+v", l.log)
	}
	for err, want := range map[error]string{
		syscall.ENOSPC:   "A 停止了：磁盘已满",
		store.ErrDamaged: "A 停止了：账本文件已损坏",
		fs.ErrPermission: "A 停止了：无法写入数据目录",
		io.EOF:           "A 停止了：意外错误：node: EOF",
	} {
		a.run = &nodeRun{err: fmt.Errorf("node: %w", err)}
		l.mu.Unlock()
		a.left(a.run)
		l.mu.Lock()
		if got := l.log[len(l.log)-1].Text; got.ZH != want || got.EN != "A ended: node: "+err.Error() {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}
