package p2p

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/net/ipv4"
)

// TestMDNS checks that two nodes without any address find each other, in a network
// namespace of their own with one interface that can multicast.
func TestMDNS(t *testing.T) {
	testMDNS(t, "/ip4/0.0.0.0/tcp/0", [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "lan0", "type", "veth", "peer", "name", "lan1"},
		{"link", "set", "lan0", "up", "multicast", "on"},
		{"link", "set", "lan1", "up"},
		{"addr", "add", "192.168.77.1/24", "dev", "lan0"},
	})
}

// TestMDNSOnLoopback does the same on a machine that has no network but itself.
func TestMDNSOnLoopback(t *testing.T) {
	testMDNS(t, "/ip4/0.0.0.0/tcp/0", [][]string{{"link", "set", "lo", "up"}})
}

// TestMDNSLoopbackOnly checks that two nodes that listen only on loopback find each other
// on a machine with a LAN, and announce no loopback address on the LAN.
func TestMDNSLoopbackOnly(t *testing.T) {
	testMDNS(t, "/ip4/127.0.0.1/tcp/0", [][]string{
		{"link", "set", "lo", "up", "multicast", "on"},
		{"link", "add", "lan0", "type", "veth", "peer", "name", "lan1"},
		{"link", "set", "lan0", "up", "multicast", "on"},
		{"link", "set", "lan1", "up"},
		{"addr", "add", "192.168.77.1/24", "dev", "lan0"},
	})
}

// TestMDNSLinkLocal checks that two nodes that have only link-local addresses find each
// other, and that such an address can be registered.
func TestMDNSLinkLocal(t *testing.T) {
	nodes := testMDNS(t, "/ip6/::/tcp/0", [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "lan0", "type", "veth", "peer", "name", "lan1"},
		{"addr", "add", "fe80::7/64", "dev", "lan0", "nodad"},
		{"link", "set", "lan0", "up", "multicast", "on"},
		{"link", "set", "lan1", "up"},
	})
	if nodes == nil {
		return
	}
	c := realNode(t, 2, func(c *Config) { c.Listen = []string{"/ip6/::/tcp/0"} })
	var given string
	for _, a := range nodes[0].Addrs() {
		if linkLocal(ma.StringCast(a)) {
			given = a
		}
	}
	if err := c.Register([]string{given}); err != nil {
		t.Fatal(err)
	}
	await(t, c, time.Minute, "connected by a registered link-local address", func() bool {
		peers := c.Nodes()
		return len(peers) > 0 && peers[0].Connected
	})
}

// testMDNS runs the test that calls it in a namespace set up by commands of ip. Two nodes
// must find each other there. It returns them, or nil outside the namespace.
func testMDNS(t *testing.T, listen string, setup [][]string) []*Node {
	const inside = "FOXCHAIN_TEST_IN_NAMESPACE"
	if os.Getenv(inside) == "" {
		if os.Getuid() != 0 {
			if os.Getenv("CI") == "true" {
				t.Fatal("a network namespace needs root")
			}
			t.Skip("a network namespace needs root")
		}
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		if t.Logf("in the namespace:\n%s", out); err != nil {
			t.Fatal(err)
		}
		return nil
	}
	for _, args := range setup {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	noLoopbackOnLAN(t)
	found := func(c *Config) { c.MDNS, c.Listen = true, []string{listen} }
	nodes := []*Node{realNode(t, 0, found), realNode(t, 1, found)}
	for _, n := range nodes {
		await(t, n, time.Minute, "found and connected", func() bool {
			return len(n.Nodes()) == 1 && n.Nodes()[0].Connected
		})
	}
	return nodes
}

// noLoopbackOnLAN reads what is sent by mDNS on the interface lan0, if there is one,
// until the test ends. What is sent must contain no loopback address.
func noLoopbackOnLAN(t *testing.T) {
	lan, err := net.InterfaceByName("lan0")
	if err != nil {
		return
	}
	c, err := net.ListenMulticastUDP("udp4", lan, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
	if err != nil {
		t.Fatal(err)
	}
	packets := ipv4.NewPacketConn(c)
	if err := packets.SetControlMessage(ipv4.FlagInterface, true); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 64<<10); ; {
			n, at, _, err := packets.ReadFrom(b)
			if err != nil {
				return
			}
			if at.IfIndex == lan.Index && (bytes.Contains(b[:n], []byte("/ip4/127.")) || bytes.Contains(b[:n], []byte("/ip6/::1/"))) {
				t.Errorf("announced on the LAN: %q", b[:n])
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
}
