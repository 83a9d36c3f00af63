package p2p

import (
	"math"
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/x/rate"

	"foxchain/ledger/store"
)

// localRanges are the addresses of loopback and of local networks (RFC 1918,
// 3927, 4193, 4291). Loopback is here because the lists that the resource
// manager is given replace the ones that exempt it.
var localRanges = []netip.Prefix{
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("::1/128"),
	netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("fe80::/10"),
}

// Of the whole node, and more on machines with more memory.
const (
	leastConns = 512
	// leastHandshakes has room for all inbound tries that the connGater lets wait,
	// and for those that it has just closed.
	leastHandshakes = 2 * maxTries
)

// newResourceManager bounds what peers may take of this node. By default 8 connections
// are let in from one address, or from one IPv6 /56, which is a whole LAN. That would
// refuse a class behind one address. So local ranges have no bound by address. The bounds
// by peer and of the whole node hold for all. Handshakes cannot use them up, see connGater.
func newResourceManager(ranges []netip.Prefix) (network.ResourceManager, error) {
	limits := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&limits)
	for _, base := range []struct {
		limit *rcmgr.BaseLimit
		least int
	}{{&limits.SystemBaseLimit, leastConns + leastHandshakes}, {&limits.TransientBaseLimit, leastHandshakes}} {
		base.limit.ConnsInbound, base.limit.Conns, base.limit.FD = base.least, 2*base.least, 2*base.least
	}
	var v4, v6 []rcmgr.NetworkPrefixLimit
	for _, p := range slices.Concat(localRanges, ranges) {
		limit := rcmgr.NetworkPrefixLimit{Network: p, ConnCount: math.MaxInt}
		if p.Addr().Is4() {
			v4 = append(v4, limit)
		} else {
			v6 = append(v6, limit)
		}
	}
	concrete := limits.AutoScale()
	all := concrete.ToPartialLimitConfig()
	sockets := rcmgr.LimitVal(store.Sockets())
	all.System.FD, all.Transient.FD = min(all.System.FD, sockets), min(all.Transient.FD, sockets)
	return rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(all.Build(concrete)),
		rcmgr.WithNetworkPrefixLimit(v4, v6),
		rcmgr.WithConnRateLimiters(new(rate.Limiter))) // no limit, since a class comes at once
}
