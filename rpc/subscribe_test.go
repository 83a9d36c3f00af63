package rpc

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

type event struct {
	Event string         `json:"event"`
	N     int            `json:"n"`
	Data  jsontext.Value `json:"data"`
}

// event reads the next event. It must be numbered n.
func (c *client) event(n int, data any) event {
	c.t.Helper()
	raw := c.next()
	var ev event
	if err := json.Unmarshal([]byte(raw), &ev); err != nil {
		c.t.Fatal(err)
	}
	if ev.N != n || strings.Contains(raw, `"status":2`) {
		c.t.Fatalf("event %d is %.300s", n, raw)
	}
	if err := json.Unmarshal(ev.Data, data); err != nil {
		c.t.Fatal(err)
	}
	return ev
}

type blockEvent struct {
	Change string    `json:"change"`
	Block  blockJSON `json:"block"`
}

// story reads block events until the block with the hash last is in.
func (c *client) story(n int, last ledger.Hash) (steps []string) {
	c.t.Helper()
	for {
		var ev blockEvent
		c.event(n, &ev)
		steps = append(steps, fmt.Sprintf("%s %d %s", ev.Change, ev.Block.Height, ev.Block.Hash[:8]))
		if ev.Change == "in" && ev.Block.Hash == last.String() {
			return steps
		}
		n++
	}
}

func step(change string, b *ledger.Block) string {
	return fmt.Sprintf("%s %d %s", change, b.Height, b.Hash().Short())
}

// TestBlockEvents replays, follows, and sends a reorg:
//
//	a0 - a1 - a2
//	   \ b1 - b2 - b3
func TestBlockEvents(t *testing.T) {
	l := newLab(t).start()
	grow := func(parent *ledger.Block, n int) *ledger.Block {
		tx := mint(n, 1)
		return l.extend(l.header(parent, tx), []*ledger.Transaction{tx})
	}
	a0 := grow(nil, 1)
	a1 := grow(a0, 2)
	c := l.client()
	c.wants(`{"op":"subscribe","args":{"events":["block"],"from":0},"id":1}`, `{"status":200,"error":"OK","response":{"events":["block"],"from":0},"id":1}`)
	if got, want := c.story(1, a1.Hash()), []string{step("in", a0), step("in", a1)}; !slices.Equal(got, want) {
		t.Errorf("replay: %q", got)
	}
	late := l.client()
	late.wants(`{"op":"subscribe","args":{"events":["block"]}}`, `{"status":200,"error":"OK","response":{"events":["block"],"from":2}}`)
	a2 := grow(a1, 3)
	for n, c := range map[int]*client{3: c, 1: late} {
		if got, want := c.story(n, a2.Hash()), []string{step("in", a2)}; !slices.Equal(got, want) {
			t.Errorf("follow: %q", got)
		}
	}
	// The branch is heavier by one, so the reorg comes with b3 at the latest. Where it
	// comes with b2, by the lower hash, b3 only extends it.
	b1 := grow(a0, 4)
	b2 := grow(b1, 5)
	b3 := grow(b2, 6)
	want := []string{step("out", a2), step("out", a1), step("in", b1), step("in", b2), step("in", b3)}
	if got := c.story(4, b3.Hash()); !slices.Equal(got, want) {
		t.Errorf("reorg: %q\nwant %q", got, want)
	}

	// A new subscription takes the place of the old, and counts anew.
	c.wants(`{"op":"subscribe","args":{"events":["block"],"from":-1,"items":true}}`, `{"status":200,"error":"OK","response":{"events":["block"],"from":3}}`)
	var ev struct {
		Change string         `json:"change"`
		Block  jsontext.Value `json:"block"`
	}
	c.event(1, &ev)
	if ev.Change != "in" || string(ev.Block) != string(b3.AppendJSON(nil)) {
		t.Errorf("with items: %s", ev.Block)
	}
	// An empty list ends the subscription. The reply to the next request follows.
	c.wants(`{"op":"subscribe","args":{"events":[]}}`, `{"status":200,"error":"OK","response":{"events":[],"from":4}}`)
	grow(b3, 7)
	if got := c.ask(`{"op":"block","args":{"height":4}}`); !strings.HasPrefix(got, `{"status":200`) {
		t.Errorf("after the end: %s", got)
	}
}

// TestLongReplay takes several looks, with a request among the events.
func TestLongReplay(t *testing.T) {
	l := newLab(t).start()
	const n = 3*blocksPerLook + 5
	for i := range n {
		l.submit(mint(i+1, 1))
		l.build()
	}
	c := l.client()
	c.ask(`{"op":"subscribe","args":{"events":["block"],"from":0}}`)
	for i := range n {
		var ev blockEvent
		c.event(i+1, &ev)
		if ev.Block.Height != uint64(i) || ev.Block.Count != 1 {
			t.Fatalf("event %d: %+v", i+1, ev)
		}
	}
}

// TestEventsEndBeforeTheReply ends subscriptions, many of them in the middle of their
// events. None comes after the reply to that.
func TestEventsEndBeforeTheReply(t *testing.T) {
	l := newLab(t).start()
	for i := range blocksPerLook {
		l.submit(mint(i+1, 1))
		l.build()
	}
	c := l.client()
	for range 200 {
		c.send(`{"op":"subscribe","args":{"events":["block"],"from":0}}`)
		c.send(`{"op":"subscribe","args":{"events":[]},"id":"end"}`)
		c.send(`{"op":"pool","id":"next"}`)
		for !strings.HasSuffix(c.next(), `"id":"end"}`) {
		}
		if got := c.next(); !strings.HasSuffix(got, `"id":"next"}`) {
			t.Fatalf("after the reply: %s", got)
		}
	}
}

type poolEvent struct {
	Size    int `json:"size"`
	Waiting int `json:"waiting"`
	Added   []struct {
		Arrival uint64         `json:"arrival"`
		Waiting *string        `json:"waiting"`
		Tx      jsontext.Value `json:"tx"`
	} `json:"added"`
	Changed []struct {
		Arrival uint64  `json:"arrival"`
		Waiting *string `json:"waiting"`
	} `json:"changed"`
	Removed []uint64 `json:"removed"`
}

func TestPoolEvents(t *testing.T) {
	l := newLab(t).start()
	poor := &ledger.Transaction{ID: numbered(2), Sender: numbered(1), Receiver: numbered(3), Amount: 5}
	l.submit(poor)
	c := l.client()
	c.ask(`{"op":"subscribe","args":{"events":["pool"]}}`)
	var ev poolEvent
	c.event(1, &ev)
	if ev.Size != 1 || ev.Waiting != 1 || len(ev.Added) != 1 || ev.Added[0].Waiting == nil || string(ev.Added[0].Tx) != txJSON(poor) {
		t.Errorf("at once: %+v", ev)
	}
	l.submit(mint(1, 5)) // pays the poor one
	ev = poolEvent{}
	c.event(2, &ev)
	if ev.Size != 2 || ev.Waiting != 0 || len(ev.Added) != 1 || len(ev.Changed) != 1 || ev.Changed[0].Arrival != 0 || ev.Changed[0].Waiting != nil {
		t.Errorf("paid: %+v", ev)
	}
	l.build()
	ev = poolEvent{}
	c.event(3, &ev)
	if ev.Size != 0 || len(ev.Added) != 0 || !slices.Equal(ev.Removed, []uint64{0, 1}) {
		t.Errorf("built: %+v", ev)
	}
}

// TestPoolReason checks that an event is sent again for a transaction that goes on
// waiting for another reason.
func TestPoolReason(t *testing.T) {
	l := newLab(t).start()
	l.submit(&ledger.Transaction{ID: numbered(2), Sender: numbered(1), Receiver: numbered(3), Amount: 5})
	c := l.client()
	c.ask(`{"op":"subscribe","args":{"events":["pool"]}}`)
	var ev poolEvent
	c.event(1, &ev)
	part := []*ledger.Transaction{mint(1, 2)}
	l.extend(l.header(nil, part...), part)
	ev = poolEvent{}
	c.event(2, &ev)
	if ev.Waiting != 1 || len(ev.Changed) != 1 || ev.Changed[0].Waiting == nil || !strings.Contains(*ev.Changed[0].Waiting, "holds 2 and needs 3 more") {
		t.Errorf("paid in part: %+v", ev)
	}
}

// TestPoolWindow checks that of a large pool the first part is followed, and that the
// rest moves up.
func TestPoolWindow(t *testing.T) {
	l := newLab(t).start()
	txs := make([]*ledger.Transaction, maxWindow+500)
	for i := range txs {
		txs[i] = mint(i+1, 1)
	}
	l.submit(txs...)
	c := l.client()
	c.ask(`{"op":"subscribe","args":{"events":["pool"]}}`)
	var ev poolEvent
	c.event(1, &ev)
	if ev.Size != len(txs) || len(ev.Added) != maxWindow {
		t.Errorf("at once: %d, %d added", ev.Size, len(ev.Added))
	}
	first := txs[:800]
	l.extend(l.header(nil, first...), first)
	ev = poolEvent{}
	c.event(2, &ev)
	if ev.Size != len(txs)-800 || len(ev.Removed) != 800 || len(ev.Added) != 500 || ev.Added[0].Arrival != maxWindow {
		t.Errorf("then: %d, %d added, %d removed", ev.Size, len(ev.Added), len(ev.Removed))
	}
}

func TestPeerAndStatusEvents(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	c.wants(`{"op":"subscribe","args":{"events":["peers","status","peers"]}}`, `{"status":200,"error":"OK","response":{"events":["status","peers"],"from":0}}`)
	var in api.Info
	if ev := c.event(1, &in); ev.Event != "status" || in.Peers != 0 {
		t.Errorf("first: %+v", ev)
	}
	var p api.Peers
	if ev := c.event(2, &p); ev.Event != "peers" || len(p.Peers) != 1 || len(p.Nodes) != 0 {
		t.Errorf("second: %+v", ev)
	}
	l.net.set(api.Peer{ID: "a", Connected: true, WS: "ws://localhost:9001/ws"})
	if ev := c.event(3, &in); ev.Event != "status" || in.Peers != 1 {
		t.Errorf("third: %+v", ev)
	}
	if ev := c.event(4, &p); ev.Event != "peers" || len(p.Peers) != 2 || p.Nodes[0].ID != "a" {
		t.Errorf("fourth: %+v", ev)
	}
}

// TestSnapshotsCompare checks that the same value makes the same bytes, so that no event
// is sent without a change.
func TestSnapshotsCompare(t *testing.T) {
	v := map[string]int{"a": 1, "b": 2, "c": 3, "d": 4}
	for range 50 {
		if got, err := appendJSON(nil, v); err != nil || string(got) != `{"a":1,"b":2,"c":3,"d":4}` {
			t.Fatalf("%s, %v", got, err)
		}
	}
}
