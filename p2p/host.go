package p2p

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
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
	"github.com/libp2p/go-libp2p/core/pnet"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	libp2ptls "github.com/libp2p/go-libp2p/p2p/security/tls"
	libp2pquic "github.com/libp2p/go-libp2p/p2p/transport/quic"

	"foxchain/ledger"
)

// ParsePSK reads the file of a pre-shared key in the common swarm.key format.
func ParsePSK(file []byte) ([]byte, error) {
	if parts := bytes.Fields(file); len(parts) == 3 { // without what editors put around lines
		file = bytes.Join(parts, []byte("\n"))
	}
	psk, err := pnet.DecodeV1PSK(bytes.NewReader(file))
	if err != nil {
		return nil, fmt.Errorf("read the pre-shared key (a file of three lines: /key/swarm/psk/1.0.0/, /base16/, 64 hex digits): %w", err)
	}
	return psk, nil
}

// newHost makes the libp2p host, with TCP and Noise, and QUIC when asked for. All that
// serves the internet is off, such as relays, NAT mapping, hole punching and
// observed addresses.
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
		// A certificate of TLS is valid from an hour before the clock of its maker,
		// by the clock of its reader, and Noise has no times. TLS is for programs
		// that have no Noise.
		libp2p.Security(noise.ID, noise.New),
		libp2p.Security(libp2ptls.ID, libp2ptls.New),
		libp2p.ResourceManager(limits),
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

// timeless returns a template of a certificate that is valid at any time, whatever
// the clocks of both sides show. That each proves its key is all that matters.
func timeless() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{SerialNumber: "1"},
		NotBefore:    time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	}
}

// globalSubnets returns the subnets that this machine is in. Those of IPv6 LANs have
// public addresses. A prefix so short that it is no LAN is left out.
func globalSubnets(near *localNet) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range *near.subnet.Load() {
		if p.Addr().Is4() && p.Bits() >= 16 || p.Addr().Is6() && p.Bits() >= 56 {
			all = append(all, p.Masked())
		}
	}
	return all
}
