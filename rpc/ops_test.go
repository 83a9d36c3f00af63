package rpc

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

type blockJSON struct {
	Items []struct {
		ID   string  `json:"id"`
		Prev *string `json:"prev_hash"`
	} `json:"items"`
	Hash    string  `json:"hash"`
	Prev    *string `json:"prev_hash"`
	Height  uint64  `json:"height"`
	Count   int     `json:"count"`
	Builder string  `json:"builder"`
}

func TestBlocksPaging(t *testing.T) {
	l := newLab(t).start()
	for n := range 5 {
		l.submit(mint(n+1, 1))
		l.build()
	}
	c := l.client()
	heights := func(args string) (out []uint64, next *uint64) {
		r := response[struct {
			Blocks []blockJSON `json:"blocks"`
			Next   *uint64     `json:"next"`
		}](c, `{"op":"blocks","args":`+args+`}`)
		for _, b := range r.Blocks {
			out = append(out, b.Height)
		}
		return out, r.Next
	}
	for args, want := range map[string][]uint64{
		`{}`: {0, 1, 2, 3, 4}, `{"start":3}`: {3, 4}, `{"start":"3"}`: {3, 4}, `{"start":" -2 "}`: {3, 4},
		`{"start":-1}`: {4}, `{"start":-100}`: {0, 1, 2, 3, 4}, `{"start":5}`: nil,
		`{"start":1000000000000000000000000}`: nil, `{"start":-1000000000000000000000000}`: {0, 1, 2, 3, 4},
		`{"start":null}`: {0, 1, 2, 3, 4}, `{"start":3,"limit":9,"what":1}`: {3, 4},
	} {
		if got, next := heights(args); !slices.Equal(got, want) || next != nil {
			t.Errorf("%s: got %v, next %v", args, got, next)
		}
	}
	got, next := heights(`{"start":1,"limit":2}`)
	if !slices.Equal(got, []uint64{1, 2}) || next == nil || *next != 3 {
		t.Errorf("limited: got %v, next %v", got, next)
	}
	c.wants(`{"op":"blocks","args":{"start":5}}`, `{"status":200,"error":"OK","response":{"blocks":[]}}`)
}

// TestLargeReplies reads a pool and a chain whose JSON passes 8 MiB, in pages.
func TestLargeReplies(t *testing.T) {
	if testing.Short() {
		t.Skip("reads 60,000 transactions twice")
	}
	l := newLab(t).start()
	const n = 60_000
	for at := 0; at < n; at += 2000 {
		txs := make([]*ledger.Transaction, 2000)
		for i := range txs {
			txs[i] = mint(at+i+1, 1)
		}
		l.submit(txs...)
	}
	c := l.client()
	pages := func(op string) {
		t.Helper()
		total, next := 0, uint64(0)
		for page := 1; ; page++ {
			raw := c.ask(fmt.Sprintf(`{"op":%q,"args":{"start":%d},"id":%d}`, op, next, page))
			if len(raw) >= 8<<20 {
				t.Fatalf("%s: a reply of %d bytes", op, len(raw))
			}
			r := response[struct {
				Pool   []jsontext.Value `json:"pool"`
				Blocks []blockJSON      `json:"blocks"`
				Next   *uint64          `json:"next"`
			}](c, fmt.Sprintf(`{"op":%q,"args":{"start":%d}}`, op, next))
			total += len(r.Pool)
			for _, b := range r.Blocks {
				total += len(b.Items)
			}
			if r.Next == nil {
				if page != 2 || total != n {
					t.Errorf("%s: %d items in %d pages, want %d in 2", op, total, page, n)
				}
				return
			}
			if len(raw) < 7<<20 && op == "pool" {
				t.Errorf("%s: stopped at %d bytes", op, len(raw))
			}
			next = *r.Next
		}
	}
	pages("pool")
	for l.chain.Status().Pool > 0 {
		l.build()
	}
	pages("blocks")
}

// TestLargeBuffers checks that replies that use the buffers of others are whole, also
// while several wait for their clients.
func TestLargeBuffers(t *testing.T) {
	l := newLab(t).start()
	var last *ledger.Block
	var want []string
	for range 3 {
		txs := minted(largeBlock)
		last = l.extend(l.header(last, txs...), txs)
	}
	for height := range 3 {
		want = append(want, l.client().ask(fmt.Sprintf(`{"op":"block","args":{"height":%d}}`, height)))
	}
	clients := []*client{l.client(), l.client()}
	const asked = 100 // whose replies are more than the system takes while no client reads
	for i := range asked {
		for n, c := range clients {
			c.send(fmt.Sprintf(`{"op":"block","args":{"height":%d}}`, (i+n)%3))
		}
	}
	for i := range asked {
		for n, c := range clients {
			if got := c.next(); got != want[(i+n)%3] {
				t.Fatalf("reply %d of client %d is %.200s, want %.200s", i, n, got, want[(i+n)%3])
			}
		}
	}
}

func TestPeers(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	c.wants(`{"op":"peers"}`, `{"status":200,"error":"OK","response":{"peers":["ws://`+l.addr()+`/ws"],"nodes":[]}}`)
	c.wants(`{"op":"register","args":{"addr":"ws://localhost:9001/ws"}}`, acceptedMsg)
	c.wants(`{"op":"register","args":{"addr":["ws://localhost:9002/ws"]}}`, acceptedMsg)
	type peers struct {
		Peers []string   `json:"peers"`
		Nodes []api.Peer `json:"nodes"`
	}
	own := "ws://" + l.addr() + "/ws"
	got := response[peers](c, `{"op":"peers"}`)
	if want := []string{own, "ws://127.0.0.1:9001/ws", "ws://127.0.0.1:9002/ws"}; !slices.Equal(got.Peers, want) || len(got.Nodes) != 2 {
		t.Errorf("got %+v", got)
	}
	nodes := append(l.net.Nodes(),
		api.Peer{ID: "a", Connected: true, WS: "ws://10.0.0.2:9000/ws", Addrs: []string{"/ip4/10.0.0.2/tcp/19000/p2p/a"}},
		api.Peer{ID: "b", Connected: true, Addrs: []string{"/ip4/10.0.0.3/tcp/19000/p2p/b"}},
		api.Peer{ID: "c", Addrs: []string{"/ip4/10.0.0.4/tcp/19000/p2p/c"}},
		api.Peer{ID: "d", Connected: true, WS: "ws://localhost:9001/ws"},
		api.Peer{ID: "e", Registered: []string{"ws://127.0.0.1:9002/ws"}},
		api.Peer{ID: "f", Registered: []string{own}},
		api.Peer{ID: "g", Registered: []string{"/ip4/10.0.0.5/tcp/19000/p2p/g"}},
		api.Peer{ID: "h", Registered: []string{"/ip4/10.0.0.6/tcp/19000/p2p/h"}, Connected: true, WS: "ws://10.0.0.6:9000/ws"},
	)
	nodes[0].Connected, nodes[0].WS = true, "ws://10.0.0.9:9001/ws"
	l.net.set(nodes...)
	want := []string{own, "ws://127.0.0.1:9001/ws", "ws://127.0.0.1:9002/ws", "/ip4/10.0.0.2/tcp/19000/p2p/a",
		"/ip4/10.0.0.3/tcp/19000/p2p/b", "/ip4/10.0.0.5/tcp/19000/p2p/g"}
	if got := response[peers](c, `{"op":"peers"}`).Peers; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestPeerURLs checks that a client gets the URLs that it can use, in one spelling.
func TestPeerURLs(t *testing.T) {
	nodes := []api.Peer{
		{Registered: []string{"ws://localhost:9001/ws"}},
		{Registered: []string{"ws://127.0.0.1:9001/ws", "wss://LOCALHOST/ws", "ws://10.0.0.9:9000/ws"}},
		{Registered: []string{"ws://10.0.0.7:9000/ws"}, WantsToken: true},
		{ID: "d", Connected: true, Registered: []string{"ws://10.0.0.8:9000/ws"}, Addrs: []string{"/ip4/10.0.0.8/tcp/19000/p2p/d"}},
		{Connected: true, WS: "ws://localhost:9002/ws", Addrs: []string{"/ip4/127.0.0.1/tcp/19002/p2p/b"}},
		{Connected: true, WS: "ws://10.0.0.2:9000/ws", Addrs: []string{"/ip4/10.0.0.2/tcp/19000/p2p/c"}},
		{Connected: true, WS: "ws://localhost:9000/ws", Addrs: []string{"/ip4/127.0.0.1/tcp/19000/p2p/own"}},
	}
	const far, other, known = "ws://10.0.0.9:9000/ws", "/ip4/10.0.0.2/tcp/19000/p2p/c", "/ip4/10.0.0.8/tcp/19000/p2p/d"
	for host, want := range map[string][]string{
		"localhost:9000": {"ws://localhost:9000/ws", far, "ws://localhost:9001/ws", "ws://localhost:9002/ws", "wss://localhost/ws", other, known},
		"127.0.0.1:9000": {"ws://127.0.0.1:9000/ws", far, "ws://127.0.0.1:9001/ws", "ws://127.0.0.1:9002/ws", "wss://127.0.0.1/ws", other, known},
		"[::1]:9000":     {"ws://[::1]:9000/ws", far, "ws://[::1]:9001/ws", "ws://[::1]:9002/ws", "wss://[::1]/ws", other, known},
		"10.0.0.1:9000": {"ws://10.0.0.1:9000/ws", far, "ws://localhost:9001/ws", "wss://localhost/ws", other, known,
			"/ip4/127.0.0.1/tcp/19000/p2p/own", "/ip4/127.0.0.1/tcp/19002/p2p/b"},
	} {
		if got := peerURLs(host, nodes); !slices.Equal(got, want) {
			t.Errorf("asked by %s: got %v", host, got)
		}
	}
}

func TestTime(t *testing.T) {
	zone := time.FixedZone("CST", 8*3600)
	for want, now := range map[string]time.Time{
		"1620811762.8": time.Unix(1620811762, 800_000_000).In(zone),
		"1620811762.0": time.Unix(1620811762, 0).In(zone),
	} {
		c := newLab(t, func(c *Config) { c.Now = func() time.Time { return now } }).start().client()
		for _, op := range []string{`{"op":"time"}`, `{"op":"time","args":{}}`} {
			c.wants(op, `{"status":200,"error":"OK","response":{"time":`+want+`,"time_zone":"CST"}}`)
		}
	}
}

func TestInfo(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	in := response[api.Info](c, `{"op":"info"}`)
	if in.Name != "fox" || in.Blocks != 0 || in.Tip != l.chain.Network().ID() || in.TipTime != nil || in.OldestPayable != nil ||
		in.PeerID != l.net.ID() || len(in.Multiaddrs) != 1 || in.WS != "ws://"+l.addr()+"/ws" || !in.Builds || in.Connections != 1 ||
		in.Network.Name != "rpc-test" || len(in.Network.Issuers) != 1 || in.Key != ledgertest.Public(l.sealer.key) {
		t.Errorf("an empty node: %+v", in)
	}
	l.submit(mint(1, 5))
	b := l.build()
	l.submit(mint(2, 5), &ledger.Transaction{ID: numbered(3), Sender: numbered(9), Receiver: numbered(1), Amount: 7})
	in = response[api.Info](c, `{"op":"info"}`)
	if in.Blocks != 1 || in.Tip != b.Hash() || in.TipTime == nil || *in.TipTime != b.Time || in.TipBuilt == nil || *in.TipBuilt != float64(b.Time)/1000 || in.Work != "1" ||
		in.Pool != 2 || in.Waiting != 1 || in.Payable != 1 || in.NextArrival != 3 || in.OldestPayable == nil {
		t.Errorf("with a block: %+v", in)
	}
}

// TestInfoCopied checks that info reports a copied node.
func TestInfoCopied(t *testing.T) {
	l := newLab(t)
	l.net.copied = "it runs twice"
	c := l.start().client()
	if got := c.ask(`{"op":"info"}`); !strings.Contains(got, `"copied":"it runs twice"`) {
		t.Errorf("got %s", got)
	}
}

// TestInfoDiskFree checks that the room on the disk is in whole 16 MiB, so that not every
// write changes the status.
func TestInfoDiskFree(t *testing.T) {
	free := uint64(100<<20 + 5)
	c := newLab(t, func(c *Config) { c.DiskFree = func() *uint64 { return &free } }).start().client()
	if in := response[api.Info](c, `{"op":"info"}`); in.DiskFree == nil || *in.DiskFree != 96<<20 {
		t.Errorf("got %+v", in)
	}
	c = newLab(t).start().client()
	if in := response[api.Info](c, `{"op":"info"}`); in.DiskFree != nil {
		t.Errorf("where nothing is known: %+v", in)
	}
}

func TestTx(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	type receipt struct {
		State   string         `json:"state"`
		Tx      jsontext.Value `json:"tx"`
		Reason  string         `json:"reason"`
		Arrival *uint64        `json:"arrival"`
		Block   *struct {
			Height uint64 `json:"height"`
			Hash   string `json:"hash"`
			Index  int    `json:"index"`
		} `json:"block"`
		Confirmations int `json:"confirmations"`
	}
	type reply struct {
		receipt
		Others []receipt `json:"others"`
	}
	find := func(n int) reply {
		return response[reply](c, fmt.Sprintf(`{"op":"tx","args":{"id":"%s"}}`, numbered(n)))
	}
	l.submit(mint(1, 5), &ledger.Transaction{ID: numbered(2), Sender: numbered(9), Receiver: numbered(1), Amount: 7})
	if r := find(1); r.State != "pooled" || string(r.Tx) != txJSON(mint(1, 5)) || r.Arrival == nil || *r.Arrival != 0 || r.Block != nil {
		t.Errorf("pooled: %+v", r)
	}
	if r := find(2); r.State != "waiting" || !strings.Contains(r.Reason, "7") || *r.Arrival != 1 {
		t.Errorf("waiting: %+v", r)
	}
	b := l.build()
	l.submit(mint(3, 5))
	l.build()
	if r := find(1); r.State != "confirmed" || r.Block.Height != 0 || r.Block.Hash != b.Hash().String() || r.Confirmations != 2 || r.Arrival != nil {
		t.Errorf("confirmed: %+v", r)
	}

	// Keyed senders have IDs of their own. One that is taken among open ones is free for them.
	keyed := mint(1, 9)
	keyed.Sign(l.chain.Network(), l.sealer.key)
	l.submit(keyed)
	r := find(1)
	if r.State != "waiting" || len(r.Others) != 1 || r.Others[0].State != "confirmed" {
		t.Errorf("two of one ID: %+v", r)
	}
	bySender := response[reply](c, fmt.Sprintf(`{"op":"tx","args":{"id":"%s","sender":"%s"}}`, keyed.ID, keyed.Sender))
	if bySender.State != "waiting" || len(bySender.Others) != 0 {
		t.Errorf("by sender: %+v", bySender)
	}

	// After a conflict that a block decides, the loser's receipt has the reason.
	l.submit(mint(4, 100))
	rival := mint(4, 200)
	l.extend(l.header(l.tipBlock(), rival), []*ledger.Transaction{rival})
	r = find(4)
	states := []string{r.State}
	for _, o := range r.Others {
		states = append(states, o.State+" "+o.Reason)
	}
	if len(states) != 2 || states[0] != "confirmed" || !strings.HasPrefix(states[1], "gone another transaction") {
		t.Errorf("a conflict: %q", states)
	}
}

func (l *lab) tipBlock() *ledger.Block {
	l.t.Helper()
	b, err := l.chain.BlockByHash(l.chain.Tip().Hash)
	if err != nil {
		l.t.Fatal(err)
	}
	return b
}

func TestBlock(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	l.submit(mint(1, 1))
	first := l.build()
	l.submit(mint(2, 1))
	second := l.build()
	want := func(b *ledger.Block, on string, k int) string {
		seen := ""
		if on == "true" {
			seen = `,"seen_on":{"on":1,"of":1,"unknown":0}`
		}
		return fmt.Sprintf(`{"status":200,"error":"OK","response":{"block":%s,"on_chain":%s,"confirmations":%d%s}}`, b.AppendJSON(nil), on, k, seen)
	}
	c.wants(`{"op":"block","args":{"height":0}}`, want(first, "true", 2))
	c.wants(`{"op":"block","args":{"height":-1}}`, want(second, "true", 1))
	c.wants(`{"op":"block","args":{"hash":"`+strings.ToUpper(first.Hash().String())+`"}}`, want(first, "true", 2))

	// A longer branch takes the place of the second block.
	tx := mint(3, 1)
	a := l.extend(l.header(first, tx), []*ledger.Transaction{tx})
	tx = mint(4, 1)
	l.extend(l.header(a, tx), []*ledger.Transaction{tx})
	c.wants(`{"op":"block","args":{"hash":"`+second.Hash().String()+`"}}`, want(second, "false", 0))
	c.wants(`{"op":"block","args":{"height":3}}`, `{"status":404,"error":"Block 3 is not known here","response":null}`)
}

func TestAccount(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	for n := range 5 {
		tx := mint(n+1, 10)
		tx.Receiver = numbered(1)
		l.submit(tx)
		l.build()
	}
	l.submit(&ledger.Transaction{ID: numbered(6), Sender: numbered(1), Receiver: numbered(2), Amount: 7})
	l.build()
	type account struct {
		Account string `json:"account"`
		Kind    string `json:"kind"`
		Balance *int64 `json:"balance"`
		Minted  string `json:"minted"`
		History []struct {
			Direction string `json:"direction"`
			Tx        struct {
				ID string `json:"id"`
			} `json:"tx"`
			Block struct {
				Height uint64 `json:"height"`
			} `json:"block"`
			Confirmations int `json:"confirmations"`
		} `json:"history"`
		Next jsontext.Value `json:"next"`
	}
	ask := func(n int, more string) account {
		return response[account](c, fmt.Sprintf(`{"op":"account","args":{"account":"%s"%s}}`, numbered(n), more))
	}
	if a := ask(1, ""); a.Kind != "open" || *a.Balance != 43 || len(a.History) != 6 || a.Next != nil || a.History[0].Direction != "out" ||
		a.History[0].Confirmations != 1 || a.History[1].Direction != "in" {
		t.Errorf("account 1: %+v", a)
	}
	var heights []uint64
	for more := `,"limit":4`; ; {
		a := ask(1, more)
		for _, h := range a.History {
			heights = append(heights, h.Block.Height)
		}
		if a.Next == nil {
			break
		}
		more = `,"limit":4,"from":` + string(a.Next)
	}
	if !slices.Equal(heights, []uint64{5, 4, 3, 2, 1, 0}) {
		t.Errorf("by pages: %v", heights)
	}
	if a := ask(0, ""); a.Kind != "issuer" || a.Balance != nil || a.Minted != "50" {
		t.Errorf("the issuer: %+v", a)
	}
	if a := ask(77, ""); a.Kind != "open" || *a.Balance != 0 || len(a.History) != 0 {
		t.Errorf("an unknown one: %+v", a)
	}
	if a := response[account](c, fmt.Sprintf(`{"op":"account","args":{"account":"%s"}}`, ledger.AccountOf(ledgertest.Public(l.sealer.key)))); a.Kind != "keyed" {
		t.Errorf("a keyed one: %+v", a)
	}
	got := c.ask(fmt.Sprintf(`{"op":"account","args":{"account":"%s","from":{"height":0,"index":3}}}`, numbered(1)))
	if !strings.HasPrefix(got, `{"status":500,"error":"args.from: `) {
		t.Errorf("a place that is none: %s", got)
	}
}

// TestTemplate builds a block as a program outside does, from the bytes alone.
func TestTemplate(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	type template struct {
		State  api.BuildState   `json:"state"`
		Number uint64           `json:"number"`
		Header jsontext.Value   `json:"header"`
		CBOR   string           `json:"header_cbor"`
		Items  []jsontext.Value `json:"items"`
	}
	if r := response[template](c, `{"op":"template"}`); r.Number != 0 || r.CBOR != "" || r.State.Payable != 0 || r.State.SinceTip != 1.5 {
		t.Errorf("with an empty pool: %+v", r)
	}
	l.submit(mint(1, 1), mint(2, 1))
	if r := response[template](c, `{"op":"template","args":{"only_state":true}}`); r.Number != 0 || r.State.Payable != 2 || !r.State.Allowed {
		t.Errorf("only the state: %+v", r)
	}
	if r := response[template](c, `{"op":"template","args":{"items":false,"max":1}}`); r.Number != 1 || len(r.Items) != 0 {
		t.Errorf("without items: %+v", r)
	}
	r := response[template](c, `{"op":"template"}`)
	if r.Number != 2 || len(r.Items) != 2 || string(r.Items[0]) != txJSON(mint(1, 1)) {
		t.Fatalf("got %+v", r)
	}
	b, err := hex.DecodeString(r.CBOR)
	if err != nil {
		t.Fatal(err)
	}
	var h ledger.Header
	if err := ledger.Unmarshal(b, &h); err != nil {
		t.Fatal(err)
	}
	h.Nonce = ledger.Nonce{1, 2, 3, 4, 5, 6, 7, 8}
	done, err := ledger.Marshal(&h)
	if err != nil {
		t.Fatal(err)
	}
	if string(done[:len(done)-8]) != string(b[:len(b)-8]) || string(done[len(done)-8:]) != string(h.Nonce[:]) {
		t.Error("the nonce is not the last eight bytes of header_cbor")
	}
	c.wants(`{"op":"submit","args":{"number":2,"nonce":"0102030405060708"}}`,
		fmt.Sprintf(`{"status":202,"error":"Accepted","response":{"height":0,"hash":"%s"}}`, h.Hash()))
	if tip := l.chain.Tip(); tip.Hash != h.Hash() {
		t.Errorf("the tip is %+v", tip)
	}
}
