package rpc

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/rpc/api"
)

func TestMain(m *testing.M) {
	// LevelDB lets its buffer pool's goroutine live for a second after Close.
	goleak.VerifyTestMain(testRun{m}, goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// A lab is a real server over a real chain in memory.
type lab struct {
	t      testing.TB
	s      *Server
	chain  *chain.Chain
	net    *neighbours
	sealer *testSealer
	stop   context.CancelFunc
	ended  chan error
}

// newLab makes the parts and starts nothing.
func newLab(t testing.TB, change ...func(*Config)) *lab {
	t.Helper()
	chain := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "rpc-test"})})
	seed := sha256.Sum256([]byte(t.Name()))
	l := &lab{t: t, chain: chain, net: newNeighbours(), sealer: &testSealer{chain: chain, key: ed25519.NewKeyFromSeed(seed[:])}}
	ln, err := Listen(t.Context(), []string{"127.0.0.1:0"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	cfg := Config{
		Listener: ln, Chain: chain, Peers: l.net, Sealer: l.sealer, Key: ledgertest.Public(l.sealer.key),
		Name: "fox", Version: "test", Token: "secret", Hosts: []string{"fox.lan"}, Origins: []string{"http://wiki.lan:8080"},
		Tokens: noTokens, Log: slog.New(slog.DiscardHandler), Backup: func(context.Context, io.Writer) error { return nil },
		Voting: func() *api.Voting { return nil }, Sync: func() *api.Sync { return nil }, DiskFree: func() *uint64 { return nil },
	}
	for _, f := range change {
		f(&cfg)
	}
	if l.s, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs the server until the test ends. tighten narrows its limits.
func (l *lab) start(tighten ...func(*limits)) *lab {
	lim := l.s.limits
	for _, f := range tighten {
		f(&lim)
	}
	l.s.setLimits(lim)
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.ended = cancel, make(chan error, 1)
	go func() { l.ended <- l.s.Run(ctx) }()
	l.t.Cleanup(func() {
		cancel()
		if err := <-l.ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
		l.ended <- nil
	})
	return l
}

func (l *lab) addr() string { return fmt.Sprintf("127.0.0.1:%d", l.s.cfg.Listener.Port()) }

// client connects with a real WebSocket client.
func (l *lab) client() *client {
	l.t.Helper()
	ws, res, err := websocket.DefaultDialer.Dial("ws://"+l.addr()+"/ws", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = res.Body.Close()
	l.t.Cleanup(func() { _ = ws.Close() })
	return &client{t: l.t, ws: ws}
}

type client struct {
	t  testing.TB
	ws *websocket.Conn
	in bytes.Buffer // of exchange
}

// ask sends a message and returns the reply's bytes.
func (c *client) ask(msg string) string {
	c.t.Helper()
	c.send(msg)
	return c.next()
}

func (c *client) send(msg string) {
	c.t.Helper()
	if err := c.ws.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

func (c *client) next() string {
	c.t.Helper()
	if err := c.ws.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	_, b, err := c.ws.ReadMessage()
	if err != nil {
		c.t.Fatalf("read: %v", err)
	}
	if !jsontext.Value(b).IsValid() {
		c.t.Fatalf("not JSON: %.300s", b)
	}
	return string(b)
}

// wants checks the exact bytes of a reply.
func (c *client) wants(msg, reply string) {
	c.t.Helper()
	if got := c.ask(msg); got != reply {
		c.t.Errorf("%.120s\n got %.500s\nwant %.500s", msg, got, reply)
	}
}

// response asks and decodes the response of a 200.
func response[T any](c *client, msg string) T {
	c.t.Helper()
	raw := c.ask(msg)
	var r struct {
		Status   int    `json:"status"`
		Error    string `json:"error"`
		Response T      `json:"response"`
	}
	if err := json.Unmarshal([]byte(raw), &r); err != nil {
		c.t.Fatalf("%s: %v in %.500s", msg, err, raw)
	}
	if r.Status != 200 || r.Error != "OK" {
		c.t.Fatalf("%s: got %.500s", msg, raw)
	}
	return r.Response
}

// closed reads until the connection ends, and returns its close code and reason.
func (c *client) closed() (code int, reason string) {
	c.t.Helper()
	if err := c.ws.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		c.t.Fatal(err)
	}
	for {
		_, _, err := c.ws.ReadMessage()
		var ce *websocket.CloseError
		switch {
		case err == nil:
		case errors.As(err, &ce):
			return ce.Code, ce.Text
		default:
			c.t.Fatalf("the connection ended without a close frame: %v", err)
		}
	}
}

// numbered returns the UUID that ends with n, as the original's session uses them.
func numbered(n int) uuid.UUID {
	return uuid.MustParse(fmt.Sprintf("00000000-0000-0000-0000-%012d", n))
}

// mint returns a transaction from the issuer.
func mint(n int, amount uint64) *ledger.Transaction {
	return &ledger.Transaction{ID: numbered(n), Receiver: numbered(n), Amount: amount, T: 1620811762.5}
}

func txJSON(tx *ledger.Transaction) string { return string(tx.AppendJSON(nil, nil)) }

func mergePool(txs ...*ledger.Transaction) string {
	list := make([]string, len(txs))
	for i, tx := range txs {
		list[i] = txJSON(tx)
	}
	return `{"op":"merge","args":{"pool":[` + strings.Join(list, ",") + `]}}`
}

// submit puts transactions into the pool.
func (l *lab) submit(txs ...*ledger.Transaction) {
	l.t.Helper()
	chaintest.Submit(l.t, l.chain, pool.FromClient, txs...)
}

// build makes a block of what is payable.
func (l *lab) build() *ledger.Block {
	l.t.Helper()
	t := l.chain.Template(0)
	if t.Header.Count == 0 {
		t = l.chain.Template(ledger.MaxBlockTxs)
	}
	return l.extend(t.Header, t.Txs)
}

// extend seals a block and offers it to the chain.
func (l *lab) extend(h ledger.Header, txs []*ledger.Transaction) *ledger.Block {
	l.t.Helper()
	sealed, err := l.sealer.Seal(context.Background(), h)
	if err != nil {
		l.t.Fatal(err)
	}
	b := &ledger.Block{SealedHeader: sealed, Txs: txs}
	if _, err := l.chain.AddBlock(context.Background(), b); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// header returns a header for a block of txs on parent, which is nil for the first.
func (l *lab) header(parent *ledger.Block, txs ...*ledger.Transaction) ledger.Header {
	h := ledger.Header{Version: 1, Parent: l.chain.Network().ID(), Root: ledger.Root(txs), Count: uint32(len(txs))}
	if parent != nil {
		h.Height, h.Parent = parent.Height+1, parent.Hash()
	}
	return h
}

// A testSealer builds as a node does, with its own key.
type testSealer struct {
	chain *chain.Chain
	key   ed25519.PrivateKey

	mu  sync.Mutex
	n   uint64
	job api.Template
}

func (s *testSealer) State(context.Context) (api.BuildState, error) {
	st := s.chain.Status()
	return api.BuildState{Blocks: st.Tip.Blocks, Tip: st.Tip.Hash, Payable: st.Payable, SinceTip: 1.5, Allowed: true}, nil
}

func (s *testSealer) Template(_ context.Context, limit int) (api.Template, error) {
	t := s.chain.Template(limit)
	if t.Header.Count == 0 {
		return api.Template{}, nil
	}
	t.Header.Builder = ledgertest.Public(s.key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	s.job = api.Template{Number: s.n, Header: t.Header, Txs: t.Txs}
	return s.job, nil
}

func (s *testSealer) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	s.mu.Lock()
	job := s.job
	s.mu.Unlock()
	if job.Number != number {
		return ledger.BlockRef{}, errors.New("not the newest template")
	}
	job.Header.Nonce = nonce
	b := &ledger.Block{SealedHeader: job.Header.Sign(s.chain.Network(), s.key), Txs: job.Txs}
	_, err := s.chain.AddBlock(ctx, b)
	return ledger.BlockRef{Height: b.Height, Hash: b.Hash()}, err
}

func (s *testSealer) Seal(ctx context.Context, h ledger.Header) (ledger.SealedHeader, error) {
	h.Builder = ledgertest.Public(s.key)
	h.Search(0, func() bool { return ctx.Err() != nil })
	return h.Sign(s.chain.Network(), s.key), ctx.Err()
}

// neighbours is a p2p side whose nodes the test sets. It keeps what is
// registered and refuses what is no ws URL.
type neighbours struct {
	mu      sync.Mutex
	nodes   []api.Peer
	former  []api.Former
	asked   int // how often for them
	copied  string
	changed chan struct{}
}

func newNeighbours() *neighbours { return &neighbours{changed: make(chan struct{})} }

func (n *neighbours) ID() string      { return "12D3KooWTest" }
func (n *neighbours) Builds() bool    { return true }
func (n *neighbours) Copied() string  { return n.copied }
func (n *neighbours) Addrs() []string { return []string{"/ip4/127.0.0.1/tcp/19000/p2p/12D3KooWTest"} }
func (n *neighbours) Stats() map[string]uint64 {
	return map[string]uint64{"dropped": 3, "bytes_in": 5, "sync_bytes_out": 7}
}
func (n *neighbours) Nodes() []api.Peer {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.nodes
}
func (n *neighbours) Former() []api.Former {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.former
}
func (n *neighbours) Told(key ledger.TxKey, height *uint64) api.Travel {
	here, told, had := 1000.0, 1000.012, 1000.015
	way := api.Travel{Here: &here, Peers: []api.Told{{ID: "12D3KooWB", Told: &told, Had: &had, By: "pool"}, {ID: "12D3KooWC", Told: &told}}}
	if height != nil {
		way.Peers[1].Had, way.Peers[1].By = &had, "block"
	}
	return way
}
func (n *neighbours) Changed() <-chan struct{} { n.mu.Lock(); defer n.mu.Unlock(); return n.changed }
func (n *neighbours) set(nodes ...api.Peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes = nodes
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *neighbours) Register(addrs []string) error {
	nodes := n.Nodes()
	for i, a := range addrs {
		if !strings.HasPrefix(a, "ws://") {
			return fmt.Errorf("address %d, %q, is not a ws:// URL", i, a)
		}
		nodes = append(nodes, api.Peer{Registered: []string{a}, State: "dialing"})
	}
	n.set(nodes...)
	return nil
}

func (n *neighbours) Forget(node string) error {
	nodes := n.Nodes()
	left := slices.DeleteFunc(slices.Clone(nodes), func(p api.Peer) bool { return p.ID == node })
	if len(left) == len(nodes) {
		return fmt.Errorf("no node is known by %q", node)
	}
	n.set(left...)
	return nil
}

// get makes an HTTP request to the server, with a Host and headers.
func (l *lab) get(path, host string, header http.Header) *http.Response {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, "http://"+l.addr()+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	for k, v := range header {
		req.Header[k] = v
	}
	tr := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}
	res, err := tr.RoundTrip(req)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func contextWithLocalAddr(ctx context.Context, addr net.Addr) context.Context {
	return context.WithValue(ctx, http.LocalAddrContextKey, addr)
}
