package p2p

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
	chainsync "foxchain/p2p/sync"
)

const (
	publishEvery   = 4 * time.Second  // between two status lines
	publishSoonest = time.Second      // the least between two lines after a change
	peersEvery     = 32 * time.Second // between two lines that list unchanged peers

	// A line is passed on after this time or up to twice as much. By then the peers that have
	// it from its author have announced that (IDONTWANT), and are not sent it.
	passOnAfter = 100 * time.Millisecond
	// maxWaiting bounds the lines that wait, since each holds one of gossip's 512
	// validators. Further ones are passed on at once.
	maxWaiting = 128

	// Gossip keeps the status lines of an earlier run for some seconds. So another run is
	// believed only after its lines have come in time for earlierRun.
	earlierRun = 20 * time.Second
	// copiedMemory is how long another run is shown after its last line, since of two
	// nodes with one peer ID only one is connected at a time.
	copiedMemory = 5 * time.Minute
)

// A statusTopic publishes this node's status line, and takes those of others into
// its table.
type statusTopic struct {
	*shared
	table   *statusTable
	peers   *peerTable
	proven  *provenKeys
	builds  func() bool
	sync    *chainsync.Syncer   // set before join
	gossip  gossip.Topic        // set by join
	counter atomic.Uint64       // of this node's lines
	wanted  chan struct{}       // a line is to be published
	waiting *semaphore.Weighted // maxWaiting
	// otherRun is when the last line of another run with this node's key came, or nil.
	otherRun atomic.Pointer[time.Time]
}

func newStatusTopic(s *shared, proven *provenKeys, builds func() bool) *statusTopic {
	return &statusTopic{shared: s, table: newStatusTable(), peers: proven.peers, proven: proven, builds: builds,
		wanted: make(chan struct{}, 1), waiting: semaphore.NewWeighted(maxWaiting)}
}

func (s *statusTopic) join(ps *pubsub.PubSub) (err error) {
	s.gossip, err = gossip.JoinUnread(ps, s.host.ID(), gossip.TopicName(s.net, "status"), s.validate)
	return err
}

// validate validates and takes the lines of the topic. The package doc has its table.
func (s *statusTopic) validate(ctx context.Context, from peer.ID, msg *pubsub.Message) pubsub.ValidationResult {
	line, err := decodeStatus(s.net, msg.GetData())
	if err != nil {
		s.stats.StatusesRejected.Add(1)
		s.peers.ban(from, fmt.Sprintf("gossiped an invalid status line: %v", err))
		return pubsub.ValidationReject
	}
	if s.table.stale(line) {
		return pubsub.ValidationIgnore
	}
	own := from == s.host.ID()
	if own {
		line.Peers = s.peers.connectedIDs()
	}
	s.take(line, msg.GetData())
	if id, err := peerOf(line.Key); err == nil {
		s.sync.Compare(id, line.Tip, line.Pool)
	}
	if !own && s.waiting.TryAcquire(1) {
		defer s.waiting.Release(1)
		select {
		case <-ctx.Done():
		case <-time.After(passOnAfter + rand.N(passOnAfter)):
		}
	}
	return pubsub.ValidationAccept
}

// take takes a status line, which data encodes, into the table.
func (s *statusTopic) take(line *statusLine, data []byte) {
	line.Name, line.Version = clean(line.Name, maxNameBytes), clean(line.Version, maxNameBytes)
	now := time.Now()
	var proven map[ledger.PublicKey]bool
	if s.table.full(line) {
		proven = s.proven.keys()
	}
	changed := s.table.add(line, data, now, proven)
	if line.Key == s.pub && line.Instance != s.instance && s.table.lasts(line) {
		s.noteOtherRun()
	}
	if changed {
		s.notify()
	}
}

// noteOtherRun notes that this node's key signed a status line in another run. That is
// only shown, since fork choice settles the blocks of both.
func (s *statusTopic) noteOtherRun() {
	known, now := s.copied() != "", time.Now()
	s.otherRun.Store(&now)
	if !known {
		s.log.Error("this node's key is in use twice", "reason", s.copied())
		s.notify()
	}
}

func (s *statusTopic) copied() string {
	if at := s.otherRun.Load(); at == nil || time.Since(*at) > copiedMemory {
		return ""
	}
	return "another node runs with this node's key: the data directory, or the whole machine, was copied. " +
		"Stop one of the two, remove node.key, token and tokens from its data directory, make a new key there with: foxchain keygen -o node.key, and start it again"
}

// publishAll publishes this node's line every publishEvery, and soon after a
// change of the tip or of the peers.
func (s *statusTopic) publishAll(ctx context.Context) error {
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	tip := s.cfg.Chain.Tip().Hash
	var last publishedPeers
	for {
		changed := s.cfg.Chain.Changed()
		if err := s.publish(ctx, &last); err != nil {
			return wait.Ended(ctx, err)
		}
		if !s.waitForReason(ctx, tick.C, changed, &tip) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(publishSoonest):
		}
	}
}

// waitForReason waits for the next reason to publish a line: the tick, a call of soon,
// or a new tip. A change of the pool alone is no reason.
func (s *statusTopic) waitForReason(ctx context.Context, tick <-chan time.Time, changed <-chan struct{}, tip *ledger.Hash) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			*tip = s.cfg.Chain.Tip().Hash
			return true
		case <-s.wanted:
			return true
		case <-changed:
			changed = s.cfg.Chain.Changed()
			if now := s.cfg.Chain.Tip().Hash; now != *tip {
				*tip = now
				return true
			}
		}
	}
}

// soon lets a line be published before the next tick.
func (s *statusTopic) soon() { wait.Signal(s.wanted) }

// publishedPeers holds the peers of the last published line that listed them, and its
// time. At 40 bytes each they are most of a line, so most lines leave them out.
type publishedPeers struct {
	peers [][]byte
	at    time.Time
}

// due reports whether the next line must list the peers.
func (p *publishedPeers) due(peers [][]byte, now time.Time) bool {
	return now.Sub(p.at) >= peersEvery || !slices.EqualFunc(p.peers, peers, bytes.Equal)
}

func (s *statusTopic) publish(ctx context.Context, last *publishedPeers) error {
	line, now := s.ownLine(), time.Now()
	next := publishedPeers{line.Peers, now}
	if !last.due(line.Peers, now) {
		next, line.Peers = *last, nil
	}
	b, err := encodeStatus(s.net, line, s.key)
	if err != nil {
		return fmt.Errorf("encode the status: %w", err)
	}
	if err := s.gossip.Publish(ctx, b); err == nil {
		*last = next
	} else if ctx.Err() == nil {
		s.log.Debug("the status was not published, and the next one will be", "error", err)
	}
	return nil
}

func (s *statusTopic) ownLine() *statusLine {
	st := s.cfg.Chain.Status()
	return &statusLine{
		Key:        s.pub,
		Name:       s.cfg.Name,
		Version:    s.cfg.Version,
		Instance:   s.instance,
		Counter:    s.counter.Add(1),
		Uptime:     uint64(time.Since(s.started).Milliseconds()),
		Blocks:     st.Tip.Blocks,
		Tip:        st.Tip.Hash,
		Pool:       uint64(st.Pool),
		Builds:     s.builds(),
		WSPort:     uint16(s.cfg.WS.Port),
		WSLoopback: s.cfg.WS.Loopback,
		Peers:      s.peers.connectedIDs(),
	}
}
