package p2p

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// syncerConfig is what the host side gives the ledger side. All fields are needed.
type syncerConfig struct {
	chain *chain.Chain
	host  host.Host
	ps    *pubsub.PubSub
	log   *slog.Logger
	// cut disconnects a peer that sent what no honest node sends, shows the
	// reason and refuses it for a while. It is called from validators and
	// stream handlers and returns soon.
	cut   func(p peer.ID, reason string)
	addrs func() []peer.AddrInfo             // the connected peers, for whoever asks
	alive func(p peer.ID, rtt time.Duration) // p answered
	dead  func(p peer.ID, err error)         // p is silent: its connection is to be closed
	stats *counters
}

func (c *syncerConfig) validate() error {
	if c.chain == nil || c.host == nil || c.ps == nil || c.log == nil || c.cut == nil || c.addrs == nil || c.alive == nil || c.dead == nil || c.stats == nil {
		return errors.New("p2p: a syncer needs every field of its configuration")
	}
	return nil
}

// A syncer keeps the chain and the pool of this node equal to those of its
// peers: by gossip, which is fast and may lose, and by comparing status with
// every peer and fetching what is missing, which is slow and does not.
type syncer struct {
	syncerConfig
	net      *ledger.Network
	protocol protocol.ID
	instance uint64 // names this run of the node in pool cursors

	server *server
	txs    gossip
	blocks gossip
	sent   publisher

	fetchWake   chan struct{} // a candidate, or a source for one, may be new
	publishWake chan struct{} // catchingUp has fallen
	catchingUp  atomic.Int32  // branches of many blocks that are being fetched
	headerTurn  turns         // who fetches headers
	poolTurn    turns         // who fetches the pool
	fetched     pacer         // blocks that sync brought
	comings     comings       // blocks that will probably be the tip soon

	mu      sync.Mutex // guards what follows
	remotes map[peer.ID]*remote
	joined  []*remote // to be followed
	joinSig chan struct{}
}

// newSyncer registers validators, joins the tx and block topics and sets the
// stream handler. It starts no goroutine: run does.
func newSyncer(c syncerConfig) (*syncer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	var instance [8]byte
	if _, err := rand.Read(instance[:]); err != nil {
		return nil, fmt.Errorf("draw the instance number: %w", err)
	}
	net := c.chain.Network()
	s := &syncer{
		syncerConfig: c,
		net:          net,
		protocol:     protocolID(net, "sync"),
		instance:     binary.BigEndian.Uint64(instance[:]),
		fetchWake:    make(chan struct{}, 1),
		publishWake:  make(chan struct{}, 1),
		headerTurn:   make(turns, 2),
		poolTurn:     make(turns, 2),
		remotes:      make(map[peer.ID]*remote),
		joinSig:      make(chan struct{}, 1),
	}
	status := c.chain.Status()
	s.sent.start(status)
	var err error
	if s.txs, err = join(c.ps, topicName(net, "tx"), s.validateTxs); err != nil {
		return nil, err
	}
	if s.blocks, err = join(c.ps, topicName(net, "block"), s.validateHeader); err != nil {
		return nil, err
	}
	s.server = newServer(s)
	c.host.SetStreamHandler(s.protocol, s.server.handle)
	return s, nil
}

// run gossips and synchronizes until ctx ends (nil) or the ledger stops (its
// reason). When it returns, nothing of the syncer runs any more.
func (s *syncer) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.publish(ctx) })
	g.Go(func() error { return s.drainTxs(ctx) })
	g.Go(func() error { return s.drainHeaders(ctx) })
	g.Go(func() error { return s.fetchLoop(ctx) })
	g.Go(func() error { return s.followAll(ctx) })
	err := g.Wait()
	s.host.RemoveStreamHandler(s.protocol)
	s.server.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// connected begins to follow p, which speaks our protocol: status at once and
// then every statusEvery. The host side calls it, and never twice for one
// connection without disconnected between.
func (s *syncer) connected(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remotes[p] != nil {
		return
	}
	r := newRemote(p)
	s.remotes[p] = r
	s.joined = append(s.joined, r)
	signal(s.joinSig)
}

// disconnected ends what connected began.
func (s *syncer) disconnected(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.remotes[p]; r != nil {
		delete(s.remotes, p)
		close(r.gone)
	}
}

// peerStatus gives the last status that p answered.
func (s *syncer) peerStatus(p peer.ID) (syncStatus, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[p]
	if r == nil || r.status.At.IsZero() {
		return syncStatus{}, false
	}
	return r.status, true
}

// addresses asks p for the peers that it is connected to, at most maxPeers.
func (s *syncer) addresses(ctx context.Context, p peer.ID) ([]peer.AddrInfo, error) {
	ans := new(addressesAnswer)
	if err := s.ask(ctx, p, new(addressesRequest), ans); err != nil {
		s.cutMisbehaved(p, err)
		return nil, err
	}
	infos, err := ans.unpack()
	if err != nil {
		err = misbehaved("sent a malformed list of addresses: %v", err)
		s.cutMisbehaved(p, err)
	}
	return infos, err
}

// followAll follows each connected peer on goroutines of its own.
func (s *syncer) followAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for {
		for _, r := range s.takeJoined() {
			g.Go(func() error { return s.follow(ctx, r) })
		}
		select {
		case <-ctx.Done():
			return g.Wait()
		case <-s.joinSig:
		}
	}
}

func (s *syncer) takeJoined() []*remote {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := s.joined
	s.joined = nil
	return joined
}

// cutMisbehaved cuts p off if err says that it sent what no honest node sends.
func (s *syncer) cutMisbehaved(p peer.ID, err error) {
	var m *misbehavior
	if errors.As(err, &m) && p != s.host.ID() {
		s.cut(p, m.what)
	}
}

// blame draws the consequences of a failed exchange with r: misbehavior cuts it
// off, silence costs it its turn for a while. A broken connection and our own
// trouble blame nobody.
func (s *syncer) blame(r *remote, err error) {
	s.cutMisbehaved(r.id, err)
	if errors.Is(err, errNoAnswer) && silent(err) {
		s.bench(r)
	}
}

// fatal reports whether err ends the node: the ledger has stopped.
func fatal(err error) bool { return errors.Is(err, ledger.ErrStopped) }

// signal wakes whoever waits on c, which holds one signal.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// turns bounds how many do something at once.
type turns chan struct{}

// take waits for a turn.
func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turns) give() { <-t }

// turnTime is how long one peer may keep a turn; it goes on in a later one.
const turnTime = 30 * time.Second
