package p2p

import (
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxAddrs is how many addresses are kept for one node, the best ones.
const maxAddrs = 16

// A localNet knows which addresses are this machine's, and which are near it. It
// is read from the system at start, and again when interfaces change.
type localNet struct {
	ranges []netip.Prefix // Config.Ranges
	subnet atomic.Pointer[[]netip.Prefix]
}

func newLocalNet(ranges []netip.Prefix) *localNet {
	l := &localNet{ranges: ranges}
	l.subnet.Store(new([]netip.Prefix))
	l.refresh()
	return l
}

// refresh reads the interfaces' addresses and reports whether they changed. When
// the system returns an error, what was known stays.
func (l *localNet) refresh() bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	var now []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			now = append(now, p)
		}
	}
	slices.SortFunc(now, netip.Prefix.Compare)
	if slices.Equal(now, *l.subnet.Load()) {
		return false
	}
	l.subnet.Store(&now)
	return true
}

// isOwn reports whether ip is this machine's.
func (l *localNet) isOwn(ip netip.Addr) bool {
	own := func(p netip.Prefix) bool { return p.Addr() == ip }
	return ip.IsLoopback() || slices.ContainsFunc(*l.subnet.Load(), own)
}

// isNear reports whether ip belongs to a local network.
func (l *localNet) isNear(ip netip.Addr) bool {
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	return slices.ContainsFunc(localRanges, in) || slices.ContainsFunc(l.ranges, in) || l.inSubnet(ip)
}

func (l *localNet) inSubnet(ip netip.Addr) bool {
	return slices.ContainsFunc(*l.subnet.Load(), func(p netip.Prefix) bool { return p.Contains(ip) })
}

// cost orders addresses. The lowest is to be tried first.
func (l *localNet) cost(a ma.Multiaddr) int {
	ip, ok := ipOf(a)
	switch {
	case !ok:
		return 3 // a DNS name
	case ip.IsLoopback():
		return 0
	case l.inSubnet(ip) && ip.Is4():
		return 1
	case l.inSubnet(ip):
		return 2
	case l.isNear(ip):
		return 4
	}
	return 5
}

// only keeps the addresses of local networks, loopback ones if asked for.
func (l *localNet) only(addrs []ma.Multiaddr, loopback bool) []ma.Multiaddr {
	var near []ma.Multiaddr
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		if ip, ok := ipOf(a); ok && l.isNear(ip) && (loopback || !ip.IsLoopback()) {
			near = append(near, a)
		}
	}
	return near
}

// isHere reports whether addr leads to this machine.
func (l *localNet) isHere(addr ma.Multiaddr) bool {
	ip, ok := ipOf(addr)
	return ok && l.isOwn(ip)
}

// sort returns the addresses that can be dialed, each once, best first, at most
// maxAddrs. Loopback ones count only for nodes on this machine, which is known
// by another address of theirs, or given.
func (l *localNet) sort(addrs []ma.Multiaddr, sameHost bool) []ma.Multiaddr {
	for _, a := range addrs {
		if ip, ok := ipOf(a); ok && !ip.IsLoopback() && l.isOwn(ip) {
			sameHost = true
		}
	}
	var good []ma.Multiaddr
	for _, a := range addrs {
		ip, isIP := ipOf(a)
		if !dialable(a) || isIP && (ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() && !sameHost) {
			continue
		}
		if !slices.ContainsFunc(good, a.Equal) {
			good = append(good, a)
		}
	}
	slices.SortStableFunc(good, func(a, b ma.Multiaddr) int { return l.cost(a) - l.cost(b) })
	return good[:min(len(good), maxAddrs)]
}

// dialable reports whether a is of a form that this program can dial.
func dialable(a ma.Multiaddr) bool {
	if len(a) < 2 || len(a.Bytes()) > maxAddrTextSize {
		return false
	}
	tcp, quic, other := false, false, false
	for _, c := range a {
		switch c.Protocol().Code {
		case ma.P_IP4, ma.P_IP6, ma.P_IP6ZONE, ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_UDP:
		case ma.P_TCP:
			tcp = c.Value() != "0"
		case ma.P_QUIC_V1:
			quic = true
		default:
			other = true
		}
	}
	return tcp != quic && !other
}

// ipOf returns the IP address that a begins with.
func ipOf(a ma.Multiaddr) (netip.Addr, bool) {
	ip, err := manet.ToIP(a)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, ok := netip.AddrFromSlice(ip)
	return addr.Unmap(), ok
}

// rank is the swarm's plan for the addresses of a peer. The best is tried first, the
// next ones a little later, so that one connection is made and not several.
func (l *localNet) rank(addrs []ma.Multiaddr) []network.AddrDelay {
	sorted := slices.Clone(addrs)
	slices.SortStableFunc(sorted, func(a, b ma.Multiaddr) int { return l.cost(a) - l.cost(b) })
	delays := make([]network.AddrDelay, len(sorted))
	for i, a := range sorted {
		delays[i] = network.AddrDelay{Addr: a, Delay: dialStep * time.Duration(min(i, 8))}
	}
	return delays
}
