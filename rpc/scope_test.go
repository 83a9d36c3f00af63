package rpc

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

func noTokens(string, bool) (Token, bool) { return Token{}, false }

// given are tokens that a test gives and revokes.
type given struct{ sync.Map }

func (g *given) find(token string, _ bool) (Token, bool) {
	t, ok := g.Load(token)
	if !ok {
		return Token{}, false
	}
	return t.(Token), true
}

// scopedLab has a token of each scope, called as its scope.
func scopedLab(t *testing.T) (*lab, *given) {
	tokens := new(given)
	for _, s := range []Scope{Read, Submit, Read | Submit, All} {
		tokens.Store(s.String(), Token{"the " + s.String(), s})
	}
	return newLab(t, func(c *Config) { c.Tokens = tokens.find }).start(), tokens
}

func (l *lab) clientWith(token string) (*client, *http.Response) {
	l.t.Helper()
	ws, res, err := websocket.DefaultDialer.Dial("ws://"+l.addr()+"/ws", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, res
	}
	l.t.Cleanup(func() { _ = ws.Close() })
	return &client{t: l.t, ws: ws}, res
}

// TestScopes asks each op with a token of each scope.
func TestScopes(t *testing.T) {
	l, _ := scopedLab(t)
	needs := map[string]string{
		"register": "all", "forget": "all", "template": "all", "submit": "all", "certify": "all", `merge","args":{"blocks":[]},"x":"`: "all",
		`merge","args":{"pool":[]},"x":"`: "submit", "time": "",
	}
	for op := range l.s.ops.table {
		if _, ok := needs[op]; !ok && op != "merge" {
			needs[op] = "read"
		}
	}
	for _, has := range []string{"read", "submit", "read,submit", "all"} {
		c, _ := l.clientWith(has)
		for op, needs := range needs {
			if needs == "all" && has == "read" && strings.HasPrefix(op, "merge") {
				needs = "submit" // it lacks this first
			}
			may := has == "all" || strings.Contains(has, needs)
			got := c.ask(`{"op":"` + op + `"}`)
			if may == strings.HasPrefix(got, `{"status":403,"error":"The token \"the `+has+`\" has the scope `+has+`, and `) {
				t.Errorf("a token for %s, op %s: %s", has, op, got)
			}
			if !may && !strings.Contains(got, "needs the scope "+needs+". Use a token that has it. To make one, on the node's machine: foxchain token add NAME --scope "+needs+" -r DIRECTORY.") {
				t.Errorf("a token for %s, op %s: %s", has, op, got)
			}
			if op == "subscribe" && may {
				c.ask(`{"op":"subscribe","args":{"events":[]}}`)
				c, _ = l.clientWith(has) // without the events that came between
			}
		}
	}
	for path, statuses := range map[string]map[string]int{
		"/metrics": {"read": 200, "submit": 403, "all": 200, "wrong": 401, "secret": 200},
		"/backup":  {"read": 403, "submit": 403, "all": 200, "wrong": 401, "secret": 200},
	} {
		for token, want := range statuses {
			res := l.http(http.MethodGet, path+"?token="+token, "")
			needs := map[string]string{"/metrics": "read", "/backup": "all"}[path]
			if how := res.Header.Get("WWW-Authenticate"); res.StatusCode != want || want == 403 && !strings.Contains(how, `error="insufficient_scope", scope="`+needs+`"`) {
				t.Errorf("%s with the token %q: %s, %s", path, token, res.Status, how)
			}
			if _, last, _ := l.s.refusals.read(); want == 403 && (last.Why.Code != "scope" || last.Why.Args["what"] != path) {
				t.Errorf("the last refusal is %+v", last)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestRevoked revokes the tokens of clients that are connected: one that asks next, and
// one that only listens.
func TestRevoked(t *testing.T) {
	l, tokens := scopedLab(t)
	idles, _ := l.clientWith("read") // asks nothing and follows nothing
	asks, _ := l.clientWith("all")
	asks.ask(`{"op":"info"}`)
	listens, _ := l.clientWith("read")
	listens.ask(`{"op":"subscribe","args":{"events":["block"]}}`)
	tokens.Delete("all")
	tokens.Delete("read")
	asks.send(`{"op":"info"}`)
	for _, c := range []*client{asks, listens, idles} {
		if code, reason := c.closed(); code != websocket.ClosePolicyViolation || reason != "the token was revoked" {
			t.Errorf("closed with %d %s", code, reason)
		}
	}
	if c, res := l.clientWith("read"); c != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a revoked token connects: %v", res)
	}
	if c, _ := l.clientWith("submit"); c == nil {
		t.Error("a token that was not revoked does not connect")
	}
}

func TestParseScope(t *testing.T) {
	for _, s := range []Scope{Read, Submit, Read | Submit, All} {
		if got, err := ParseScope(s.String()); got != s || err != nil {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, text := range []string{"", "write", "submit,read", "read ", "READ"} {
		if got, err := ParseScope(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// TestIdleIsNoUse checks that a message is a use of its client's token, and that it is
// none when the server looks whether the token was revoked.
func TestIdleIsNoUse(t *testing.T) {
	var uses atomic.Int32
	looks := make(chan struct{})
	l := newLab(t, func(c *Config) {
		c.Tokens = func(_ string, used bool) (Token, bool) {
			if used {
				uses.Add(1)
			}
			select {
			case looks <- struct{}{}:
			default:
			}
			return Token{"board", Read}, true
		}
	}).start(func(lim *limits) { lim.redraw = 10 * time.Millisecond })
	c, _ := l.clientWith("x")
	<-looks
	<-looks
	if n := uses.Load(); n != 1 {
		t.Errorf("%d uses by connecting", n)
	}
	c.ask(`{"op":"time"}`)
	if n := uses.Load(); n != 2 {
		t.Errorf("%d uses after a message", n)
	}
}

// TestScopeBeforeBody refuses a client whose body has not come.
func TestScopeBeforeBody(t *testing.T) {
	l, _ := scopedLab(t)
	nc, err := net.Dial("tcp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, err = fmt.Fprintf(nc, "POST /v1/submit HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer read\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{")
	if err == nil {
		err = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	}
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("got %s", res.Status)
	}
}
