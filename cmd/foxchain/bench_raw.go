package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"
	"github.com/spf13/cobra"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

const (
	rawLevelDBName = "LevelDB"
	rawEchoName    = "echo"
)

// beside measures a raw part before and after what it bounds: on a machine that
// does other things too, one of the two alone could mislead.
func beside(raw func() (rawPart, error), bounded func() error) (rawPart, error) {
	before, err := raw()
	if err != nil {
		return before, err
	}
	if err := bounded(); err != nil {
		return before, err
	}
	after, err := raw()
	both := rawPart{name: before.name, figure: 2 / (1/before.figure + 1/after.figure)}
	if slow, fast := min(before.figure, after.figure), max(before.figure, after.figure); fast > 1.5*slow {
		both.note = fmt.Sprintf("unsteady: raw %s before, %s after", digits(before.figure), digits(after.figure))
	}
	return both, err
}

// rawLevelDB writes to LevelDB alone what cannot be saved of so many
// transactions: each has a record in the index and one or two accounts, under
// keys that are random as UUIDs are. Options and shape are those of package
// ledger and its benchmarks.
func (r *benchRun) rawLevelDB(ctx context.Context, txs int) (part rawPart, err error) {
	dir := filepath.Join(r.dir, "raw")
	db, err := leveldb.OpenFile(dir, &opt.Options{
		Filter:                 filter.NewBloomFilter(10),
		DisableSeeksCompaction: true,
		WriteBuffer:            8 * opt.MiB,
		BlockCacheCapacity:     16 * opt.MiB,
		OpenFilesCacheCapacity: 64,
	})
	if err != nil {
		return part, fmt.Errorf("measure LevelDB alone: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close(), os.RemoveAll(dir)) }()
	value := make([]byte, 100)
	begin := time.Now()
	for left := txs; left > 0; left -= benchBatch {
		if err := ctx.Err(); err != nil {
			return part, err
		}
		r.say("LevelDB alone: %d transactions left", left)
		size := min(left, benchBatch)
		keys := make([]byte, 2*16*size)
		if _, err := rand.Read(keys); err != nil {
			return part, err
		}
		batch := new(leveldb.Batch)
		for ; len(keys) > 0; keys = keys[16:] {
			batch.Put(keys[:16], value)
		}
		if err := db.Write(batch, &opt.WriteOptions{Sync: true}); err != nil {
			return part, fmt.Errorf("measure LevelDB alone: %w", err)
		}
	}
	return rawPart{name: rawLevelDBName, figure: float64(txs) / time.Since(begin).Seconds()}, nil
}

// rawEcho sends the same messages over as many connections to a server, in a
// process of its own as a node is, that only reads and answers them.
func (r *benchRun) rawEcho(ctx context.Context, conns int, batches []batch) (rawPart, error) {
	part, err := startPart(ctx, r.log, "echo")
	if err != nil {
		return rawPart{}, err
	}
	defer part.stop()
	clients, err := dialSome(ctx, part.at, conns)
	defer closeAll(clients)
	if err != nil {
		return rawPart{}, err
	}
	took, err := r.inTurns(ctx, "echo", clients, len(batches), func(c *client.Client, i int) error {
		_, err := c.MergePool(ctx, batches[i].json)
		return err
	})
	if err != nil {
		return rawPart{}, err
	}
	return rawPart{name: rawEchoName, figure: float64(len(batches)) / took.took.Seconds()}, nil
}

// newBenchEchoCmd is the server of rawEcho: bare gorilla, bare JSON.
func newBenchEchoCmd() *cobra.Command {
	return &cobra.Command{
		Use:    "echo",
		Short:  "The server of bench that only echoes",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := withInput(cmd)
			defer cancel()
			var lc net.ListenConfig
			l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			if err := sayWhere(cmd, endpoint{URL: "ws://" + l.Addr().String() + "/ws"}); err != nil {
				return err
			}
			server := &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: 5 * time.Second}
			defer context.AfterFunc(ctx, func() { server.Close() })()
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
}

// echo answers each message of a connection as a node answers a merge.
func echo(w http.ResponseWriter, req *http.Request) {
	var upgrader websocket.Upgrader
	ws, err := upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // it was answered
	}
	defer ws.Close()
	for err == nil {
		err = echoOne(ws) // the client went, or bench sees that its connection ended
	}
}

func echoOne(ws *websocket.Conn) error {
	_, msg, err := ws.ReadMessage()
	if err != nil {
		return err
	}
	var asked struct {
		ID   uint64 `json:"id"`
		Op   string `json:"op"`
		Args struct {
			Pool []api.Tx `json:"pool"`
		} `json:"args"`
	}
	if err := json.Unmarshal(msg, &asked); err != nil {
		return err
	}
	answer, err := json.Marshal(struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
		ID     uint64 `json:"id"`
	}{202, "Accepted", asked.ID})
	if err != nil {
		return err
	}
	return ws.WriteMessage(websocket.TextMessage, answer)
}
