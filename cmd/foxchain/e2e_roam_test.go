package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTwoClasses checks that two networks on one LAN never mix.
func TestTwoClasses(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		var ours, theirs []*client
		for range 2 {
			ours = append(ours, startNode(t, l.addHost("lan"), t.TempDir()).connect())
			theirs = append(theirs, startNode(t, l.addHost("lan"), t.TempDir(), "--network", "class-3b").connect())
		}
		awaitAll(t, ours)
		awaitAll(t, theirs)
		for i := range 4 {
			ours[i%2].merge(issue(i+1, 1))
		}
		theirs[0].merge(issue(1, 7)) // the same id in another network is another transaction
		eventually(t, "ours agree", func() error { return agreed(numberedTo(4), ours...) })
		eventually(t, "theirs agree", func() error { return agreed(numberedTo(1), theirs...) })
		awaitAll(t, ours)
		awaitAll(t, theirs)
	})
}

// TestRoaming starts a machine without a cable, plugs it in, and later gives it another
// address, as a laptop gets that is carried about. It finds the others each time. The
// other machine has its adapter replaced by one that looks the same.
func TestRoaming(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		first := l.addHost("lan")
		stays := startNode(t, first, t.TempDir()).connect()
		l.replaceAdapter(first, "lan")
		h := l.addHost("lan")
		l.sh("ip -n %s link set eth0 down", h.netns)
		moves := startNode(t, h, t.TempDir()).connect()
		moves.merge(issue(1, 1))

		l.sh("ip -n %s link set eth0 up", h.netns)
		eventually(t, "plugged in, it is found", func() error { return agreed(numberedTo(1), stays, moves) })

		l.sh("ip -n %s addr del 10.77.0.2/24 dev eth0", h.netns)
		l.sh("ip -n %s addr add 10.77.0.77/24 dev eth0", h.netns)
		stays.merge(issue(2, 1))
		moves.merge(issue(3, 1))
		eventually(t, "under another address it is found again", func() error { return agreed(numberedTo(3), stays, moves) })
	})
}

// replaceAdapter gives a machine another network interface with the same name and
// addresses, as a USB adapter that is pulled out and put back.
func (l *lab) replaceAdapter(h *host, bridge string) {
	l.t.Helper()
	out, err := exec.Command("ip", "netns", "exec", h.netns, "cat", "/sys/class/net/eth0/address").Output()
	if err != nil {
		l.t.Fatal(err)
	}
	l.sh("ip -n %s link del eth0", h.netns)
	l.sh("ip link add %s type veth peer name eth0 address %s netns %s", h.port, strings.TrimSpace(string(out)), h.netns)
	l.configure(h, bridge)
}
