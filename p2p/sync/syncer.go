package sync

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
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/p2p/gossip"
)

// Config is what the host side gives the ledger side. All fields are needed.
type Config struct {
	Chain  *chain.Chain
	Host   host.Host
	PubSub *pubsub.PubSub
	Log    *slog.Logger
	// Ban disconnects a peer that sent what no honest node sends, shows the
	// reason and refuses it for a while. It is called from validators and
	// stream handlers and returns soon.
	Ban   func(p peer.ID, reason string)
	Addrs func() []peer.AddrInfo             // the connected peers, for peers that ask
	Alive func(p peer.ID, rtt time.Duration) // p answered
	Dead  func(p peer.ID, err error)         // p is silent: its connection is to be closed
	Stats *Counters
}

func (c *Config) validate() error {
	if c.Chain == nil || c.Host == nil || c.PubSub == nil || c.Log == nil || c.Ban == nil || c.Addrs == nil || c.Alive == nil || c.Dead == nil || c.Stats == nil {
		return errors.New("sync: a syncer needs every field of its configuration")
	}
	return nil
}

// Counters count what happened since the node started. They are read for
// metrics, and nothing depends on them.
type Counters struct {
	TxsPublished       atomic.Uint64 // transactions of clients that this node gossiped
	TxsTaken           atomic.Uint64 // transactions of peers that the pool took, by gossip or sync
	TxsRefused         atomic.Uint64 // that it refused
	TxsOverflowed      atomic.Uint64 // gossip that came faster than it was written to disk, left to sync
	TxMessagesRejected atomic.Uint64 // gossip that no honest node sends

	HeadersPublished atomic.Uint64 // blocks that this node announced
	HeadersGossiped  atomic.Uint64 // blocks whose header first came by gossip
	HeadersRejected  atomic.Uint64 // gossip that no honest node sends
	HeadersOrphaned  atomic.Uint64 // gossip whose parent is unknown here: its sender is asked for what is between
	HeadersRefused   atomic.Uint64 // gossip that was not taken: it stands on a block that broke a rule, or the trouble is ours

	RelayBlocks   atomic.Uint64 // blocks made by compact relay
	RelayAsked    atomic.Uint64 // transactions of them that the pool did not have
	RelayWhole    atomic.Uint64 // compact relays that ended in the whole body
	BodiesFetched atomic.Uint64 // bodies fetched whole

	SyncBytesIn        atomic.Uint64 // of messages of the sync protocol
	SyncBytesOut       atomic.Uint64
	SyncStreamsRefused atomic.Uint64 // requests over the bounds of serving

	PeersBenched atomic.Uint64 // times that a peer lost its turn for being silent when asked
}

// A Syncer keeps the chain and the pool of this node equal to those of its
// peers: by gossip, which is fast and may lose, and by comparing status with
// every peer and fetching what is missing, which is slow and does not.
type Syncer struct {
	Config
	net      *ledger.Network
	Protocol protocol.ID
	instance uint64 // names this run of the node in pool cursors

	Server *server
	Txs    gossip.Topic
	Blocks gossip.Topic
	sent   publisher

	fetchWake   chan struct{}       // a candidate, or a source for one, may be new
	publishWake chan struct{}       // catchingUp has fallen
	catchingUp  atomic.Int32        // branches of many blocks that are being fetched
	headerTurn  *semaphore.Weighted // who fetches headers
	poolTurn    *semaphore.Weighted // who fetches the pool
	incoming    incoming            // blocks that will probably be the tip soon

	mu      sync.Mutex // guards what follows
	remotes map[peer.ID]*remotePeer
	joined  []*remotePeer // to be followed
	joinSig chan struct{}
}

// New registers validators, joins the tx and block topics and sets the
// stream handler. It starts no goroutine: Run does.
func New(c Config) (*Syncer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	var instance [8]byte
	if _, err := rand.Read(instance[:]); err != nil {
		return nil, fmt.Errorf("draw the instance number: %w", err)
	}
	net := c.Chain.Network()
	s := &Syncer{
		Config:      c,
		net:         net,
		Protocol:    gossip.ProtocolID(net, "sync"),
		instance:    binary.BigEndian.Uint64(instance[:]),
		fetchWake:   make(chan struct{}, 1),
		publishWake: make(chan struct{}, 1),
		headerTurn:  semaphore.NewWeighted(2),
		poolTurn:    semaphore.NewWeighted(2),
		remotes:     make(map[peer.ID]*remotePeer),
		joinSig:     make(chan struct{}, 1),
	}
	status := c.Chain.Status()
	s.sent.start(status)
	var err error
	if s.Txs, err = gossip.Join(c.PubSub, gossip.TopicName(net, "tx"), s.ValidateTxs); err != nil {
		return nil, err
	}
	if s.Blocks, err = gossip.Join(c.PubSub, gossip.TopicName(net, "block"), s.ValidateHeader); err != nil {
		return nil, err
	}
	s.Server = newServer(s)
	c.Host.SetStreamHandler(s.Protocol, s.Server.handle)
	return s, nil
}

// Run gossips and synchronizes until ctx ends (nil) or the ledger stops (its
// reason). When it returns, nothing of the syncer runs any more.
func (s *Syncer) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.publish(ctx) })
	g.Go(func() error { return s.drainTxs(ctx) })
	g.Go(func() error { return s.drainHeaders(ctx) })
	g.Go(func() error { return s.fetchLoop(ctx) })
	g.Go(func() error { return s.followAll(ctx) })
	err := g.Wait()
	s.Host.RemoveStreamHandler(s.Protocol)
	s.Server.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Connected begins to follow p, which speaks our protocol: status at once and
// then every statusEvery. The host side calls it, and never twice for one
// connection without disconnected between.
func (s *Syncer) Connected(p peer.ID) {
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

// Disconnected ends what connected began.
func (s *Syncer) Disconnected(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.remotes[p]; r != nil {
		delete(s.remotes, p)
		close(r.gone)
	}
}

// PeerStatus gives the last status that p answered.
func (s *Syncer) PeerStatus(p peer.ID) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.remotes[p]
	if r == nil || r.status.At.IsZero() {
		return Status{}, false
	}
	return r.status, true
}

// Addresses asks p for the peers that it is connected to, at most maxPeers.
func (s *Syncer) Addresses(ctx context.Context, p peer.ID) ([]peer.AddrInfo, error) {
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
func (s *Syncer) followAll(ctx context.Context) error {
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

func (s *Syncer) takeJoined() []*remotePeer {
	s.mu.Lock()
	defer s.mu.Unlock()
	joined := s.joined
	s.joined = nil
	return joined
}

// cutMisbehaved cuts p off if err says that it sent what no honest node sends.
func (s *Syncer) cutMisbehaved(p peer.ID, err error) {
	var m *misbehavior
	if errors.As(err, &m) && p != s.Host.ID() {
		s.Ban(p, m.what)
	}
}

// blame draws the consequences of a failed exchange with r: misbehavior cuts it
// off, silence costs it its turn for a while. A broken connection and our own
// trouble blame nobody.
func (s *Syncer) blame(r *remotePeer, err error) {
	s.cutMisbehaved(r.id, err)
	if errors.Is(err, errNoAnswer) && silent(err) {
		s.bench(r)
	}
}

// fatal reports whether err ends the node: the ledger has stopped.
func fatal(err error) bool { return errors.Is(err, ledger.ErrStopped) }

// Signal wakes whoever waits on c, which holds one signal.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// turnTime is how long one peer may keep a turn; it goes on in a later one.
const turnTime = 30 * time.Second
