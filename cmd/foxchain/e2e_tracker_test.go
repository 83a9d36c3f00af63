package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// A tracker works as the original's. It knows a few nodes by their WebSocket, polls them,
// and sends what one answered to all others. It does not know how the nodes are connected.
type tracker struct {
	nodes  []*client
	legacy bool // it knows only the original's fields
}

// round polls each node once and forwards its pool and its blocks.
func (k *tracker) round() {
	for _, from := range k.nodes {
		if got := from.peers(); len(got) == 0 {
			from.t.Errorf("%s has no peers, not even itself", from.n.name)
		}
		pool := from.list("pool").Pool
		blocks := from.list("blocks").Blocks
		for _, to := range k.nodes {
			if to != from {
				k.forward(to, "blocks", blocks)
				k.forward(to, "pool", pool)
			}
		}
	}
}

func (k *tracker) forward(to *client, what string, values []jsontext.Value) {
	if len(values) == 0 {
		return
	}
	var texts []string
	for _, value := range values {
		if k.legacy {
			value = originalFields(to, value)
		}
		texts = append(texts, string(value))
	}
	message := fmt.Sprintf(`{"op":"merge","args":{%q:[%s]}}`, what, strings.Join(texts, ","))
	// The original answered a duplicate in this way, and its tracker passed over that.
	if r := to.ask(message); r.Status != 202 && !strings.HasPrefix(r.Error, "Duplicate transaction in blockchain: ") {
		to.t.Errorf("%s: a tracker's %.2000s\nanswered %s", to.n.name, message, r.text)
	}
}

// originalFields removes the fields that the original's programs did not know.
func originalFields(c *client, value jsontext.Value) jsontext.Value {
	known := []string{"id", "sender", "receiver", "amount", "t", "prev_hash", "items"}
	fields := map[string]jsontext.Value{}
	if err := json.Unmarshal(value, &fields); err != nil {
		c.t.Fatal(err)
	}
	for key := range fields {
		if !slices.Contains(known, key) {
			delete(fields, key)
		}
	}
	if items, ok := fields["items"]; ok {
		var all []jsontext.Value
		if err := json.Unmarshal(items, &all); err != nil {
			c.t.Fatal(err)
		}
		for i := range all {
			all[i] = originalFields(c, all[i])
		}
		fields["items"], _ = json.Marshal(all)
	}
	out, err := json.Marshal(fields)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// TestTracker has a tracker that forwards whole blocks join three builders that do not
// know each other. The forks are resolved, and all agree.
func TestTracker(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		k := &tracker{nodes: strangers(t, h, "-k", "2")}
		for i := range 9 { // two that become a block of its own, and one left over
			k.nodes[i%3].merge(issue(i+1, 1))
		}
		eventually(t, "three rival chains", func() error { return inBlocks(2, k.nodes) })
		for _, c := range k.nodes {
			if got := c.peers(); !slices.Equal(got, []string{c.n.url()}) {
				t.Fatalf("%s knows others: %v", c.n.name, got)
			}
		}
		eventually(t, "the tracker joined three chains", func() error {
			k.round()
			return agreed(numberedTo(9), k.nodes...)
		})
	})
}

// TestOriginalTracker is the same with the original's fields only. The first node builds,
// and the others seal as their own what the tracker brings. The hashes differ, but the
// same transactions are in the same blocks.
func TestOriginalTracker(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		first := startNode(t, h, t.TempDir(), strangerArgs(h, 0, "-k", "4")...).connect()
		k := &tracker{nodes: []*client{first}, legacy: true}
		for i := range 2 { // ready to build, were there ever so many transactions
			c := startNode(t, h, t.TempDir(), strangerArgs(h, i+1, "-k", "1000", "--max-wait", "0")...).connect()
			k.nodes = append(k.nodes, c)
		}
		for i := range 3 {
			for j := range 4 {
				first.merge(issue(4*i+j+1, 1))
			}
			eventually(t, "the same transactions in the same blocks", func() error {
				k.round()
				return sameContents(i+1, k.nodes)
			})
		}
	})
}

// TestTrackerBesideGossip runs trackers of both kinds between nodes that are connected
// already, as an old script does.
func TestTrackerBesideGossip(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		nodes := strangers(t, h, "-k", "2", "-t", "100ms")
		for i, c := range nodes[1:] {
			nodes[0].accepted(fmt.Sprintf(`{"op":"register","args":{"addr":%q}}`, c.n.url()))
			// Two nodes that register in one moment learn of each other a minute later.
			awaitAll(t, nodes[:i+2])
		}
		plain, old := &tracker{nodes: nodes}, &tracker{nodes: nodes, legacy: true}
		const txs = 30
		for i := range txs {
			nodes[i%3].merge(issue(i+1, 1))
			plain.round()
			old.round()
		}
		eventually(t, "all agree with the trackers at work", func() error {
			plain.round()
			old.round()
			return agreed(numberedTo(txs), nodes...)
		})
	})
}

// sameContents returns nil when each node has n blocks with the same
// transactions, in the same order, and an empty pool.
func sameContents(n int, nodes []*client) error {
	want := nodes[0].blocks()
	if len(want) != n {
		return fmt.Errorf("%s has %d blocks, not %d", nodes[0].n.name, len(want), n)
	}
	for _, c := range nodes {
		blocks, pool := c.blocks(), c.pool()
		if len(blocks) != n || len(pool) != 0 {
			return fmt.Errorf("%s has %d blocks, not %d, and %d in the pool", c.n.name, len(blocks), n, len(pool))
		}
		for i, b := range blocks {
			if !slices.Equal(ids(b.Items), ids(want[i].Items)) {
				return fmt.Errorf("%s: block %d holds %v, not %v", c.n.name, i, ids(b.Items), ids(want[i].Items))
			}
		}
	}
	return nil
}

// strangers starts three nodes that have no way to find each other.
func strangers(t *testing.T, h *host, args ...string) []*client {
	t.Helper()
	var all []*client
	for i := range 3 {
		all = append(all, startNode(t, h, t.TempDir(), strangerArgs(h, i, args...)...).connect())
	}
	return all
}

func strangerArgs(h *host, i int, args ...string) []string {
	return append([]string{"-p", fmt.Sprint(h.base + i), "--mdns=false"}, args...)
}
