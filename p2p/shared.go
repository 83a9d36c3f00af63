package p2p

import (
	"crypto/ed25519"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/p2p/internal/wait"
	chainsync "foxchain/p2p/sync"
)

// shared is what all parts of a node use. Its fields do not change after New.
type shared struct {
	cfg      Config
	log      *slog.Logger
	net      *ledger.Network
	key      ed25519.PrivateKey
	pub      ledger.PublicKey
	instance uint64 // of this run
	started  time.Time
	host     host.Host
	near     *localNet
	stats    counters
	woken    chan struct{}

	changed wait.Change
}

// wake makes the next round begin soon.
func (s *shared) wake() { wait.Signal(s.woken) }

// notify closes the channel that Changed returned.
func (s *shared) notify() { s.changed.Made() }

// Changed returns a channel that is closed at the next change of what Nodes and
// Copied return. Take it, read, then wait.
func (s *shared) Changed() <-chan struct{} { return s.changed.Next() }

// counters count what happened since the node started, for metrics only.
type counters struct {
	Gossip gossip.Counters
	Sync   chainsync.Counters

	StatusesRejected atomic.Uint64 // invalid status lines

	Dials            atomic.Uint64 // tries to reach a known node
	DialsFailed      atomic.Uint64
	PeersRefused     atomic.Uint64 // peers of another network or version
	HellosFailed     atomic.Uint64 // hellos of peers that were malformed, or did not arrive whole
	PeersCut         atomic.Uint64 // peers banned for what they sent
	PeersDead        atomic.Uint64 // connections closed because the peer was silent
	PeersDeaf        atomic.Uint64 // connections closed because gossip did not run over them
	ConnsDuplicate   atomic.Uint64 // second connections to one peer, closed
	ConnsRefused     atomic.Uint64 // connections of banned peers
	HandshakesFailed atomic.Uint64 // inbound connections that proved no identity
	NodesForgotten   atomic.Uint64 // known nodes that made room for others
	DiscoveryAnswers atomic.Uint64 // nodes that mDNS found
}

// snake returns a counter's name as metrics write it: RPCsDropped, rpcs_dropped. A
// word begins where an upper-case letter follows a lower-case one.
func snake(name string) string {
	return strings.ToLower(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(name, "${1}_$2"))
}
