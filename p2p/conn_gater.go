package p2p

import (
	"cmp"
	"io"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	handshakeTime = 10 * time.Second // after it an inbound try has failed
	// maxTries bounds the inbound tries that have not proven an identity. One more
	// closes another, see makeRoom.
	maxTries    = 128
	maxFailed   = 32               // addresses of failed handshakes
	failedShown = 10 * time.Minute // how long one is shown after its last try
)

// A connGater sees every connection as it is made. It keeps banned peers out, bounds
// inbound handshakes, and ends those that take too long. Such a handshake is all that a
// node with a pre-shared key sees of one with another key.
type connGater struct {
	refuses func(peer.ID) bool
	isSelf  func(ma.Multiaddr) bool
	stats   *counters
	inbound atomic.Uint64 // inbound connections, however they ended

	mu     sync.Mutex
	tries  map[string]try // by remote and local address
	failed map[netip.Addr]failure
}

// A failure is how often handshakes of an address failed, and when last. It is shown from
// the second on, since the first may be of a node whose cable was pulled. A try that
// began before the last one failed does not count, since both may have one cause.
type failure struct {
	times int
	at    time.Time
}

// A try is an inbound connection in its handshake.
type try struct {
	ip   netip.Addr
	at   time.Time
	conn io.Closer // nil where the transport shows none, and closes them itself
}

func (t try) end() {
	if t.conn != nil {
		_ = t.conn.Close() // its handshake fails, and frees what it holds
	}
}

func newConnGater(refuses func(peer.ID) bool, isSelf func(ma.Multiaddr) bool, stats *counters) *connGater {
	return &connGater{refuses: refuses, isSelf: isSelf, stats: stats, tries: make(map[string]try), failed: make(map[netip.Addr]failure)}
}

func (g *connGater) InterceptPeerDial(p peer.ID) bool { return !g.refuses(p) }

func (g *connGater) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool { return !g.isSelf(a) }

func (g *connGater) InterceptAccept(c network.ConnMultiaddrs) bool {
	g.inbound.Add(1)
	ip, _ := ipOf(c.RemoteMultiaddr())
	conn, _ := c.(io.Closer)
	g.mu.Lock()
	defer g.mu.Unlock()
	now, key := time.Now(), tryKey(c)
	if t, again := g.tries[key]; again {
		now = t.at // a peer dials from the same port again, and its first try counts
	} else if len(g.tries) >= maxTries {
		g.makeRoom()
	}
	g.tries[key] = try{ip: ip, at: now, conn: conn}
	return true
}

// makeRoom ends the oldest try of the address that has the most. So a machine that takes
// all places keeps only itself out.
func (g *connGater) makeRoom() {
	count := make(map[netip.Addr]int)
	for _, t := range g.tries {
		count[t.ip]++
	}
	worst := slices.MinFunc(slices.Collect(maps.Keys(g.tries)), func(a, b string) int {
		x, y := g.tries[a], g.tries[b]
		return cmp.Or(cmp.Compare(count[y.ip], count[x.ip]), x.at.Compare(y.at))
	})
	g.stats.HandshakesFailed.Add(1)
	g.tries[worst].end()
	delete(g.tries, worst)
}

func tryKey(c network.ConnMultiaddrs) string {
	return c.RemoteMultiaddr().String() + " " + c.LocalMultiaddr().String()
}

func (g *connGater) InterceptSecured(dir network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	if dir == network.DirInbound {
		g.mu.Lock()
		delete(g.tries, tryKey(c))
		g.mu.Unlock()
	}
	if g.refuses(p) {
		g.stats.ConnsRefused.Add(1)
		return false
	}
	return true
}

func (g *connGater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// sweep ends handshakes that take too long. It returns the addresses that failed for the
// second time, and reports whether failedHandshakes has changed.
func (g *connGater) sweep(now time.Time) (fresh []netip.Addr, changed bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for ip, f := range g.failed {
		if now.Sub(f.at) > failedShown {
			delete(g.failed, ip)
			changed = true
		}
	}
	for key, t := range g.tries {
		if now.Sub(t.at) < handshakeTime {
			continue
		}
		g.stats.HandshakesFailed.Add(1)
		t.end()
		delete(g.tries, key)
		f, known := g.failed[t.ip]
		if !t.ip.IsValid() || !known && len(g.failed) >= maxFailed || known && t.at.Before(f.at) {
			continue
		}
		g.failed[t.ip] = failure{f.times + 1, now}
		if f.times == 1 {
			fresh = append(fresh, t.ip)
		}
	}
	return fresh, changed || len(fresh) > 0
}

// failedHandshakes returns when a handshake last failed, for each address with at least
// two lately.
func (g *connGater) failedHandshakes() map[netip.Addr]time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make(map[netip.Addr]time.Time)
	for ip, f := range g.failed {
		if f.times > 1 {
			all[ip] = f.at
		}
	}
	return all
}
