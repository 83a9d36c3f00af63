package p2p

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestMDNS checks that two nodes without any address find each other, in a network
// namespace of their own with one interface that can multicast.
func TestMDNS(t *testing.T) {
	testMDNS(t, [][]string{
		{"link", "set", "lo", "up"},
		{"link", "add", "lan0", "type", "veth", "peer", "name", "lan1"},
		{"link", "set", "lan0", "up", "multicast", "on"},
		{"link", "set", "lan1", "up"},
		{"addr", "add", "192.168.77.1/24", "dev", "lan0"},
	})
}

// TestMDNSOnLoopback does the same on a machine that has no network but itself.
func TestMDNSOnLoopback(t *testing.T) {
	testMDNS(t, [][]string{
		{"link", "set", "lo", "up", "multicast", "on"},
		{"route", "add", "224.0.0.0/4", "dev", "lo"},
	})
}

// testMDNS runs the test that calls it in a namespace set up by commands of ip.
func testMDNS(t *testing.T, setup [][]string) {
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
		return
	}
	for _, args := range setup {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	found := func(c *Config) { c.MDNS, c.Listen = true, []string{"/ip4/0.0.0.0/tcp/0"} }
	a, b := realNode(t, 0, found), realNode(t, 1, found)
	for _, n := range []*Node{a, b} {
		await(t, n, 10*time.Second, "found and connected", func() bool {
			return len(n.Peers()) == 1 && n.Peers()[0].Connected
		})
	}
}
