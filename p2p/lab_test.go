package p2p

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/simhost"
	"foxchain/rpc/api"
)

// A lab is a simulated LAN of whole nodes. Host i has the address 10.0.0.(i+1).
type lab struct {
	t    *testing.T
	net  *ledger.Network
	wire *simnet.Simnet

	mu    sync.Mutex
	cable map[string]bool    // addresses whose cable is pulled
	cut   map[[2]string]bool // links that are cut, from and to
	runs  []*labNode
}

// A labNode is one run of a node.
type labNode struct {
	*Node
	l     *lab
	chain *chain.Chain
	store storage.Storage
	logs  *logBook
	wire  gossip.Counters // of bytes
	stop  func()
}

// inLab runs f in a bubble with an empty LAN.
func inLab(t *testing.T, f func(t *testing.T, l *lab)) {
	ledgertest.Bubble(t, func(t *testing.T) {
		l := &lab{t: t, net: ledgertest.Network(t, ledger.Network{Name: "lab", Bits: 1}), cable: make(map[string]bool)}
		l.wire = &simnet.Simnet{LatencyFunc: l.latency}
		l.wire.Start()
		defer func() {
			for _, n := range l.runs {
				n.stop()
			}
			l.wire.Close()
			time.Sleep(2 * time.Second) // LevelDB's buffer pool drains that long after Close
		}()
		f(t, l)
	})
}

// latency returns that of a switch, or hours over a pulled cable or a cut link.
func (l *lab) latency(p *simnet.Packet) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	from, to := p.From.(*net.UDPAddr).IP.String(), p.To.(*net.UDPAddr).IP.String()
	if l.cable[from] != l.cable[to] || l.cut[[2]string{from, to}] {
		return 1000 * time.Hour
	}
	return time.Millisecond
}

// pull takes hosts off the LAN (they stay connected with each other), or puts
// them back.
func (l *lab) pull(pulled bool, hosts ...int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.cable[simhost.IP(h)] = pulled
	}
}

// sever cuts the link between two hosts, which both still reach the others.
func (l *lab) sever(a, b int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = map[[2]string]bool{{simhost.IP(a), simhost.IP(b)}: true, {simhost.IP(b), simhost.IP(a)}: true}
}

// host makes a libp2p host on the LAN.
func (l *lab) host(i int, key ed25519.PrivateKey) host.Host {
	l.t.Helper()
	return simhost.New(l.t, l.wire, i, key, 100*simlibp2p.OneMbps, gossip.NewTraffic(new(gossip.Counters)))
}

// start runs a node on host i. change may alter its configuration.
func (l *lab) start(i int, change func(c *Config)) *labNode {
	l.t.Helper()
	n := &labNode{l: l, logs: new(logBook), store: storage.NewMemStorage()}
	cfg := Config{
		Key:    ledgertest.Key(i),
		Name:   fmt.Sprintf("node %d", i),
		Ranges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Log:    slog.New(n.logs),
	}
	rules := l.net
	if change != nil {
		change(&cfg)
	}
	var err error
	if cfg.Chain == nil {
		if cfg.Chain, err = chain.Open(chain.Config{Network: rules, Storage: n.store}); err != nil {
			l.t.Fatal(err)
		}
	}
	n.chain = cfg.Chain
	cfg.Traffic = gossip.NewTraffic(&n.wire)
	cfg.Host = simhost.New(l.t, l.wire, i, cfg.Key, 100*simlibp2p.OneMbps, cfg.Traffic)
	if n.Node, err = New(cfg); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run of %s: %v", cfg.Name, err)
		}
		if err := n.chain.Close(); err != nil {
			l.t.Errorf("close the chain of %s: %v", cfg.Name, err)
		}
	})
	l.runs = append(l.runs, n)
	return n
}

// startMesh runs size nodes, and waits until each is connected with all others.
func (l *lab) startMesh(size int) {
	l.t.Helper()
	for i := range size {
		l.start(i, func(c *Config) {
			if i > 0 {
				c.Peers = l.runs[0].Addrs()
			}
		})
	}
	l.all(time.Minute, "connections", func(n *labNode) bool { return n.connectedTo() == size-1 })
}

// on returns a change of configuration to a chain of other rules.
func (l *lab) on(rules ledger.Network) func(*Config) {
	l.t.Helper()
	net := ledgertest.Network(l.t, rules)
	return func(c *Config) {
		var err error
		if c.Chain, err = chain.Open(chain.Config{Network: net, Storage: storage.NewMemStorage()}); err != nil {
			l.t.Fatal(err)
		}
	}
}

// until waits for cond to hold, looking at each change and every 100 ms of the
// bubble's time.
func (l *lab) until(within time.Duration, what string, cond func() bool) {
	l.t.Helper()
	deadline := time.Now().Add(within)
	for !cond() {
		if time.Now().After(deadline) {
			for _, n := range l.runs {
				l.t.Logf("%s: %+v\n%s", n.cfg.Name, n.Nodes(), n.logs)
			}
			l.t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// peer returns how n sees another node.
func (n *labNode) peer(o *labNode) api.Peer { return n.peerID(o.ID()) }

func (n *labNode) peerID(id string) api.Peer {
	for _, p := range n.Nodes() {
		if p.ID == id {
			return p
		}
	}
	return api.Peer{}
}

func (n *labNode) connectedTo() int {
	return len(slices.DeleteFunc(n.Nodes(), func(p api.Peer) bool { return !p.Connected }))
}

// A logBook keeps log lines.
type logBook struct {
	mu    sync.Mutex
	lines []string
}

func (b *logBook) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (b *logBook) WithAttrs([]slog.Attr) slog.Handler               { return b }
func (b *logBook) WithGroup(string) slog.Handler                    { return b }

func (b *logBook) Handle(_ context.Context, r slog.Record) error {
	line := r.Time.Format("04:05.000 ") + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
	return nil
}

// count returns how many lines hold text.
func (b *logBook) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(slices.DeleteFunc(slices.Clone(b.lines), func(s string) bool { return !strings.Contains(s, text) }))
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.lines, "\n")
}
