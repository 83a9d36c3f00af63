package p2p

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	pb "github.com/libp2p/go-libp2p-pubsub/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"

	"foxchain/ledger"
)

const (
	// gossipQueue is how many messages wait for one peer, and how many for the
	// validators. A burst over it is dropped and counted; sync brings it.
	gossipQueue = 8192
	// gossipMessage bounds an RPC in bytes: many messages of 64 kB may share
	// one. It must be the same on all nodes.
	gossipMessage = 1 << 20
)

// topicName gives the name of a topic of net: "tx", "block" or "status".
func topicName(net *ledger.Network, kind string) string {
	return "/foxchain/2/" + net.ID().String() + "/" + kind
}

// protocolID gives the ID of a stream protocol of net.
func protocolID(net *ledger.Network, kind string) protocol.ID {
	return protocol.ID(topicName(net, kind))
}

func topics(net *ledger.Network) []string {
	return []string{topicName(net, "tx"), topicName(net, "block"), topicName(net, "status")}
}

// newPubSub starts gossipsub for a small LAN. A message's ID is made of its
// contents, so that what two nodes say is one message, and nothing is signed
// here: transactions, headers and status lines carry their own signatures.
// Every node publishes to all its peers. There is no scoring and no exchange
// of peers.
func newPubSub(ctx context.Context, h host.Host, net *ledger.Network, banned pubsub.Blacklist, stats *counters) (*pubsub.PubSub, error) {
	params := pubsub.DefaultGossipSubParams()
	params.D, params.Dlo, params.Dhi, params.Dout, params.Dscore = 6, 4, 12, 2, 4
	names := topics(net)
	filter := pubsub.WrapLimitSubscriptionFilter(pubsub.NewAllowlistSubscriptionFilter(names...), 16)
	ps, err := pubsub.NewGossipSub(ctx, h,
		pubsub.WithGossipSubParams(params),
		pubsub.WithMessageIdFn(messageID),
		pubsub.WithMessageSignaturePolicy(pubsub.StrictNoSign),
		pubsub.WithNoAuthor(),
		pubsub.WithFloodPublish(true),
		pubsub.WithPeerOutboundQueueSize(gossipQueue),
		pubsub.WithValidateQueueSize(gossipQueue),
		pubsub.WithMaxMessageSize(gossipMessage),
		pubsub.WithSubscriptionFilter(filter),
		pubsub.WithBlacklist(banned),
		pubsub.WithRawTracer(&dropTracer{stats: stats}),
	)
	if err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	return ps, nil
}

// messageID is the SHA-256 of topic and contents.
func messageID(m *pb.Message) string {
	h := sha256.New()
	h.Write([]byte(m.GetTopic()))
	h.Write(m.GetData())
	return string(h.Sum(nil))
}

// A cutList is what pubsub asks whether it may listen to a peer.
type cutList struct{ refuses func(peer.ID) bool }

func (c *cutList) Add(peer.ID) bool        { return false } // only Node.cut adds
func (c *cutList) Contains(p peer.ID) bool { return c.refuses(p) }

// A dropTracer counts what gossipsub loses without an error.
type dropTracer struct{ stats *counters }

func (t *dropTracer) DropRPC(*pubsub.RPC, peer.ID)         { t.stats.RPCsDropped.Add(1) }
func (t *dropTracer) UndeliverableMessage(*pubsub.Message) { t.stats.MessagesUndelivered.Add(1) }
func (t *dropTracer) RejectMessage(_ *pubsub.Message, reason string) {
	switch reason {
	case pubsub.RejectValidationQueueFull, pubsub.RejectValidationThrottled:
		t.stats.MessagesUnvalidated.Add(1)
	}
}
func (t *dropTracer) OnNewOutboundStream(peer.ID, protocol.ID)             {}
func (t *dropTracer) OnClosedOutboundStream(peer.ID)                       {}
func (t *dropTracer) Join(string)                                          {}
func (t *dropTracer) Leave(string)                                         {}
func (t *dropTracer) Graft(peer.ID, string)                                {}
func (t *dropTracer) Prune(peer.ID, string)                                {}
func (t *dropTracer) ValidateMessage(*pubsub.Message)                      {}
func (t *dropTracer) DeliverMessage(*pubsub.Message)                       {}
func (t *dropTracer) DuplicateMessage(*pubsub.Message)                     {}
func (t *dropTracer) ThrottlePeer(peer.ID)                                 {}
func (t *dropTracer) RecvRPC(*pubsub.RPC)                                  {}
func (t *dropTracer) SendRPC(*pubsub.RPC, peer.ID)                         {}
func (t *dropTracer) SendRPCCompleted(*pubsub.RPC, peer.ID, time.Duration) {}
