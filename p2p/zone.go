package p2p

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/transport"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	ma "github.com/multiformats/go-multiaddr"
)

// Two machines with only a cable between them have only IPv6 link-local addresses
// (fe80::…). Such an address needs its zone, the name of the network interface that leads
// to it, as in /ip6zone/eth0/ip6/fe80::1/tcp/19000. Each machine has its own names, so
// these addresses are not passed on.

// A zoneTransport is TCP that dials link-local addresses too. Libp2p drops these before
// it asks a transport, so dialForms hides them by writing dns6 in place of ip6.
type zoneTransport struct{ *tcp.TcpTransport }

// zoneTransportWith returns a constructor of zoneTransports that use dial, or the system's dialer if dial is nil.
func zoneTransportWith(dial dialFunc) func(transport.Upgrader, network.ResourceManager) (*zoneTransport, error) {
	// With SO_REUSEPORT two nodes could listen on one port, and would share its connections.
	opts := []tcp.Option{tcp.DisableReuseport()}
	if dial != nil {
		opts = append(opts, tcp.WithDialerForAddr(func(ma.Multiaddr) (tcp.ContextDialer, error) { return dial, nil }))
	}
	return func(up transport.Upgrader, limits network.ResourceManager) (*zoneTransport, error) {
		t, err := tcp.NewTCPTransport(up, limits, nil, opts...)
		return &zoneTransport{t}, err
	}
}

// A dialFunc is Config.Dial.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// DialContext is tcp.ContextDialer's.
func (f dialFunc) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return f(ctx, network, address)
}

// CanDial is transport.Transport's.
func (t *zoneTransport) CanDial(a ma.Multiaddr) bool {
	if zone := zoneForm(a); linkLocal(zone) && hasZone(zone) {
		return t.TcpTransport.CanDial(zone[1:])
	}
	return t.TcpTransport.CanDial(a)
}

// Dial is transport.Transport's.
func (t *zoneTransport) Dial(ctx context.Context, a ma.Multiaddr, p peer.ID) (transport.CapableConn, error) {
	return t.DialWithUpdates(ctx, a, p, nil)
}

// DialWithUpdates is transport.DialUpdater's.
func (t *zoneTransport) DialWithUpdates(ctx context.Context, a ma.Multiaddr, p peer.ID, updates chan<- transport.DialUpdate) (transport.CapableConn, error) {
	if hasZone(a) {
		updates = nil // they would carry the hidden form of the address
	}
	return t.TcpTransport.DialWithUpdates(ctx, zoneForm(a), p, updates)
}

// dialForms returns addresses as libp2p dials them.
func dialForms(addrs []ma.Multiaddr) (all []ma.Multiaddr) {
	for _, a := range addrs {
		all = append(all, respell(a, "/ip6/", "/dns6/"))
	}
	return all
}

// zoneForm reverses dialForms for one address.
func zoneForm(a ma.Multiaddr) ma.Multiaddr { return respell(a, "/dns6/", "/ip6/") }

func respell(a ma.Multiaddr, from, to string) ma.Multiaddr {
	if !hasZone(a) {
		return a
	}
	b, err := ma.NewMultiaddr(strings.Replace(a.String(), from, to, 1))
	if err != nil {
		return a
	}
	return b
}

func hasZone(a ma.Multiaddr) bool { return len(a) > 0 && a[0].Protocol().Code == ma.P_IP6ZONE }

func linkLocal(a ma.Multiaddr) bool {
	ip, ok := ipOf(a)
	return ok && ip.Is6() && ip.IsLinkLocalUnicast()
}

// zoned returns the link-local ones of addrs, each with every zone of this machine, since
// an address does not show which zone leads to it.
func (l *localNet) zoned(addrs []ma.Multiaddr) []ma.Multiaddr {
	var all []ma.Multiaddr
	for _, a := range addrs {
		if !linkLocal(a) {
			continue
		}
		if hasZone(a) {
			a = a[1:]
		}
		for _, own := range *l.zones.Load() {
			if c, err := ma.NewComponent("ip6zone", own.Zone()); err == nil {
				all = append(all, c.Encapsulate(a))
			}
		}
	}
	return all
}

// withOwnZones returns addresses as this machine dials them. An unknown zone is that of
// another machine, from which the address was copied, or of an interface that was
// renamed. It is replaced by each zone of this machine.
func (l *localNet) withOwnZones(addrs []ma.Multiaddr) []ma.Multiaddr {
	var all []ma.Multiaddr
	for _, a := range addrs {
		forms := l.zoned([]ma.Multiaddr{a})
		if !hasZone(a) || len(forms) == 0 || slices.ContainsFunc(forms, a.Equal) {
			forms = []ma.Multiaddr{a}
		}
		all = append(all, forms...)
	}
	return all
}

// withLinkLocals adds this node's link-local addresses, with their zones, if addrs are
// loopback ones only.
func (s *shared) withLinkLocals(addrs []ma.Multiaddr) []ma.Multiaddr {
	if !onlyLoopback(addrs) {
		return addrs
	}
	var all []ma.Multiaddr
	for _, listens := range s.host.Network().ListenAddresses() {
		on, _ := ipOf(listens)
		for _, own := range *s.near.zones.Load() {
			if on != netip.IPv6Unspecified() && on != own.WithZone("") {
				continue
			}
			a, err := ma.NewMultiaddr("/ip6zone/" + own.Zone() + "/ip6/" + own.WithZone("").String() + listens[1:].String())
			if err == nil && dialable(a) {
				all = append(all, a)
			}
		}
	}
	return append(all, addrs...)
}
