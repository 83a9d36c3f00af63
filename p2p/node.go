package p2p

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
)

// roundEvery is how often the node looks at its connections without being woken.
const roundEvery = 500 * time.Millisecond

// A Node is this node's side of the network. Make it with New, then Run it.
type Node struct {
	cfg       Config
	log       *slog.Logger
	net       *ledger.Network
	key       ed25519.PrivateKey
	pub       ledger.PublicKey
	instance  uint64 // of this run
	started   time.Time
	host      host.Host
	near      *locality
	gate      *gate
	directory *directory
	stats     counters
	counter   atomic.Uint64 // of status lines
	woken     chan struct{}
	say       chan struct{} // a status line is wanted

	// Set by Run before anything that reads them starts.
	ctx    context.Context
	ps     *pubsub.PubSub
	sync   *syncer // also guarded by mu: who asks before Run finds nil
	status gossip

	saving sync.Mutex // held by saveBook, before mu

	mu          sync.Mutex // guards what follows
	known       map[peer.ID]*entry
	urls        map[string]*wsURL
	forgotten   []peer.ID       // to be deleted from the book
	dialing     [toldOf + 1]int // dials by hope
	asking      int
	strangers   strangers
	otherRun    time.Time // of the last status line of another run with this node's key
	alone       time.Time // since when there are no peers; zero: there are
	mdnsTrouble string
	changed     chan struct{}
}

// New makes a node: it listens, and reads the address book, and starts nothing
// else. Run, which must be called once, closes what New opened.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Node{
		cfg:       cfg,
		log:       cfg.Log,
		net:       cfg.Chain.Network(),
		near:      newLocality(cfg.Ranges),
		directory: newDirectory(),
		woken:     make(chan struct{}, 1),
		say:       make(chan struct{}, 1),
		known:     make(map[peer.ID]*entry),
		urls:      make(map[string]*wsURL),
		strangers: make(strangers),
		changed:   make(chan struct{}),
		started:   time.Now(),
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.gate = newGate(n.isCut, &n.stats)
	if n.host = cfg.Host; n.host == nil {
		h, err := newHost(&cfg, n.near, n.gate, &traffic{in: &n.stats.BytesIn, out: &n.stats.BytesOut})
		if err != nil {
			return nil, err
		}
		n.host = h
	}
	if err := n.prepare(); err != nil {
		return nil, errors.Join(err, n.host.Close())
	}
	return n, nil
}

func (n *Node) prepare() error {
	key, err := identity(n.host)
	if err != nil {
		return err
	}
	n.key, n.pub = key, ledger.PublicKey(key.Public().(ed25519.PublicKey))
	var instance [8]byte
	if _, err := rand.Read(instance[:]); err != nil {
		return fmt.Errorf("draw the instance number: %w", err)
	}
	n.instance = binary.BigEndian.Uint64(instance[:])
	if err := n.loadBook(); err != nil {
		return err
	}
	if err := n.Register(n.cfg.Peers); err != nil {
		return err
	}
	// From the first connection on: who is not greeted takes us for a stranger.
	n.host.SetStreamHandler(helloProtocol, n.handleHello)
	return nil
}

// Run takes part in the network until ctx ends (nil) or the ledger stops (its
// reason). It closes the host before it returns.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	n.ctx = ctx
	if err := ended(ctx, n.start(ctx)); err != nil || ctx.Err() != nil {
		return errors.Join(err, n.host.Close())
	}
	notified := &network.NotifyBundle{
		ConnectedF:    func(network.Network, network.Conn) { n.wake() },
		DisconnectedF: func(network.Network, network.Conn) { n.wake() },
	}
	n.host.Network().Notify(notified)
	g.Go(func() error { return n.sync.run(ctx) })
	g.Go(func() error { return n.rounds(ctx, g) })
	g.Go(func() error { return n.watchNetwork(ctx) })
	g.Go(func() error { return n.readStatuses(ctx) })
	g.Go(func() error { return n.sayStatuses(ctx) })
	err := g.Wait()
	n.host.Network().StopNotify(notified)
	return errors.Join(err, n.host.Close())
}

// start makes gossip and the syncer, which run until ctx ends.
func (n *Node) start(ctx context.Context) error {
	var err error
	if n.ps, err = newPubSub(ctx, n.host, n.net, &cutList{n.isCut}, &n.stats); err != nil {
		return err
	}
	s, err := newSyncer(syncerConfig{
		chain: n.cfg.Chain,
		host:  n.host,
		ps:    n.ps,
		log:   n.log,
		cut:   n.cut,
		addrs: n.connectedAddrs,
		stats: &n.stats,
	})
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.sync = s
	n.mu.Unlock()
	n.status, err = join(n.ps, topicName(n.net, "status"), n.validateStatus)
	return err
}

// rounds does, at every change of connections and at least every roundEvery,
// what is due: sessions, dials, questions to URLs, the book.
func (n *Node) rounds(ctx context.Context, g *errgroup.Group) error {
	start := func(f func()) { g.Go(func() error { f(); return nil }) }
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	for {
		n.round(time.Now(), start)
		if err := n.saveBook(); err != nil {
			return ended(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			n.closeDeaf(time.Now(), start)
		case <-n.woken:
		}
	}
}

func (n *Node) round(now time.Time, start func(func())) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reconcile(now, start)
	n.dialDue(now, start)
	n.askURLs(now, start)
	n.noteStrangers(now)
	n.noteAlone(now)
}

// wake has a round made soon.
func (n *Node) wake() { signal(n.woken) }

// notify tells whoever waits on Changed. It is called under the lock.
func (n *Node) notify() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Changed returns a channel that is closed at the next change of what Peers,
// Network and Copied give. Take it, read, then wait.
func (n *Node) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

func (n *Node) isAlone() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.alone.IsZero()
}

// ID is this node's peer ID.
func (n *Node) ID() string { return n.host.ID().String() }

// Addrs are this node's own multiaddrs, each with /p2p/ and its ID.
func (n *Node) Addrs() []string {
	var addrs []string
	for _, a := range n.host.Addrs() {
		addrs = append(addrs, a.String()+"/p2p/"+n.ID())
	}
	return addrs
}

// Stats gives counters since start, by name. They only rise.
func (n *Node) Stats() map[string]uint64 {
	all := make(map[string]uint64)
	v := reflect.ValueOf(&n.stats).Elem()
	for i := range v.NumField() {
		c := v.Field(i).Addr().Interface().(*atomic.Uint64)
		all[snake(v.Type().Field(i).Name)] = c.Load()
	}
	return all
}
