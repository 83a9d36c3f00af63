package files

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// fakeNode serves ops as a test answers them. An empty response stands for what is unknown.
func fakeNode(t *testing.T, answer func(op string, args jsontext.Value) (response string)) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer ws.Close()
		for {
			var q struct {
				Op   string         `json:"op"`
				Args jsontext.Value `json:"args"`
				ID   uint64         `json:"id"`
			}
			_, msg, err := ws.ReadMessage()
			if err != nil || json.Unmarshal(msg, &q) != nil {
				return
			}
			response, status := answer(q.Op, q.Args), 200
			if response == "" {
				status, response = 404, "null"
			}
			if ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"status":%d,"error":"","id":%d,"response":%s}`, status, q.ID, response)) != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	c, err := client.Dial(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http"), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestMoves counts what left the chain down to the block that both have, and what joined it.
// Of a block that the node has dropped the rest is not known.
func TestMoves(t *testing.T) {
	blocks := map[string]string{
		"{3}": `{"on_chain":false,"block":{"height":2,"prev_hash":"{2}","items":[{},{}]}}`,
		"{2}": `{"on_chain":false,"block":{"height":1,"prev_hash":"{1}","items":[{}]}}`,
		"{1}": `{"on_chain":true,"block":{"height":0,"prev_hash":null}}`,
	}
	hashes := strings.NewReplacer("{1}", ledger.Hash{1}.String(), "{2}", ledger.Hash{2}.String(), "{3}", ledger.Hash{3}.String())
	c := fakeNode(t, func(op string, args jsontext.Value) string {
		switch op {
		case "block":
			for hash, block := range blocks {
				if strings.Contains(string(args), hashes.Replace(hash)) {
					return hashes.Replace(block)
				}
			}
		case "blocks":
			if string(args) == `{"items":false,"start":1}` || string(args) == `{"start":1,"items":false}` {
				return `{"blocks":[{"height":1,"count":5},{"height":2,"count":6}],"next":3}`
			}
			return `{"blocks":[{"height":3,"count":7},{"height":4,"count":100}]}` // one was built just now
		}
		return ""
	})
	before, after := &api.Info{Blocks: 3, Tip: ledger.Hash{3}}, &api.Info{Blocks: 4}
	m := &moves{c: c}
	if err := m.count(t.Context(), before, after); err != nil || m.out != 2 || m.clashed != 3 || m.in != 3 || m.inTxs != 18 || m.dropped {
		t.Errorf("%+v, %v", m, err)
	}
	delete(blocks, "{2}")
	m = &moves{c: c}
	if err := m.count(t.Context(), before, after); err != nil || m.out != 1 || m.in != 0 || !m.dropped {
		t.Errorf("%+v, %v", m, err)
	}
	var out strings.Builder
	im := &importing{c: c, last: ledger.Hash{2}.String()}
	if err := im.report(t.Context(), &out, new(api.Info), new(api.Info)); err != nil || !strings.Contains(out.String(), "not on the chain") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestReorgWhileCounting checks that what moved is counted again when a reorg came in
// between, as often as is sensible.
func TestReorgWhileCounting(t *testing.T) {
	for reorgs, want := range map[int]int{0: 1, 1: 2, 9: countTries} {
		asked, counted := 0, 0
		c := fakeNode(t, func(op string, _ jsontext.Value) string {
			switch op {
			case "info":
				asked++
				return fmt.Sprintf(`{"blocks":1,"tip":"%s","reorgs":%d}`, ledger.Hash{byte(asked)}, min(asked-1, reorgs))
			case "blocks":
				counted++
				return fmt.Sprintf(`{"blocks":[{"height":0,"count":%d}]}`, counted)
			}
			return ""
		})
		m, after, err := movesSince(t.Context(), c, new(api.Info))
		if err != nil || counted != want || m.in != 1 || m.inTxs != want || after.Tip != (ledger.Hash{byte(want)}) {
			t.Errorf("%d reorgs: counted %d times, %+v, %+v, %v", reorgs, counted, m, after, err)
		}
	}
}

// TestReorgBeforeExport checks that blocks that no longer stand on the one of --since are
// not written.
func TestReorgBeforeExport(t *testing.T) {
	since := ledger.Hash{1}.String()
	c := fakeNode(t, func(op string, _ jsontext.Value) string {
		return map[string]string{"info": `{}`, "block": `{"on_chain":true,"block":{"height":6}}`, "pool": `{"pool":[]}`, "blocks": `{"blocks":[{"hash":"a","prev_hash":"b"}]}`}[op]
	})
	var out strings.Builder
	e, err := exportSince(t.Context(), c, since)
	if err != nil || e.start != 7 {
		t.Fatalf("%+v, %v", e, err)
	}
	if err := e.write(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "the chain changed") || out.Len() > 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestNoExport reads what is no export. No line of it reaches the node.
func TestNoExport(t *testing.T) {
	c := fakeNode(t, func(op string, _ jsontext.Value) string {
		t.Errorf("asked for %s", op)
		return ""
	})
	block := `{"hash":"` + ledger.Hash{1}.String() + `"}`
	for text, want := range map[string]string{
		"{\"foxchain_backup\":1}\n\x01\x02":              "line 1 is no block with its hash",
		block + "\n{\"items\":[],\"prev_hash\":null}":    "line 2 is no block with its hash",
		"\n\r\n" + block + "\nx":                         "line 4 is not JSON",
		block + "\n" + block[:20]:                        "line 2 is not JSON",
		block + "\n[" + block + "]":                      "line 2 is no block with its hash",
		"\x1f\x8b\x08":                                   "line 1 is not JSON",
		"{\"hash\":\"" + strings.Repeat("a", importLine): "line 1 is longer than any block",
	} {
		if err := (&importing{c: c}).read(t.Context(), strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// TestManyCertificates gives a node no more certificates at once than it takes.
func TestManyCertificates(t *testing.T) {
	var sizes []int
	c := fakeNode(t, func(_ string, args jsontext.Value) string {
		var all api.Certificates
		if err := json.Unmarshal(args, &all); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(all.Certificates), len(all.Evidence))
		return "null"
	})
	line, err := json.Marshal(api.Certificates{Certificates: make([]string, 2500), Evidence: make([][2]string, 3)})
	if err != nil {
		t.Fatal(err)
	}
	im := &importing{c: c}
	if err := im.certify(t.Context(), line); err != nil || fmt.Sprint(sizes) != "[1000 0 1000 0 500 0 0 3]" {
		t.Errorf("%v, %v", sizes, err)
	}
	large := make([]string, 700) // of 100 builders
	for i := range large {
		large[i] = strings.Repeat("a", 13_000)
	}
	if line, err = json.Marshal(api.Certificates{Certificates: large}); err != nil {
		t.Fatal(err)
	}
	sizes = nil
	if err := im.certify(t.Context(), line); err != nil || fmt.Sprint(sizes) != "[322 0 322 0 56 0]" {
		t.Errorf("%v, %v", sizes, err)
	}
}

// TestBlocksLast asks for certificates and pool before the blocks, so that a chain that grows
// meanwhile has what they make final, and what leaves the pool, in the file.
func TestBlocksLast(t *testing.T) {
	var asked []string
	c := fakeNode(t, func(op string, _ jsontext.Value) string {
		asked = append(asked, op)
		return map[string]string{"info": `{"final":null,"voting":{}}`, "blocks": `{"blocks":[{"hash":"a","prev_hash":null}]}`, "certificates": `{"certificates":["ab"]}`, "pool": `{"pool":[{"id":"x"}]}`}[op]
	})
	var out strings.Builder
	e := &export{c: c}
	if err := e.write(t.Context(), &out); e.n != 1 || err != nil || fmt.Sprint(asked) != "[info certificates pool blocks]" {
		t.Errorf("%v, %d, %v", asked, e.n, err)
	}
	if want := "{\"hash\":\"a\",\"prev_hash\":null}\n{\"certificates\":[\"ab\"]}\n{\"pool\":[{\"id\":\"x\"}]}\n"; out.String() != want {
		t.Errorf("got %s", out.String())
	}
}

// TestMovesCount checks that the transactions in the pool again are those that can be
// paid and those that cannot.
func TestMovesCount(t *testing.T) {
	var out strings.Builder
	err := (&moves{out: 1, both: 1, back: 2, wait: 3}).print(&out)
	if want := "1 are in the new blocks, too, 5 are in the pool again, of which 3 cannot be paid now"; err != nil || !strings.Contains(out.String(), want) {
		t.Errorf("%q, %v, want %q", out.String(), err, want)
	}
}
