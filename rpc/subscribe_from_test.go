package rpc

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// A follower keeps the chain by block events alone, over as many connections
// as it takes.
type follower struct {
	t     testing.TB
	chain []ledger.Hash
	last  *api.BlockRef
}

// resume subscribes behind what the follower has.
func (f *follower) resume(c *client, items bool) {
	f.t.Helper()
	args, err := json.Marshal(api.Subscription{Events: []string{"block"}, From: new(int64), After: f.last, Items: items})
	if err != nil {
		f.t.Fatal(err)
	}
	c.send(`{"op":"subscribe","args":` + string(args) + `}`)
}

// take applies one message. It must fit what the follower has.
func (f *follower) take(msg []byte) {
	f.t.Helper()
	var m struct {
		Status int
		Error  string
		Event  string
		Data   api.BlockEvent
	}
	if err := json.Unmarshal(msg, &m, json.MatchCaseInsensitiveNames(true)); err != nil {
		f.t.Fatal(err)
	}
	if m.Event == "" {
		if m.Status != 200 {
			f.t.Fatalf("not subscribed: %s", msg)
		}
		return
	}
	b, last := &m.Data.Block, m.Data.Last()
	f.last = &last
	switch n := len(f.chain); {
	case m.Data.Change == "out" && n > 0 && f.chain[n-1] == b.Hash:
		f.chain = f.chain[:n-1]
	case m.Data.Change == "in" && b.Height == uint64(n) && (n == 0 || *b.PrevHash == f.chain[n-1]):
		f.chain = append(f.chain, b.Hash)
	default:
		f.t.Fatalf("%q of block %d does not fit a chain of %d", m.Data.Change, b.Height, n)
	}
}

// until reads events until the chain is as long and ends as l's does.
func (f *follower) until(l *lab, c *client) {
	f.t.Helper()
	for want := l.hashes(); !slices.Equal(f.chain, want); {
		f.take([]byte(c.next()))
	}
}

// hashes returns those of the chain.
func (l *lab) hashes() []ledger.Hash {
	l.t.Helper()
	v, err := l.chain.View()
	if err != nil {
		l.t.Fatal(err)
	}
	defer v.Close()
	list := make([]ledger.Hash, v.Tip().Blocks)
	for i := range list {
		if list[i], err = v.Hash(uint64(i)); err != nil {
			l.t.Fatal(err)
		}
	}
	return list
}

// TestSlowResume checks that a client that was dropped for being slow goes on, behind
// what it read, although a reorg came meanwhile.
func TestSlowResume(t *testing.T) {
	l := slowLab(t, func(lim *limits) { lim.slow, lim.goodbye = 200*time.Millisecond, 20*time.Second })
	f := &follower{t: t}
	c := l.slowClient()
	c.ask(`{"op":"time"}`) // from its reply on it is served
	slow := l.serving(1)[0]
	f.resume(c, true)
	await(t, slow.closing)
	if err := c.ws.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		_, msg, err := c.ws.ReadMessage()
		if err != nil {
			if !websocket.IsCloseError(err, websocket.CloseTryAgainLater) {
				t.Fatalf("dropped with %v", err)
			}
			break
		}
		f.take(msg)
	}
	seen := len(f.chain)
	if seen == 0 || seen == 5 {
		t.Fatalf("saw %d blocks before it was dropped, want some", seen)
	}
	// A longer branch from the first block on.
	first, err := l.chain.BlockByHash(l.hashes()[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, parent := 0, first; i < 5; i++ {
		tx := mint(5000+i, 1)
		parent = l.extend(l.header(parent, tx), []*ledger.Transaction{tx})
	}
	again := l.client()
	f.resume(again, false)
	f.until(l, again)
	if len(f.chain) != 6 {
		t.Errorf("the follower has %d blocks, want 6", len(f.chain))
	}
}

// TestResumeBelowTheFirstBlock checks that even the first block may leave the chain while
// a client is away, and while it is there.
func TestResumeBelowTheFirstBlock(t *testing.T) {
	l := newLab(t).start()
	one := func(parent *ledger.Block, n int) *ledger.Block {
		tx := mint(n, 1)
		return l.extend(l.header(parent, tx), []*ledger.Transaction{tx})
	}
	one(nil, 1)
	f := &follower{t: t}
	c := l.client()
	f.resume(c, false)
	f.until(l, c)
	b := one(one(nil, 2), 3) // out, in, in
	f.until(l, c)

	f.take([]byte(fmt.Sprintf(`{"event":"block","data":{"change":"out","block":%s}}`, b.SealedHeader.AppendJSON(nil))))
	first, err := l.chain.BlockByHash(f.chain[0])
	if err != nil {
		t.Fatal(err)
	}
	f.take([]byte(fmt.Sprintf(`{"event":"block","data":{"change":"out","block":%s}}`, first.SealedHeader.AppendJSON(nil))))
	if f.last.Height != -1 || f.last.Hash != nil {
		t.Fatalf("below the first block is %+v", f.last)
	}
	again := l.client()
	f.resume(again, false)
	f.until(l, again)
}

func TestAfter(t *testing.T) {
	l := newLab(t).start()
	tx := mint(1, 1)
	a := l.extend(l.header(nil, tx), []*ledger.Transaction{tx})
	hash, unknown := a.Hash().String(), strings.Repeat("ab", 32)
	for args, want := range map[string]string{
		// The block as an event had it, and over from.
		`"from":0,"after":` + string(a.SealedHeader.AppendJSON(nil)): `{"status":200,"error":"OK","response":{"events":["block"],"from":1}}`,
		`"after":{"height":-1,"hash":null}`:                          `{"status":200,"error":"OK","response":{"events":["block"],"from":0}}`,
		`"from":0,"after":null`:                                      `{"status":200,"error":"OK","response":{"events":["block"],"from":0}}`,
		`"after":{"height":1,"hash":"` + hash + `"}`:                 `{"status":500,"error":"args.after.height: the block with this hash has height 0","response":null}`,
		`"after":{"height":3}`:                                       `{"status":500,"error":"args.after.hash: must be the hash of block 3; only before the first block, height -1, it is null","response":null}`,
		`"after":{"height":0,"hash":"abc"}`:                          `{"status":500,"error":"args.after.hash: must be 64 hex digits, not 3 characters","response":null}`,
		`"after":{"height":"x","hash":"` + hash + `"}`:               `{"status":500,"error":"args.after.height: must be an integer, or text that is one","response":null}`,
		`"after":7`: `{"status":500,"error":"args.after: must be {\"height\": …, \"hash\": …} of the last block seen","response":null}`,
		`"after":{"height":4,"hash":"` + unknown + `"}`: `{"status":404,"error":"Block ` + unknown + ` is not known here: go on after the one before it, or begin at a height (from)","response":null}`,
	} {
		l.client().wants(`{"op":"subscribe","args":{"events":["block"],`+args+`}}`, want)
	}
}

// TestSyncInfo checks that info has how far the node has caught up, and null when it has.
func TestSyncInfo(t *testing.T) {
	var now atomic.Pointer[api.Sync]
	now.Store(&api.Sync{Best: 100, Behind: 40})
	l := newLab(t, func(c *Config) { c.Sync = now.Load }).start()
	if got := l.client().ask(`{"op":"info"}`); !strings.Contains(got, `"sync":{"best":100,"behind":40}`) {
		t.Errorf("behind: %s", got)
	}
	if got := newLab(t).start().client().ask(`{"op":"info"}`); !strings.Contains(got, `"sync":null`) {
		t.Errorf("not behind: %s", got)
	}
}
