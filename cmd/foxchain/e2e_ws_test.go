package main_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"
)

// The transaction, block and reply as any program of another language reads them from the
// WebSocket. Fields that tests do not look at are left out.
type (
	tx struct {
		ID       string  `json:"id"`
		Sender   string  `json:"sender"`
		Receiver string  `json:"receiver"`
		Amount   int64   `json:"amount"`
		T        float64 `json:"t"`
		PrevHash *string `json:"prev_hash"`
	}
	block struct {
		Items    []tx    `json:"items"`
		PrevHash *string `json:"prev_hash"`
		Hash     string  `json:"hash"`
		Height   int     `json:"height"`
		Builder  string  `json:"builder"`
	}
	reply struct {
		Status   int            `json:"status"`
		Error    string         `json:"error"`
		Response jsontext.Value `json:"response"`
		text     string         // the whole reply
	}
	// An info is what a node reports of itself.
	info struct {
		NodeKey    string   `json:"node_key"`
		PeerID     string   `json:"peer_id"`
		Multiaddrs []string `json:"multiaddrs"`
		Blocks     int64    `json:"blocks"`
		Tip        string   `json:"tip"`
		Pool       int      `json:"pool"`
		Builds     bool     `json:"builds"`
		Payable    int      `json:"payable"`
		Peers      int      `json:"peers"`

		Time     float64   `json:"time"`
		Started  float64   `json:"started"`
		Uptime   float64   `json:"uptime"`
		TipSince float64   `json:"tip_since"`
		Missing  *struct{} `json:"missing"`

		Final *struct {
			Height  int64    `json:"height"`
			Hash    string   `json:"hash"`
			Signers []string `json:"signers"`
		} `json:"final"`
		Voting struct {
			Evidence []string `json:"evidence"`
			Mute     bool     `json:"mute"`
			Twice    bool     `json:"twice"`
		} `json:"voting"`
	}
	// A peer is what a node reports of another.
	peer struct {
		ID        string   `json:"id"`
		Name      string   `json:"name"`
		Addrs     []string `json:"multiaddrs"`
		State     string   `json:"state"`
		Reason    string   `json:"reason"`
		Connected bool     `json:"connected"`
		Clock     float64  `json:"clock"`
		Missing   float64  `json:"missing_since"`
		Blocks    uint64   `json:"blocks"`
		Tip       string   `json:"tip"`
		Seen      float64  `json:"seen"`
	}
	// lists are the responses of the original's ops.
	lists struct {
		Pool   []jsontext.Value `json:"pool"`
		Blocks []jsontext.Value `json:"blocks"`
		Peers  []string         `json:"peers"`
		Nodes  []peer           `json:"nodes"`
		Next   *int             `json:"next"` // where the rest begins
	}
)

// A client is one WebSocket connection to a node.
type client struct {
	t  testing.TB
	ws *websocket.Conn
	n  *node
}

// connect opens a connection as a program on the node's machine does.
func (n *node) connect() *client {
	n.t.Helper()
	ws, resp, err := n.handshake(n.url(), nil)
	if err != nil {
		n.t.Fatalf("%s: %v %v", n.url(), err, resp)
	}
	n.t.Cleanup(func() { ws.Close() })
	return &client{t: n.t, ws: ws, n: n}
}

// handshake opens a WebSocket from the node's machine with the given header.
func (n *node) handshake(url string, header http.Header) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{NetDialContext: n.host.dial, HandshakeTimeout: 5 * time.Second * slack}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second*slack)
	defer cancel()
	return dialer.DialContext(ctx, url, header)
}

// raw sends one message and returns the reply as it came.
func (c *client) raw(message string) string {
	c.t.Helper()
	c.write(message)
	return c.read()
}

func (c *client) write(message string) {
	c.t.Helper()
	c.ws.SetWriteDeadline(time.Now().Add(10 * time.Second * slack))
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		c.t.Fatalf("%s: %.200s: %v", c.n.name, message, err)
	}
}

func (c *client) read() string {
	c.t.Helper()
	c.ws.SetReadDeadline(time.Now().Add(10 * time.Second * slack))
	_, text, err := c.ws.ReadMessage()
	if err != nil {
		c.t.Fatalf("%s: no reply: %v", c.n.name, err)
	}
	return string(text)
}

// ask sends one message and reads the reply.
func (c *client) ask(message string) reply {
	c.t.Helper()
	r := reply{text: c.raw(message)}
	if err := json.Unmarshal([]byte(r.text), &r); err != nil {
		c.t.Fatalf("%s: %.200s: reply %.500s: %v", c.n.name, message, r.text, err)
	}
	return r
}

// op requests an op that must answer 200.
func (c *client) op(name, args string) reply {
	c.t.Helper()
	r := c.ask(fmt.Sprintf(`{"op":%q,"args":{%s}}`, name, args))
	if r.Status != 200 || r.Error != "OK" {
		c.t.Fatalf("%s: op %s: %.500s", c.n.name, name, r.text)
	}
	return r
}

// list requests one of the ops that list things.
func (c *client) list(name string) lists {
	c.t.Helper()
	return decode[lists](c.t, string(c.op(name, "").Response))
}

func (c *client) info() info {
	c.t.Helper()
	return decode[info](c.t, string(c.op("info", "").Response))
}

// finalHeight returns -1 when nothing is final.
func (in info) finalHeight() int64 {
	if in.Final == nil {
		return -1
	}
	return in.Final.Height
}

func (c *client) pool() []tx {
	c.t.Helper()
	return decodeAll[tx](c.t, c.list("pool").Pool)
}

func (c *client) blocks() []block {
	c.t.Helper()
	return decodeAll[block](c.t, c.list("blocks").Blocks)
}

func (c *client) peers() []string {
	c.t.Helper()
	return c.list("peers").Peers
}

func (c *client) known() []peer {
	c.t.Helper()
	return c.list("peers").Nodes
}

// accepted sends one message that must be answered as the original did.
func (c *client) accepted(message string) {
	c.t.Helper()
	sameJSON(c.t, message, c.raw(message), `{"status":202,"error":"Accepted"}`)
}

// merge submits transactions that must be accepted.
func (c *client) merge(txs ...string) {
	c.t.Helper()
	for _, tx := range txs {
		c.accepted(fmt.Sprintf(`{"op":"merge","args":{"pool":[%s]}}`, tx))
	}
}

func decodeAll[T any](t testing.TB, values []jsontext.Value) []T {
	t.Helper()
	all := make([]T, len(values))
	for i, value := range values {
		if err := json.Unmarshal(value, &all[i]); err != nil {
			t.Fatalf("%s: %v", value, err)
		}
	}
	return all
}

// sameJSON fails the test unless got and want are the same JSON value. Keys may be in any order.
func sameJSON(t testing.TB, what, got, want string) {
	t.Helper()
	if !equalJSON(t, got, want) {
		t.Errorf("%.300s\n got %.2000s\nwant %.2000s", what, got, want)
	}
}

func equalJSON(t testing.TB, a, b string) bool {
	t.Helper()
	values := [2]jsontext.Value{jsontext.Value(a), jsontext.Value(b)}
	for i := range values {
		if err := values[i].Canonicalize(); err != nil {
			t.Fatalf("not JSON: %v: %.500s", err, values[i])
		}
	}
	return string(values[0]) == string(values[1])
}

// issue returns a transaction of the issuer as a client sends it. It is the nth of a
// test, with an id and a receiver that end in n, as in the original's session.
func issue(n, amount int) string {
	return fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":%d}`, numbered(n), numbered(0), numbered(n), amount)
}

// numbered returns the UUID that ends in n.
func numbered(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }

func ids(txs []tx) []string {
	var all []string
	for _, tx := range txs {
		all = append(all, tx.ID)
	}
	return all
}

func hashes(blocks []block) []string {
	var all []string
	for _, b := range blocks {
		all = append(all, b.Hash)
	}
	return all
}

func chained(blocks []block) []string {
	var all []string
	for _, b := range blocks {
		all = append(all, ids(b.Items)...)
	}
	return all
}

// agreed returns nil when every node's chain is the same and holds exactly the
// wanted transactions with the pool's, each once.
func agreed(want []string, clients ...*client) error {
	var first []block
	for i, c := range clients {
		c.t.Helper()
		blocks, pool := c.blocks(), c.pool()
		if i == 0 {
			first = blocks
		}
		if !slices.Equal(hashes(blocks), hashes(first)) {
			return fmt.Errorf("%s has the chain %v, %s has %v", clients[0].n.name, hashes(first), c.n.name, hashes(blocks))
		}
		all := append(chained(blocks), ids(pool)...)
		slices.Sort(all)
		if !slices.Equal(all, want) {
			return fmt.Errorf("%s has %d transactions in blocks and %d in the pool, together\n%v, not\n%v",
				c.n.name, len(chained(blocks)), len(pool), all, want)
		}
	}
	return nil
}

// numberedTo returns the UUIDs from 1 to n, sorted.
func numberedTo(n int) []string {
	var all []string
	for i := range n {
		all = append(all, numbered(i+1))
	}
	return all
}
