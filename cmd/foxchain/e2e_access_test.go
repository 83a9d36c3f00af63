package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestAccess knocks at a default node with the handshakes of programs, pages
// and extensions: the node's own users get in, others are refused with the way in.
func TestAccess(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "-r", "node.db", "--mdns=false")
		port := strconv.Itoa(h.base)

		for _, origin := range []string{
			"", // programs: websocat, wscat and the like
			"http://localhost:" + port,
			"http://127.0.0.1:" + port, // one with localhost
			"http://[::1]:" + port,
			"chrome-extension://fgponpodhbmadfljofbimhhlengambbn",
			"moz-extension://2c127fa4-62c7-7e4f-90e5-472b45eecfdc",
			"safari-web-extension://9C3B1D0E-8F5C-4A0B-9C8E-0B5B2C1D3E4F",
		} {
			if status, body := knock(n, "/ws", origin, ""); status != http.StatusSwitchingProtocols {
				t.Errorf("Origin %q: %d %s", origin, status, body)
			}
		}
		for _, origin := range []string{
			"https://example.com",
			"http://example.com:" + port,
			"http://localhost:" + strconv.Itoa(h.base+1), // another port's page
			"https://localhost:" + port + ".example.com",
			"http://localhost.example.com:" + port,
			"http://127.0.0.1.example.com:" + port,
			"null",
			"file://",
		} {
			status, body := knock(n, "/ws", origin, "")
			if status != http.StatusForbidden || !strings.Contains(body, "--ws-origin") || !strings.Contains(body, "token") {
				t.Errorf("Origin %q: %d %s, not a 403 that says how", origin, status, body)
			}
		}
		for host, want := range map[string]int{
			"127.0.0.1:" + port:          http.StatusSwitchingProtocols,
			"[::1]:" + port:              http.StatusSwitchingProtocols,
			"attacker.example.com":       http.StatusMisdirectedRequest, // DNS rebinding
			"localhost.example.com:9000": http.StatusMisdirectedRequest,
		} {
			if status, body := knock(n, "/ws", "", host); status != want {
				t.Errorf("Host %q: %d %s, not %d", host, status, body, want)
			}
		}
		everyRoute(t, n)
		withToken(t, n, filepath.Join(dir, "node.db", "endpoint"))
	})
}

// knock does a WebSocket handshake and returns the answer's status and body. An
// empty origin or host is not sent, or as usual.
func knock(n *node, path, origin, host string) (int, string) {
	n.t.Helper()
	header := http.Header{}
	if origin != "" {
		header.Set("Origin", origin)
	}
	if host != "" {
		header.Set("Host", host)
	}
	url := fmt.Sprintf("ws://localhost:%d%s", n.ws, path)
	ws, resp, err := n.handshake(url, header)
	if err == nil {
		ws.Close()
	}
	if resp == nil {
		n.t.Fatalf("Origin %q: no answer: %v", origin, err)
	}
	body, _ := io.ReadAll(resp.Body) // of a failed handshake gorilla keeps the first kB
	return resp.StatusCode, string(body)
}

// everyRoute checks that a foreign host or page reads none of the routes.
func everyRoute(t *testing.T, n *node) {
	t.Helper()
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics"} {
		for want, header := range map[int]http.Header{
			http.StatusOK:                 {},
			http.StatusMisdirectedRequest: {"Host": {"attacker.example.com"}},
			http.StatusForbidden:          {"Origin": {"https://example.com"}},
		} {
			if status, body, err := n.get(path, header); err != nil || status != want {
				t.Errorf("GET %s with %v: %d %.300s %v, not %d", path, header, status, body, err, want)
			}
		}
	}
}

// withToken opens the door to another site with the token of the endpoint file.
func withToken(t *testing.T, n *node, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	endpoint := decode[struct {
		URL   string `json:"url"`
		Token string `json:"token"`
	}](t, string(text))
	if endpoint.Token == "" || !strings.HasPrefix(endpoint.URL, "ws://") {
		t.Errorf("the endpoint is %s", text)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("%s: %v, not 0600", file, mode)
	}
	for token, want := range map[string]int{
		endpoint.Token:       http.StatusSwitchingProtocols,
		endpoint.Token + "x": http.StatusForbidden,
		"":                   http.StatusForbidden,
	} {
		if status, body := knock(n, "/ws?token="+token, "https://example.com", ""); status != want {
			t.Errorf("a page with the token %q: %d %s, not %d", token, status, body, want)
		}
	}
	status, body, err := n.get("/healthz", http.Header{
		"Origin": {"https://example.com"}, "Authorization": {"Bearer " + endpoint.Token},
	})
	if err != nil || status != http.StatusOK {
		t.Errorf("a page with the token as a header: %d %s %v", status, body, err)
	}
}

// pythonClient is a class's script: it submits, waits for the block and checks
// its links as the original computed them.
const pythonClient = `
import hashlib, json, sys, time
import websocket

ws = websocket.create_connection(sys.argv[1], timeout=10)
def op(name, **args):
    ws.send(json.dumps({"op": name, "args": args}))
    return json.loads(ws.recv())

issuer = "00000000-0000-0000-0000-000000000000"
for n, amount in enumerate([3000, 2000, 1000, 4000], 1):
    reply = op("merge", pool=[{"sender": issuer, "receiver": "00000000-0000-0000-0000-%012d" % n, "amount": amount}])
    assert reply == {"status": 202, "error": "Accepted"}, reply

deadline = time.time() + 15
while not op("blocks")["response"]["blocks"]:
    assert time.time() < deadline, "no block"
    time.sleep(0.05)
reply = op("blocks")
assert set(reply) == {"status", "error", "response"} and reply["status"] == 200 and reply["error"] == "OK", reply
block, = reply["response"]["blocks"]
assert block["prev_hash"] is None and len(block["items"]) == 4, block
prev = None
for item in block["items"]:
    item = {key: item[key] for key in ("id", "sender", "receiver", "amount", "t", "prev_hash")}
    assert item["prev_hash"] == prev, (item, prev)
    prev = hashlib.sha1(str(item).encode()).hexdigest()
assert op("pool")["response"]["pool"] == []
print("ok")
`

// TestPythonClient lets Python's websocket-client, which sends an Origin, speak
// to a default node, and Python itself compute the links.
func TestPythonClient(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		python := pythonWithWebsocket(t)
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false")
		out, err := exec.CommandContext(t.Context(), python, "-c", pythonClient, n.url()).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "ok" {
			t.Errorf("the Python client: %v\n%s", err, out)
		}
	})
}

// pythonWithWebsocket finds a Python that has the package websocket: the
// system's where Debian's python3-websocket is installed.
func pythonWithWebsocket(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import websocket").Run() == nil {
			return python
		}
	}
	unable(t, "no Python with websocket-client: apt-get install python3-websocket")
	return ""
}
