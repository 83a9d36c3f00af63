package p2p

import (
	"io"
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
	// maxTries bounds the inbound tries that have not proven who they are: one
	// more closes another, see makeRoom.
	maxTries = 128
)

// A gate sees every connection as it is made. It keeps out peers that were cut
// off, and notices inbound tries whose handshake never ends: that is all that a
// node with a pre-shared key sees of one with another. It ends those, and bounds
// them: nothing tells a node that is slow from a stranger who only takes places.
type gate struct {
	refuses func(peer.ID) bool
	inbound atomic.Uint64 // tries, whatever became of them

	mu    sync.Mutex
	tries map[string]try // by remote and local address
}

// A try is an inbound connection in its handshake.
type try struct {
	ip   netip.Addr
	at   time.Time
	conn io.Closer // nil where the transport shows none: it closes them itself
}

func (t try) end() {
	if t.conn != nil {
		_ = t.conn.Close() // its handshake fails, and frees what it holds
	}
}

func newGate(refuses func(peer.ID) bool) *gate {
	return &gate{refuses: refuses, tries: make(map[string]try)}
}

func (g *gate) InterceptPeerDial(p peer.ID) bool             { return !g.refuses(p) }
func (g *gate) InterceptAddrDial(peer.ID, ma.Multiaddr) bool { return true }

func (g *gate) InterceptAccept(c network.ConnMultiaddrs) bool {
	g.inbound.Add(1)
	ip, _ := ipOf(c.RemoteMultiaddr())
	conn, _ := c.(io.Closer)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := time.Now(), tryKey(c)
	if t, again := g.tries[key]; again {
		now = t.at // a peer dials from the same port again: its first try is what counts
	} else if len(g.tries) >= maxTries {
		g.makeRoom()
	}
	g.tries[key] = try{ip: ip, at: now, conn: conn}
	return true
}

// makeRoom ends the oldest try of the address that has the most of them: so
// one machine that takes all places keeps out itself only, and a class that
// comes from one address all at once is done with its handshakes before.
func (g *gate) makeRoom() {
	count := make(map[netip.Addr]int)
	for _, t := range g.tries {
		count[t.ip]++
	}
	worst := ""
	for key, t := range g.tries {
		w := g.tries[worst]
		if worst == "" || count[t.ip] > count[w.ip] || count[t.ip] == count[w.ip] && t.at.Before(w.at) {
			worst = key
		}
	}
	g.tries[worst].end()
	delete(g.tries, worst)
}

func tryKey(c network.ConnMultiaddrs) string {
	return c.RemoteMultiaddr().String() + " " + c.LocalMultiaddr().String()
}

func (g *gate) InterceptSecured(dir network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	if dir == network.DirInbound {
		g.mu.Lock()
		delete(g.tries, tryKey(c))
		g.mu.Unlock()
	}
	return !g.refuses(p)
}

func (g *gate) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// failed ends the tries that have failed, and gives their addresses.
func (g *gate) failed(now time.Time) []netip.Addr {
	g.mu.Lock()
	defer g.mu.Unlock()
	var ips []netip.Addr
	for key, t := range g.tries {
		if now.Sub(t.at) < handshakeTime {
			continue
		}
		t.end()
		delete(g.tries, key)
		if t.ip.IsValid() {
			ips = append(ips, t.ip)
		}
	}
	return ips
}
