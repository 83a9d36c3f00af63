package rpc

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
	rpcclient "foxchain/rpc/client"
)

func (l *lab) dial() *rpcclient.Client {
	l.t.Helper()
	return dialTo(l.t, "ws://"+l.addr()+"/ws")
}

func dialTo(t testing.TB, url string) *rpcclient.Client {
	t.Helper()
	c, err := rpcclient.Dial(t.Context(), url, "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestClientOps(t *testing.T) {
	l := newLab(t).start()
	c, ctx := l.dial(), t.Context()

	in, err := c.Info(ctx)
	if err != nil || in.Name != "fox" || in.Network.ID != l.chain.Network().ID() || in.Key != ledgertest.Public(l.sealer.key) {
		t.Errorf("info: %+v, %v", in, err)
	}

	amount := []api.Tx{{ID: numbered(51), Receiver: numbered(1), Amount: 3000}, {ID: numbered(52), Sender: numbered(9), Receiver: numbered(2), Amount: 5}}
	if refused, err := c.MergePool(ctx, amount); err != nil || len(refused) != 0 {
		t.Fatalf("merge: %v, %v", refused, err)
	}
	var pool struct {
		Pool []api.Tx `json:"pool"`
		Next *int64   `json:"next"`
	}
	if err := c.Get(ctx, "pool", map[string]int{"limit": 1}, &pool); err != nil || len(pool.Pool) != 1 || pool.Pool[0].Amount != 3000 || pool.Pool[0].T == nil || *pool.Next != 1 {
		t.Errorf("pool: %+v, %v", pool, err)
	}
	b := l.build()
	var blocks struct {
		Blocks []api.Block `json:"blocks"`
		Next   *int64      `json:"next"`
	}
	if err := c.Get(ctx, "blocks", map[string]int{"start": -1}, &blocks); err != nil || len(blocks.Blocks) != 1 || blocks.Next != nil {
		t.Fatalf("blocks: %+v, %v", blocks, err)
	}
	if got := blocks.Blocks[0]; got.Hash != b.Hash() || got.PrevHash != nil || got.Signature != b.Signature || got.Items[0].Receiver != numbered(1) {
		t.Errorf("block: %+v", got)
	}

	if err := c.Register(ctx, "ws://localhost:9001/ws"); err != nil {
		t.Errorf("register: %v", err)
	}
	if p, err := c.Peers(ctx); err != nil || len(p.Peers) != 2 || len(p.Nodes) != 1 {
		t.Errorf("peers: %+v, %v", p, err)
	}
	// What came from a node can be sent to a node.
	if err := c.MergeBlocks(ctx, blocks.Blocks); err != nil {
		t.Errorf("merge of the block again: %v", err)
	}
	if r, err := c.Do(ctx, "merge", map[string]any{"pool": []api.Tx{{ID: numbered(7), Receiver: numbered(1), Amount: 1}}}); err != nil || string(r) != "null" {
		t.Errorf("an op without response: %s, %v", r, err)
	}
}

func TestClientRefusals(t *testing.T) {
	l := newLab(t).start()
	c, ctx := l.dial(), t.Context()
	l.submit(mint(3, 1000))

	conflict := api.Tx{ID: numbered(3), Receiver: numbered(3), Amount: 1}
	refused, err := c.MergePool(ctx, []api.Tx{{ID: numbered(53), Receiver: numbered(1), Amount: 1}, conflict})
	if err != nil || len(refused) != 1 || refused[0].Index != 1 || refused[0].ID != numbered(3).String() || refused[0].Reason == "" {
		t.Errorf("one of two: %+v, %v", refused, err)
	}
	refused, err = c.MergePool(ctx, []api.Tx{conflict})
	bad, ok := errors.AsType[*rpcclient.ReplyError](err)
	if !ok || bad.Reply.Status != 500 || len(refused) != 1 {
		t.Errorf("one of one: %+v, %v", refused, err)
	}

	_, err = c.Do(ctx, "fly", nil)
	bad, ok = errors.AsType[*rpcclient.ReplyError](err)
	if !ok || bad.Reply.Status != 404 || err.Error() != `Operation "fly" is not supported` {
		t.Errorf("an op that is none: %v", err)
	}
	err = c.MergeBlocks(ctx, []int{1})
	if bad, ok = errors.AsType[*rpcclient.ReplyError](err); !ok || bad.Reply.Reason == "" || !strings.HasSuffix(err.Error(), bad.Reply.Reason) {
		t.Errorf("a bad block: %v", err)
	}
	if _, err := c.Do(ctx, "time", make(chan int)); err == nil {
		t.Error("args that are no JSON were sent")
	}
	if _, err := c.Do(ctx, "time", nil); err != nil {
		t.Errorf("after all of it: %v", err)
	}
}

// Every caller gets its own answer, also after others gave up waiting.
func TestClientConcurrentCalls(t *testing.T) {
	l := newLab(t).start()
	c := l.dial()
	for n := range 50 {
		l.submit(mint(n+1, uint64(n+1)))
	}
	l.build()
	gaveUp, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for n := range 50 {
		wg.Go(func() {
			if _, err := c.Do(gaveUp, "blocks", nil); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("a call that gave up: %v", err)
			}
		})
		wg.Go(func() {
			var r struct {
				Tx api.Tx `json:"tx"`
			}
			err := c.Get(t.Context(), "tx", map[string]any{"id": numbered(n + 1)}, &r)
			if err != nil || r.Tx.Amount != uint64(n+1) {
				t.Errorf("call %d got the answer about %d, %v", n, r.Tx.Amount, err)
			}
		})
	}
	wg.Wait()
}

func TestClientEvents(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 10))
	first := l.build()
	c := l.dial()
	from := int64(0)
	events, err := c.Subscribe(t.Context(), api.Subscription{Events: []string{"block"}, From: &from, Items: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Subscribe(t.Context(), api.Subscription{}); err == nil {
		t.Error("subscribed twice")
	}
	expect := func(n uint64, b *ledger.Block) {
		t.Helper()
		e := <-events
		var data struct {
			Change string    `json:"change"`
			Block  api.Block `json:"block"`
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if e.Kind != "block" || e.N != n || data.Change != "in" || data.Block.Hash != b.Hash() || len(data.Block.Items) != len(b.Txs) {
			t.Errorf("event %+v", e)
		}
	}
	expect(1, first)
	l.submit(mint(2, 10))
	expect(2, l.build())
	if _, err := c.Info(t.Context()); err != nil {
		t.Errorf("a question between events: %v", err)
	}
	l.stop()
	for range events { // ends with the close frame
	}
	if err := c.Err(); err == nil || !strings.Contains(err.Error(), "the node is stopping") {
		t.Errorf("the connection ended: %v", err)
	}
	if _, err := c.Do(t.Context(), "time", nil); !errors.Is(err, c.Err()) {
		t.Errorf("a call afterwards: %v", err)
	}
}

// A refused subscription leaves the client as it was.
func TestClientSubscribesAgainAfterRefusal(t *testing.T) {
	c := newLab(t).start().dial()
	if _, err := c.Subscribe(t.Context(), api.Subscription{Events: []string{"weather"}}); err == nil {
		t.Fatal("events that do not exist were promised")
	}
	events, err := c.Subscribe(t.Context(), api.Subscription{Events: []string{"status"}})
	if err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Kind != "status" {
		t.Errorf("got %+v", e)
	}
}

// Close ends a client at once, though its events are not read.
func TestClientCloseWithUnreadEvents(t *testing.T) {
	l := newLab(t).start()
	for n := range 4 * rpcclient.EventBuffer {
		l.submit(mint(n+1, 1))
		l.build()
	}
	c := l.dial()
	from := int64(0)
	events, err := c.Subscribe(t.Context(), api.Subscription{Events: []string{"block"}, From: &from})
	if err != nil {
		t.Fatal(err)
	}
	<-events // more are to come than the channel holds
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if !errors.Is(c.Err(), rpcclient.ErrClosed) {
		t.Errorf("the reason is %v", c.Err())
	}
	if _, err := c.Do(t.Context(), "time", nil); !errors.Is(err, rpcclient.ErrClosed) {
		t.Errorf("a call afterwards: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Hosts = nil }).start()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	proxy := httptest.NewUnstartedServer(nil)
	proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	proxy.StartTLS()
	defer proxy.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()

	peers, err := net.Listen("tcp", "127.0.0.1:0") // as a node's port for other nodes
	if err != nil {
		t.Fatal(err)
	}
	defer peers.Close()
	go func() {
		if conn, err := peers.Accept(); err == nil {
			_, _ = conn.Write([]byte("\x13/multistream/1.0.0\n"))
			_, _ = io.Copy(io.Discard, conn)
			_ = conn.Close()
		}
	}()

	for name, tc := range map[string]struct {
		url, says string
		noNode    bool
	}{
		"no URL":        {"localhost:9000", "must be a URL like ws://", false},
		"http":          {"http://localhost:9000/ws", "must be a URL like ws://", false},
		"no node there": {"ws://" + unused + "/ws", "no node answers there", true},
		"no such name":  {"ws://no..host:9000/ws", "does not find the name no..host", true},
		"other nodes":   {"ws://" + peers.Addr().String() + "/ws", "what listens there is not a node's WebSocket", false},
		"silence":       {"ws://" + silent.Addr().String() + "/ws", "no answer in time", true},
		"no node":       {"ws" + strings.TrimPrefix(web.URL, "http") + "/ws", "not a node's WebSocket (404", false},
		"unknown proxy": {"wss" + strings.TrimPrefix(proxy.URL, "https") + "/ws", "does not trust the certificate", false},
		"wrong path":    {"ws://" + l.addr() + "/", "not a node's WebSocket (200", false},
	} {
		t.Run(name, func(t *testing.T) {
			limit := time.Minute
			if name == "silence" {
				limit = time.Second
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			c, err := rpcclient.Dial(ctx, tc.url, "")
			if err == nil {
				_ = c.Close()
				t.Fatal("connected")
			}
			if !strings.Contains(err.Error(), tc.says) || errors.Is(err, rpcclient.ErrNoNode) != tc.noNode {
				t.Errorf("got %q", err)
			}
		})
	}
}

// The error of a refusal has the way in.
func TestDialRefused(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer right" {
			http.Error(w, "Refused: from another machine the node needs its token.\nGive it.", http.StatusUnauthorized)
			return
		}
		ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		_ = ws.Close()
	}))
	defer refusing.Close()
	url := "ws" + strings.TrimPrefix(refusing.URL, "http")
	if _, err := rpcclient.Dial(t.Context(), url, "wrong"); err == nil || !strings.Contains(err.Error(), "needs its token") {
		t.Errorf("got %v", err)
	}
	c, err := rpcclient.Dial(t.Context(), url, "right")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), "time", nil); err == nil || // that server closes without a frame
		!strings.Contains(err.Error(), "ended") {
		t.Errorf("got %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// What is not an answer ends the connection, with the reason.
func TestClientOfSomethingElse(t *testing.T) {
	for name, tc := range map[string]struct{ says, reason string }{
		"not JSON":    {"hello", "that is not an answer"},
		"no question": {`{"status":500,"error":"surprise"}`, "answered no question"},
		"too large":   {strings.Repeat(" ", rpcclient.ReadLimit+1), "more than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ws, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				defer ws.Close()
				_ = ws.WriteMessage(websocket.TextMessage, []byte(tc.says)) // it may hang up meanwhile
				_, _, _ = ws.ReadMessage()
			}))
			defer other.Close()
			c := dialTo(t, "ws"+strings.TrimPrefix(other.URL, "http"))
			if _, err := c.Do(t.Context(), "time", nil); err == nil || !strings.Contains(err.Error(), tc.reason) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A builder in another process needs no more than this.
func TestClientBuilds(t *testing.T) {
	l := newLab(t).start()
	c, ctx := l.dial(), t.Context()
	if tpl, err := c.Template(ctx, 10); err != nil || tpl.Number != 0 {
		t.Fatalf("template of an empty pool: %+v, %v", tpl, err)
	}
	l.submit(mint(1, 1), mint(2, 2))
	st, err := c.BuildState(ctx)
	if err != nil || st.Payable != 2 || st.Tip != l.chain.Network().ID() || st.SinceTip != 1.5 || !st.Allowed {
		t.Errorf("state: %+v, %v", st, err)
	}
	tpl, err := c.Template(ctx, 1)
	if err != nil || tpl.Header.Count != 1 || tpl.Header.Builder != ledgertest.Public(l.sealer.key) {
		t.Fatalf("template: %+v, %v", tpl, err)
	}
	tpl.Header.Search(0, func() bool { return false })
	ref, err := c.Submit(ctx, tpl.Number, tpl.Header.Nonce)
	if err != nil || ref.Hash != tpl.Header.Hash() || ref.Hash != l.chain.Tip().Hash {
		t.Errorf("submit: %+v, %v", ref, err)
	}
	if _, err := c.Submit(ctx, tpl.Number+9, tpl.Header.Nonce); err == nil {
		t.Error("a number that was never given was taken")
	}
}
