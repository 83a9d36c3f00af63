package p2p

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
	"unicode/utf8"

	"github.com/libp2p/go-libp2p/core/host"

	"foxchain/ledger/chain"
	"foxchain/p2p/gossip"
	"foxchain/p2p/vote"
)

const (
	maxNameBytes    = 64 // of a node's name and of a program's version
	maxListen       = 16
	pskBytes        = 32
	maxAddrTextSize = 512 // bytes of an address given as text
)

// Config is what a node is and how it meets others.
type Config struct {
	// Chain is the ledger that is kept equal to the others', and the home of
	// the address book. Needed.
	Chain *chain.Chain
	// Key is the node's identity. Needed.
	Key ed25519.PrivateKey
	// Name is shown to others, at most 64 bytes.
	Name string
	// Version is the program's, shown to others, at most 64 bytes.
	Version string
	// Listen holds the multiaddrs to listen on. Without any the node only dials.
	Listen []string
	// Peers are addresses to register at start, as Register takes them.
	Peers []string
	// MDNS finds nodes of the same network on the LAN, and is found by them.
	MDNS bool
	// QUIC dials and listens on QUIC too. It cannot go with PSK.
	QUIC bool
	// PSK is the 32-byte key of a private network (ParsePSK reads its file), or nil.
	PSK []byte
	// Ranges are address ranges that count as the local network besides the
	// private ones and the subnets that this machine is in. Many nodes may come
	// from one address of them, and their addresses are passed on.
	Ranges []netip.Prefix
	// WS is where this node's WebSocket is, for others to show.
	WS WSInfo
	// Builds reports whether the node is building now. Nil means never.
	Builds func() bool
	// Voter takes part in the votes of a network that has finality. Nil where it has none.
	Voter vote.Voter
	// Resolve asks the node behind a ws URL for its multiaddrs. When nil, a ws URL
	// can be registered, and is never reached.
	Resolve func(ctx context.Context, wsURL string) ([]string, error)
	// Dial makes the connections to other nodes. When nil, the system's dialer does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Now is the clock that is sent to peers and compared with theirs. Elapsed time is
	// measured by the system's clock. When nil, it is time.Now.
	Now func() time.Time
	// Log takes log lines. When nil, nothing is logged.
	Log *slog.Logger
	// Host, when set, is used in place of one made of Key, Listen, QUIC and PSK,
	// and is closed by Run. Its identity is Key. For tests.
	Host host.Host
	// Traffic is what Host reports to. When nil, traffic is not counted.
	Traffic *gossip.Traffic
}

// WSInfo is where a node's WebSocket listens.
type WSInfo struct {
	Port     int  // 0 if there is none
	Loopback bool // it listens on loopback only
}

func (c *Config) validate() error {
	switch {
	case c.Chain == nil:
		return errors.New("p2p: Chain is needed")
	case len(c.Key) != ed25519.PrivateKeySize:
		return errors.New("p2p: Key must be an Ed25519 private key")
	case len(c.Name) > maxNameBytes || !utf8.ValidString(c.Name):
		return fmt.Errorf("p2p: Name must be valid text of at most %d bytes", maxNameBytes)
	case len(c.Version) > maxNameBytes || !utf8.ValidString(c.Version):
		return fmt.Errorf("p2p: Version must be valid text of at most %d bytes", maxNameBytes)
	case len(c.Listen) > maxListen:
		return fmt.Errorf("p2p: at most %d addresses to listen on", maxListen)
	case c.PSK != nil && len(c.PSK) != pskBytes:
		return fmt.Errorf("p2p: PSK must be %d bytes, not %d", pskBytes, len(c.PSK))
	case c.PSK != nil && c.QUIC:
		return errors.New("p2p: QUIC cannot be used on a private network: it has no place for the pre-shared key")
	case c.WS.Port < 0 || c.WS.Port > 65535:
		return fmt.Errorf("p2p: WS.Port must be 0 to 65535, not %d", c.WS.Port)
	}
	return nil
}
