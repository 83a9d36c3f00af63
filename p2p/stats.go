package p2p

import (
	"regexp"
	"strings"
	"sync/atomic"

	"foxchain/p2p/gossip"
	chainsync "foxchain/p2p/sync"
)

// counters count what happened since the node started. They are read for
// metrics, and nothing depends on them.
type counters struct {
	Gossip gossip.Counters
	Sync   chainsync.Counters

	StatusesRejected atomic.Uint64 // status lines that no honest node sends

	Dials            atomic.Uint64 // tries to reach a known node
	DialsFailed      atomic.Uint64
	PeersRefused     atomic.Uint64 // peers of another network or version
	HellosFailed     atomic.Uint64 // hellos of peers that were malformed, or did not arrive whole
	PeersCut         atomic.Uint64 // peers banned for what they sent
	PeersDead        atomic.Uint64 // connections closed because the peer was silent
	PeersDeaf        atomic.Uint64 // connections closed because gossip did not run over them
	ConnsDuplicate   atomic.Uint64 // second connections to one peer, closed
	ConnsRefused     atomic.Uint64 // connections of banned peers
	HandshakesFailed atomic.Uint64 // inbound connections that proved no identity, for another --psk, or as no node
	NodesForgotten   atomic.Uint64 // known nodes that made room for others
	DiscoveryAnswers atomic.Uint64 // nodes that mDNS found
}

// snake returns a counter's name as metrics write it: RPCsDropped, rpcs_dropped. A
// word begins where an upper-case letter follows a lower-case one.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(name, "${1}_$2"))
}
