package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/gorilla/websocket"
)

// kills returns how often TestKills kills a node, FOXCHAIN_TEST_KILLS or 10.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("FOXCHAIN_TEST_KILLS")
	if text == "" {
		return 10
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("FOXCHAIN_TEST_KILLS is %q: must be a number", text)
	}
	return n
}

// TestKills kills a node again and again (SIGKILL) while four clients submit
// without a pause and it builds blocks. After every start each transaction that
// was answered 202 is there exactly once, in a block or in the pool, and no
// other is there twice. In the end `verify` finds nothing wrong.
func TestKills(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		const seed = 1
		r := rand.New(rand.NewPCG(seed, 0))
		dir := t.TempDir()
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "40", "-t", "20ms")
		accepted := make(map[string]bool)
		twice := 0
		for kill := range kills(t) {
			load := startLoad(n, kill)
			time.Sleep(time.Duration(100+r.IntN(500)) * time.Millisecond) // the moment of the kill is the point
			n.kill()
			for _, id := range load.wait() {
				accepted[id] = true
			}
			n = n.again()
			found := n.everything()
			for id := range accepted {
				if found[id] == 0 {
					t.Errorf("kill %d: transaction %s was answered 202 and is lost", kill+1, id)
				}
			}
			for id, times := range found {
				if times > 1 {
					twice++
					t.Errorf("kill %d: transaction %s is there %d times", kill+1, id, times)
				}
			}
			if t.Failed() {
				return
			}
		}
		n.stop()
		report := start(t, h, dir, "verify", "-r", filepath.Join(dir, fmt.Sprintf("%d.db", h.base)))
		<-report.ended
		if report.err != nil || !strings.Contains(report.out.String(), "everything is right") {
			t.Errorf("verify: %v\n%s", report.err, report.out.String())
		}
		t.Logf("%d kills, %d transactions accepted, 0 lost, %d twice", kills(t), len(accepted), twice)
	})
}

// A load is four clients that submit batches until their connections break.
type load struct {
	wg       sync.WaitGroup
	mu       sync.Mutex
	accepted []string
}

func startLoad(n *node, round int) *load {
	l := new(load)
	for client := range 4 {
		ws, _, err := n.handshake(n.url(), nil)
		if err != nil {
			n.t.Fatal(err)
		}
		l.wg.Go(func() {
			defer ws.Close()
			for batch := 0; l.submit(ws, round, client, batch); batch++ {
			}
		})
	}
	return l
}

// submit sends a batch and notes it when it is answered 202. It reports false
// when the connection broke.
func (l *load) submit(ws *websocket.Conn, round, client, batch int) bool {
	var list, ids []string
	for i := range 1 + batch%20 {
		id := fmt.Sprintf("%08x-%04x-4000-8000-%012x", round+1, client, batch*100+i)
		ids = append(ids, id)
		list = append(list, fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":1}`, id, numbered(0), numbered(1+i)))
	}
	message := fmt.Sprintf(`{"op":"merge","args":{"pool":[%s]}}`, strings.Join(list, ","))
	if ws.WriteMessage(websocket.TextMessage, []byte(message)) != nil {
		return false
	}
	_, text, err := ws.ReadMessage()
	if err != nil {
		return false
	}
	var answer reply
	if json.Unmarshal(text, &answer) == nil && answer.Status == 202 {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.accepted = append(l.accepted, ids...)
	}
	return true
}

func (l *load) wait() []string {
	l.wg.Wait()
	return l.accepted
}

// everything counts how often each transaction is in the node's blocks and pool. The node
// builds meanwhile. So the pool is read before the blocks, and a transaction that is in
// both counts only as one in the blocks.
func (n *node) everything() map[string]int {
	n.t.Helper()
	c := n.connect()
	defer c.ws.Close()
	found := make(map[string]int)
	pooled := c.all("pool")
	for id, times := range c.all("blocks") {
		found[id] += times
	}
	for id, times := range pooled {
		if found[id] == 0 || times > 1 {
			found[id] += times
		}
	}
	return found
}

// all pages through an op and counts IDs.
func (c *client) all(op string) map[string]int {
	c.t.Helper()
	found := make(map[string]int)
	for next := 0; ; {
		l := decode[lists](c.t, string(c.op(op, fmt.Sprintf(`"start":%d`, next)).Response))
		for _, tx := range decodeAll[tx](c.t, l.Pool) {
			found[tx.ID]++
		}
		for _, b := range decodeAll[block](c.t, l.Blocks) {
			for _, tx := range b.Items {
				found[tx.ID]++
			}
		}
		if l.Next == nil {
			return found
		}
		next = *l.Next
	}
}
