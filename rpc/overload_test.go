package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"foxchain/ledger"
)

// TestTooManyConnections checks that one connection more than there is room for closes
// the one that was silent the longest.
func TestTooManyConnections(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.conns = 3 })
	clients := []*client{l.client(), l.client(), l.client()}
	for _, i := range []int{0, 2, 1, 0} { // 2 is now the longest silent
		clients[i].ask(`{"op":"pool"}`)
	}
	last := l.client()
	code, reason := clients[2].closed()
	if code != websocket.CloseTryAgainLater || !strings.Contains(reason, "silent the longest") {
		t.Errorf("closed with %d %q", code, reason)
	}
	for _, c := range []*client{clients[0], clients[1], last} {
		c.ask(`{"op":"pool"}`)
	}
	l.wantDropped("crowded", 1)
}

// Test257 is TestTooManyConnections with the limit that nodes have.
func Test257(t *testing.T) {
	l := newLab(t).start()
	first := l.client()
	first.ask(`{"op":"pool"}`)
	rest := make([]*client, 256)
	for i := range rest {
		rest[i] = l.client()
		rest[i].ask(`{"op":"pool"}`)
	}
	if code, _ := first.closed(); code != websocket.CloseTryAgainLater {
		t.Errorf("closed with %d", code)
	}
	rest[0].ask(`{"op":"pool"}`)
	if n := l.s.connections(); n != 256 {
		t.Errorf("%d connections", n)
	}
}

func TestSilence(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.silence, lim.ping = 2*time.Second, 20*time.Millisecond })
	watcher := l.client()
	watcher.ask(`{"op":"subscribe","args":{"events":["block"]}}`)
	c := l.client()
	began := time.Now()
	c.ask(`{"op":"pool"}`)
	code, reason := c.closed() // it answers pings meanwhile, which is no message
	if code != websocket.CloseNormalClosure || reason != "silent for 2s" || time.Since(began) < 2*time.Second-50*time.Millisecond {
		t.Errorf("closed with %d %q after %s", code, reason, time.Since(began))
	}
	l.wantDropped("silent", 1)
	// The one that has subscribed is still there, since it answers pings.
	l.submit(mint(1, 1))
	go func() {
		l.build()
	}()
	if ev := watcher.next(); !strings.Contains(ev, `"event":"block"`) {
		t.Errorf("got %s", ev)
	}
}

func TestSubscriberMustAnswerPings(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.pong, lim.ping = 2*time.Second, 20*time.Millisecond })
	c := l.client()
	c.ws.SetPingHandler(func(string) error { return nil })
	c.ask(`{"op":"subscribe","args":{"events":["block"]}}`)
	if code, reason := c.closed(); code != websocket.CloseNormalClosure || reason != "no answer to pings for 2s" {
		t.Errorf("closed with %d %q", code, reason)
	}
	l.wantDropped("unanswered", 1)
}

// TestHalfAMessage checks that a message that does not arrive whole ends its connection.
func TestHalfAMessage(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.arrive = 2 * time.Second })
	c := l.client()
	w, err := c.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat(" ", 100<<10))); err != nil {
		t.Fatal(err)
	}
	if code, reason := c.closed(); code != websocket.CloseNormalClosure || reason != "a message did not arrive whole within 2s" {
		t.Errorf("closed with %d %q", code, reason)
	}
	l.wantDropped("unfinished", 1)
}

// TestCloseBehindMuch checks that a client that goes on sending after what ends its
// connection finds the close frame, however slow it is.
func TestCloseBehindMuch(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.message, lim.goodbye = 1<<20, 200*time.Millisecond })
	for what, want := range map[string]int{strings.Repeat(" ", 2<<20): websocket.CloseMessageTooBig, "\xff": websocket.CloseInvalidFramePayloadData} {
		c := l.client()
		c.send(`{"op":"subscribe"}`)
		if err := c.ws.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		const lull = 50 * time.Millisecond // eight are longer than goodbye
		for range 8 {                      // each write returns when the node has read most of it
			if c.ws.WriteMessage(websocket.TextMessage, []byte(what)) != nil {
				t.Errorf("%d: the connection was reset", want)
			}
			what = strings.Repeat(" ", 100<<10)
			time.Sleep(lull)
		}
		if code, _ := c.closed(); code != want {
			t.Errorf("closed with %d, want %d", code, want)
		}
	}
}

// TestLargeMessagesTakeTurns checks that with one place many large messages are all
// answered, and that small ones do not wait for them.
func TestLargeMessagesTakeTurns(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.large = 1 })
	if err := l.s.large.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	large := `{"op":"pool"` + strings.Repeat(" ", 1<<20) + `}`
	clients := make([]*client, 8)
	for i := range clients {
		clients[i] = l.client()
		go func() { _ = clients[i].ws.WriteMessage(websocket.TextMessage, []byte(large)) }()
	}
	l.client().ask(`{"op":"pool"}`)
	l.s.large.Release(1)
	for _, c := range clients {
		if got := c.next(); got != `{"status":200,"error":"OK","response":{"pool":[]}}` {
			t.Errorf("got %s", got)
		}
	}
}

// wantDropped waits until /metrics counts so many connections as closed for a reason. A
// client may read the close frame before.
func (l *lab) wantDropped(reason string, n int) {
	l.t.Helper()
	want := fmt.Sprintf("foxchain_rpc_dropped_total{reason=%q} %d\n", reason, n)
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(10 * time.Millisecond) {
		res := l.get("/metrics", "localhost", nil)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil {
			l.t.Fatal(err)
		}
		if strings.Contains(string(body), want) {
			return
		}
	}
	l.t.Errorf("/metrics lacks %s", want)
}

// smallBuffers makes the kernel keep little of what a client does not read.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		err = c.(interface{ SetWriteBuffer(int) error }).SetWriteBuffer(4 << 10)
	}
	return c, err
}

// slowClient connects without room for what it does not read.
func (l *lab) slowClient() *client {
	l.t.Helper()
	d := websocket.Dialer{NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		}
		return c, err
	}}
	ws, res, err := d.Dial("ws://"+l.addr()+"/ws", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = res.Body.Close()
	l.t.Cleanup(func() { _ = ws.Close() })
	return &client{t: l.t, ws: ws}
}

// slowLab has a chain of some 300 kB and a server that soon loses patience.
func slowLab(t *testing.T, tighten func(*limits)) *lab {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t, func(c *Config) {
		_ = c.Listener.Close()
		c.Listener = &Listener{list: []net.Listener{smallBuffers{ln}}, sockets: make(chan struct{}, maxSockets), port: ln.Addr().(*net.TCPAddr).Port, loopback: true}
	})
	for at := range 5 {
		txs := make([]*ledger.Transaction, 300)
		for i := range txs {
			txs[i] = mint(at*300+i+1, 1)
		}
		l.submit(txs...)
		l.build()
	}
	return l.start(tighten)
}

// TestSlowSubscriber checks that a client that does not read its events is dropped with
// the reason, and holds up no other.
func TestSlowSubscriber(t *testing.T) {
	impatient := make(chan time.Time)
	l := slowLab(t, func(lim *limits) {
		lim.after, lim.goodbye = func(time.Duration) <-chan time.Time { return impatient }, 20*time.Second
	})
	c := l.slowClient()
	c.ask(`{"op":"time"}`) // from its reply on it is served
	slow := l.serving(1)[0]
	c.send(`{"op":"subscribe","args":{"events":["block"],"from":0,"items":true}}`)
	other := l.client()
	other.ask(`{"op":"subscribe","args":{"events":["block"],"from":0,"items":true}}`)
	for n := range 5 {
		if ev := other.next(); !strings.Contains(ev, fmt.Sprintf(`"n":%d,`, n+1)) {
			t.Errorf("event %d is %.100s", n+1, ev)
		}
	}
	impatient <- time.Time{} // only the slow client's event still waits
	await(t, slow.closing)
	// Now it reads on, and finds the reason at the end.
	if code, reason := c.closed(); code != websocket.CloseTryAgainLater || !strings.HasPrefix(reason, "too slow: ") {
		t.Errorf("closed with %d %q", code, reason)
	}
	l.wantDropped("slow", 1)
}

// TestSlowReader checks that a client that does not read its replies is not read from
// either, and is cut off in the end. Others are served.
func TestSlowReader(t *testing.T) {
	l := slowLab(t, func(lim *limits) { lim.write = 300 * time.Millisecond })
	c := l.slowClient()
	c.ask(`{"op":"pool"}`) // from its reply on it is served
	slow := l.serving(1)[0]
	go func() {
		for range 100 {
			if c.ws.WriteMessage(websocket.TextMessage, []byte(`{"op":"blocks"}`)) != nil {
				return
			}
		}
	}()
	other := l.client()
	other.ask(`{"op":"pool"}`)
	await(t, slow.readDone)
	l.wantDropped("slow", 1)
	other.ask(`{"op":"pool"}`)
}

// serving returns the server's side of its n connections.
func (l *lab) serving(n int) []*conn {
	l.t.Helper()
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if len(l.s.conns) != n {
		l.t.Fatalf("%d connections, want %d", len(l.s.conns), n)
	}
	var list []*conn
	for c := range l.s.conns {
		list = append(list, c.(*conn))
	}
	return list
}

func await(t *testing.T, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("waited for a minute in vain")
	}
}

// TestShutdown checks that every client gets a close frame, and that Run ends within
// about 2 s, also with a client that does not answer.
func TestShutdown(t *testing.T) {
	l := newLab(t).start()
	polite, deaf, watcher := l.client(), l.client(), l.client()
	polite.ask(`{"op":"pool"}`)
	deaf.ask(`{"op":"pool"}`)
	watcher.ask(`{"op":"subscribe"}`)
	began := time.Now()
	l.stop()
	if code, reason := polite.closed(); code != websocket.CloseGoingAway || reason != "the node is stopping" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if code, _ := watcher.closed(); code != websocket.CloseGoingAway {
		t.Errorf("the watcher: closed with %d", code)
	}
	err := <-l.ended
	l.ended <- err // for the cleanup
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Run took %s to end", took)
	}
	if _, _, err := websocket.DefaultDialer.Dial("ws://"+l.addr()+"/ws", nil); err == nil {
		t.Error("it still listens")
	}
}

// TestShutdownOfSlowReader checks that a client that asks for much and reads nothing does
// not hold up the end.
func TestShutdownOfSlowReader(t *testing.T) {
	l := slowLab(t, func(*limits) {})
	c := l.slowClient()
	c.ask(`{"op":"time"}`) // from its reply on it is served
	for range 20 {
		c.send(`{"op":"blocks"}`)
	}
	l.client().ask(`{"op":"blocks"}`)
	began := time.Now()
	l.stop()
	err := <-l.ended
	l.ended <- err // for the cleanup
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Run took %s to end", took)
	}
}

func TestListen(t *testing.T) {
	ln, err := Listen(t.Context(), LoopbackAddrs(0), nil)
	if err != nil {
		t.Fatal(err)
	}
	if ln.Port() == 0 || !ln.Loopback() {
		t.Errorf("got %+v", ln)
	}
	for _, l := range ln.list {
		if l.Addr().(*net.TCPAddr).Port != ln.Port() {
			t.Errorf("listens on %s, not on port %d", l.Addr(), ln.Port())
		}
	}
	_, err = Listen(t.Context(), LoopbackAddrs(ln.Port()), nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("-p %d", ln.Port()+1)) {
		t.Errorf("in use: %v", err)
	}
	if err := errors.Join(ln.Close(), ln.Close()); err != nil {
		t.Error(err)
	}
	if len(ln.list) < 2 {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this: there is no IPv6")
		}
		t.Skip("no IPv6 here")
	}
	// In use on ::1 only is an error too, and leaves nothing open.
	six, err := Listen(t.Context(), []string{"[::1]:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer six.Close()
	if _, err := Listen(t.Context(), LoopbackAddrs(six.Port()), nil); err == nil || !strings.Contains(err.Error(), "::1") {
		t.Errorf("in use on ::1: %v", err)
	}
	four, err := Listen(t.Context(), []string{fmt.Sprintf("127.0.0.1:%d", six.Port())}, nil)
	if err != nil {
		t.Fatalf("the failed one kept its port: %v", err)
	}
	_ = four.Close()
	both, err := Listen(t.Context(), []string{"0.0.0.0:0", fmt.Sprintf("127.0.0.1:%d", six.Port())}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if both.Loopback() || both.list[1].Addr().(*net.TCPAddr).Port != six.Port() {
		t.Errorf("got %+v", both)
	}
	waits := both.list[1].(*boundedListener)
	waits.places = nil // none is free
	accepted := make(chan error, 1)
	go func() {
		_, err := waits.Accept()
		accepted <- err
	}()
	if err := both.Close(); err != nil || !errors.Is(<-accepted, net.ErrClosed) {
		t.Error("what waits for a place goes on:", err)
	}
}
