package rpc

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
)

// An originalNode stands in for one of the original's, by the op table. It keeps a pool,
// makes blocks whose prev_hash is SHA-1 of something that no other node can compute, and
// knows no header.
type originalNode struct {
	pool   []*ledger.Transaction
	blocks []string
}

// build makes a block of the whole pool.
func (n *originalNode) build() {
	prev, items := "null", make([]string, len(n.pool))
	if len(n.blocks) > 0 {
		prev = fmt.Sprintf(`"%x"`, sha1.Sum([]byte("an object of Python: "+n.blocks[len(n.blocks)-1])))
	}
	links := ledger.Links(n.pool)
	for i, tx := range n.pool {
		var link *ledger.Link
		if i > 0 {
			link = &links[i-1]
		}
		items[i] = string(tx.AppendJSON(nil, link))
	}
	n.blocks, n.pool = append(n.blocks, `{"items":[`+strings.Join(items, ",")+`],"prev_hash":`+prev+`}`), nil
}

// ServeHTTP answers pool, blocks and merge of a pool, one message after the other.
func (n *originalNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	for {
		var m struct {
			Op   string
			Args struct{ Pool jsontext.Value }
		}
		_, b, err := ws.ReadMessage()
		if err != nil || json.Unmarshal(b, &m, json.MatchCaseInsensitiveNames(true)) != nil {
			return
		}
		reply := `{"status":202,"error":"Accepted"}`
		switch m.Op {
		case "pool":
			texts := make([]string, len(n.pool))
			for i, tx := range n.pool {
				texts[i] = txJSON(tx)
			}
			reply = `{"status":200,"error":"OK","response":{"pool":[` + strings.Join(texts, ",") + `]}}`
		case "blocks":
			reply = `{"status":200,"error":"OK","response":{"blocks":[` + strings.Join(n.blocks, ",") + `]}}`
		case "merge":
			txs, err := ledger.ParsePool(m.Args.Pool, func() float64 { return 0 }, 100)
			if err != nil {
				return
			}
			for _, tx := range txs {
				if !slices.ContainsFunc(n.pool, func(p *ledger.Transaction) bool { return p.ID == tx.ID }) {
					n.pool = append(n.pool, tx)
				}
			}
		}
		if ws.WriteMessage(websocket.TextMessage, []byte(reply)) != nil {
			return
		}
	}
}

// TestOriginalWorld lets a tracker of the original's carry pool and blocks between an
// original node and ours. Ours takes its chain, and its pool gets what ours has.
func TestOriginalWorld(t *testing.T) {
	original := new(originalNode)
	server := httptest.NewServer(original)
	defer server.Close()
	ws, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	defer ws.Close()
	l := newLab(t).start()
	theirs, ours := &client{t: t, ws: ws}, l.client()
	type lists struct {
		Pool   []jsontext.Value `json:"pool"`
		Blocks []jsontext.Value `json:"blocks"`
	}
	list := func(c *client, op string) lists { return response[lists](c, `{"op":"`+op+`"}`) }
	forward := func(to *client, what string, values []jsontext.Value) {
		if len(values) == 0 {
			return
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = string(v)
		}
		to.wants(`{"op":"merge","args":{"`+what+`":[`+strings.Join(texts, ",")+`]}}`, acceptedMsg)
	}
	round := func() {
		forward(ours, "blocks", list(theirs, "blocks").Blocks)
		forward(ours, "pool", list(theirs, "pool").Pool)
		forward(theirs, "pool", list(ours, "pool").Pool)
	}
	n := 0
	for blocks := range 3 {
		n += 2
		theirs.wants(mergePool(mint(n-1, 5)), acceptedMsg)
		ours.wants(mergePool(mint(n, 7)), acceptedMsg)
		round()
		if got := list(theirs, "pool").Pool; len(got) != 2 {
			t.Fatalf("the original's pool is %s", got)
		}
		if got := list(ours, "pool").Pool; len(got) != 2 {
			t.Fatalf("our pool is %s", got)
		}
		original.build()
		round()
		got, pool := list(ours, "blocks").Blocks, list(ours, "pool").Pool
		if len(got) != blocks+1 || len(pool) != 0 {
			t.Fatalf("we have %d blocks and the pool %s", len(got), pool)
		}
		for i, b := range got {
			if !strings.Contains(string(b), txJSON(mint(2*i+1, 5))[:40]) || !strings.Contains(string(b), txJSON(mint(2*i+2, 7))[:40]) {
				t.Errorf("block %d is %s", i, b)
			}
		}
	}
}
