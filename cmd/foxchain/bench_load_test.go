package main_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// loadBatch is how many transactions one message holds.
const loadBatch = 1_000

// benchTxs returns how many transactions a benchmark uses, 100,000 unless
// FOXCHAIN_BENCH_TXS sets another number.
func benchTxs(b *testing.B) int {
	b.Helper()
	n, err := strconv.Atoi(cmp.Or(os.Getenv("FOXCHAIN_BENCH_TXS"), "100000"))
	if err != nil || n < loadBatch {
		b.Fatalf("FOXCHAIN_BENCH_TXS must be a number of transactions, %d or more", loadBatch)
	}
	return n
}

// mergeMessages returns merge messages of n transactions in all, which mint for
// accounts that are all different.
func mergeMessages(n int) []string {
	var messages []string
	for ; n > 0; n -= loadBatch {
		var m bytes.Buffer
		m.WriteString(`{"op":"merge","args":{"pool":[`)
		for i := range min(n, loadBatch) {
			if i > 0 {
				m.WriteByte(',')
			}
			fmt.Fprintf(&m, `{"id":%q,"sender":%q,"receiver":%q,"amount":1}`, uuid.New(), numbered(0), uuid.New())
		}
		m.WriteString(`]}}`)
		messages = append(messages, m.String())
	}
	return messages
}

// pour spreads the messages over the nodes. Each node has a connection of its own, which
// waits for every answer. A message that met a full pool is sent again, since what was
// taken of it changes nothing.
func pour(b *testing.B, nodes []*node, messages []string) {
	b.Helper()
	var group sync.WaitGroup
	for i, n := range nodes {
		c := n.connect()
		group.Go(func() {
			for m := i; m < len(messages); m += len(nodes) {
				for !c.takes(messages[m]) {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	group.Wait()
}

// takes reports whether the node took a whole message; if not, its pool is full.
func (c *client) takes(message string) bool {
	c.write(message)
	answer := c.read()
	if answer == `{"status":202,"error":"Accepted"}` {
		return true
	}
	if !strings.Contains(answer, "pool is full") {
		c.t.Errorf("%s: %.500s", c.n.name, answer)
		return true
	}
	return false
}

// settle waits until all that was accepted anywhere is in blocks that all nodes have. Then
// they have one tip and empty pools.
func settle(b *testing.B, within time.Duration, clients []*client) {
	b.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		all := make([]info, len(clients))
		settled := true
		for i, c := range clients {
			all[i] = c.info()
			settled = settled && all[i].Pool == 0 && all[i].Tip == all[0].Tip
		}
		if settled {
			return
		}
		if time.Since(begin) > within {
			b.Fatalf("not settled within %s: %+v", within, all)
		}
	}
}
