package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
	chainsync "foxchain/p2p/sync"
	"foxchain/p2p/vote"
)

const (
	// roundEvery is the longest time between two rounds.
	roundEvery = 500 * time.Millisecond
	// lookEvery is the longest time between two looks at what takes longer: which peers gossip
	// reaches, for which gossip is asked about every topic, which states time alone changed,
	// and what the address book lacks.
	lookEvery = 2 * time.Second
)

// A Node is this node's side of the network. Make it with New, then Run it.
type Node struct {
	*shared
	*roster
	book      *book
	sessions  *sessions
	discovery *discovery
	traffic   *gossip.Traffic // counts nothing with Config.Host alone

	// Set by Run before their readers start.
	ctx   context.Context
	ps    *pubsub.PubSub
	sync  atomic.Pointer[chainsync.Syncer] // nil before Run
	votes atomic.Pointer[vote.Exchange]    // nil before Run, and without a Voter
}

// A starter runs a function on a goroutine. The function's context ends with Run. Run
// waits for the function, and ends with its error.
type starter func(func(context.Context) error)

// New makes a node that listens and has read the address book. It starts nothing else.
// Run must be called once, and closes what New opened.
func New(cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Node{shared: &shared{
		cfg:      cfg,
		log:      cfg.Log,
		net:      cfg.Chain.Network(),
		key:      cfg.Key,
		instance: rand.Uint64(),
		pub:      ledger.PublicKey(cfg.Key.Public().(ed25519.PublicKey)),
		near:     newLocalNet(cfg.Ranges),
		started:  time.Now(),
		woken:    make(chan struct{}, 1),
	}}
	if n.cfg.Now == nil {
		n.cfg.Now = time.Now
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	n.roster = &roster{shared: n.shared}
	n.table = &peerTable{shared: n.shared, known: make(map[peer.ID]*knownPeer), former: make(map[peer.ID]former)}
	n.gater = newConnGater(n.table.isBanned, n.near.isSelf, &n.stats)
	if n.traffic = cfg.Traffic; n.traffic == nil {
		n.traffic = gossip.NewTraffic(&n.stats.Gossip)
	}
	if n.host = cfg.Host; n.host == nil {
		h, err := newHost(&cfg, n.net.ID(), n.near, n.gater, n.traffic)
		if err != nil {
			return nil, err
		}
		n.host = h
		n.near.listensOn(h.Network().ListenAddresses())
	}
	if err := n.prepare(); err != nil {
		return nil, errors.Join(err, n.host.Close())
	}
	return n, nil
}

// prepare makes the parts of the node, and fills the tables.
func (n *Node) prepare() error {
	n.urls = &urlTable{shared: n.shared, table: n.table, urls: make(map[string]*registeredURL)}
	n.book = &book{table: n.table, urls: n.urls, store: n.cfg.Chain.Book()}
	n.statuses = newStatusTopic(n.shared, &provenKeys{shared: n.shared, peers: n.table}, n.Builds)
	n.sessions = &sessions{shared: n.shared, table: n.table, statuses: n.statuses}
	n.discovery = &discovery{shared: n.shared, table: n.table, urls: n.urls, flooded: make(chan struct{}, 1)}
	if err := n.book.load(); err != nil {
		return err
	}
	if err := n.Register(n.cfg.Peers); err != nil {
		return err
	}
	// Set before the first connection, since a peer whose hello is not answered
	// takes this node for another program.
	n.host.SetStreamHandler(helloProtocol, n.sessions.handleHello)
	return nil
}

// Run takes part in the network until ctx ends or the ledger stops. It closes the host,
// and returns nil or the ledger's reason.
func (n *Node) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	n.ctx = ctx
	s, err := n.start(ctx)
	if err = wait.Ended(ctx, err); err != nil || ctx.Err() != nil {
		return errors.Join(err, n.host.Close())
	}
	notified := &network.NotifyBundle{
		ConnectedF:    func(network.Network, network.Conn) { n.wake() },
		DisconnectedF: func(network.Network, network.Conn) { n.wake() },
	}
	n.host.Network().Notify(notified)
	g.Go(func() error { return s.Run(ctx) })
	g.Go(func() error { return n.rounds(ctx, g) })
	g.Go(func() error { return n.discovery.watch(ctx) })
	g.Go(func() error { return n.statuses.publishAll(ctx) })
	if x := n.votes.Load(); x != nil {
		g.Go(func() error { return x.Run(ctx) })
	}
	err = g.Wait()
	n.host.Network().StopNotify(notified)
	return errors.Join(err, n.host.Close())
}

// start makes gossip and the syncer, which run until ctx ends.
func (n *Node) start(ctx context.Context) (*chainsync.Syncer, error) {
	var err error
	if n.ps, err = gossip.New(ctx, n.host, n.net, gossip.BanList(n.table.isBanned), &n.stats.Gossip); err != nil {
		return nil, err
	}
	s, err := chainsync.New(chainsync.Config{
		Chain:  n.cfg.Chain,
		Host:   n.host,
		PubSub: n.ps,
		Log:    n.log,
		Ban:    n.table.ban,
		Addrs:  n.table.connectedAddrs,
		Alive:  n.table.alive,
		Dead:   n.sessions.dead,
		Heard:  n.traffic.Heard,
		Stats:  &n.stats.Sync,
		Now:    n.cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	n.sync.Store(s)
	n.sessions.sync, n.statuses.sync = s, s
	if err := n.joinVotes(ctx); err != nil {
		return nil, err
	}
	return s, n.statuses.join(n.ps)
}

// joinVotes takes part in the votes of a network that has finality.
func (n *Node) joinVotes(ctx context.Context) error {
	if n.cfg.Voter == nil {
		return nil
	}
	x, err := vote.New(ctx, n.ps, vote.Config{Net: n.net, Host: n.host, Voter: n.cfg.Voter, Ban: n.table.ban, Key: keyOf})
	n.votes.Store(x)
	return err
}

// PublishVote gossips a vote of this node. It does not block, and does nothing before
// Run. A vote that is lost is sent again when a peer asks.
func (n *Node) PublishVote(v finality.Vote) {
	if x := n.votes.Load(); x != nil {
		if err := x.Publish(n.ctx, v); err != nil && n.ctx.Err() == nil {
			n.log.Debug("a vote was not published", "error", err)
		}
	}
}

// rounds begins a round at every change of connections, and at least every roundEvery.
func (n *Node) rounds(ctx context.Context, g *errgroup.Group) error {
	start := func(f func(context.Context) error) { g.Go(func() error { return f(ctx) }) }
	tick := time.NewTicker(roundEvery)
	defer tick.Stop()
	last, due := time.Now(), true
	for {
		n.round(time.Now(), start)
		if due {
			if err := n.book.save(); err != nil {
				return wait.Ended(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			_ = n.book.save() // with what the last hellos have shown; the chain reports a failed write
			return nil
		case <-tick.C:
			now := time.Now()
			if due = now.Sub(last) >= lookEvery; due {
				n.sessions.closeDeaf(n.ps, now, start)
				n.noteStates(last, now)
				last = now
			}
		case <-n.woken:
			due = true
		}
	}
}

func (n *Node) round(now time.Time, start starter) {
	n.sessions.reconcile(now, start)
	n.table.dialDue(now, start)
	n.urls.askDue(now, start)
	n.noteHandshakes(now)
}

// Register adds nodes to dial. An address is a multiaddr that ends in /p2p/ and a peer
// ID, or a ws:// or wss:// URL, whose node is asked for its multiaddrs. If one is bad
// nothing is registered, and the error names it and the reason. When Register returns nil
// the addresses are stored, and they are dialed in the background. Nodes shows them
// without tokens. At most 256 addresses are kept.
func (n *Node) Register(addrs []string) error {
	var urls []string
	var given []givenAddr
	for i, a := range addrs {
		var err error
		if isWS(a) {
			err = checkURL(a)
			urls = append(urls, a)
		} else {
			g := givenAddr{text: a}
			g.info, err = checkMultiaddr(a)
			given = append(given, g)
		}
		if err != nil {
			return fmt.Errorf("addr[%d] %q: %w", i, clean(withoutToken(a), 128), err)
		}
	}
	if err := n.urls.register(urls, given); err != nil {
		return err
	}
	n.notify()
	n.wake()
	return n.book.save()
}

// Forget drops a node that is not connected, with its registered addresses, from the
// table and the book. node is its peer ID or the end of it, its name, a registered
// address, or the IP address of a stranger. A node that still runs is added again. Its name
// and when it was last seen stay, for the blocks that it built, until it is forgotten a
// second time.
func (n *Node) Forget(node string) error {
	if err := n.forget(node); err != nil {
		return err
	}
	n.notify()
	return n.book.save()
}

// Diagnosis returns, line by line and in words for people, why this node may be
// alone. It is empty while the node has peers, and in its first 30 s alone.
func (n *Node) Diagnosis() []string {
	since := n.table.aloneSince()
	if since.IsZero() || time.Since(since) < lonelyTime {
		return nil
	}
	lines := []string{n.discovery.diagnose()}
	n.table.mu.Lock()
	strangers := slices.Collect(maps.Values(n.strangers()))
	n.table.mu.Unlock()
	switch tries := n.gater.inbound.Load(); {
	case tries == 0:
		lines = append(lines, "nothing tried to connect: a firewall may block this node's port, or there is no other node")
	case len(strangers) > 0:
		lines = append(lines, fmt.Sprintf("others tried to connect (attempts: %d); the last one: %s", tries, n.stranger(slices.MaxFunc(strangers, time.Time.Compare))))
	default:
		lines = append(lines, fmt.Sprintf("others connected (connections: %d), and none is connected now", tries))
	}
	for _, p := range n.Nodes() {
		if p.ID != "" && p.Reason != "" {
			lines = append(lines, fmt.Sprintf("%s is %s: %s", label(p.Name, p.ID), p.State, p.Reason))
		}
	}
	return lines[:min(len(lines), maxDiagnosis)]
}

// Builds reports whether this node builds now, on a network where it may.
func (n *Node) Builds() bool {
	return n.cfg.Builds != nil && n.cfg.Builds() && n.net.MayBuild(n.pub)
}

// Copied reports, in words for people, that another node runs with this node's
// key, and what to do. It returns "" when no such node is known.
func (n *Node) Copied() string { return n.statuses.copied() }

// ID returns this node's peer ID.
func (n *Node) ID() string { return n.host.ID().String() }

// Addrs returns this node's own multiaddrs, each with /p2p/ and its ID. Link-local ones,
// with this machine's zone, are among them if all others are loopback.
func (n *Node) Addrs() []string {
	var addrs []string
	for _, a := range n.withLinkLocals(n.host.Addrs()) {
		addrs = append(addrs, a.String()+"/p2p/"+n.ID())
	}
	return addrs
}

// Stats returns counters since start, by name. They only rise.
func (n *Node) Stats() map[string]uint64 {
	all := make(map[string]uint64)
	for _, counted := range []any{&n.stats, &n.stats.Gossip, &n.stats.Sync} {
		v := reflect.ValueOf(counted).Elem()
		for i := range v.NumField() {
			if c, ok := v.Field(i).Addr().Interface().(*atomic.Uint64); ok {
				all[snake(v.Type().Field(i).Name)] = c.Load()
			}
		}
	}
	return all
}

// Coming reports whether a block that wins over the tip was announced and is being
// fetched. A block built now would be its rival. It may never arrive, since its builder
// may withhold the body.
func (n *Node) Coming() bool {
	s := n.sync.Load()
	return s != nil && s.Coming()
}

// Announce announces a valid block that this node has built to its peers, just before its
// own chain takes it. It does not block, and does nothing before Run.
func (n *Node) Announce(b *ledger.Block) {
	s := n.sync.Load()
	if s != nil {
		s.Announce(n.ctx, b)
	}
}

// Behind returns the length of the longest chain that a peer claims, and how many of its
// blocks this node lacks. A few, which gossip brings, count as none.
func (n *Node) Behind() (best, lacks uint64) {
	s := n.sync.Load()
	if s == nil { // before Run
		return 0, 0
	}
	return s.Behind()
}
