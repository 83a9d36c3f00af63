package gossip

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"foxchain/ledger"
	"foxchain/ledger/committee"
)

const (
	// gossipQueue is how many messages wait for one peer; memory holds each once for all
	// peers. validateQueue is how many wait for the validators, and how many are in them.
	// Further ones are dropped and counted, and their contents come by sync.
	gossipQueue   = 2048
	validateQueue = 512
	// gossipMessage bounds an RPC in bytes, since many messages of 64 kB may
	// share one. It must be the same on all nodes.
	gossipMessage = 1 << 20
	// SubBuffer is how many messages of a topic wait for its reader. Further ones are
	// dropped, and their contents come by sync.
	SubBuffer = 1024
)

// TopicName returns the name of a topic of net: "tx", "block", "status" or "vote".
func TopicName(net *ledger.Network, kind string) string {
	return "/foxchain/2/" + net.ID().String() + "/" + kind
}

// ProtocolID returns the ID of a stream protocol of net.
func ProtocolID(net *ledger.Network, kind string) protocol.ID {
	return protocol.ID(TopicName(net, kind))
}

// TopicNames returns the names of all topics of net, vote only where it has finality.
func TopicNames(net *ledger.Network) []string {
	names := []string{TopicName(net, "tx"), TopicName(net, "block"), TopicName(net, "status")}
	if committee.New(net) != nil {
		names = append(names, TopicName(net, "vote"))
	}
	return names
}

// New starts gossipsub for a small LAN, with the options that the package doc
// explains. It runs until ctx ends.
func New(ctx context.Context, h host.Host, net *ledger.Network, banned pubsub.Blacklist, stats *Counters) (*pubsub.PubSub, error) {
	params := pubsub.DefaultGossipSubParams()
	// Own messages go to all peers, so on a small LAN the mesh sends little but duplicates.
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 3, 2, 5, 0, 2
	// A node announces what it has to one peer outside its mesh, in two heartbeats. Sync does
	// the rest.
	params.Dlazy, params.GossipFactor, params.HistoryGossip = 1, 0, 2
	// While a status line waits to be passed on, the nodes that have it announce that to their
	// mesh.
	params.IDontWantMessageThreshold = 128
	names := TopicNames(net)
	filter := pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(names...), 16)
	ps, err := pubsub.NewGossipSub(ctx, h,
		pubsub.WithGossipSubParams(params),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(validateQueue),
		pubsub.WithValidateThrottle(validateQueue),
		pubsub.WithMaxMessageSize(gossipMessage),
		pubsub.WithAppSpecificRpcInspector(inspect(net)),
		pubsub.WithSubscriptionFilter(filter),
		pubsub.WithBlacklist(banned),
		pubsub.WithRawTracer(&dropTracer{stats: stats}),
	)
	if err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	return ps, nil
}

// A Topic is a topic that this node publishes to and reads, from itself and others.
// Publishing does not wait for peers.
type Topic struct {
	*pubsub.Topic
	*pubsub.Subscription
}

// Join joins a topic, for the node self.
func Join(ps *pubsub.PubSub, self peer.ID, name string, validate pubsub.ValidatorEx) (Topic, error) {
	t, err := JoinUnread(ps, self, name, validate)
	if err == nil {
		t.Subscription, err = t.Topic.Subscribe(pubsub.WithBufferSize(SubBuffer))
	}
	return t, err
}

// JoinUnread joins a topic whose validator takes the messages, without a reader. The
// validator is registered first, since without one pubsub accepts everything.
func JoinUnread(ps *pubsub.PubSub, self peer.ID, name string, validate pubsub.ValidatorEx) (Topic, error) {
	var t Topic
	err := ps.RegisterTopicValidator(name, newBudget().bound(self, validate))
	if err == nil {
		t.Topic, err = ps.Join(name)
	}
	if err == nil {
		_, err = t.Relay()
	}
	if err != nil {
		return Topic{}, fmt.Errorf("topic %s: %w", name, err)
	}
	return t, nil
}

// messageID is the SHA-256 of topic and contents.
func messageID(m *pb.Message) string {
	h := sha256.New()
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil))
}

// A BanList reports to pubsub whether a peer is banned.
type BanList func(peer.ID) bool

// Add is pubsub.Blacklist's. Bans are made elsewhere.
func (BanList) Add(peer.ID) bool { return false }

// Contains is pubsub.Blacklist's.
func (b BanList) Contains(p peer.ID) bool { return b(p) }

// Counters count what gossip lost since the node started, and the bytes of all its
// streams, for metrics only.
type Counters struct {
	BytesIn  atomic.Uint64 // of all streams, before encryption
	BytesOut atomic.Uint64

	RPCsDropped         atomic.Uint64 // gossip not sent because a peer's queue was full
	MessagesUnvalidated atomic.Uint64 // gossip dropped because the validators were busy, or over its budget
	MessagesUndelivered atomic.Uint64 // gossip dropped because its reader was busy

	Trail Trail // of the last transactions
}

// A dropTracer counts what gossipsub loses without an error, and keeps the Trail.
type dropTracer struct{ stats *Counters }

func (t *dropTracer) DropRPC(*pubsub.RPC, peer.ID)         { t.stats.RPCsDropped.Add(1) }
func (t *dropTracer) UndeliverableMessage(*pubsub.Message) { t.stats.MessagesUndelivered.Add(1) }
func (t *dropTracer) RejectMessage(m *pubsub.Message, reason string) {
	switch {
	case reason == pubsub.RejectValidationIgnored && (strings.HasSuffix(m.GetTopic(), "/status") || strings.HasSuffix(m.GetTopic(), "/vote")): // an old line or vote
	case slices.Contains([]string{pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled, pubsub.RejectValidationIgnored}, reason):
		t.stats.MessagesUnvalidated.Add(1)
	}
}
func (t *dropTracer) OnNewOutboundStream(peer.ID, protocol.ID) {}
func (t *dropTracer) OnClosedOutboundStream(peer.ID)           {}
func (t *dropTracer) Join(string)                              {}
func (t *dropTracer) Leave(string)                             {}
func (t *dropTracer) Graft(peer.ID, string)                    {}
func (t *dropTracer) Prune(peer.ID, string)                    {}
func (t *dropTracer) ValidateMessage(*pubsub.Message)          {}
func (t *dropTracer) DeliverMessage(m *pubsub.Message)         { t.stats.Trail.note(m) }
func (t *dropTracer) DuplicateMessage(m *pubsub.Message)       { t.stats.Trail.seen(m.ReceivedFrom, m.ID) }
func (t *dropTracer) ThrottlePeer(peer.ID)                     {}
func (t *dropTracer) SendRPC(r *pubsub.RPC, _ peer.ID)         { t.stats.Trail.sending(r) }
func (t *dropTracer) SendRPCCompleted(r *pubsub.RPC, p peer.ID, _ time.Duration) {
	t.stats.Trail.sent(r, p)
}
func (t *dropTracer) RecvRPC(r *pubsub.RPC) {
	for _, have := range r.GetControl().GetIhave() {
		t.stats.Trail.seen(r.From(), have.GetMessageIDs()...)
	}
	for _, have := range r.GetControl().GetIdontwant() {
		t.stats.Trail.seen(r.From(), have.GetMessageIDs()...)
	}
}

// Traffic counts the bytes of all streams. Libp2p's own counter also keeps rates of each
// peer and protocol, on a global goroutine, and only the totals are needed here.
type Traffic struct {
	metrics.Reporter // nil, since a host without metrics calls only the methods below
	counted          *Counters
	heard            *lru.Cache[peer.ID, time.Time] // when each peer last sent anything
}

// maxHeard is of how many peers the time is kept, those heard last.
const maxHeard = 1024

// NewTraffic returns a Traffic that counts into c.
func NewTraffic(c *Counters) *Traffic {
	heard, _ := lru.New[peer.ID, time.Time](maxHeard) // only a size below 1 is an error
	return &Traffic{counted: c, heard: heard}
}

// Heard returns when p last sent anything on any stream, or zero.
func (t *Traffic) Heard(p peer.ID) time.Time {
	at, _ := t.heard.Peek(p)
	return at
}

// LogSentMessage is metrics.Reporter's.
func (t *Traffic) LogSentMessage(n int64) { t.counted.BytesOut.Add(uint64(max(n, 0))) }

// LogRecvMessage is metrics.Reporter's.
func (t *Traffic) LogRecvMessage(n int64) { t.counted.BytesIn.Add(uint64(max(n, 0))) }

// LogSentMessageStream is metrics.Reporter's. It reports the same bytes again.
func (t *Traffic) LogSentMessageStream(int64, protocol.ID, peer.ID) {}

// LogRecvMessageStream is metrics.Reporter's. It reports the same bytes again.
// A read that fails is reported too, with nothing.
func (t *Traffic) LogRecvMessageStream(n int64, _ protocol.ID, p peer.ID) {
	if n > 0 {
		t.heard.Add(p, time.Now())
	}
}
