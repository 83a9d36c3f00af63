package rpc

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
)

// benchTxs returns how many transactions the chain has that is read from. It is
// FOXCHAIN_BENCH_TXS, or 100,000.
func benchTxs(b *testing.B) int {
	text, given := os.LookupEnv("FOXCHAIN_BENCH_TXS")
	if !given {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		b.Fatalf("FOXCHAIN_BENCH_TXS is %q, want an integer of 1000 or more", text)
	}
	return n
}

// A history is a long chain and what can be asked of it.
type history struct {
	*lab
	ids      []uuid.UUID
	accounts []uuid.UUID
	blocks   int
}

// longChain makes a chain of n transactions in blocks of 1,000 and of 10 by
// turns, so that both sizes are read. Each account gets 20 on average.
func longChain(b *testing.B, n int) *history {
	h := &history{lab: benchLab(b)}
	for range n / 20 {
		h.accounts = append(h.accounts, uuid.New())
	}
	var last *ledger.Block
	for size := 1000; len(h.ids) < n; size = 1010 - size {
		txs := minted(size)
		for _, tx := range txs {
			tx.Receiver = h.accounts[rand.IntN(len(h.accounts))]
			h.ids = append(h.ids, tx.ID)
		}
		last = h.extend(h.header(last, txs...), txs)
	}
	h.blocks = int(last.Height) + 1
	return h
}

// BenchmarkRead asks for one thing at a time, at random, and reports p50 and p99 of what
// one client waits.
func BenchmarkRead(b *testing.B) {
	h := longChain(b, benchTxs(b))
	c := h.client()
	for _, read := range []struct {
		name string
		msg  func() string
	}{
		{"tx", func() string {
			return fmt.Sprintf(`{"op":"tx","args":{"id":"%s"}}`, h.ids[rand.IntN(len(h.ids))])
		}},
		{"account", func() string {
			return fmt.Sprintf(`{"op":"account","args":{"account":"%s"}}`, h.accounts[rand.IntN(len(h.accounts))])
		}},
		{"block10", func() string {
			return fmt.Sprintf(`{"op":"block","args":{"height":%d}}`, rand.IntN(h.blocks/2)*2+1)
		}},
		{"block1000", func() string {
			return fmt.Sprintf(`{"op":"block","args":{"height":%d}}`, rand.IntN(h.blocks/2)*2)
		}},
		{"time", func() string { return `{"op":"time"}` }}, // what any question costs
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			for b.Loop() {
				msg := read.msg()
				start := time.Now()
				reply, err := c.exchange(msg)
				took = append(took, time.Since(start))
				if err != nil || len(reply) < 12 || string(reply[:12]) != `{"status":20` {
					b.Fatalf("%s: got %.200s, %v", msg, reply, err)
				}
			}
			slices.Sort(took)
			for _, q := range []struct {
				share float64
				unit  string
			}{{0.5, "us-p50"}, {0.99, "us-p99"}} {
				at := took[int(q.share*float64(len(took)-1))]
				b.ReportMetric(float64(at.Microseconds()), q.unit)
			}
		})
	}
}

// BenchmarkPages reads replies of the largest size, 8 MiB, against a server
// that only sends as many bytes.
func BenchmarkPages(b *testing.B) {
	h := longChain(b, 40_000)
	for range 4 {
		h.submit(minted(10_000)...)
	}
	ready := make([]byte, 8<<20)
	raw := rawServer(b, 1, func(ws *websocket.Conn) error {
		if _, _, err := ws.NextReader(); err != nil {
			return err
		}
		return ws.WriteMessage(websocket.TextMessage, ready)
	})[0]
	ours := h.client()
	for _, op := range []string{"blocks", "pool"} {
		b.Run(op, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(8 << 20)
			sw := stopwatch{b: b}
			msg := fmt.Sprintf(`{"op":%q}`, op)
			for b.Loop() {
				b.StopTimer()
				sw.round(1, func() { ours.discard(msg, 7<<20) }, func() { raw.discard(msg, 8<<20) })
				b.StartTimer()
			}
			sw.report("page/s")
		})
	}
}

// discard asks, and reads a reply of at least so many bytes without keeping it.
func (c *client) discard(msg string, least int64) {
	c.send(msg)
	_, r, err := c.ws.NextReader()
	var n int64
	if err == nil {
		n, err = io.Copy(io.Discard, r)
	}
	if err != nil || n < least {
		c.t.Fatalf("got %d bytes, %v", n, err)
	}
}
