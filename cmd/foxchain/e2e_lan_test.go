package main_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// TestNoConfiguration starts nodes on machines of a LAN with nothing but `foxchain node`.
// They find each other and hold the same chain, also one that joins late and one that comes
// back after a power cut.
func TestNoConfiguration(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		var clients []*client
		for range 4 {
			clients = append(clients, startNode(t, l.addHost("lan"), t.TempDir()).connect())
		}
		awaitAll(t, clients)
		for i, c := range clients { // any node takes a transaction
			c.merge(issue(i+1, 1000*(i+1)))
		}
		eventually(t, "four transactions are in the same block on all", func() error { return errors.Join(agreed(numberedTo(4), clients...), inBlocks(4, clients)) })

		late := startNode(t, l.addHost("lan"), t.TempDir()).connect()
		clients = append(clients, late)
		eventually(t, "a fifth has caught up", func() error { return agreed(numberedTo(4), clients...) })
		awaitAll(t, clients)

		dead := clients[1].n
		dead.kill()
		others := []*client{clients[0], clients[2], late}
		for i := range 5 {
			others[i%3].merge(issue(5+i, 1))
		}
		eventually(t, "the others build without the dead one", func() error { return inBlocks(8, others) })
		clients[1] = dead.again().connect()
		eventually(t, "the dead one is back and agrees", func() error { return agreed(numberedTo(9), clients...) })
		awaitAll(t, clients)
		for _, c := range clients { // an impatient user sends to every node
			c.merge(issue(10, 1))
		}
		eventually(t, "it hears and is heard again", func() error { return agreed(numberedTo(10), clients...) })
	})
}

// TestOnlyIPv6 runs a LAN whose machines have nothing but IPv6 link-local addresses. Two
// find each other. A third, without discovery, takes an address of the first with a zone of
// another machine, which is none of its own.
func TestOnlyIPv6(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		var clients []*client
		for i := range 3 {
			h := l.addHost("lan")
			l.sh("ip -n %s addr del %s/24 dev eth0", h.netns, h.addr)
			var args []string
			if i == 2 {
				args = []string{"--mdns=false", "--peer", strings.Replace(clients[0].n.peerAddr(), "eth0", "wlan7", 1)}
			}
			clients = append(clients, startNode(t, h, t.TempDir(), args...).connect())
		}
		for i, c := range clients {
			c.merge(issue(i+1, 1))
		}
		eventually(t, "all agree", func() error { return agreed(numberedTo(3), clients...) })
	})
}

// TestOneMachine starts nodes on one machine with only -p different, in one
// directory.
func TestOneMachine(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		h, dir := l.addHost("lan"), t.TempDir()
		var clients []*client
		for i := range 3 {
			clients = append(clients, startNode(t, h, dir, "-p", strconv.Itoa(9000+i)).connect())
		}
		awaitAll(t, clients)
		for _, c := range clients { // each is registered by the URL that its users have
			for _, url := range c.peers() {
				if url != clients[0].n.url() && url != clients[1].n.url() && url != clients[2].n.url() {
					t.Errorf("%s lists a peer of its own machine as %s", c.n.name, url)
				}
			}
		}
		for i := range 4 {
			clients[i%3].merge(issue(i+1, 7))
		}
		eventually(t, "all have the same block", func() error { return errors.Join(agreed(numberedTo(4), clients...), inBlocks(4, clients)) })
	})
}

// awaitAll waits until each node lists itself and all others as its peers.
func awaitAll(t *testing.T, clients []*client) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d nodes found each other", len(clients)), func() error {
		for _, c := range clients {
			if peers := c.peers(); len(peers) != len(clients) {
				return fmt.Errorf("%s has the peers %v, not %d", c.n.name, peers, len(clients))
			}
		}
		return nil
	})
}

// inBlocks returns nil when each chain holds n transactions at least.
func inBlocks(n int, clients []*client) error {
	for _, c := range clients {
		if got := len(chained(c.blocks())); got < n {
			return fmt.Errorf("%s has %d transactions in blocks, not %d", c.n.name, got, n)
		}
	}
	return nil
}
