package p2p

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"
)

// TestManyBehindOneAddress checks that a class behind one address gets in, and that
// nodes of the internet do not come in masses.
func TestManyBehindOneAddress(t *testing.T) {
	campus := netip.MustParsePrefix("2001:db8:1:2::/64")
	for _, c := range []struct {
		addr string
		many bool
	}{
		{"/ip4/127.0.0.1/tcp/%d", true},
		{"/ip4/10.1.2.3/tcp/%d", true},
		{"/ip4/172.20.0.1/tcp/%d", true},
		{"/ip4/192.168.1.1/tcp/%d", true},
		{"/ip4/169.254.3.4/tcp/%d", true},
		{"/ip6/::1/tcp/%d", true},
		{"/ip6/fd00::2/tcp/%d", true},
		{"/ip6/fe80::1/tcp/%d", true},
		{"/ip6/2001:db8:1:2::7/tcp/%d", true}, // a range that was given
		{"/ip6/2001:db8:9:9::7/tcp/%d", false},
		{"/ip4/198.51.100.7/tcp/%d", false},
	} {
		limits, err := newResourceManager([]netip.Prefix{campus})
		if err != nil {
			t.Fatal(err)
		}
		let := 0
		for i := range 50 {
			scope, err := limits.OpenConnection(network.DirInbound, true, ma.StringCast(fmt.Sprintf(c.addr, 10000+i)))
			if err == nil {
				let++
				defer scope.Done()
			}
		}
		if c.many && let != 50 || !c.many && let != 8 {
			t.Errorf("%s: %d of 50 connections were let in", c.addr, let)
		}
		if err := limits.Close(); err != nil {
			t.Error(err)
		}
	}
}
