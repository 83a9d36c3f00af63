package p2p

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

func TestSortAddrs(t *testing.T) {
	l := newLocalNet(nil)
	l.subnet.Store(&[]netip.Prefix{netip.MustParsePrefix("192.168.1.5/24"), netip.MustParsePrefix("2001:db8::5/64"),
		netip.MustParsePrefix("172.17.0.1/16"), netip.MustParsePrefix("172.18.0.1/16")})
	l.listensOn([]ma.Multiaddr{ma.StringCast("/ip4/0.0.0.0/tcp/9")})
	var crowd []string // more than are kept
	for i := range 20 {
		crowd = append(crowd, fmt.Sprintf("/ip4/192.168.1.%d/tcp/1", 100+i))
	}
	for _, c := range []struct {
		name     string
		sameHost bool
		in, want string
	}{
		{"nearest first", false,
			"/ip4/8.8.8.8/tcp/1 /ip4/10.0.0.1/tcp/1 /dns4/fox/tcp/1 /ip6/2001:db8::9/tcp/1 /ip4/192.168.1.9/tcp/1",
			"/ip4/192.168.1.9/tcp/1 /ip6/2001:db8::9/tcp/1 /dns4/fox/tcp/1 /ip4/10.0.0.1/tcp/1 /ip4/8.8.8.8/tcp/1"},
		{"loopback of another host", false, "/ip4/127.0.0.1/tcp/1 /ip4/192.168.1.9/tcp/1", "/ip4/192.168.1.9/tcp/1"},
		{"loopback of this host", false, "/ip4/192.168.1.5/tcp/1 /ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1 /ip4/192.168.1.5/tcp/1"},
		{"bridges that both machines have", false, "/ip4/172.17.0.1/tcp/1 /ip4/172.18.0.1/tcp/1 /ip4/127.0.0.1/tcp/1 /ip4/192.168.1.9/tcp/1",
			"/ip4/192.168.1.9/tcp/1 /ip4/172.17.0.1/tcp/1 /ip4/172.18.0.1/tcp/1"},
		{"where this node itself listens", true, "/ip4/172.17.0.1/tcp/9 /ip4/127.0.0.1/tcp/9 /ip4/192.168.1.9/tcp/9", "/ip4/192.168.1.9/tcp/9"},
		{"no more than are kept", false, "/ip4/8.8.8.8/tcp/1 " + strings.Join(crowd, " "), strings.Join(crowd[:16], " ")},
		{"link-local, by its zone and TCP", false, "/ip6/fe80::1/tcp/1 /ip6zone/eth0/ip6/fe80::1/tcp/1 /ip6zone/eth0/ip6/fe80::1/udp/1/quic-v1 /ip6zone/eth0/ip6/fd00::1/tcp/1",
			"/ip6zone/eth0/ip6/fe80::1/tcp/1"},
		{"loopback, known to be here", true, "/ip6/::1/tcp/1", "/ip6/::1/tcp/1"},
		{"what cannot be dialed", true, "/ip4/0.0.0.0/tcp/1 /ip4/224.0.0.1/tcp/1 /ip4/10.0.0.1/tcp/0 /ip4/10.0.0.1/tcp/1/ws /ip4/10.0.0.1/udp/1 /ip4/10.0.0.1 /ip4/10.0.0.1/tcp/1/tcp/1/tcp/1/tcp/1 /ip4/10.0.0.1/dns4/fox/tcp/1", ""},
		{"quic, and each once", true, "/ip4/10.0.0.1/udp/1/quic-v1 /ip4/10.0.0.1/udp/1/quic-v1", "/ip4/10.0.0.1/udp/1/quic-v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in []ma.Multiaddr
			for _, a := range strings.Fields(c.in) {
				in = append(in, ma.StringCast(a))
			}
			var got []string
			for _, a := range l.sort(in, c.sameHost) {
				got = append(got, a.String())
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got  %v\nwant %s", got, c.want)
			}
		})
	}
}

// TestOtherZones checks that a link-local address is dialed through each interface of
// this machine where its zone is none of them.
func TestOtherZones(t *testing.T) {
	l := newLocalNet(nil)
	l.zones.Store(&[]netip.Addr{netip.MustParseAddr("fe80::5%eth0"), netip.MustParseAddr("fe80::6%wlan0")})
	for in, want := range map[string]string{
		"/ip6zone/wlan0/ip6/fe80::1/tcp/1": "[/ip6zone/wlan0/ip6/fe80::1/tcp/1]",
		"/ip6zone/lan7/ip6/fe80::1/tcp/1":  "[/ip6zone/eth0/ip6/fe80::1/tcp/1 /ip6zone/wlan0/ip6/fe80::1/tcp/1]",
		"/ip6/fd00::1/tcp/1":               "[/ip6/fd00::1/tcp/1]",
	} {
		if got := fmt.Sprint(l.withOwnZones([]ma.Multiaddr{ma.StringCast(in)})); got != want {
			t.Errorf("%s: %s, not %s", in, got, want)
		}
	}
	l.zones.Store(new([]netip.Addr))
	if a := ma.StringCast("/ip6zone/lan7/ip6/fe80::1/tcp/1"); len(l.withOwnZones([]ma.Multiaddr{a})) != 1 {
		t.Error("without interfaces the address is lost, and with it the reason why it is not reached")
	}
}
