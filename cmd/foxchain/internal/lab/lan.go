package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/ledger"
)

// Bounds of a network.
const (
	MinNodes = 3
	MaxNodes = 20
)

// When nodes of the lab build. On the page a transaction waits long enough to be seen,
// and not so long that a class waits.
const (
	blockTxs  = 4
	interval  = time.Second
	pageWait  = 2 * time.Second
	checkWait = 500 * time.Millisecond
)

// States of a node.
const (
	starting = "starting"
	running  = "running"
	stopped  = "stopped"
	killed   = "killed"
)

// A lan is one network of the lab, its nodes and a link between any two. A lesson begins
// with a new lan.
type lan struct {
	lab    *Lab
	ctx    context.Context // ends with the lan
	cancel context.CancelCauseFunc
	dir    string
	voters bool
	file   string // the network's
	log    *slog.Logger
	out    io.Closer // of log
	closed bool      // guarded by Lab.doing

	// Guarded by Lab.mu.
	nodes  []*labNode
	links  map[[2]int]*link
	blocks map[ledger.Hash]*shownBlock
	txs    []*sentTx // oldest first
	forked string    // which nodes were on which branch last, "" if all are on one
}

// A labNode is one node of a lan, which may be stopped and started again.
type labNode struct {
	lan   *lan
	at    int    // its place in the lan
	id    string // A, B, C…
	dir   string
	port  int // of its page
	liar  *liar
	ahead atomic.Int64 // by how many nanoseconds its clock is

	// Guarded by Lab.mu.
	state string
	off   string   // how far its clock is off, as it was set, such as +2h, or ""
	run   *nodeRun // nil unless the node runs
	addr  string   // for other nodes, "" before the first start
	tcp   string   // host and port of addr
	peer  string   // its peer ID, as key
	key   ledger.PublicKey
	view  view // as last seen
}

// A nodeRun is the time from a start of a node to its end.
type nodeRun struct {
	*node.Node
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of the run, set before ended is closed
}

// now is the node's clock, which is the system's plus ahead.
func (m *labNode) now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

// nodeID returns the name of the node at a place: A, B, C…
func nodeID(at int) string { return string(rune('A' + at)) }

// newLAN makes the directories and the network's file, and starts nothing.
func newLAN(l *Lab, nodes int, voters bool) (_ *lan, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make a network of the lab in %s: %w", l.cfg.Dir, err)
		}
	}()
	if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	n := &lan{lab: l, voters: voters, links: make(map[[2]int]*link), blocks: make(map[ledger.Hash]*shownBlock)}
	if n.dir, err = os.MkdirTemp(l.cfg.Dir, "net-"); err != nil {
		return nil, err
	}
	n.file = filepath.Join(n.dir, "network.json")
	out, err := os.Create(filepath.Join(n.dir, "nodes.log"))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(n.dir))
	}
	n.out = out
	defer func() {
		if err != nil {
			err = errors.Join(err, out.Close(), os.RemoveAll(n.dir))
		}
	}()
	if n.log, err = node.NewLogger(out, "info", "text"); err != nil {
		return nil, err
	}
	rules := ledger.Network{Name: "lab", Bits: 10}
	for range nodes {
		m := n.newNode()
		if !voters {
			continue
		}
		dir, err := node.OpenDataDir(m.dir)
		if err != nil {
			return nil, err
		}
		key, _, err := dir.NodeKey()
		if err != nil {
			return nil, err
		}
		rules.Builders = append(rules.Builders, key)
	}
	network, err := ledger.NewNetwork(rules)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(network.File(), json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	n.ctx, n.cancel = context.WithCancelCause(l.ctx)
	return n, os.WriteFile(n.file, text, 0o600)
}

// newNode adds a node with its links, and does not start it.
func (n *lan) newNode() *labNode {
	at := len(n.nodes)
	m := &labNode{lan: n, at: at, id: nodeID(at), dir: filepath.Join(n.dir, nodeID(at)), state: stopped}
	if n.lab.cfg.Port > 0 {
		m.port = n.lab.cfg.Port + 1 + at
	}
	m.liar = newLiar(m)
	for other := range at {
		n.links[[2]int{other, at}] = newLink(other, at)
	}
	n.nodes = append(n.nodes, m)
	return m
}

// link returns the link between two nodes. The caller holds Lab.mu.
func (n *lan) link(a, b int) *link { return n.links[[2]int{min(a, b), max(a, b)}] }

// dial connects node m to another node, through the link between them.
func (m *labNode) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l := m.lan.lab
	l.mu.Lock()
	var cable *link
	for _, other := range m.lan.nodes {
		if other.tcp == address && other != m {
			cable = m.lan.link(m.at, other.at)
		}
	}
	l.mu.Unlock()
	if cable == nil {
		return (&net.Dialer{}).DialContext(ctx, network, address) // a node outside the lab
	}
	return cable.dial(ctx, m.lan.ctx, network, address)
}

// start starts the node, and returns when it runs.
func (m *labNode) start() error {
	l := m.lan.lab
	l.mu.Lock()
	if m.run != nil {
		l.mu.Unlock()
		return refuse("%s runs already", "%s 已在运行", m.id)
	}
	m.setState(starting)
	var peers []string
	for _, other := range m.lan.nodes {
		if other.addr != "" && other != m {
			peers = append(peers, other.addr)
		}
		if other != m {
			m.lan.link(m.at, other.at).set(func(f *faults) { f.dark = other.state == killed })
		}
	}
	l.mu.Unlock()
	cfg := node.Config{
		Port: m.port, Dir: m.dir, Name: m.id, Network: m.lan.file, Peers: peers, Loopback: true,
		BlockTxs: blockTxs, Interval: node.Duration(interval), MaxWait: node.Duration(l.cfg.wait), Expiry: node.Duration(24 * time.Hour),
		Build: true, LogLevel: "info", LogFormat: "text",
		Hooks: node.Hooks{Dial: m.dial, Now: m.now, Build: m.liar.build, Vote: m.liar.vote},
	}
	n, err := node.New(m.lan.ctx, cfg, m.lan.log.With("node", m.id))
	if err != nil {
		l.mu.Lock()
		m.setState(stopped)
		l.mu.Unlock()
		return fmt.Errorf("node %s: %w", m.id, err)
	}
	ctx, cancel := context.WithCancel(m.lan.ctx)
	run := &nodeRun{Node: n, cancel: cancel, ended: make(chan struct{})}
	l.mu.Lock()
	m.port, m.addr = n.Listen.Port(), n.P2P.Addrs()[0]
	m.tcp, m.key, m.peer = tcpOf(m.addr), n.Key(), n.P2P.ID()
	m.view = view{}
	m.run = run
	m.setState(running)
	l.mu.Unlock()
	go func() {
		watched := make(chan struct{})
		go func() { m.watch(ctx, run); close(watched) }()
		run.err = n.Run(ctx)
		cancel()
		<-watched
		close(run.ended)
		m.left(run)
	}()
	return nil
}

// left notes that a run has ended by itself, as when its ledger stops.
func (m *labNode) left(run *nodeRun) {
	l := m.lan.lab
	l.mu.Lock()
	defer l.mu.Unlock()
	if m.run != run {
		return
	}
	m.run = nil
	m.setState(stopped)
	if run.err != nil {
		l.sayWhy(both("%s ended", "%s 停止了", m.id), run.err)
	}
}

// setState sets the node's state. The caller holds Lab.mu.
func (m *labNode) setState(state string) {
	m.state = state
	m.lan.lab.note()
}

// stop ends the node, in order or as if its plug was pulled, and returns when it has
// ended.
func (m *labNode) stop(state string) error {
	l := m.lan.lab
	l.mu.Lock()
	run := m.run
	if run == nil {
		l.mu.Unlock()
		return refuse("%s does not run", "%s 没有运行", m.id)
	}
	if state == killed {
		for _, other := range m.lan.nodes {
			if other != m {
				m.lan.link(m.at, other.at).set(func(f *faults) { f.dark = true })
			}
		}
	}
	m.run, m.view = nil, view{}
	m.setState(state)
	l.mu.Unlock()
	run.cancel()
	<-run.ended
	if run.err != nil {
		return fmt.Errorf("node %s: %w", m.id, run.err)
	}
	return nil
}

// start starts all nodes, the first one before the others.
func (n *lan) start() error {
	for _, m := range n.nodes {
		if err := m.start(); err != nil {
			return err
		}
	}
	return nil
}

// close ends all nodes, and returns when they have ended. A second call does nothing.
func (n *lan) close() error {
	if n.closed {
		return nil
	}
	n.closed = true
	n.lab.mu.Lock()
	nodes := n.nodes
	n.lab.mu.Unlock()
	var g errgroup.Group
	for _, m := range nodes {
		g.Go(func() error {
			if err := m.stop(stopped); err != nil && !isRefusal(err) {
				return err
			}
			return nil
		})
	}
	err := g.Wait()
	n.cancel(errors.New("the lab has ended"))
	return errors.Join(err, n.out.Close())
}

// tcpOf returns the host and port in the multiaddr of a node of the lab.
func tcpOf(addr string) string {
	var port int
	fmt.Sscanf(addr, "/ip4/127.0.0.1/tcp/%d", &port)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// page returns the URL of the node's page.
func (r *nodeRun) page() string {
	return node.PageURL(r.Cfg.WSURL(r.Listen.Port())) + "#token=" + r.Token
}

// every reports whether something holds for all running nodes. The caller holds Lab.mu.
func (n *lan) every(holds func(*labNode) bool) bool {
	return !slices.ContainsFunc(n.nodes, func(m *labNode) bool { return m.run != nil && !holds(m) })
}

// tips counts the last blocks of the running nodes. The caller holds Lab.mu.
func (n *lan) tips() int {
	tips := make(map[ledger.Hash]bool)
	for _, m := range n.nodes {
		if m.run != nil {
			tips[m.view.tip] = true
		}
	}
	return len(tips)
}

// once reports whether the same one of the last transaction and the one in conflict with
// it is in a block on each running node. The caller holds Lab.mu.
func (n *lan) once() bool {
	if len(n.txs) == 0 {
		return false
	}
	one := n.txs[len(n.txs)-1]
	in := func(m *labNode, t *sentTx) bool { return t != nil && t.in(m.at) }
	stands := func(t, other *sentTx) bool {
		return n.every(func(m *labNode) bool { return in(m, t) && !in(m, other) })
	}
	return stands(one, one.clash) || stands(one.clash, one)
}
