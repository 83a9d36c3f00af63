package rpc

import (
	"strings"
	"testing"
	"time"

	"foxchain/rpc/api"
)

// TestToldOp checks the op that reports how a transaction came to the peers, and its words.
func TestToldOp(t *testing.T) {
	l := newLab(t).start()
	l.net.set(api.Peer{ID: "12D3KooWB", Name: "bo"})
	l.submit(mint(1, 5))
	c := l.client()
	id := numbered(1).String()
	got := c.ask(`{"op":"told","args":{"id":"` + id + `"}}`)
	if !strings.Contains(got, `"id":"`+id+`"`) || !strings.Contains(got, `{"id":"12D3KooWB","name":"bo","told":1000.012,"had":1000.015,"by":"pool"}`) ||
		!strings.Contains(got, `{"id":"12D3KooWC","name":"","told":1000.012,"had":null}`) {
		t.Errorf("got %s", got)
	}
	if !strings.Contains(got, `"here":1000.012,`) {
		t.Errorf("told before it was here: %s", got)
	}
	l.build()
	if got = c.ask(`{"op":"told","args":{"id":"` + id + `"}}`); !strings.Contains(got, `"here":1000`) || !strings.Contains(got, `"had":1000.015,"by":"block"}`) {
		t.Errorf("of one in a block: %s", got)
	}
	if got = c.ask(`{"op":"told","args":{"id":"` + numbered(9).String() + `"}}`); !strings.Contains(got, "is not known") {
		t.Errorf("of an unknown one: %s", got)
	}
	// The event has the same, and comes again with what changed.
	c.wants(`{"op":"subscribe","args":{"events":["told"]}}`, `{"status":500,"error":"Operation \"subscribe\" requires the following \"args\": \"id\"","response":null}`)
	c.wants(`{"op":"subscribe","args":{"events":["told"],"id":"`+numbered(2).String()+`"}}`, `{"status":200,"error":"OK","response":{"events":["told"],"from":1}}`)
	l.submit(mint(2, 5))
	if got = c.next(); !strings.Contains(got, `{"event":"told","n":1,"data":{"id":"`+numbered(2).String()) || !strings.Contains(got, `"had":null}`) {
		t.Errorf("the first event: %s", got)
	}
	time.Sleep(1500 * time.Millisecond) // it looks again, and nothing is new
	l.build()
	if got = c.next(); !strings.Contains(got, `"n":2,`) || !strings.Contains(got, `"had":1000.015,"by":"block"}`) {
		t.Errorf("the event of its block: %s", got)
	}
	if got = c.ask(`{"op":"subscribe","args":{}}`); strings.Contains(got, "told") {
		t.Errorf("no ID was given: %s", got)
	}
	here, told, had := 1000.0, 1000.012, 1000.015
	for want, p := range map[string]api.Told{
		"told 12 ms after; had it 15 ms after at the latest (it was in its pool)": {Told: &told, Had: &had, By: "pool"},
		"told 12 ms after; whether it has it is not known yet":                    {Told: &told},
	} {
		if got := p.Words(&here); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}
