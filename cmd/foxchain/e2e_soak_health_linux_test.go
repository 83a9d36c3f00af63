package main_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"
)

// Within these times, and not before, a node reports what the test has done. They are what
// package p2p promises, with some seconds for a busy machine.
const (
	answerWithin   = 5 * time.Second  // an awake node answers
	endedWithin    = 4 * time.Second  // a node that ended is connected no more
	silentWithin   = 17 * time.Second // one that is cut off or suspended is connected no more; 13 s are promised
	missingWithin  = 15 * time.Second // and missing so much later; 12 s after it was last there are promised
	missingSoonest = 10 * time.Second // but not before, where it ended
	joinedWithin   = 30 * time.Second // all in reach of each other connect and report all well
	clockWithin    = 70 * time.Second // a clock that was set is shown; it is asked for each minute
)

// A watcher looks at a node each second.
type watcher struct {
	s     *soak
	i     int
	ws    *websocket.Conn
	page  *soakPage
	run   time.Time   // when the run began that it knows
	start int         // its number
	shown []time.Time // when the node last reported each other node as connected
	odd   int         // looks in a row at which info, peers and the page did not agree
	clock []int       // looks in a row at which the clock of each other was not as it is
}

// A soakPage collects the events of a node, as its page does.
type soakPage struct {
	ws     *websocket.Conn
	mu     sync.Mutex
	events []string
	err    error
}

// openPage subscribes to the events of the page, except those of the pool.
func (n *node) openPage() (*soakPage, error) {
	ws, _, err := n.handshake(n.url(), nil)
	if err != nil {
		return nil, err
	}
	p := &soakPage{ws: ws}
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"subscribe","args":{"events":["status","peers","block"],"from":-24}}`)); err != nil {
		ws.Close()
		return nil, err
	}
	go func() { // ends when ws is closed
		for {
			_, text, err := ws.ReadMessage()
			p.mu.Lock()
			if p.events = append(p.events, string(text)); err != nil {
				p.events, p.err = p.events[:len(p.events)-1], err
			}
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, nil
}

// take returns what came since the last call.
func (p *soakPage) take() ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	events := p.events
	p.events = nil
	return events, p.err
}

// A view is what a node reports at one moment.
type view struct {
	asked, answered time.Time
	text, peers     jsontext.Value // of the two answers
	in              info
	nodes           []peer
}

// watch compares what node i reports with what the test has done, until ctx ends.
func (s *soak) watch(ctx context.Context, i int) {
	w := &watcher{s: s, i: i, shown: make([]time.Time, len(s.nodes)), clock: make([]int, len(s.nodes))}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		w.look()
		select {
		case <-ctx.Done():
			if w.ws != nil {
				w.ws.Close()
			}
			if w.page != nil {
				w.page.ws.Close()
			}
			return
		case <-tick.C:
		}
	}
}

func (w *watcher) look() {
	v, err := w.ask()
	nodes, pairs := w.s.truth.snapshot()
	me := &nodes[w.i]
	if me.runs != awake || !me.changed.over(v.asked, 0) {
		return // it may be about to end, or to wake up
	}
	if err != nil {
		w.wrong("does not answer: %v", err)
		return
	}
	if w.run.IsZero() || w.start != me.starts {
		w.run, w.start = me.changed.done, me.starts
		clear(w.shown)
	}
	for j := range nodes {
		if j != w.i {
			w.lookAt(v, nodes, pairs[w.i], j)
		}
	}
	if w.page == nil {
		w.page, err = w.s.nodes[w.i].openPage()
		if err == nil {
			_, err = w.s.judge.of(w.i, true, nil)
		}
		if err != nil {
			w.wrong("its page does not open: %v", err)
		}
		return
	}
	events, err := w.page.take()
	if err != nil { // the page connects again
		w.page = nil
		return
	}
	verdict, err := w.s.judge.of(w.i, false, events)
	if err != nil {
		w.wrong("no verdict: %v", err)
		return
	}
	w.lookAtVerdict(v, verdict, me, pairs[w.i])
}

// wrong counts what a node got wrong, and fails the test with the first 30.
func (w *watcher) wrong(format string, args ...any) {
	w.s.mu.Lock()
	w.s.wrongs++
	few := w.s.wrongs <= 30
	w.s.mu.Unlock()
	if few {
		w.s.t.Errorf("%s, after %s: %s", w.s.nodes[w.i].host.netns, time.Since(w.s.begin).Round(100*time.Millisecond), fmt.Sprintf(format, args...))
	}
}

// ask requests the node's info and peers, once more over a new connection where the old
// one broke.
func (w *watcher) ask() (view, error) {
	v := view{asked: time.Now()}
	n, old := w.s.nodes[w.i], w.ws != nil
	var err error
	if !old {
		if w.ws, _, err = n.handshake(n.url(), nil); err != nil {
			return v, err
		}
	}
	if v.text, err = response(w.ws, "info"); err == nil {
		v.peers, err = response(w.ws, "peers")
	}
	if err != nil {
		w.ws.Close()
		if w.ws = nil; old {
			return w.ask()
		}
		return v, err
	}
	v.answered = time.Now()
	var peers lists
	if err := errors.Join(json.Unmarshal(v.text, &v.in), json.Unmarshal(v.peers, &peers)); err != nil {
		return v, err
	}
	v.nodes = peers.Nodes
	if status, body, err := n.get("/readyz", nil); err != nil || status != http.StatusOK {
		return v, fmt.Errorf("/readyz: %d %s %v", status, body, err)
	}
	return v, nil
}

// response requests an op without arguments.
func response(ws *websocket.Conn, op string) (jsontext.Value, error) {
	ws.SetReadDeadline(time.Now().Add(answerWithin * slack))
	if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":%q}`, op)); err != nil {
		return nil, err
	}
	_, text, err := ws.ReadMessage()
	if err != nil {
		return nil, err
	}
	var answer reply
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Status != 200 {
		return nil, fmt.Errorf("%s: %d %s", op, answer.Status, answer.Error)
	}
	return answer.Response, nil
}

// lookAt checks what the node reports of node j.
func (w *watcher) lookAt(v view, nodes []machine, pairs []meeting, j int) {
	me, pair := &nodes[w.i], pairs[j]
	var p peer
	if at := slices.IndexFunc(v.nodes, func(n peer) bool { return n.ID == w.s.ids[j] }); at >= 0 {
		p = v.nodes[at]
	}
	other := w.s.nodes[j].host.netns
	if p.State == "not reached" && me.leapt() {
		p.State = "missing" // the address book of the last run is over 12 h old by the clock
		p.Missing = 0
	}
	// The node has had this long to notice what the test did.
	had := min(v.asked.Sub(pair.changed.done), v.asked.Sub(me.changed.done)) / slack
	if pair.changed.done.IsZero() {
		had = 0
	}
	gone := silentWithin
	if pair.ended {
		gone = endedWithin
	}
	switch {
	case p.Connected != (p.State == "connected"):
		w.wrong("%s is %q, connected: %v", other, p.State, p.Connected)
	case pair.joined && had >= joinedWithin && !p.Connected:
		w.wrong("%s could be reached for %s and is %q: %s", other, had, p.State, p.Reason)
	case !pair.joined && had >= gone && p.Connected:
		w.wrong("%s could not be reached for %s and is connected", other, had)
	case !pair.joined && had >= gone+missingWithin && p.State != "missing":
		w.wrong("%s could not be reached for %s and is %q: %s", other, had, p.State, p.Reason)
	}
	switch p.State {
	case "connected":
		if now := v.answered; w.shown[j].Before(now) {
			if pair.joined && w.shown[j].Before(pair.changed.began) && pair.changed.over(v.asked, 0) {
				w.s.measure("seconds until a node that can be reached is connected", v.asked.Sub(pair.changed.done).Seconds())
			}
			w.shown[j] = now
		}
		w.lookAtClock(v, nodes, pair, j, p)
	case "missing":
		since := w.shown[j]
		if since.IsZero() {
			since = w.run
		}
		took := v.answered.Sub(since)
		if pair.ended && took < missingSoonest {
			w.wrong("%s is missing %s after it was there", other, took)
		}
		said := v.in.Time - p.Missing
		// A node that slept passes on the lines that it received before.
		passed := slices.ContainsFunc(nodes, func(m machine) bool { return m.woke.After(w.shown[j]) }) && said < took.Seconds()
		// A node that slept itself shows those that it heard before as connected, until
		// it has listened for a while.
		slept := me.woke.Add(silentWithin*slack).After(w.shown[j]) && said > took.Seconds()
		if p.Missing != 0 && !w.shown[j].IsZero() && !passed && !slept && math.Abs(said-took.Seconds()) > (silentWithin*slack).Seconds() { // so long it shows as connected
			w.wrong("%s is missing for %.0f s, not for %s", other, said, took.Round(time.Second))
		}
	case "connecting", "dialing":
	case "heard of": // over others, before it is connected
		if !pair.joined && had >= gone+missingWithin {
			w.wrong("%s is heard of", other)
		}
	default:
		if p.State != "" || had > joinedWithin {
			w.wrong("%s is %q: %s", other, p.State, p.Reason)
		}
	}
}

// lookAtClock checks what the node reports of the clock of node j.
func (w *watcher) lookAtClock(v view, nodes []machine, pair meeting, j int, p peer) {
	shows := func(ahead time.Duration) bool {
		if ahead.Abs() <= time.Minute {
			return p.Clock == 0 && !strings.Contains(p.Reason, "clock")
		}
		return math.Abs(p.Clock-ahead.Seconds()) < 5 && strings.HasPrefix(p.Reason, "its clock is ")
	}
	mine, its := nodes[w.i].shifts, nodes[j].shifts
	lately := func(shifts []shift) []shift { // the one in force, and those that were
		n := len(shifts) - 1
		for n > 0 && v.asked.Sub(shifts[n].since) < clockWithin*slack {
			n--
		}
		return shifts[n:]
	}
	// A peer that was just met has not been asked yet.
	if shows(0) && !pair.changed.over(v.asked, joinedWithin) {
		return
	}
	for _, a := range lately(mine) {
		for _, b := range lately(its) {
			if shows(b.ahead - a.ahead) {
				w.clock[j] = 0
				return
			}
		}
	}
	// A busy machine may have made the connection anew, and not yet asked over it.
	if w.clock[j]++; w.clock[j] <= 3 {
		return
	}
	w.wrong("the clock of %s is %.0f s ahead (%q): its is %v, this one's %v", w.s.nodes[j].host.netns, p.Clock, p.Reason, its, mine)
}

// lookAtVerdict checks what the page reports.
func (w *watcher) lookAtVerdict(v view, verdict verdict, me *machine, pairs []meeting) {
	var away, missing, joined int // pairs that are apart for long, missing, and joined for long
	settled := true               // nothing has changed lately
	for j, p := range pairs {
		if j == w.i {
			continue
		}
		switch {
		case p.joined && p.changed.over(v.asked, joinedWithin*slack) && me.changed.over(v.asked, joinedWithin*slack):
			joined++
		case !p.joined && p.changed.over(v.asked, silentWithin*slack) && me.changed.over(v.asked, silentWithin*slack):
			away++
		default:
			settled = false
		}
	}
	for _, n := range v.nodes {
		if n.State == "missing" {
			missing++
		}
	}
	well := true
	says := make(map[string]bool)
	for _, key := range verdict.Keys {
		kind, _, _ := strings.Cut(strings.TrimPrefix(key, "home."), "0")
		for _, k := range []string{"missing", "alone"} {
			if strings.HasPrefix(kind, k) {
				kind = k
			}
		}
		says[kind] = true
		switch kind {
		case "disk", "deep": // the disk is small, and long cuts rewrite the chain
			continue
		case "missing", "alone":
		case "fork", "behind", "syncing":
			if settled {
				w.wrong("the page says %q, and nothing has happened lately: its tip is %d %s, the nodes' %+v", key, v.in.Blocks, v.in.Tip, v.nodes)
			}
		default:
			w.wrong("the page says %q: %.1500s", key, v.peers)
		}
		well = false
	}
	others := len(w.s.nodes) - 1
	switch {
	case away == others && (!says["alone"] || v.in.Peers > 0):
		w.wrong("it is alone, has %d peers, and the page says %q", v.in.Peers, verdict.Keys)
	case joined > 0 && says["alone"]:
		w.wrong("it is not alone, and the page says %q", verdict.Keys)
	case joined == others && (v.in.Peers != others || !well):
		w.wrong("all are connected, and it has %d peers, and the page says %q", v.in.Peers, verdict.Keys)
	}
	// Events come a second later, and the two answers are not of one moment.
	if w.odd++; (v.in.Missing != nil) == (missing > 0) && says["missing"] == (missing > 0) {
		w.odd = 0
	}
	if w.odd > 3 {
		w.wrong("%d nodes are missing, info says %v, and the page %q", missing, v.in.Missing, verdict.Keys)
	}
	if well {
		w.s.mu.Lock()
		w.s.well[w.i] = v.asked
		w.s.mu.Unlock()
	}
}

// A judge runs the page's own code in a browser, which reports how a node is.
type judge struct {
	mu  sync.Mutex
	ctx context.Context
}

// A verdict is the page's first lines, as their colour and the keys of their texts.
type verdict struct {
	Level string   `json:"level"`
	Keys  []string `json:"keys"`
}

// judging is a script that defines judge(node, fresh, events), which returns a verdict.
// Each node has a page of its own, which begins anew with the connection.
const judging = `(async () => {
	const [{ health }, { State }] = await Promise.all([import("/health.js"), import("/state.js")]);
	const states = new Map();
	window.judge = (node, fresh, events) => {
		if (fresh) states.set(node, new State());
		const state = states.get(node);
		for (const { event, data } of events) if (event) state.take(event, data);
		const { level, reasons } = health(state, "live");
		return JSON.stringify({ level, keys: reasons.map((r) => r.key) });
	};
})()`

func newJudge(t *testing.T) *judge {
	t.Helper()
	files := http.FileServerFS(os.DirFS("../../rpc/web"))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" { // no page that would look for a node here
			fmt.Fprint(w, "<!doctype html><title>judge</title>")
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, closeTab := chromedp.NewContext(t.Context())
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx, chromedp.Navigate(server.URL)); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](judging, chromedp.EvalAwaitPromise)); err != nil {
		t.Fatal(err)
	}
	return &judge{ctx: ctx}
}

// of returns what the page shows after some events.
func (j *judge) of(node int, fresh bool, events []string) (verdict verdict, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, err := chromedp.Run(j.ctx, chromedp.Evaluate[string](fmt.Sprintf("judge(%d, %v, [%s])", node, fresh, strings.Join(events, ","))))
	if err == nil {
		err = json.Unmarshal([]byte(text), &verdict)
	}
	return verdict, err
}
