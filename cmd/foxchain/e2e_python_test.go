package main_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// pythonClient is a script as students write it. It submits, waits for the block and
// checks its links as the original computed them.
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

// TestPythonClient connects Python's websocket-client, which sends an Origin, to a
// default node. Python itself computes the links.
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

// pythonWithWebsocket returns a Python that has the package websocket. Where Debian's
// python3-websocket is installed, that is the system's.
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
