package main_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// insideEnv is set in the test binary that runs inside its namespaces.
const insideEnv = "E2E_INSIDE"

// A lab is the machines of one test.
//
// inLab runs this test once more, in a process inside network, mount and PID
// namespaces of its own, as root there. Bridges join the hosts that addHost
// makes, each a network namespace with one address. When the process ends, the
// kernel ends all nodes and takes the network away.
type lab struct {
	t    testing.TB
	here *host // the lab's own machine, with loopback only
	n    int   // hosts made
}

// inLab runs f with a lab. The outer process only starts the inner one and
// passes on its output and result.
func inLab(t *testing.T, f func(*testing.T, *lab)) {
	t.Helper()
	endToEnd(t)
	if os.Getenv(insideEnv) != "" {
		f(t, newLab(t))
		return
	}
	if why := noNamespaces(); why != "" {
		unable(t, "%s", why)
	}
	rerunInside(t)
}

// onLoopback runs f with a machine whose ports 9000 and up are free. Where there can be no
// lab, f gets this machine with other ports.
func onLoopback(t *testing.T, f func(*testing.T, *host)) {
	t.Helper()
	endToEnd(t)
	switch {
	case os.Getenv(insideEnv) != "":
		f(t, newLab(t).here)
	case noNamespaces() == "":
		rerunInside(t)
	case os.Getenv("CI") == "true":
		unable(t, "%s", noNamespaces())
	default:
		f(t, &host{base: freePorts(t)})
	}
}

func endToEnd(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("end to end: not with -short")
	}
}

// waits marks a test that mostly waits or compiles. It runs beside others, where each has a
// network of its own.
func waits(t *testing.T) {
	t.Helper()
	endToEnd(t)
	if noNamespaces() == "" {
		t.Parallel()
	}
}

// noNamespaces returns why this machine cannot make namespaces, or nothing.
var noNamespaces = sync.OnceValue(func() string {
	if runtime.GOOS != "linux" {
		return "network namespaces need Linux"
	}
	if os.Geteuid() != 0 {
		return "network namespaces need root"
	}
	for _, tool := range []string{"unshare", "nsenter", "ip", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "network namespaces need the program " + tool
		}
	}
	if out, err := exec.Command("unshare", append(unshareArgs, "true")...).CombinedOutput(); err != nil {
		return fmt.Sprintf("unshare: %v: %s", err, out)
	}
	return ""
})

// With a PID namespace nothing that a test starts can outlive it.
var unshareArgs = []string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"}

func rerunInside(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, limit := t.Context(), 10*time.Minute
	if deadline, ok := t.Deadline(); ok {
		limit = time.Until(deadline) - 15*time.Second // so that the inner one reports what hung
	}
	args := append(unshareArgs[:len(unshareArgs):len(unshareArgs)], self,
		"-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout="+limit.String())
	cmd := exec.CommandContext(ctx, "unshare", args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1", binaryEnv+"="+binary(t))
	out, err := cmd.CombinedOutput()
	t.Logf("inside its namespaces:\n%s", out)
	if err != nil {
		t.Fatalf("inside its namespaces: %v", err)
	}
	// It is no success if the kernel could not start it, or if -test.run met nothing.
	if !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatal("the test did not run inside its namespaces")
	}
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, here: &host{base: 9000}}
	l.sh("mount -t tmpfs tmpfs /run") // ip keeps the names of namespaces there
	l.sh("ip link set lo up")
	// Otherwise an address comes seconds after its link, and a browser that loads a page
	// meanwhile gives up (ERR_NETWORK_CHANGED).
	for _, on := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+on+"/accept_dad", []byte("0"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // a kernel without IPv6
			t.Fatal(err)
		}
	}
	return l
}

// sh runs one command without quoting and fails the test when it fails.
func (l *lab) sh(format string, args ...any) {
	l.t.Helper()
	words := strings.Fields(fmt.Sprintf(format, args...))
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

// addBridge makes a wire that hosts can be plugged into. It floods multicast as a plain
// switch does. With snooping, and without a querier, a bridge forgets the members of a
// group after minutes.
func (l *lab) addBridge(name string) {
	l.t.Helper()
	l.sh("ip link add %s type bridge mcast_snooping 0", name)
	// Otherwise a bridge has the least address of its ports, and takes another when that
	// port is unplugged. A browser on the bridge is then not reached for long.
	l.sh("ip link set %s address 02:00:00:%02x:00:01", name, len(name))
	l.sh("ip link set %s up", name)
}

// addHost makes a machine with the next address of 10.77.0.0/24, plugged into the bridge.
// Its gateway does not answer, as on a LAN without internet.
func (l *lab) addHost(bridge string) *host {
	l.t.Helper()
	l.n++
	h := &host{
		netns: fmt.Sprintf("host%d", l.n),
		addr:  fmt.Sprintf("10.77.0.%d", l.n),
		port:  fmt.Sprintf("port%d", l.n),
		base:  9000,
	}
	l.sh("ip netns add %s", h.netns)
	l.sh("ip link add %s type veth peer name eth0 netns %s", h.port, h.netns)
	l.sh("ip -n %s link set lo up", h.netns)
	l.configure(h, bridge)
	return h
}

// configure gives a host's interface its address and gateway, and plugs it in.
func (l *lab) configure(h *host, bridge string) {
	l.t.Helper()
	l.sh("ip -n %s addr add %s/24 dev eth0", h.netns, h.addr)
	l.sh("ip -n %s link set eth0 up", h.netns)
	l.sh("ip -n %s route add default via 10.77.0.254", h.netns)
	l.plug(h, bridge)
	l.sh("ip link set %s up", h.port)
}

// plug moves a host's cable to a bridge. The host's own end does not notice, as
// behind a switch.
func (l *lab) plug(h *host, bridge string) {
	l.t.Helper()
	l.sh("ip link set %s master %s", h.port, bridge)
}

// A host is a machine of the lab, or this one.
type host struct {
	netns string // empty where the test itself runs
	addr  string // its address, or empty with loopback only
	port  string // the bridge's end of its cable
	base  int    // the first of its free ports
	clock string // a file with the seconds that its clock is ahead, or empty; see shiftedBinary
}

func netnsPath(name string) string { return "/run/netns/" + name }

// command makes a command of the program that runs on the host.
func (h *host) command(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	program := binary(t)
	if h.clock != "" {
		program = shiftedBinary(t)
	}
	if h.netns == "" {
		return exec.CommandContext(ctx, program, args...)
	}
	enter := []string{"--net=" + netnsPath(h.netns), "--", program}
	cmd := exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
	if h.clock != "" {
		cmd.Env = append(os.Environ(), "CLOCK_SHIFT="+h.clock)
	}
	return cmd
}

// dial connects from the host itself, as a program that runs there.
func (h *host) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if h.netns == "" {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return dialIn(ctx, h.netns, network, strings.Replace(addr, "localhost", "127.0.0.1", 1))
}

// freePorts returns the first of eight free ports in a row for clients. Those 10000 above,
// for nodes, are free too.
func freePorts(t testing.TB) int {
	t.Helper()
	for base := 9000; base < 9900; base += 20 {
		if allFree(base, 8) && allFree(base+10000, 8) {
			return base
		}
	}
	t.Fatal("no free ports from 9000 to 9900")
	return 0
}

func allFree(base, n int) bool {
	for port := base; port < base+n; port++ {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			conn, err := net.Dial("tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
			if err == nil {
				conn.Close()
				return false
			}
		}
	}
	return true
}
