package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"
)

// BenchmarkComet measures CometBFT as BenchmarkFinal measures four builders. Bursts of four
// transactions are timed from the answer until all four nodes have them in a block, which is
// final there. COMETBFT is its program. "shipped" is its configuration as it comes, "fast" waits
// for no further vote after a block, builds no empty one, and has no index.
//
//	GOBIN=/tmp/comet go install github.com/cometbft/cometbft/cmd/cometbft@v0.38.17
//	COMETBFT=/tmp/comet/cometbft go test -run '^$' -bench 'Comet|Final/4' -benchtime 100x ./cmd/foxchain/internal/bench
func BenchmarkComet(b *testing.B) {
	program := os.Getenv("COMETBFT")
	if program == "" {
		b.Skip("COMETBFT is not set")
	}
	shipped := []string{"addr_book_strict = true", "addr_book_strict = false", "allow_duplicate_ip = false", "allow_duplicate_ip = true"}
	fast := append(shipped, `timeout_commit = "1s"`, `timeout_commit = "0s"`, "create_empty_blocks = true", "create_empty_blocks = false", `indexer = "kv"`, `indexer = "null"`)
	for name, changes := range map[string][]string{"shipped": shipped, "fast": fast} {
		b.Run(name, func(b *testing.B) {
			blocks := startComet(b, program, strings.NewReplacer(changes...))
			var each []time.Duration
			for i := 0; b.Loop(); i++ {
				time.Sleep(benchInterval + 50*time.Millisecond)
				for range 4 {
					cometGet(b, i%4, "broadcast_tx_sync?tx=%22"+uuid.NewString()+"=1%22")
				}
				accepted := time.Now()
				var last time.Time
				for _, node := range blocks {
					for txs := 0; txs < 4; {
						block := <-node
						txs += block.txs
						last = later(last, block.at)
					}
				}
				each = append(each, last.Sub(accepted))
			}
			t := newTimings(0, each)
			b.ReportMetric(*t.at(0.5), "202-p50-ms")
			b.ReportMetric(*t.at(0.99), "202-p99-ms")
		})
	}
}

type cometBlock struct {
	txs int
	at  time.Time
}

func cometPort(i int) int { return 26_700 + 10*i }

func cometGet(b *testing.B, i int, path string) {
	b.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/%s", cometPort(i), path))
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%v: %s", err, text)
	}
}

// startComet starts four nodes, and returns the blocks of each as it reports them.
func startComet(b *testing.B, program string, changes *strings.Replacer) (blocks []chan cometBlock) {
	dir := b.TempDir()
	if out, err := exec.Command(program, "testnet", "--v", "4", "--o", dir, "--populate-persistent-peers=false").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	var peers []string
	for i := range 4 {
		home := filepath.Join(dir, fmt.Sprintf("node%d", i))
		file := filepath.Join(home, "config", "config.toml")
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(changes.Replace(string(text))), 0o600); err != nil {
			b.Fatal(err)
		}
		id, err := exec.Command(program, "show-node-id", "--home", home).Output()
		if err != nil {
			b.Fatal(err)
		}
		node := exec.Command(program, "node", "--home", home, "--proxy_app=kvstore", "--log_level=error", "--p2p.persistent_peers="+strings.Join(peers, ","),
			fmt.Sprintf("--rpc.laddr=tcp://127.0.0.1:%d", cometPort(i)), fmt.Sprintf("--p2p.laddr=tcp://127.0.0.1:%d", cometPort(i)+1))
		if err := node.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = node.Process.Kill(); _ = node.Wait() })
		peers = append(peers, fmt.Sprintf("%s@127.0.0.1:%d", strings.TrimSpace(string(id)), cometPort(i)+1))
	}
	for i := range 4 {
		blocks = append(blocks, followComet(b, i))
	}
	for _, node := range blocks {
		<-node // the first block, of none
	}
	return blocks
}

func followComet(b *testing.B, i int) chan cometBlock {
	var ws *websocket.Conn
	for begin := time.Now(); ws == nil; time.Sleep(100 * time.Millisecond) {
		var err error
		if ws, _, err = websocket.DefaultDialer.Dial(fmt.Sprintf("ws://127.0.0.1:%d/websocket", cometPort(i)), nil); err != nil && time.Since(begin) > time.Minute {
			b.Fatal(err)
		}
	}
	b.Cleanup(func() { _ = ws.Close() })
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"query":"tm.event='NewBlock'"}}`)); err != nil {
		b.Fatal(err)
	}
	blocks := make(chan cometBlock, 10_000)
	go func() {
		for {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return
			}
			at := time.Now()
			var m struct {
				Result struct {
					Data struct {
						Value struct {
							Block struct{ Data struct{ Txs []string } }
						}
					}
				}
			}
			if err := json.Unmarshal(text, &m); err == nil && strings.Contains(string(text), "NewBlock") {
				blocks <- cometBlock{len(m.Result.Data.Value.Block.Data.Txs), at}
			}
		}
	}()
	return blocks
}
