package files

import (
	"context"
	"errors"
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

// fakeNode serves ops as a test answers them: with the response, empty for what is unknown,
// and then events.
func fakeNode(t *testing.T, answer func(op string, args jsontext.Value) (response string, events []string)) *client.Client {
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
			response, events := answer(q.Op, q.Args)
			status := 200
			if response == "" {
				status, response = 404, "null"
			}
			for _, out := range append([]string{fmt.Sprintf(`{"status":%d,"error":"","id":%d,"response":%s}`, status, q.ID, response)}, events...) {
				if ws.WriteMessage(websocket.TextMessage, []byte(out)) != nil {
					return
				}
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

// TestLostTip follows a chain to a tip that a reorg takes before its block is seen: it ends at
// the new one.
func TestLostTip(t *testing.T) {
	lost, tip := ledger.Hash{1}, ledger.Hash{2}
	c := fakeNode(t, func(op string, _ jsontext.Value) (string, []string) {
		switch op {
		case "subscribe":
			return `{}`, []string{`{"event":"block","n":1,"data":{"change":"in","block":{"height":3,"hash":"` + tip.String() + `","count":7}}}`}
		case "info":
			return `{"tip":"` + tip.String() + `"}`, nil
		}
		return `{"on_chain":false}`, nil
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*lookAgain)
	defer cancel()
	m := &moves{c: c, tip: lost}
	if err := m.follow(ctx, c, &api.Info{Blocks: 3}); err != nil || m.in != 1 || m.inTxs != 7 {
		t.Errorf("%+v, %v", m, err)
	}
}

// TestDroppedBlock takes a block that the node has dropped for one off the chain.
func TestDroppedBlock(t *testing.T) {
	tip := ledger.Hash{2}
	c := fakeNode(t, func(op string, _ jsontext.Value) (string, []string) {
		return map[string]string{"info": `{"tip":"` + tip.String() + `"}`}[op], nil
	})
	m := &moves{c: c}
	if err := errors.Join(m.look(t.Context()), m.outBlock(t.Context(), ledger.Hash{1}), m.left(t.Context(), new(api.Tx))); err != nil || m.tip != tip || m.clashed != 1 {
		t.Errorf("%v, %v, %d clashed", m.tip, err, m.clashed)
	}
	var out strings.Builder
	im := &importing{c: c, last: "a"}
	if err := im.report(t.Context(), &out, new(api.Info), new(api.Info)); err != nil || !strings.Contains(out.String(), "not on the chain") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestReorgBeforeExport: blocks that no longer stand on the one of --since are not written.
func TestReorgBeforeExport(t *testing.T) {
	since := ledger.Hash{1}.String()
	c := fakeNode(t, func(op string, _ jsontext.Value) (string, []string) {
		return map[string]string{"info": `{}`, "block": `{"on_chain":true,"block":{"height":6}}`, "pool": `{"pool":[]}`, "blocks": `{"blocks":[{"hash":"a","prev_hash":"b"}]}`}[op], nil
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

// TestNoExport reads what is no export: no line of it reaches the node.
func TestNoExport(t *testing.T) {
	c := fakeNode(t, func(op string, _ jsontext.Value) (string, []string) {
		t.Errorf("asked for %s", op)
		return "", nil
	})
	block := `{"hash":"` + ledger.Hash{1}.String() + `"}`
	for text, want := range map[string]string{
		"{\"foxchain_backup\":1}\n\x01\x02":              "line 1 is no block with its hash",
		block + "\n{\"items\":[],\"prev_hash\":null}":    "line 2 is no block with its hash",
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
	c := fakeNode(t, func(_ string, args jsontext.Value) (string, []string) {
		var all api.Certificates
		if err := json.Unmarshal(args, &all); err != nil {
			t.Error(err)
		}
		sizes = append(sizes, len(all.Certificates), len(all.Evidence))
		return "null", nil
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
	c := fakeNode(t, func(op string, _ jsontext.Value) (string, []string) {
		asked = append(asked, op)
		return map[string]string{"info": `{"final":null,"voting":{}}`, "blocks": `{"blocks":[{"hash":"a","prev_hash":null}]}`, "certificates": `{"certificates":["ab"]}`, "pool": `{"pool":[{"id":"x"}]}`}[op], nil
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
