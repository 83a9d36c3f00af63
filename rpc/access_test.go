package rpc

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestAccess checks which requests pass. It asks the policy directly, because no test can
// come from another machine.
func TestAccess(t *testing.T) {
	a, err := newAccess("secret", noTokens, []string{"Fox.LAN"}, []string{"http://wiki.lan:8080", "https://shop.example", "null"})
	if err != nil {
		t.Fatal(err)
	}
	strict, err := newAccess("", noTokens, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const here, there = "127.0.0.1:50000", "192.168.1.9:50000"
	tests := []struct {
		name   string
		host   string
		origin string // "-": none
		second string // another Origin header
		remote string
		local  string // the node's end; "": as the remote one, on loopback or not
		method string // "": GET
		url    string
		bearer string
		header string // set by a proxy
		site   string // Sec-Fetch-Site, by a browser
		status int    // 0: it may pass
	}{
		{name: "a program", host: "localhost:9000", origin: "-"},
		{name: "by address", host: "127.0.0.1:9000", origin: "-"},
		{name: "by IPv6", host: "[::1]:9000", origin: "-"},
		{name: "by a scoped address", host: "[fe80::1%25eth0]:9000", origin: "-"},
		{name: "by a name of ours", host: "fox.lan:9000", origin: "-"},
		{name: "through another port", host: "localhost:8080", origin: "-"},
		{name: "without port", host: "LOCALHOST", origin: "-"},

		{name: "rebinding", host: "evil.example:9000", origin: "-", status: 421},
		{name: "rebinding with its own origin", host: "evil.example:9000", origin: "http://evil.example:9000", status: 421},
		{name: "rebinding with the token", host: "evil.example:9000", origin: "-", url: "/ws?token=secret", status: 421},
		{name: "a name that begins well", host: "127.0.0.1.evil.example:9000", origin: "-", status: 421},
		{name: "localhost of another", host: "localhost.evil.example:9000", origin: "-", status: 421},
		{name: "an address without brackets", host: "::1", origin: "-", status: 421},
		{name: "two ports", host: "localhost:9000:9000", origin: "-", status: 421},
		{name: "no host", host: "", origin: "-", status: 421},
		{name: "no host, the page", host: "", origin: "-", url: "/", status: 421},
		{name: "no host, metrics", host: "", origin: "-", url: "/metrics", status: 421},
		{name: "no host, health", host: "", origin: "-", url: "/healthz"},
		{name: "no host, ready", host: "", origin: "-", url: "/readyz"},
		{name: "no host, health for a site", host: "", origin: "http://evil.example", url: "/healthz", status: 403},
		{name: "no host, health from afar", host: "", origin: "-", remote: there, url: "/healthz", status: 401},
		{name: "a broken host, health", host: "a/b", origin: "-", url: "/healthz", status: 421},
		{name: "a dot at the end", host: "localhost.:9000", origin: "http://LocalHost:9000"},
		{name: "a zone as it is", host: "[fe80::1%eth0]:9000", origin: "http://[fe80::1%25eth0]:9000"},
		{name: "a zone in the origin only", host: "[fe80::1]:9000", origin: "ws://[fe80::1%eth0]:9000/ws"},
		{name: "a zone with a user", host: "localhost:9000", origin: "http://[::1%@evil.example/]:9000", status: 403},
		{name: "a zone and a name", host: "localhost:9000", origin: "http://[::1%25x]evil.example:9000", status: 403},
		{name: "a user in the host", host: "localhost@evil.example:9000", origin: "-", status: 421},
		{name: "a path in the host", host: "localhost/evil.example", origin: "-", status: 421},

		{name: "own page", host: "localhost:9000", origin: "http://localhost:9000"},
		{name: "own page by address", host: "127.0.0.1:9000", origin: "http://127.0.0.1:9000"},
		{name: "own page by another loopback name", host: "127.0.0.1:9000", origin: "http://localhost:9000"},
		{name: "own page by IPv6", host: "localhost:9000", origin: "http://[::1]:9000"},
		{name: "own page by name", host: "fox.lan:9000", origin: "http://fox.lan:9000"},
		{name: "own page behind TLS", host: "fox.lan", origin: "https://fox.lan"},
		{name: "a library's own URL", host: "localhost:9000", origin: "ws://localhost:9000"},
		{name: "a library's own URL with TLS", host: "fox.lan:9000", origin: "wss://FOX.lan:9000/"},
		{name: "a library's own URL with a path", host: "localhost:9000", origin: "ws://127.0.0.1:9000/ws"},
		{name: "own host with a slash", host: "localhost:9000", origin: "http://localhost:9000/"},
		{name: "own host with a dot", host: "localhost:9000", origin: "http://localhost.:9000"},
		{name: "own host, upper case", host: "localhost:9000", origin: "HTTP://LOCALHOST:9000"},
		{name: "own host, the long IPv6", host: "[0:0:0:0:0:0:0:1]:9000", origin: "http://[::1]:9000"},
		{name: "own host, IPv4 in IPv6", host: "[::ffff:127.0.0.1]:9000", origin: "http://127.0.0.1:9000"},
		{name: "own default port", host: "localhost:80", origin: "ws://localhost"},
		{name: "own default port of TLS", host: "fox.lan", origin: "wss://fox.lan:443"},
		{name: "allowed origin with a slash", host: "localhost:9000", origin: "http://wiki.lan:8080/"},
		{name: "chrome extension", host: "localhost:9000", origin: "chrome-extension://abcdefghijklmnop"},
		{name: "firefox extension", host: "localhost:9000", origin: "moz-extension://0a1b-2c3d"},
		{name: "safari extension", host: "localhost:9000", origin: "safari-web-extension://0A1B"},
		{name: "allowed origin", host: "localhost:9000", origin: "http://wiki.lan:8080"},
		{name: "allowed origin, default port", host: "localhost:9000", origin: "https://shop.example:443"},
		{name: "allowed null", host: "localhost:9000", origin: "null"},

		{name: "another site", host: "localhost:9000", origin: "http://evil.example", status: 403},
		{name: "another site on our port", host: "localhost:9000", origin: "http://evil.example:9000", status: 403},
		{name: "another port", host: "localhost:9000", origin: "http://localhost:3000", status: 403},
		{name: "the default port", host: "localhost:9000", origin: "http://localhost", status: 403},
		{name: "a name that begins well", host: "127.0.0.1:9000", origin: "http://127.0.0.1.evil.example:9000", status: 403},
		{name: "another address", host: "127.0.0.1:9000", origin: "http://192.168.1.9:9000", status: 403},
		{name: "another loopback address", host: "127.0.0.1:9000", origin: "http://127.0.0.2:9000", status: 403},
		{name: "a user in the origin", host: "localhost:9000", origin: "http://localhost:9000@evil.example", status: 403},
		{name: "a path in the origin", host: "localhost:9000", origin: "http://localhost:9000/x", status: 403},
		{name: "a path in an allowed origin", host: "localhost:9000", origin: "http://wiki.lan:8080/x", status: 403},
		{name: "another site's ws", host: "localhost:9000", origin: "ws://evil.example:9000", status: 403},
		{name: "another scheme on our port", host: "localhost:9000", origin: "ftp://localhost:9000", status: 403},
		{name: "the other default port", host: "localhost:80", origin: "https://localhost", status: 403},
		{name: "two dots at the end", host: "localhost:9000", origin: "http://localhost..:9000", status: 403},
		{name: "file with a path", host: "localhost:9000", origin: "file:///x", status: 403},
		{name: "own host with a query", host: "localhost:9000", origin: "http://localhost:9000/?x", status: 403},
		{name: "not the allowed scheme", host: "localhost:9000", origin: "https://wiki.lan:8080", status: 403},
		{name: "file", host: "localhost:9000", origin: "file://", status: 403},
		{name: "empty origin", host: "localhost:9000", origin: "", status: 403},
		{name: "an extension without ID", host: "localhost:9000", origin: "chrome-extension://", status: 403},
		{name: "two origins in one header", host: "localhost:9000", origin: "http://localhost:9000, http://evil.example", status: 403},
		{name: "two Origin headers", host: "localhost:9000", origin: "http://localhost:9000", second: "http://localhost:9000", status: 403},
		{name: "two Origin headers, the second foreign", host: "localhost:9000", origin: "http://localhost:9000", second: "http://evil.example", status: 403},

		{name: "another site's frame", host: "localhost:9000", origin: "-", site: "cross-site", url: "/backup", status: 403},
		{name: "another site's image", host: "localhost:9000", origin: "-", site: "cross-site", url: "/v1/events", status: 403},
		{name: "another port's image", host: "localhost:9000", origin: "-", site: "same-site", url: "/metrics", status: 403},
		{name: "another site's link to the page", host: "localhost:9000", origin: "-", site: "cross-site", url: "/"},
		{name: "another site's health check", host: "localhost:9000", origin: "-", site: "cross-site", url: "/healthz"},
		{name: "another site's frame with the token", host: "localhost:9000", origin: "-", site: "cross-site", url: "/v1/info?token=secret"},
		{name: "the page's own question", host: "localhost:9000", origin: "-", site: "same-origin", url: "/v1/info"},
		{name: "typed by a person", host: "localhost:9000", origin: "-", site: "none", url: "/v1/info"},
		{name: "another site with the token", host: "localhost:9000", origin: "http://evil.example", url: "/ws?token=secret"},
		{name: "another site with a bearer", host: "localhost:9000", origin: "http://evil.example", bearer: "bearer secret"},
		{name: "another site, wrong token", host: "localhost:9000", origin: "http://evil.example", url: "/ws?token=secre", status: 403},
		{name: "another site, basic", host: "localhost:9000", origin: "http://evil.example", bearer: "Basic secret", status: 403},

		{name: "from afar", host: "192.168.1.2:9000", origin: "-", remote: there, status: 401},
		{name: "from afar, own origin", host: "192.168.1.2:9000", origin: "http://192.168.1.2:9000", remote: there, status: 401},
		{name: "from afar, allowed origin", host: "192.168.1.2:9000", origin: "http://wiki.lan:8080", remote: there, status: 401},
		{name: "from afar, health", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/healthz", status: 401},
		{name: "from afar, metrics", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/metrics", status: 401},
		{name: "from afar, the page", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/"},
		{name: "from afar, its script", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/app.js"},
		{name: "from afar, the page for a site", host: "192.168.1.2:9000", origin: "http://evil.example", remote: there, url: "/", status: 403},
		{name: "from afar with the token", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/ws?token=secret"},
		{name: "from afar with a bearer", host: "192.168.1.2:9000", origin: "-", remote: there, bearer: "Bearer secret"},
		{name: "from afar with a wrong one", host: "192.168.1.2:9000", origin: "-", remote: there, bearer: "Bearer Secret", status: 401},
		{name: "from afar with a wrong one in the URL", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/ws?token=secre", status: 401},
		{name: "from afar with an empty one", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/ws?token=", bearer: "Bearer", status: 401},
		{name: "from afar with another scheme", host: "192.168.1.2:9000", origin: "-", remote: there, bearer: "Basic secret", status: 401},
		{name: "from afar, the right one behind a wrong one", host: "192.168.1.2:9000", origin: "-", remote: there, url: "/ws?token=old", bearer: "BEARER  secret"},
		{name: "from afar, a wrong one for a site", host: "192.168.1.2:9000", origin: "http://evil.example", remote: there, bearer: "Bearer x", status: 403},
		{name: "through a proxy", host: "fox.lan", origin: "-", header: "X-Forwarded-For", status: 401},
		{name: "through a proxy, own origin", host: "fox.lan", origin: "https://fox.lan", header: "X-Forwarded-Proto", status: 401},
		{name: "through a proxy to localhost", host: "localhost:9000", origin: "-", header: "X-Real-IP", status: 401},
		{name: "through a proxy by the standard", host: "localhost:9000", origin: "-", header: "Forwarded", status: 401},
		{name: "through a proxy that names itself", host: "localhost:9000", origin: "-", header: "Via", url: "/metrics", status: 401},
		{name: "through a proxy, the page", host: "fox.lan", origin: "-", header: "Forwarded", url: "/"},
		{name: "through a proxy with the token", host: "fox.lan", origin: "https://fox.lan", header: "Forwarded", url: "/ws?token=secret"},
		{name: "from here to another address of ours", host: "192.168.1.2:9000", origin: "-", remote: "192.168.1.2:50000", status: 401},
		{name: "from loopback to another address", host: "192.168.1.2:9000", origin: "-", local: "192.168.1.2", status: 401},
		{name: "from afar to loopback", host: "localhost:9000", origin: "-", remote: there, local: "127.0.0.1", status: 401},
		{name: "from afar, the head of the page", host: "192.168.1.2:9000", origin: "-", remote: there, method: "HEAD", url: "/"},
		{name: "from afar, a post to the page", host: "192.168.1.2:9000", origin: "-", remote: there, method: "POST", url: "/", status: 401},
		{name: "from afar, a preflight", host: "192.168.1.2:9000", origin: "-", remote: there, method: "OPTIONS", url: "/v1/submit", header: "Access-Control-Request-Method"},
		{name: "from afar, options alone", host: "192.168.1.2:9000", origin: "-", remote: there, method: "OPTIONS", url: "/v1/submit", status: 401},
		{name: "from afar, a preflight of no path", host: "192.168.1.2:9000", origin: "-", remote: there, method: "OPTIONS", url: "/backup", header: "Access-Control-Request-Method", status: 401},
		{name: "from afar, a post as a preflight", host: "192.168.1.2:9000", origin: "-", remote: there, method: "POST", url: "/v1/submit", header: "Access-Control-Request-Method", status: 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.url
			if path == "" {
				path = "/ws"
			}
			r, err := http.NewRequestWithContext(t.Context(), tt.method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			local := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000}
			r.Host, r.RemoteAddr = tt.host, here
			if tt.remote != "" {
				r.RemoteAddr = tt.remote
				local.IP = net.IPv4(192, 168, 1, 2)
			}
			if tt.local != "" {
				local.IP = net.ParseIP(tt.local)
			}
			r = r.WithContext(contextWithLocalAddr(r.Context(), local))
			if tt.origin != "-" {
				r.Header["Origin"] = []string{tt.origin}
			}
			if tt.second != "" {
				r.Header.Add("Origin", tt.second)
			}
			if tt.site != "" {
				r.Header.Set("Sec-Fetch-Site", tt.site)
			}
			if tt.bearer != "" {
				r.Header.Set("Authorization", tt.bearer)
			}
			if tt.header != "" {
				r.Header.Set(tt.header, "192.168.1.9")
			}
			status := 0
			if _, ref := a.check(r); ref != nil {
				status = ref.status
				if ref.Reason == "" || ref.wayOut == "" {
					t.Errorf("a refusal without words: %+v", ref)
				}
				checkWayOut(t, ref.wayOut)
				if status == http.StatusUnauthorized && !strings.HasPrefix(ref.wayOut, "Give the node's token: ") {
					t.Errorf("the way out is %q", ref.wayOut)
				}
				challenge := map[bool]string{true: `Bearer realm="foxchain"`}[status == http.StatusUnauthorized]
				if strings.Contains(tt.name, "wrong") && status == http.StatusUnauthorized {
					challenge += `, error="invalid_token"`
				}
				if ref.challenge != challenge || strings.Contains(ref.Reason, "is not that") != strings.Contains(challenge, "error") {
					t.Errorf("%s: the challenge is %q, want %q", ref.Reason, ref.challenge, challenge)
				}
			}
			if status != tt.status {
				t.Errorf("got %d, want %d", status, tt.status)
			}
			// A node without a token admits no client by one.
			if _, ref := strict.check(r); ref == nil && (tt.bearer != "" || strings.Contains(path, "token")) {
				t.Error("an empty token was taken for one that is right")
			}
		})
	}
}

// TestTokensOfOneRequest checks that a client that gives many tokens has few looked up,
// each once.
func TestTokensOfOneRequest(t *testing.T) {
	var found []string
	a, err := newAccess("secret", func(given string, _ bool) (Token, bool) {
		found = append(found, given)
		return Token{}, false
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "http://localhost/v1/info?token=1&token=2&token=3&token=4&token=5&token=secret", nil)
	if _, ref := a.check(r); ref == nil || ref.status != http.StatusUnauthorized || strings.Join(found, "") != "1234" {
		t.Errorf("looked up %q, %+v", found, ref)
	}
}

// checkWayOut checks that a flag is given in words of its own, or with a value that it takes.
func checkWayOut(t *testing.T, text string) {
	t.Helper()
	words := strings.Fields(text)
	for i, w := range words[:len(words)-1] {
		var err error
		switch value := strings.TrimSuffix(strings.TrimSuffix(words[i+1], "."), ","); {
		case w == "--ws-host" && value != "NAME":
			_, err = newAccess("", noTokens, []string{value}, nil)
		case w == "--ws-origin" && value != "ORIGIN":
			_, err = newAccess("", noTokens, nil, []string{value})
		}
		if err != nil {
			t.Errorf("the way out %q: %v", text, err)
		}
	}
}

func TestAccessConfig(t *testing.T) {
	for _, host := range []string{"", "*", "fox.lan:9000", "http://fox.lan"} {
		if _, err := newAccess("", noTokens, []string{host}, nil); err == nil {
			t.Errorf("took host %q", host)
		}
	}
	if _, err := newAccess("", noTokens, []string{"fox.lan."}, []string{"http://wiki.lan/"}); err != nil {
		t.Error(err)
	}
	for _, o := range []string{"", "*", "wiki.lan", "//wiki.lan", "http://", "http://a/b", "http://a?b", "http://u@a"} {
		if _, err := newAccess("", noTokens, nil, []string{o}); err == nil {
			t.Errorf("took origin %q", o)
		}
	}
}

// TestRefusal checks that a refused page of another site gets the way in, and that the
// node's users see the refusal.
func TestRefusal(t *testing.T) {
	l := newLab(t).start()
	watcher := l.client()
	watcher.wants(`{"op":"subscribe","args":{"events":["status"]}}`, `{"status":200,"error":"OK","response":{"events":["status"],"from":0}}`)
	watcher.next() // the snapshot

	_, res, err := websocket.DefaultDialer.Dial("ws://"+l.addr()+"/ws", http.Header{"Origin": {"http://evil.example"}})
	if err == nil || res == nil || res.StatusCode != http.StatusForbidden {
		t.Fatalf("got %v, %v", res, err)
	}
	body, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	for _, want := range []string{`"http://evil.example"`, "--ws-origin http://evil.example", "?token="} {
		if !strings.Contains(string(body), want) {
			t.Errorf("the answer %q does not name %s", body, want)
		}
	}
	if strings.Contains(string(body), "secret") {
		t.Error("the answer gives the token away")
	}
	if ev := watcher.next(); !strings.Contains(ev, `"event":"status"`) || !strings.Contains(ev, `"refusals":1`) || !strings.Contains(ev, `"remote":"127.0.0.1:`) || strings.Contains(ev, `"time":0,"remote"`) || !strings.Contains(ev, `"origin":"http://evil.example"`) {
		t.Errorf("the event is %s", ev)
	}
	ws, res, err := websocket.DefaultDialer.Dial("ws://"+l.addr()+"/ws?token=secret", http.Header{"Origin": {"http://evil.example"}})
	if err != nil {
		t.Fatalf("with the token: %v", err)
	}
	_ = res.Body.Close()
	_ = ws.Close()

	for _, path := range []string{"/", "/ws", "/healthz", "/readyz", "/metrics", "/nothing"} {
		if res := l.get(path, "evil.example", nil); res.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s under a foreign name: %d", path, res.StatusCode)
		}
		if res := l.get(path, "", http.Header{"Origin": {"null"}}); res.StatusCode != http.StatusForbidden {
			t.Errorf("%s of the null origin: %d", path, res.StatusCode)
		}
	}
}

// TestRefusalsInTheLog checks that refusals cost few lines, whatever they contain.
func TestRefusalsInTheLog(t *testing.T) {
	var log bytes.Buffer
	var now time.Time
	l := newLab(t, func(c *Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Now = func() time.Time { return now }
	})
	h := l.s.handler()
	for round := range 3 {
		now = time.Unix(1<<30, 0).Add(time.Duration(round) * logAgain)
		for i := range 1000 {
			r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
			r.Host = fmt.Sprintf("host%d.example", i)
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if n := strings.Count(log.String(), "refused a request"); n != maxLogged*(round+1) {
			t.Errorf("%d lines after %d s, want %d", n, 10*round, maxLogged*(round+1))
		}
	}
	if total, _, _ := l.s.refusals.read(); total != 3000 {
		t.Errorf("%d refusals were counted", total)
	}
}

func TestRoutes(t *testing.T) {
	l := newLab(t).start()
	read := func(path string) (int, string, http.Header) {
		res := l.get(path, "", nil)
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(b), res.Header
	}
	status, body, h := read("/")
	if status != 200 || !strings.Contains(strings.ToLower(body), "<!doctype html>") || h.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("/: %d %s", status, h)
	}
	for key, want := range map[string]string{
		"Content-Security-Policy": "default-src 'self'", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
	} {
		if got := h.Get(key); got != want {
			t.Errorf("/: %s is %q", key, got)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, body, _ := read(path); status != 200 || body != `{"status":"ok"}` {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := read("/nothing.js"); status != 404 {
		t.Errorf("/nothing.js: %d", status)
	}
	if status, body, _ := read("/ws"); status != 400 || !strings.Contains(body, "WebSocket client") {
		t.Errorf("/ws without upgrade: %d %s", status, body)
	}
	l.client().ask(`{"op":"pool"}`)
	_, body, _ = read("/metrics")
	for _, want := range []string{
		"foxchain_blocks 0\n", "foxchain_tip_height -1\n", "foxchain_rpc_connections ", "foxchain_p2p_dropped_total 3\n",
		"foxchain_p2p_bytes_total{direction=\"in\"} 5\n",
		"foxchain_p2p_sync_bytes_total{direction=\"out\"} 7\n",
		"version=\"test\"} 1\n", "foxchain_network_info{id=\"" + l.chain.Network().ID().String() + "\",name=\"rpc-test\"} 1\n",
		"foxchain_tip_info{hash=\"" + l.chain.Network().ID().String() + "\"} 1\n", "foxchain_rpc_request_duration_seconds_count{op=\"pool\"} 1\n", "foxchain_sync_blocks_behind 0\n", "foxchain_copied 0\n",
		"foxchain_transactions_refused_total 0\n", "foxchain_side_headers 0\n", "foxchain_side_headers_dropped_total 0\n",
		"foxchain_rpc_requests_total{op=\"pool\",status=\"200\"} 1\n", "go_goroutines ",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %q", want)
		}
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("/metrics does not follow the conventions: %v %v", problems, err)
	}
}

// TestNoHost asks for the health by HTTP/1.0 without a Host, as balancers do.
func TestNoHost(t *testing.T) {
	l := newLab(t).start()
	for head, want := range map[string]string{
		"GET /healthz HTTP/1.0\r\n\r\n":          "HTTP/1.0 200 OK",
		"HEAD /readyz HTTP/1.0\r\n\r\n":          "HTTP/1.0 200 OK",
		"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n": "HTTP/1.1 200 OK",
		"GET /metrics HTTP/1.0\r\n\r\n":          "HTTP/1.0 421 Misdirected Request",
		"GET / HTTP/1.0\r\n\r\n":                 "HTTP/1.0 421 Misdirected Request",
	} {
		c, err := net.Dial("tcp", l.addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte(head))
		line, err := bufio.NewReader(c).ReadString('\n')
		if strings.TrimSpace(line) != want {
			t.Errorf("%q: %q, %v", head, line, err)
		}
		_ = c.Close()
	}
}

// TestFailed checks that a node whose chain failed is neither healthy nor ready.
func TestFailed(t *testing.T) {
	w := httptest.NewRecorder()
	if writeHealth(w, net.ErrClosed); w.Code != 503 || w.Body.String() != `{"status":"failed","reason":"use of closed network connection"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// TestRefusalAgain checks that the same refusal is a log line again after a while, and
// not before.
func TestRefusalAgain(t *testing.T) {
	n, now, ref := newRefusalLog(), time.Now(), &refusal{kind: "host"}
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {logAgain - 1, false}, {logAgain, true}, {logAgain + 1, false}} {
		if got := n.add(ref, now.Add(c.after)); got != c.want {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
}
