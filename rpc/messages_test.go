package rpc

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

const (
	cannotParse = `{"status":500,"error":"Cannot parse request message.","response":null}`
	noOp        = `{"status":500,"error":"Message body is not supported.","response":null}`
	needsMerge  = `{"status":500,"error":"Operation \"merge\" requires following \"args\": \"pool\" or \"blocks\"","response":null}`
	needsAddr   = `{"status":500,"error":"Operation \"register\" requires the following \"args\": \"addr\"","response":null}`
	acceptedMsg = `{"status":202,"error":"Accepted"}`
)

// bad returns a 500 with a null response.
func bad(text string) string {
	return fmt.Sprintf(`{"status":500,"error":%q,"response":null}`, text)
}

func maliciousFor(reason string) string {
	return fmt.Sprintf(`{"status":500,"error":"Malicious block is detected.","reason":%q}`, reason)
}

// TestWrongMessages holds every wrong message with the exact bytes of its
// reply. All go over one connection, which must live on, and take nothing.
func TestWrongMessages(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	tx := func(change ...string) string {
		s := `{"id":"00000000-0000-0000-0000-000000000003","sender":"00000000-0000-0000-0000-000000000000",` +
			`"receiver":"00000000-0000-0000-0000-000000000003","amount":1000,"t":1620811762.5,"prev_hash":null}`
		return strings.NewReplacer(change...).Replace(s)
	}
	merge := func(list string) string { return `{"op":"merge","args":{"pool":` + list + `}}` }
	ruleAmount := "must be an integer from 1 to 9007199254740991"
	tests := []struct{ name, msg, reply string }{
		{"empty", "", cannotParse},
		{"not JSON", "hello", cannotParse},
		{"not whole", `{"op":"time"`, cannotParse},
		{"two values", `{"op":"time"}{"op":"time"}`, cannotParse},
		{"half a surrogate", `{"op":"\ud800"}`, cannotParse},
		{"a key twice", `{"op":"time","op":"time"}`, cannotParse},
		{"a key twice, deep", `{"op":"merge","args":{"pool":[{"id":1,"id":2}]}}`, cannotParse},
		{"200,000 brackets", strings.Repeat("[", 200_000), cannotParse},
		{"200,000 closed brackets", strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000), cannotParse},
		{"200,000 brackets in args", `{"op":"merge","args":{"pool":` + strings.Repeat("[", 200_000), cannotParse},
		{"200,000 objects", strings.Repeat(`{"op":`, 200_000) + `1` + strings.Repeat("}", 200_000), cannotParse},
		{"NaN", `{"op":NaN}`, cannotParse},
		{"byte order mark", "\xef\xbb\xbf{\"op\":\"time\"}", cannotParse},

		{"no op", `{}`, noOp},
		{"null op", `{"op":null}`, noOp},
		{"op in another case", `{"OP":"time"}`, noOp},
		{"a list", `["op"]`, noOp},
		{"a number", `5`, noOp},
		{"text", `"op"`, noOp},
		{"null", `null`, noOp},
		{"op in what is not read", `{"x":"op","y":{"op":"time"},"z":["op"]}`, noOp},
		{"no op, with id", `{"id":{"a":[1, 2]}}`, `{"status":500,"error":"Message body is not supported.","response":null,"id":{"a":[1, 2]}}`},

		{"another op", `{"op":"x"}`, `{"status":404,"error":"Operation \"x\" is not supported","response":null}`},
		{"prove", `{"op":"prove"}`, `{"status":404,"error":"Operation \"prove\" is not supported","response":null}`},
		{"empty op", `{"op":""}`, `{"status":404,"error":"Operation \"\" is not supported","response":null}`},
		{"op in another case", `{"op":"POOL"}`, `{"status":404,"error":"Operation \"POOL\" is not supported","response":null}`},
		{"op a number", `{"op":5}`, `{"status":404,"error":"Operation \"5\" is not supported","response":null}`},
		{"op a list", `{"op":["pool"]}`, `{"status":404,"error":"Operation \"[\"pool\"]\" is not supported","response":null}`},
		{"long op", `{"op":"` + strings.Repeat("é", 4000) + `"}`, `{"status":404,"error":"Operation \"` + strings.Repeat("é", 50) + `…\" is not supported","response":null}`},

		{"long id", `{"op":"time","id":"` + strings.Repeat("x", 1023) + `"}`, bad("id: must be at most 1024 bytes of JSON")},

		{"args a list", `{"op":"pool","args":[]}`, bad("args: must be an object")},
		{"args text", `{"op":"info","args":"x"}`, bad("args: must be an object")},
		{"pool start text", `{"op":"pool","args":{"start":"x"}}`, bad("args.start: must be an integer, or text that is one")},
		{"pool start negative", `{"op":"pool","args":{"start":-1}}`, bad("args.start: must be an integer, 0 or more")},
		{"pool start fraction", `{"op":"pool","args":{"start":1.5}}`, bad("args.start: must be an integer, or text that is one")},
		{"pool limit 0", `{"op":"pool","args":{"limit":0}}`, bad("args.limit: must be an integer, 1 or more")},
		{"blocks start a list", `{"op":"blocks","args":{"start":[1]}}`, bad("args.start: must be an integer, or text that is one")},
		{"blocks start exponent", `{"op":"blocks","args":{"start":1e-3}}`, bad("args.start: must be an integer, or text that is one")},
		{"blocks start 1.0 as text", `{"op":"blocks","args":{"start":"1.0"}}`, bad("args.start: must be an integer, or text that is one")},
		{"blocks start 1.0", `{"op":"blocks","args":{"start":1.0}}`, `{"status":200,"error":"OK","response":{"blocks":[]}}`},
		{"blocks start -1e3", `{"op":"blocks","args":{"start":-1e3,"limit":2.0}}`, `{"status":200,"error":"OK","response":{"blocks":[]}}`},
		{"blocks start empty", `{"op":"blocks","args":{"start":""}}`, bad("args.start: must be an integer, or text that is one")},
		{"blocks limit true", `{"op":"blocks","args":{"limit":true}}`, bad("args.limit: must be an integer, or text that is one")},

		{"merge without args", `{"op":"merge"}`, needsMerge},
		{"merge null args", `{"op":"merge","args":null}`, needsMerge},
		{"merge empty args", `{"op":"merge","args":{}}`, needsMerge},
		{"merge with Pool", `{"op":"merge","args":{"Pool":[]}}`, needsMerge},
		{"merge null pool", `{"op":"merge","args":{"pool":null}}`, needsMerge},
		{"pool not a list", merge(`5`), bad("pool: must be a list of transactions")},
		{"pool wins", `{"op":"merge","args":{"blocks":[],"pool":{}}}`, bad("pool: must be a list of transactions")},
		{"pool item", merge(`[` + tx() + `,[]]`), bad("pool[1]: must be a transaction: an object with sender, receiver and amount")},
		{"amount 0", merge(`[` + tx("1000", "0") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount negative", merge(`[` + tx("1000", "-1") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount 3.0", merge(`[` + tx("1000", "3.0") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount 1e3", merge(`[` + tx("1000", "1e3") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount text", merge(`[` + tx("1000", `"3"`) + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount true", merge(`[` + tx("1000", "true") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"amount 2^53", merge(`[` + tx("1000", "9007199254740992") + `]`), bad("pool[0].amount: " + ruleAmount)},
		{"malformed third", merge(`[` + tx() + `,` + tx("0003", "0004") + `,` + tx("1000", "null") + `]`), bad("pool[2].amount: " + ruleAmount)},

		{"blocks not a list", `{"op":"merge","args":{"blocks":{}}}`, maliciousFor("blocks: must be a list of blocks")},
		{"block not an object", `{"op":"merge","args":{"blocks":[7]}}`, maliciousFor("blocks[0]: must be a block: an object with items and prev_hash")},

		{"register without args", `{"op":"register"}`, needsAddr},
		{"register null", `{"op":"register","args":{"addr":null}}`, needsAddr},
		{"register number", `{"op":"register","args":{"addr":5}}`, bad("args.addr: must be the text of a ws:// or wss:// URL or a multiaddr, at most 1024 bytes")},
		{"register item", `{"op":"register","args":{"addr":["ws://localhost:9001/ws",""]}}`, bad("args.addr[1]: must be the text of a ws:// or wss:// URL or a multiaddr, at most 1024 bytes")},
		{"register nothing", `{"op":"register","args":{"addr":[]}}`, bad("args.addr: must be one address or a list of 1 to 256")},
		{"register one bad", `{"op":"register","args":{"addr":["ws://localhost:9001/ws","http://x"]}}`, bad(`args.addr: address 1, "http://x", is not a ws:// URL`)},

		{"tx without id", `{"op":"tx"}`, bad(`Operation "tx" requires the following "args": "id"`)},
		{"tx id a number", `{"op":"tx","args":{"id":5}}`, bad("args.id: must be text")},
		{"tx id no UUID", `{"op":"tx","args":{"id":"x"}}`, bad("args.id: must be a UUID as 8-4-4-4-12 hex digits, not 1 character; its first digits are enough, 4 or more")},
		{"an unknown tx", `{"op":"tx","args":{"id":"00000000-0000-0000-0000-000000000009"}}`,
			`{"status":404,"error":"Transaction 00000000-0000-0000-0000-000000000009 is not known here","response":null}`},
		{"block without args", `{"op":"block"}`, bad(`Operation "block" requires the following "args": "hash" or "height"`)},
		{"block of no chain", `{"op":"block","args":{"height":0}}`, `{"status":404,"error":"Block 0 is not known here","response":null}`},
		{"block before the chain", `{"op":"block","args":{"height":-1}}`, `{"status":404,"error":"Block -1 is not known here","response":null}`},
		{"block hash", `{"op":"block","args":{"hash":"00"}}`, bad("args.hash: must be 64 hex digits, not 2 characters")},
		{"account without args", `{"op":"account"}`, bad(`Operation "account" requires the following "args": "account"`)},
		{"account limit", `{"op":"account","args":{"account":"00000000-0000-0000-0000-000000000009","limit":1001}}`, bad("args.limit: must be an integer from 1 to 1000")},
		{"account from", `{"op":"account","args":{"account":"00000000-0000-0000-0000-000000000009","from":{"height":-1,"index":0}}}`, bad(`args.from: must be an object with "height" and "index"`)},
		{"submit without args", `{"op":"submit","args":{"number":1}}`, bad(`Operation "submit" requires the following "args": "number" and "nonce"`)},
		{"submit nonce", `{"op":"submit","args":{"number":1,"nonce":"xx"}}`, bad("args.nonce: must be 16 hex digits")},
		{"submit unknown", `{"op":"submit","args":{"number":1,"nonce":"0000000000000000"}}`, bad("The block was not taken: not the newest template")},
		{"subscribe to x", `{"op":"subscribe","args":{"events":["x"]}}`, bad("args.events: must be a list of status, peers, block, pool, final, evidence, told")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &client{t: t, ws: c.ws}
			c.wants(tt.msg, tt.reply)
			if err := c.ws.WriteMessage(websocket.BinaryMessage, []byte(tt.msg)); err != nil {
				t.Fatal(err)
			}
			if got := c.next(); got != tt.reply {
				t.Errorf("as a binary frame: %.500s", got)
			}
		})
	}
	c.wants(`{"op":"pool"}`, `{"status":200,"error":"OK","response":{"pool":[]}}`)
	c.wants(`{"op":"blocks"}`, `{"status":200,"error":"OK","response":{"blocks":[]}}`)
	if n := l.net.Nodes(); len(n) != 0 {
		t.Errorf("registered %v", n)
	}
}

// TestTooLong checks that a message over the limit ends its connection with code 1009,
// and no other connection.
func TestTooLong(t *testing.T) {
	if testing.Short() {
		t.Skip("sends 52 MiB")
	}
	l := newLab(t).start()
	other := l.client()
	t.Run("20 MiB in one frame", func(t *testing.T) {
		c := l.client()
		_ = c.ws.WriteMessage(websocket.TextMessage, []byte(strings.Repeat(" ", 20<<20)))
		if code, _ := c.closed(); code != websocket.CloseMessageTooBig {
			t.Errorf("close code %d", code)
		}
	})
	t.Run("one byte over, in fragments", func(t *testing.T) {
		c := l.client()
		w, err := c.ws.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		for range 16 {
			_, _ = w.Write([]byte(strings.Repeat(" ", 1<<20)))
		}
		_, _ = w.Write([]byte(" "))
		_ = w.Close()
		if code, _ := c.closed(); code != websocket.CloseMessageTooBig {
			t.Errorf("close code %d", code)
		}
	})
	t.Run("16 MiB is read", func(t *testing.T) {
		c := l.client()
		c.wants(`{"op":"x"`+strings.Repeat(" ", 16<<20-10)+`}`, `{"status":404,"error":"Operation \"x\" is not supported","response":null}`)
	})
	other.wants(`{"op":"pool"}`, `{"status":200,"error":"OK","response":{"pool":[]}}`)
	l.wantDropped("too_long", 2)
}

func TestIDs(t *testing.T) {
	c := newLab(t).start().client()
	for _, id := range []string{`1`, `"a"`, `null`, `{"a":[1,  2.50]}`, `"\u00e9\/"`, `1e999`, `"` + strings.Repeat("x", 1022) + `"`} {
		c.wants(`{"id":`+id+`,"op":"pool"}`, `{"status":200,"error":"OK","response":{"pool":[]},"id":`+id+`}`)
		c.wants(`{"op":"merge","id":`+id+`}`, strings.TrimSuffix(needsMerge, "}")+`,"id":`+id+`}`)
	}
}

// TestInOrder sends many messages at once, large and small.
func TestInOrder(t *testing.T) {
	c := newLab(t).start().client()
	const n = 300
	go func() {
		for i := range n {
			pad := strings.Repeat(" ", i%3*50_000)
			_ = c.ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"op":"pool",%s"id":%d}`, pad, i))
		}
	}()
	for i := range n {
		if got, want := c.next(), fmt.Sprintf(`{"status":200,"error":"OK","response":{"pool":[]},"id":%d}`, i); got != want {
			t.Fatalf("reply %d is %s", i, got)
		}
	}
}

// TestWithin reads integers as JSON and text have them, at their bounds.
func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		value string
		want  int64
		ok    bool
	}{
		{`null`, 7, true}, {`"10"`, 10, true}, {`" 12 "`, 12, true}, {`1e1`, 10, true}, {`1`, 1, true}, {`0`, 7, false},
		{`1000`, 1000, true}, {`1001`, 7, false}, {`"1001"`, 7, false}, {`99999999999999999999`, 7, false}, {`9007199254740992.0`, 7, false},
	} {
		a, err := newReader([]byte(`{"n":` + tt.value + `}`)).args()
		if err != nil {
			t.Fatal(err)
		}
		if got := a.within("n", 7, 1, 1000); got != tt.want || (a.err == nil) != tt.ok {
			t.Errorf("%s: %d, %v", tt.value, got, a.err)
		}
	}
	a, err := newReader([]byte(`{"n":9007199254740992.0}`)).args()
	if a.integer("n", 0); err != nil || a.err == nil {
		t.Error("took a number that a float cannot hold exactly")
	}
}
