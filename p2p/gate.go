package p2p

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	handshakeTime = 10 * time.Second // after which an inbound try has failed
	maxTries      = 256              // inbound tries that are watched; further ones are let in unwatched
)

// A gate sees every connection as it is made. It keeps out peers that were cut
// off, and notices inbound tries whose handshake never ends: that is all that a
// node with a pre-shared key sees of one with another.
type gate struct {
	refuses func(peer.ID) bool
	inbound atomic.Uint64 // tries, whatever became of them

	mu    sync.Mutex
	tries map[string]time.Time // by remote address
}

func newGate(refuses func(peer.ID) bool) *gate {
	return &gate{refuses: refuses, tries: make(map[string]time.Time)}
}

func (g *gate) InterceptPeerDial(p peer.ID) bool             { return !g.refuses(p) }
func (g *gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

func (g *gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	g.inbound.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	addr := c.RemoteMultiaddr().String()
	// A peer dials from the same port again: its first try is what counts.
	if _, again := g.tries[addr]; !again && len(g.tries) < maxTries {
		g.tries[addr] = time.Now()
	}
	return true
}

func (g *gate) InterceptSecured(dir network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	if dir == network.DirInbound {
		g.mu.Lock()
		delete(g.tries, c.RemoteMultiaddr().String())
		g.mu.Unlock()
	}
	return !g.refuses(p)
}

func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// failed gives the addresses whose tries have failed since it was last asked.
func (g *gate) failed(now time.Time) []netip.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ips []netip.Addr
	for addr, at := range g.tries {
		if now.Sub(at) < handshakeTime {
			continue
		}
		delete(g.tries, addr)
		if a, err := ma.NewMultiaddr(addr); err == nil {
			if ip, ok := ipOf(a); ok {
				ips = append(ips, ip)
			}
		}
	}
	return ips
}
