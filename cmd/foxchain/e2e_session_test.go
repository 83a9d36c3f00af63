package main_test

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestOriginalSession plays the session that the original published, step by
// step: three nodes on one machine, a builder only on the first, transactions
// merged into the first, and the others registered there.
func TestOriginalSession(t *testing.T) { onLoopback(t, originalSession) }

func originalSession(t *testing.T, h *host) {
	dir := t.TempDir()
	var nodes []*node
	var clients []*client
	for i := range 3 {
		args := []string{"-p", strconv.Itoa(h.base + i), "--mdns=false"}
		if i > 0 {
			args = append(args, "--build=false")
		}
		nodes = append(nodes, startNode(t, h, dir, args...))
		clients = append(clients, nodes[i].connect())
	}
	first := clients[0]

	first.merge(issue(1, 3000), issue(2, 2000), issue(3, 1000))
	pool := first.pool()
	if got := ids(pool); !slices.Equal(got, numberedTo(3)) {
		t.Fatalf("the pool is %v, not the three in order", got)
	}
	for i, amount := range []int64{3000, 2000, 1000} {
		want := tx{ID: numbered(i + 1), Sender: numbered(0), Receiver: numbered(i + 1), Amount: amount, T: pool[i].T}
		if pool[i] != want || math.Abs(float64(time.Now().Unix())-pool[i].T) > 60 {
			t.Errorf("pool[%d] is %+v, not %+v with the time of now", i, pool[i], want)
		}
	}
	if text := first.op("pool", "").text; strings.Count(text, `"prev_hash":null`) != 3 {
		t.Errorf("prev_hash of the three is not null: %s", text)
	}

	first.merge(issue(4, 4000))
	eventually(t, "a block of four", func() error {
		if blocks, pool := first.blocks(), first.pool(); len(blocks) != 1 || len(pool) != 0 {
			return fmt.Errorf("%d blocks, %d in the pool", len(blocks), len(pool))
		}
		return nil
	})
	published := first.blocks()[0]
	if got := ids(published.Items); !slices.Equal(got, numberedTo(4)) || published.PrevHash != nil {
		t.Fatalf("the block is %+v, not the four in order on null", published)
	}
	checkLinks(t, published)
	for i, item := range pool {
		if published.Items[i].T != item.T {
			t.Errorf("items[%d].t is %v, in the pool it was %v", i, published.Items[i].T, item.T)
		}
	}

	if blocks := clients[1].blocks(); len(blocks) != 0 {
		t.Errorf("the second node has blocks before anybody registered it: %v", blocks)
	}
	for _, n := range nodes[1:] {
		first.accepted(fmt.Sprintf(`{"op":"register","args":{"addr":%q}}`, n.url()))
	}
	want := []string{nodes[0].url(), nodes[1].url(), nodes[2].url()}
	if got := first.peers(); !slices.Equal(got, want) {
		t.Errorf("peers are %v, not %v", got, want)
	}
	chain := first.op("blocks", "").text
	eventually(t, "all have the block", func() error {
		for _, c := range clients {
			if got := c.op("blocks", "").text; got != chain {
				return fmt.Errorf("%s: %s", c.n.name, got)
			}
		}
		return nil
	})

	first.merge(issue(5, 5000))
	fifth := first.pool()
	if len(fifth) != 1 || fifth[0].ID != numbered(5) || fifth[0].Amount != 5000 {
		t.Fatalf("the pool is %+v, not the fifth", fifth)
	}
	eventually(t, "the fifth is in all pools", func() error {
		return errors.Join(holds(clients[0], fifth), holds(clients[1], fifth), holds(clients[2], fifth))
	})

	// A restarted node still has all of it. It is asked before any other node runs from
	// which it could have fetched that.
	for i, n := range nodes {
		if i == 1 {
			n.kill()
			continue
		}
		n.stop()
	}
	for i, n := range nodes {
		again := n.again()
		clients[i] = again.connect()
		if got := clients[i].op("blocks", "").text; got != chain {
			t.Errorf("%s: after the restart blocks are %s, not %s", n.name, got, chain)
		}
		if err := holds(clients[i], fifth); err != nil {
			t.Errorf("after the restart: %v", err)
		}
		if i == 0 {
			if got := clients[0].peers(); !slices.Equal(got, want) {
				t.Errorf("after the restart peers are %v, not %v", got, want)
			}
		}
		again.stop()
	}
}

// holds returns nil when the node has just these in its pool, each with its t.
func holds(c *client, want []tx) error {
	if got := c.pool(); !slices.Equal(got, want) {
		return fmt.Errorf("%s: the pool is %+v, not %+v", c.n.name, got, want)
	}
	return nil
}

// checkLinks computes the SHA-1 chain of a block as the original did and
// compares it with what the node has.
func checkLinks(t *testing.T, b block) {
	t.Helper()
	linked := withLinks(b.Items)
	for i, item := range b.Items {
		if link(item.PrevHash) != link(linked[i].PrevHash) {
			t.Errorf("items[%d].prev_hash is %s, not %s", i, link(item.PrevHash), link(linked[i].PrevHash))
		}
	}
}

func link(h *string) string {
	if h == nil {
		return "None"
	}
	return "'" + *h + "'"
}

// withLinks returns the transactions as they stand in a block, each with the SHA-1 of the
// text that Python prints for the one before it.
func withLinks(txs []tx) []tx {
	linked := slices.Clone(txs)
	var prev *string
	for i := range linked {
		linked[i].PrevHash = prev
		sum := sha1.Sum([]byte(pythonDict(linked[i])))
		text := hex.EncodeToString(sum[:])
		prev = &text
	}
	return linked
}

// pythonDict returns the text of str({...}) in Python.
func pythonDict(tx tx) string {
	return fmt.Sprintf("{'id': '%s', 'sender': '%s', 'receiver': '%s', 'amount': %d, 't': %s, 'prev_hash': %s}",
		tx.ID, tx.Sender, tx.Receiver, tx.Amount, pythonFloat(tx.T), link(tx.PrevHash))
}

// pythonFloat returns the text of repr(f) in Python. It has the shortest digits that give
// f again, plain from 1e-4 up to 1e16.
func pythonFloat(f float64) string {
	if f != 0 && (f < 1e-4 || f >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// TestLinksOfTheOriginal compares the tests' own computation of links with the two hashes
// that the original published.
func TestLinksOfTheOriginal(t *testing.T) {
	for at, want := range map[float64]string{
		1620811762.848223: "cca2b52f7ba2d64086a20d8764b600f688539c55",
		1620813710.01229:  "81ba993aa21a5ecd197f400ae29b517d650369eb",
	} {
		item := tx{ID: numbered(3), Sender: numbered(0), Receiver: numbered(3), Amount: 1000, T: at}
		if got := link(withLinks([]tx{item, item})[1].PrevHash); got != "'"+want+"'" {
			t.Errorf("t %v: link %s, not %s", at, got, want)
		}
	}
}
