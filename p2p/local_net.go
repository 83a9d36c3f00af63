package p2p

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// maxAddrs is how many addresses of one node are kept, best first.
const maxAddrs = 16

// A localNet knows which addresses are this machine's, and which are near. It is read
// from the system at start, and again when interfaces change.
type localNet struct {
	ranges []netip.Prefix // Config.Ranges
	subnet atomic.Pointer[[]netip.Prefix]
	listen atomic.Pointer[[]string]     // where this node listens, without the IP address, such as /tcp/19000
	zones  atomic.Pointer[[]netip.Addr] // the link-local addresses of this machine, with their zones

	interfaces []string // index, name and address, as refresh last read them; only refresh uses it
}

func newLocalNet(ranges []netip.Prefix) *localNet {
	l := &localNet{ranges: ranges}
	l.subnet.Store(new([]netip.Prefix))
	l.listen.Store(new([]string))
	l.zones.Store(new([]netip.Addr))
	l.refresh()
	return l
}

// refresh reads the interfaces and their addresses, and reports whether they changed. An
// interface that was replaced or renamed counts as a change even with the same addresses,
// since mDNS has joined its groups on the old one. On an error nothing changes.
func (l *localNet) refresh() bool {
	all, err := net.Interfaces()
	if err != nil {
		return false
	}
	var subnets []netip.Prefix
	var zones []netip.Addr
	var now []string
	for _, i := range all {
		addrs, err := i.Addrs()
		if err != nil {
			return false // the interface has gone meanwhile
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil {
				continue
			}
			subnets, now = append(subnets, p), append(now, fmt.Sprint(i.Index, i.Name, p))
			if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				zones = append(zones, p.Addr().WithZone(i.Name))
			}
		}
	}
	slices.Sort(now)
	if slices.Equal(now, l.interfaces) {
		return false
	}
	l.interfaces = now
	l.subnet.Store(&subnets)
	l.zones.Store(&zones)
	return true
}

// isOwn reports whether ip is this machine's.
func (l *localNet) isOwn(ip netip.Addr) bool {
	own := func(p netip.Prefix) bool { return p.Addr() == ip }
	return ip.IsLoopback() || slices.ContainsFunc(*l.subnet.Load(), own)
}

// listensOn takes the addresses that this node listens on.
func (l *localNet) listensOn(addrs []ma.Multiaddr) {
	var ports []string
	for _, a := range addrs {
		if len(a) > 1 {
			ports = append(ports, a[1:].String())
		}
	}
	l.listen.Store(&ports)
}

// isSelf reports whether a leads to this node, so that no other one can be there.
// Machines with equal bridges announce each other's addresses.
func (l *localNet) isSelf(a ma.Multiaddr) bool {
	if hasZone(a) {
		a = a[1:]
	}
	return len(a) > 1 && l.isHere(a) && slices.Contains(*l.listen.Load(), a[1:].String())
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
	case l.isOwn(ip):
		return 6
	case l.inSubnet(ip) && ip.Is4():
		return 1
	case l.inSubnet(ip) && !linkLocal(a):
		return 2
	case l.isNear(ip):
		return 4
	}
	return 5
}

// only keeps the addresses of local networks that are valid on other machines too, and
// loopback ones if loopback is set.
func (l *localNet) only(addrs []ma.Multiaddr, loopback bool) []ma.Multiaddr {
	var near []ma.Multiaddr
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		if ip, ok := ipOf(a); ok && l.isNear(ip) && (loopback || !ip.IsLoopback()) && !linkLocal(a) {
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

// sort returns the addresses that can be dialed, each once, best first, at most maxAddrs.
// This machine's come last. Loopback ones are kept only for a node on this machine, as
// sameHost or its other addresses show.
func (l *localNet) sort(addrs []ma.Multiaddr, sameHost bool) []ma.Multiaddr {
	sameHost = sameHost || l.allHere(addrs)
	var good []ma.Multiaddr
	for _, a := range addrs {
		ip, isIP := ipOf(a)
		if !dialable(a) || l.isSelf(a) || isIP && (ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() && !sameHost) {
			continue
		}
		if !slices.ContainsFunc(good, a.Equal) {
			good = append(good, a)
		}
	}
	slices.SortStableFunc(good, func(a, b ma.Multiaddr) int { return l.cost(a) - l.cost(b) })
	return good[:min(len(good), maxAddrs)]
}

// allHere reports whether addrs are of this machine, other than by loopback.
func (l *localNet) allHere(addrs []ma.Multiaddr) (here bool) {
	for _, a := range addrs {
		ip, ok := ipOf(a)
		switch {
		case !ok || !l.isOwn(ip):
			return false
		case !ip.IsLoopback():
			here = true
		}
	}
	return here
}

// dialable reports whether a is of a form that this program can dial. A link-local
// address of IPv6 needs its zone, and TCP.
func dialable(a ma.Multiaddr) bool {
	if len(a) < 2 || len(a) > 4 || len(a.Bytes()) > maxAddrTextSize {
		return false
	}
	tcp, quic, other := false, false, false
	for i, c := range a {
		switch c.Protocol().Code {
		case ma.P_IP4, ma.P_IP6, ma.P_UDP:
		case ma.P_DNS, ma.P_DNS4, ma.P_DNS6, ma.P_IP6ZONE: // of any length, so only the first may be one
			other = other || i > 0
		case ma.P_TCP:
			tcp = c.Value() != "0"
		case ma.P_QUIC_V1:
			quic = true
		default:
			other = true
		}
	}
	return tcp != quic && !other && hasZone(a) == linkLocal(a) && (tcp || !hasZone(a))
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

// rank returns when the swarm dials each address of a peer. The next best is dialed a
// little later, so that only one connection is made.
func (l *localNet) rank(addrs []ma.Multiaddr) []network.AddrDelay {
	sorted := slices.Clone(addrs)
	slices.SortStableFunc(sorted, func(a, b ma.Multiaddr) int { return l.cost(zoneForm(a)) - l.cost(zoneForm(b)) })
	delays := make([]network.AddrDelay, len(sorted))
	for i, a := range sorted {
		delays[i] = network.AddrDelay{Addr: a, Delay: dialStep * time.Duration(min(i, 8))}
	}
	return delays
}
