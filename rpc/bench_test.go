package rpc

import (
	"encoding/binary"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
)

// The benchmarks run a real server over real files, asked by real clients on 127.0.0.1,
// and print their rates as ratios against a raw part. Raw and ours take turns, so that
// both meet the same noise. ns/op is ours alone.

// benchLab is a lab over files.
func benchLab(b *testing.B) *lab {
	network := ledgertest.Network(b, ledger.Network{Name: "rpc-test"})
	chain := chaintest.Open(b, chain.Config{Network: network, Dir: b.TempDir()})
	l := newLab(b, func(c *Config) { c.Chain = chain })
	l.chain, l.sealer.chain = chain, chain
	return l.start()
}

// minted makes n transactions from the issuer to random accounts.
func minted(n int) []*ledger.Transaction {
	txs := make([]*ledger.Transaction, n)
	for i := range txs {
		txs[i] = &ledger.Transaction{ID: uuid.New(), Receiver: uuid.New(), Amount: 1 + uint64(i), T: 1620811762.848223 + float64(i)}
	}
	return txs
}

// merges makes n merges of size new transactions each.
func merges(n, size int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = mergePool(minted(size)...)
	}
	return list
}

// A stopwatch adds up the times of the raw part and of ours.
type stopwatch struct {
	b         *testing.B
	ours, raw time.Duration
	n         int // operations of each
}

// round times n operations of ours and of the raw part.
func (s *stopwatch) round(n int, ours, raw func()) {
	s.n += n
	start := time.Now()
	s.b.StartTimer()
	ours()
	s.b.StopTimer()
	s.ours += time.Since(start)
	start = time.Now()
	raw()
	s.raw += time.Since(start)
}

func (s *stopwatch) report(unit string) {
	rate, raw := float64(s.n)/s.ours.Seconds(), float64(s.n)/s.raw.Seconds()
	s.b.ReportMetric(rate, unit)
	s.b.ReportMetric(raw, "raw-"+unit)
	s.b.ReportMetric(rate/raw, "of-raw")
}

// askAll sends msgs over the clients, each with its share one after another,
// and wants every one accepted.
func askAll(b *testing.B, clients []*client, msgs []string, accepted bool) {
	var wg sync.WaitGroup
	share := len(msgs) / len(clients)
	for i, c := range clients {
		wg.Go(func() {
			for _, m := range msgs[i*share : (i+1)*share] {
				reply, err := c.exchange(m)
				if err != nil || accepted && string(reply) != acceptedMsg {
					b.Errorf("got %.200s, %v", reply, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// exchange is ask without checks, for any goroutine. The reply is valid until the next,
// which takes its room, so that a benchmark measures no garbage of its own.
func (c *client) exchange(msg string) ([]byte, error) {
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		return nil, err
	}
	_, r, err := c.ws.NextReader()
	if err != nil {
		return nil, err
	}
	c.in.Reset()
	_, err = c.in.ReadFrom(r)
	return c.in.Bytes(), err
}

// rawStore is LevelDB with the ledger's settings.
func rawStore(b *testing.B) *leveldb.DB {
	db, err := leveldb.OpenFile(b.TempDir(), &opt.Options{
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		WriteBuffer:            8 * opt.MiB,
		BlockCacheCapacity:     16 * opt.MiB,
		OpenFilesCacheCapacity: 64,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	return db
}

// writeRaw writes two random records of 100 bytes for each of n transactions,
// in one synced batch.
func writeRaw(b *testing.B, db *leveldb.DB, n int) {
	w, value := new(leveldb.Batch), make([]byte, 100)
	for range 2 * n {
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, mathrand.Uint64()), mathrand.Uint64())
		w.Put(key, value)
	}
	if err := db.Write(w, &opt.WriteOptions{Sync: true}); err != nil {
		b.Fatal(err)
	}
}

// rawServer answers every message that it gets by serve, and returns n clients.
func rawServer(b *testing.B, n int, serve func(*websocket.Conn) error) []*client {
	var up websocket.Upgrader
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer ws.Close()
		for serve(ws) == nil {
		}
	}))
	b.Cleanup(srv.Close)
	clients := make([]*client, n)
	for i := range clients {
		ws, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(srv.URL, "http"), nil)
		if err != nil {
			b.Fatal(err)
		}
		_ = res.Body.Close()
		b.Cleanup(func() { _ = ws.Close() })
		clients[i] = &client{t: b, ws: ws}
	}
	return clients
}

func (l *lab) clients(n int) []*client {
	list := make([]*client, n)
	for i := range list {
		list[i] = l.client()
	}
	return list
}

// BenchmarkAccept measures batches of 1,000 over 4 connections, accepted and durable,
// against LevelDB's synced batches of the same bytes.
func BenchmarkAccept(b *testing.B) {
	const batch, round = 1000, 20
	var clients []*client
	var db *leveldb.DB
	sw := stopwatch{b: b}
	for held := chain.MaxPool; b.Loop(); held += batch * round {
		b.StopTimer()
		if held+batch*round > chain.MaxPool { // both begin anew
			held, clients, db = 0, benchLab(b).clients(4), rawStore(b)
		}
		msgs := merges(round, batch)
		sw.round(batch*round, func() { askAll(b, clients, msgs, true) }, func() {
			for range round {
				writeRaw(b, db, batch)
			}
		})
		b.StartTimer()
	}
	sw.report("tx/s")
}

// BenchmarkPingPong measures 64 connections that send one transaction each and wait until
// it is durable, against a server that only decodes and encodes the same messages.
func BenchmarkPingPong(b *testing.B) {
	const conns, each = 64, 20
	echo := rawServer(b, conns, func(ws *websocket.Conn) error {
		var m struct {
			Op   string `json:"op"`
			Args struct {
				Pool []struct {
					ID       string  `json:"id"`
					Sender   string  `json:"sender"`
					Receiver string  `json:"receiver"`
					Amount   uint64  `json:"amount"`
					T        float64 `json:"t"`
					PrevHash *string `json:"prev_hash"`
				} `json:"pool"`
			} `json:"args"`
		}
		if err := ws.ReadJSON(&m); err != nil {
			return err
		}
		return ws.WriteJSON(&m)
	})
	var clients []*client
	sw := stopwatch{b: b}
	for held := chain.MaxPool; b.Loop(); held += conns * each {
		b.StopTimer()
		if held+conns*each > chain.MaxPool {
			held, clients = 0, benchLab(b).clients(conns)
		}
		msgs := merges(conns*each, 1)
		sw.round(len(msgs), func() { askAll(b, clients, msgs, true) }, func() { askAll(b, echo, msgs, false) })
		b.StartTimer()
	}
	sw.report("msg/s")
}
