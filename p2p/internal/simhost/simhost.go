package simhost

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"testing"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/metrics"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
)

// subnet is how many hosts have the same third byte of their address.
const subnet = 250

// IP returns the address of host i.
func IP(i int) string { return fmt.Sprintf("10.0.%d.%d", i/subnet, i%subnet+1) }

// Number returns the number of the host at an address that IP returned.
func Number(a net.Addr) int {
	ip := a.(*net.UDPAddr).IP.To4()
	return int(ip[2])*subnet + int(ip[3]) - 1
}

// New makes host i on a wire of so many bits a second. Its traffic is reported
// to traffic.
func New(tb testing.TB, wire *simnet.Simnet, i int, key ed25519.PrivateKey, bits int, traffic metrics.Reporter) host.Host {
	tb.Helper()
	id, err := crypto.UnmarshalEd25519PrivateKey(key)
	if err != nil {
		tb.Fatal(err)
	}
	link := simnet.LinkSettings{BitsPerSecond: bits}
	h, err := libp2p.New(
		libp2p.Identity(id),
		libp2p.ListenAddrStrings("/ip4/"+IP(i)+"/udp/8000/quic-v1"),
		simlibp2p.QUICSimnet(wire, simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link}),
		libp2p.DisableIdentifyAddressDiscovery(),
		libp2p.DisableMetrics(),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.BandwidthReporter(traffic),
	)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}
