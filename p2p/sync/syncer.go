package sync

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"golang.org/x/sync/errgroup"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
	"foxchain/p2p/gossip"
)

// Config is what package p2p provides. All fields but Now are needed.
type Config struct {
	Chain  *chain.Chain
	Host   host.Host
	PubSub *pubsub.PubSub
	Log    *slog.Logger
	// Ban disconnects a peer that sent what no honest node sends, shows the
	// reason and refuses it for a while. It is called from validators and
	// stream handlers and returns soon.
	Ban   func(p peer.ID, reason string)
	Addrs func() []peer.AddrInfo // the connected peers, for peers that ask
	// Alive is called when p has answered about its status, with the time on its clock,
	// zero from an older node.
	Alive func(p peer.ID, rtt time.Duration, clock time.Time)
	Dead  func(p peer.ID, err error) // closes the connection of p, which is silent
	Heard func(p peer.ID) time.Time  // when anything last came from p, or zero
	Stats *Counters
	Now   func() time.Time // the clock that peers are told; nil for time.Now
}

func (c *Config) validate() error {
	if c.Chain == nil || c.Host == nil || c.PubSub == nil || c.Log == nil || c.Ban == nil || c.Addrs == nil || c.Alive == nil || c.Dead == nil || c.Heard == nil || c.Stats == nil {
		return errors.New("sync: a syncer needs every field of its configuration")
	}
	return nil
}

// Counters count what happened since the node started, for metrics only.
type Counters struct {
	TxsPublished       atomic.Uint64 // transactions of clients that this node gossiped
	TxsTaken           atomic.Uint64 // transactions of peers that the pool took, by gossip or sync
	TxsRefused         atomic.Uint64 // transactions of peers that the pool refused
	TxsOverflowed      atomic.Uint64 // gossiped transactions left to sync, since the disk was slower
	TxMessagesRejected atomic.Uint64 // gossip that no honest node sends

	HeadersPublished atomic.Uint64 // blocks that this node announced
	HeadersGossiped  atomic.Uint64 // blocks whose header first came by gossip
	HeadersRejected  atomic.Uint64 // gossip that no honest node sends
	HeadersOrphaned  atomic.Uint64 // gossip whose parent is unknown here; its sender is asked for the headers between
	HeadersRefused   atomic.Uint64 // gossip that was not taken, because of a failed block below it or a failure here

	RelayBlocks   atomic.Uint64 // blocks made by compact relay
	RelayAsked    atomic.Uint64 // transactions of these blocks that the pool lacked
	RelayWhole    atomic.Uint64 // compact relays that ended in the whole body
	BodiesFetched atomic.Uint64 // bodies fetched whole

	SyncBytesIn        atomic.Uint64 // of messages of the sync protocol
	SyncBytesOut       atomic.Uint64
	SyncStreamsRefused atomic.Uint64 // requests over the bounds of the server

	PeersPenalised atomic.Uint64 // times that a peer was penalised, for silence or for lacking headers or bodies of its own chain
}

// A core is what all parts of a syncer share. Its only state is the sightings of peers.
type core struct {
	Config
	heard    func(p peer.ID, bytes int) // p sent something
	net      *ledger.Network
	protocol protocol.ID
	seen     *sightings
}

// topics are the topics of the ledger.
type topics struct {
	txs    gossip.Topic
	blocks gossip.Topic
}

// A Syncer keeps the chain and the pool of this node equal to those of its
// peers. Each part owns its state and locks it.
type Syncer struct {
	*core
	*receiver // of gossip
	publisher *publisher
	server    *server
	peers     *peers
	headers   *headerFetcher
	bodies    *bodyFetcher
	pool      *poolFetcher
	recent    *recentBlocks // built or fetched lately, to be served
	incoming  *incoming     // blocks that will probably be the tip soon
}

// New registers validators, joins the tx and block topics and sets the stream handler. It
// starts no goroutine. Run does.
func New(cfg Config) (*Syncer, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	net := cfg.Chain.Network()
	c := &core{Config: cfg, net: net, protocol: gossip.ProtocolID(net, "sync"), seen: new(sightings)}
	s := &Syncer{core: c, peers: newPeers(), recent: newRecentBlocks(), incoming: &incoming{c, newLRU[ledger.Hash, uint64](maxIncoming)}}
	c.heard = s.peers.heard
	s.receiver = &receiver{core: c, peers: s.peers, incoming: s.incoming}
	s.headers = &headerFetcher{core: c, peers: s.peers, turns: newTurns()}
	s.bodies = newBodyFetcher(c, s.peers, s.recent, s.incoming)
	s.pool = &poolFetcher{core: c, turns: newTurns()}
	s.publisher = newPublisher(c, s.bodies)
	var err error
	if s.receiver.txs, err = gossip.Join(c.PubSub, c.Host.ID(), gossip.TopicName(net, "tx"), validator(c, s.readTxs, &c.Stats.TxMessagesRejected)); err != nil {
		return nil, err
	}
	if s.receiver.blocks, err = gossip.Join(c.PubSub, c.Host.ID(), gossip.TopicName(net, "block"), validator(c, s.readHeader, &c.Stats.HeadersRejected)); err != nil {
		return nil, err
	}
	s.publisher.topics = s.receiver.topics
	s.server = newServer(c, s.recent)
	c.Host.SetStreamHandler(c.protocol, s.server.handle)
	return s, nil
}

// Run gossips, fetches blocks and serves until ctx ends or the ledger stops. It returns
// nil or the ledger's reason. Only calls of Follow may run longer.
func (s *Syncer) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.publisher.run(ctx) })
	g.Go(func() error { return s.receiver.run(ctx) })
	g.Go(func() error { return s.bodies.run(ctx) })
	err := g.Wait()
	s.Host.RemoveStreamHandler(s.protocol)
	s.server.stop()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Announce publishes a block that was built here before the chain has it. While this node
// writes it, the others fetch it from memory and write it too, and no builder begins a
// rival. Its header and body must be valid. A block without its transactions is
// announced, and not served.
func (s *Syncer) Announce(ctx context.Context, b *ledger.Block) {
	if len(b.Txs) > 0 {
		s.recent.put(b)
	}
	s.publisher.publishHeader(ctx, &b.SealedHeader)
}

// Coming reports whether a block that wins over the tip is being fetched or written.
func (s *Syncer) Coming() bool { return s.incoming.any() }

// Behind returns the length of the longest chain that a followed peer claims, and how
// many blocks of it this node lacks. Up to maxNewHeaders count as none, since gossip
// brings them. Claims of penalised peers do not count, since these did not deliver.
func (s *Syncer) Behind() (best, lacks uint64) {
	for _, r := range s.peers.all() {
		st := r.latest()
		if !r.isPenalised() && s.Chain.FailedBlock(st.Tip) == nil {
			best = max(best, st.Blocks)
		}
	}
	if blocks := s.Chain.Tip().Blocks; best > blocks+maxNewHeaders {
		lacks = best - blocks
	}
	return best, lacks
}

// Addresses asks p for the peers that it is connected to, at most maxPeers.
func (s *Syncer) Addresses(ctx context.Context, p peer.ID) ([]peer.AddrInfo, error) {
	ans := new(addressesAnswer)
	err := s.ask(ctx, p, new(addressesRequest), ans)
	s.banMisbehaved(p, err)
	if err != nil {
		return nil, err
	}
	return ans.unpack(), nil
}

// Passage returns what is remembered of a transaction's way by sync: when peers were sent
// it, and when each showed that it had it, in its pool or by a tip. holds reports whether
// the chain up to a tip has the transaction's block.
func (s *Syncer) Passage(key ledger.TxKey, holds func(tip ledger.Hash) bool) gossip.Passage {
	return s.seen.passage(key, holds)
}

// ClockOf asks a node that h is connected to for the time on its clock. It uses the sync
// protocol that the node lists, of any network.
func ClockOf(ctx context.Context, h host.Host, p peer.ID) (time.Time, error) {
	c := &core{Config: Config{Host: h, Stats: new(Counters)}, heard: func(peer.ID, int) {}}
	listed, err := h.Peerstore().GetProtocols(p)
	for _, id := range listed {
		if strings.HasPrefix(string(id), "/foxchain/") && strings.HasSuffix(string(id), "/sync") {
			c.protocol = id
		}
	}
	if c.protocol == "" {
		return time.Time{}, errors.Join(errNoAnswer, err)
	}
	ans := new(statusAnswer)
	err = c.ask(ctx, p, new(statusRequest), ans)
	return ans.clock, err
}

// banMisbehaved bans p if err is a misbehavior.
func (c *core) banMisbehaved(p peer.ID, err error) {
	var m *misbehavior
	if errors.As(err, &m) && p != c.Host.ID() {
		c.Ban(p, m.what)
	}
}

// blame bans r if err is a misbehavior, and penalises it if err is silence.
func (c *core) blame(r *remotePeer, err error) {
	c.banMisbehaved(r.id, err)
	if errors.Is(err, errNoAnswer) && silent(err) {
		c.notePenalised(r.penalise(time.Now()))
	}
}

func (c *core) notePenalised(penalised bool) {
	if penalised {
		c.Stats.PeersPenalised.Add(1)
	}
}

// ahead reports whether a chain of so many blocks with this tip comes before
// ours in the fork choice. On one network more blocks are more work, and of
// equal ones the lower hash wins.
func (c *core) ahead(blocks uint64, tip ledger.Hash) bool {
	ours := c.Chain.Tip()
	if blocks != ours.Blocks {
		return blocks > ours.Blocks
	}
	return bytes.Compare(tip[:], ours.Hash[:]) < 0
}

// submit offers transactions of peers to the pool. It reports whether none was refused
// for the moment only.
func (c *core) submit(ctx context.Context, txs []*ledger.Transaction) (settled bool, err error) {
	outcomes, err := c.Chain.Submit(ctx, txs, pool.FromPeer)
	if err != nil {
		return false, err
	}
	settled = true
	for _, o := range outcomes {
		switch {
		case o.Taken:
			c.Stats.TxsTaken.Add(1)
		case o.Refused != "":
			c.Stats.TxsRefused.Add(1)
			settled = settled && o.Final
		}
	}
	return settled, nil
}

// fatal reports whether err is that the ledger has stopped, which ends the node.
func fatal(err error) bool { return errors.Is(err, ledger.ErrStopped) }
