package p2p

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/connmgr"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/pnet"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/x/rate"

	"foxchain/ledger"
	"foxchain/ledger/store"
)

// ParsePSK reads the file of a pre-shared key in the common swarm.key format.
func ParsePSK(file []byte) ([]byte, error) {
	if parts := bytes.Fields(file); len(parts) == 3 { // without the space that editors put around lines
		file = bytes.Join(parts, []byte("\n"))
	}
	psk, err := pnet.DecodeV1PSK(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read the pre-shared key (a file of three lines: /key/swarm/psk/1.0.0/, /base16/, 64 hex digits): %w", err)
	}
	return psk, nil
}

// newHost makes the libp2p host, with TCP and Noise, and QUIC if configured. What serves
// the internet is off: relays, NAT mapping, hole punching and observed addresses.
func newHost(cfg *Config, net ledger.Hash, near *localNet, gater connmgr.ConnectionGater, traffic metrics.Reporter) (host.Host, error) {
	key, err := crypto.UnmarshalEd25519PrivateKey(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("the node's key: %w", err)
	}
	limits, err := newResourceManager(slices.Concat(cfg.Ranges, globalSubnets(near)))
	if err != nil {
		return nil, fmt.Errorf("set the limits of the network: %w", err)
	}
	opts := []libp2p.Option{
		libp2p.Identity(key),
		libp2p.ListenAddrStrings(cfg.Listen...),
		libp2p.Transport(zoneTransportWith(cfg.Dial)),
		// Noise has no times. A TLS certificate is valid from an hour before its maker's
		// clock, so a reader whose clock is further behind refuses it. TLS is for
		// programs without Noise.
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(connmgr.NullConnMgr{}), // sessions close what is no peer
		libp2p.ConnectionGater(gater),
		libp2p.SwarmOpts(swarm.WithDialRanker(near.rank)),
		libp2p.UserAgent("foxchain/" + cfg.Version),
		libp2p.ProtocolVersion("foxchain/" + net.Short()),
		libp2p.DisableRelay(),
		libp2p.ForceReachabilityPrivate(),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
	}
	if traffic != nil {
		opts = append(opts, libp2p.BandwidthReporter(traffic))
	}
	if len(cfg.Listen) == 0 {
		opts = append(opts, libp2p.NoListenAddrs)
	}
	if cfg.QUIC {
		opts = append(opts, libp2p.Transport(libp2pquic.NewTransport, libp2pquic.WithTLSIdentityOption(libp2ptls.WithCertTemplate(timeless()))))
	}
	if cfg.PSK != nil {
		opts = append(opts, libp2p.PrivateNetwork(cfg.PSK))
	}
	h, err := libp2p.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for other nodes on %s: %s. Choose other addresses or another port with --listen, such as /ip4/0.0.0.0/tcp/0 for any free one (%w)",
			strings.Join(cfg.Listen, ", "), listenWords(err), err)
	}
	return h, nil
}

// listenWords returns, in words for people, why no address could be listened on. Libp2p
// joins the errors of all addresses to one text.
func listenWords(err error) string {
	for _, c := range []struct {
		cause syscall.Errno
		words string
	}{
		{syscall.EADDRINUSE, "another program, maybe another node, uses the port"},
		{syscall.EADDRNOTAVAIL, "this machine does not have the address"},
		{syscall.EACCES, "the system does not allow it; ports below 1024 are kept for its services"},
	} {
		if errors.Is(err, c.cause) || strings.Contains(err.Error(), c.cause.Error()) {
			return c.words
		}
	}
	return "it is no address to listen on, or the system does not allow it"
}

// timeless returns a template of a certificate that is valid at any time, whatever the
// two clocks show. A certificate only has to prove its key.
func timeless() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{SerialNumber: "1"},
		NotBefore:    time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
}

// globalSubnets returns the subnets that this machine is in, since IPv6 LANs have public
// addresses. A prefix too short for a LAN is left out.
func globalSubnets(near *localNet) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range *near.subnet.Load() {
		if p.Addr().Is4() && p.Bits() >= 16 || p.Addr().Is6() && p.Bits() >= 56 {
			all = append(all, p.Masked())
		}
	}
	return all
}

// localRanges are the addresses of loopback and of local networks (RFC 1918, 3927, 4193,
// 4291). Loopback is among them because they replace the resource manager's own lists,
// which exempt it.
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

// Limits of the whole node, higher on machines with more memory.
const (
	leastConns = 512
	// leastHandshakes has room for all inbound tries that the connGater admits, and for
	// those that it has just closed.
	leastHandshakes = 2 * maxTries
)

// newResourceManager bounds what peers may use of this node. Libp2p's default admits 8
// connections from one address, or from one IPv6 /56, which is a whole LAN. That would
// refuse a class behind one address, so local ranges have no bound by address. The bounds
// for a peer and for the whole node hold for all. Handshakes cannot exhaust them, see
// connGater.
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
