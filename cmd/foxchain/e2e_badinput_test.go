package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const (
	unreadable  = `{"status":500,"error":"Cannot parse request message.","response":null}`
	unsupported = `{"status":500,"error":"Message body is not supported.","response":null}`
	mergeArgs   = `{"status":500,"error":"Operation \"merge\" requires following \"args\": \"pool\" or \"blocks\"","response":null}`
	addrArgs    = `{"status":500,"error":"Operation \"register\" requires the following \"args\": \"addr\"","response":null}`
	notAmount   = `must be an integer from 1 to 9007199254740991`
)

// A wrong message and the whole reply to it.
type wrongExact struct{ message, reply string }

// A wrong message and a part of the error in the 500 that answers it.
type wrongPart struct{ message, part string }

// wrongMessages have the replies of the original, exact to the key.
func wrongMessages() []wrongExact {
	return []wrongExact{
		{``, unreadable},
		{`not JSON`, unreadable},
		{`{"op":"pool"`, unreadable},
		{`{"op":"pool"} {"op":"pool"}`, unreadable},
		{`{'op': 'pool'}`, unreadable},
		{`{"op":"pool","args":{"start":NaN}}`, unreadable},
		{`{"op":"pool","op":"blocks"}`, unreadable}, // a key given twice
		{`{"op":"merge","args":{"pool":[{"amount":1,"amount":2}]}}`, unreadable},
		{strings.Repeat("[", 200_000), unreadable},
		{strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000), unreadable},
		{`{"op":"merge","args":{"pool":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}}`, unreadable},
		{strings.Repeat(`{"op":`, 200_000) + `1` + strings.Repeat("}", 200_000), unreadable},
		{`{}`, unsupported},
		{`{"args":{}}`, unsupported},
		{`{"OP":"pool"}`, unsupported}, // keys are case-sensitive
		{`{"op":"x"}`, `{"status":404,"error":"Operation \"x\" is not supported","response":null}`},
		{`{"op":7}`, `{"status":404,"error":"Operation \"7\" is not supported","response":null}`},
		{`{"op":"Pool"}`, `{"status":404,"error":"Operation \"Pool\" is not supported","response":null}`},
		{`{"op":"x","id":7}`, `{"status":404,"error":"Operation \"x\" is not supported","response":null,"id":7}`},
		{`{"op":"merge"}`, mergeArgs},
		{`{"op":"merge","args":{}}`, mergeArgs},
		{`{"op":"merge","args":{"Pool":[]}}`, mergeArgs},
		{`{"op":"register"}`, addrArgs},
		{`{"op":"register","args":{}}`, addrArgs},
	}
}

// wrongContents are refused with a 500 that names item, field and rule.
func wrongContents() []wrongPart {
	tx := func(fields string) string { return `{"op":"merge","args":{"pool":[` + fields + `]}}` }
	with := func(field, value string) string {
		fields := map[string]string{
			"id": `"` + numbered(90) + `"`, "sender": `"` + numbered(0) + `"`,
			"receiver": `"` + numbered(90) + `"`, "amount": "5",
		}
		fields[field] = value
		var all []string
		for _, key := range []string{"id", "sender", "receiver", "amount", "t", "surprise"} {
			if fields[key] != "" {
				all = append(all, fmt.Sprintf("%q:%s", key, fields[key]))
			}
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	wrong := []wrongPart{
		{`{"op":"merge","args":{"pool":{}}}`, "pool"},
		{`{"op":"merge","args":{"pool":"all"}}`, "pool"},
		{tx(`7`), "pool[0]"},
		{tx(issue(91, 5) + `,` + issue(92, 5) + `,` + with("amount", "0")), "pool[2].amount: " + notAmount},
		{tx(with("surprise", "1")), "surprise"},
		{`{"op":"register","args":{"addr":[]}}`, ""},
		{`{"op":"register","args":{"addr":7}}`, ""},
		{`{"op":"register","args":{"addr":"http://localhost:9001/"}}`, ""},
		{`{"op":"register","args":{"addr":["ws://localhost:9001/ws","nonsense"]}}`, ""},
		{`{"op":"blocks","args":{"start":"second"}}`, "start"},
		{`{"op":"blocks","args":{"start":1.5}}`, "start"},
		{`{"op":"pool","args":{"start":-1}}`, "start"},
		{`{"op":"pool","args":7}`, ""},
		{`{"op":"pool","id":"` + strings.Repeat("x", 1100) + `"}`, "id"},
		{tx(with("receiver", `"`+numbered(0)+`"`)), ""}, // issuer to issuer
	}
	for _, amount := range []string{`3.0`, `1e3`, `"3"`, `true`, `0`, `-1`, `9007199254740992`, `null`, `[1]`} {
		wrong = append(wrong, wrongPart{tx(with("amount", amount)), "pool[0].amount: " + notAmount})
	}
	for _, t := range []string{`-1`, `1e11`, `-0.0`, `"1"`, `true`} {
		wrong = append(wrong, wrongPart{tx(with("t", t)), "pool[0].t: "})
	}
	for _, field := range []string{"id", "sender", "receiver"} {
		for _, value := range []string{`"x"`, `7`, `"{00000000-0000-0000-0000-000000000001}"`, `"00000000000000000000000000000001"`} {
			wrong = append(wrong, wrongPart{tx(with(field, value)), "pool[0]." + field + ": "})
		}
	}
	return wrong
}

// wrongBlocks are refused as the original refused them, with the reason beside.
// top is the hash of the chain's last block.
func wrongBlocks(top block) []string {
	blocks := func(b string) string { return `{"op":"merge","args":{"blocks":[` + b + `]}}` }
	on := func(prev, items string) string { return blocks(`{"items":[` + items + `],"prev_hash":` + prev + `}`) }
	hash := `"` + top.Hash + `"`
	stamped := func(n int, more string) string {
		return strings.TrimSuffix(issue(n, 5), "}") + `,"t":1620811762.5` + more + `}`
	}
	return []string{
		`{"op":"merge","args":{"blocks":7}}`,
		blocks(`7`),
		blocks(`{}`),
		on(hash, ``),
		on(hash, `7`),
		on(hash, stamped(93, `,"prev_hash":"`+strings.Repeat("0", 40)+`"`)), // a link of the first
		on(hash, strings.Replace(stamped(93, ``), `"amount":5`, `"amount":0`, 1)),
		on(`7`, stamped(93, ``)),
		blocks(`{"items":[` + stamped(93, ``) + `],"prev_hash":` + hash + `,"hash":"` + strings.Repeat("0", 64) + `"}`),
	}
}

// TestBadInput sends a real node everything that design and experience say
// clients get wrong. Each gets its reply, nothing is taken, and the connection
// lives on.
func TestBadInput(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "2")
		c := n.connect()
		c.merge(issue(1, 3000), issue(2, 2000))
		eventually(t, 5*time.Second, "a block", func() error { return inBlocks(2, []*client{c}) })
		c.merge(issue(3, 1000))
		state := func() string {
			return c.op("pool", "").text + c.op("blocks", "").text + strings.Join(c.peers(), " ")
		}
		before := state()

		for _, wrong := range wrongMessages() {
			sameJSON(t, wrong.message, c.raw(wrong.message), wrong.reply)
		}
		for _, wrong := range wrongContents() {
			if r := c.ask(wrong.message); r.Status != 500 || r.Error == "" || !strings.Contains(r.Error, wrong.part) {
				t.Errorf("%.300s\nanswered %.500s, not 500 with %q", wrong.message, r.text, wrong.part)
			}
		}
		top := c.blocks()[0]
		for _, message := range wrongBlocks(top) {
			r := c.ask(message)
			if r.Status != 500 || r.Error != "Malicious block is detected." || !regexp.MustCompile(`"reason":"[^"]+`).MatchString(r.text) {
				t.Errorf("%.300s\nanswered %.500s, not a malicious block with a reason", message, r.text)
			}
		}
		duplicate(t, c, top)
		if after := state(); after != before {
			t.Errorf("the state was\n%s\nand is\n%s", before, after)
		}
		overLimit(t, n)
		c.accepted(`{"op":"merge","args":{"pool":[` + issue(4, 1) + `]}}`) // the first connection lives
	})
}

// duplicate offers a block in the original's form that holds a transaction of
// the chain again.
func duplicate(t *testing.T, c *client, top block) {
	t.Helper()
	again := top.Items[0]
	message := fmt.Sprintf(`{"op":"merge","args":{"blocks":[{"items":[{"id":%q,"sender":%q,"receiver":%q,"amount":%d,"t":%s,"prev_hash":null}],"prev_hash":%q}]}}`,
		again.ID, again.Sender, again.Receiver, again.Amount, pythonFloat(again.T), top.Hash)
	r := c.ask(message)
	text, ok := strings.CutPrefix(r.Error, "Duplicate transaction in blockchain: ")
	if r.Status != 500 || !ok {
		t.Fatalf("%s\nanswered %s, not that it is a duplicate", message, r.text)
	}
	want := fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":%d,"t":%s,"prev_hash":null}`,
		again.ID, again.Sender, again.Receiver, again.Amount, pythonFloat(again.T))
	sameJSON(t, "the duplicate", text, want)
}

// overLimit sends 20 MiB in one frame: that connection, and no other, ends with
// the close code for it.
func overLimit(t *testing.T, n *node) {
	t.Helper()
	c := n.connect()
	sent := make(chan error, 1)
	go func() {
		c.ws.SetWriteDeadline(time.Now().Add(20 * time.Second))
		sent <- c.ws.WriteMessage(websocket.TextMessage, bytes.Repeat([]byte(" "), 20<<20))
	}()
	c.ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	_, text, err := c.ws.ReadMessage()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || closed.Code != websocket.CloseMessageTooBig {
		t.Errorf("20 MiB: answered %.100s, %v, not the close code 1009", text, err)
	}
	<-sent // cut off or not: the node need not read what it refused
}
