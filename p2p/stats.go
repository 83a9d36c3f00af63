package p2p

import (
	"strings"
	"sync/atomic"
	"unicode"
)

// counters count what happened since the node started. They are read for
// metrics, and nothing depends on them.
type counters struct {
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

	RPCsDropped         atomic.Uint64 // gossip not sent because a peer's queue was full
	MessagesUnvalidated atomic.Uint64 // gossip not looked at because the validators were busy
	MessagesUndelivered atomic.Uint64 // gossip not taken because its reader was busy
	StatusesRejected    atomic.Uint64 // status lines that no honest node sends

	BytesIn  atomic.Uint64 // of all streams, before encryption
	BytesOut atomic.Uint64

	Dials            atomic.Uint64 // tries to reach a known node
	DialsFailed      atomic.Uint64
	PeersRefused     atomic.Uint64 // peers of another network or version
	HellosFailed     atomic.Uint64 // hellos of peers that were malformed, or did not arrive whole
	PeersCut         atomic.Uint64 // peers banned for what they sent
	PeersBenched     atomic.Uint64 // times that a peer lost its turn for being silent when asked
	PeersDead        atomic.Uint64 // connections closed because the peer was silent
	PeersDeaf        atomic.Uint64 // connections closed because gossip did not run over them
	ConnsDuplicate   atomic.Uint64 // second connections to one peer, closed
	ConnsRefused     atomic.Uint64 // connections of banned peers
	HandshakesFailed atomic.Uint64 // inbound connections that proved no identity: another --psk, or no node
	NodesForgotten   atomic.Uint64 // known nodes that made room for others
	DiscoveryAnswers atomic.Uint64 // nodes that mDNS found
}

// snake returns a counter's name as metrics write it: RPCsDropped, rpcs_dropped.
func snake(name string) string {
	var b strings.Builder
	r := []rune(name)
	for i, c := range r {
		// A word begins where an upper-case letter follows a lower-case one.
		if i > 0 && unicode.IsUpper(c) && unicode.IsLower(r[i-1]) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}
