package p2p

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"go.uber.org/goleak"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
)

// realNode runs a node on a real socket of 127.0.0.1.
func realNode(t *testing.T, i int, change func(*Config)) *Node {
	t.Helper()
	chain := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "loopback", Bits: 1})})
	cfg := Config{
		Chain: chain, Key: ledgertest.Key(i), Name: "real", Version: "1.0",
		Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n
}

// await waits for a change after which cond holds.
func await(t *testing.T, n *Node, within time.Duration, what string, cond func() bool) {
	t.Helper()
	timeout := time.After(within)
	for {
		changed := n.Changed()
		if cond() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("not within %s: %s: %+v", within, what, n.Nodes())
		}
	}
}

// TestRealSockets connects two nodes over TCP and Noise, and over QUIC, on loopback,
// and checks that all their goroutines end with Run.
func TestRealSockets(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("nodes", func(t *testing.T) {
		for name, quic := range map[string]bool{"tcp": false, "quic": true} {
			t.Run(name, func(t *testing.T) {
				transport := func(c *Config) {
					c.WS = WSInfo{Port: 9000, Loopback: true}
					if c.QUIC = quic; quic {
						c.Listen = []string{"/ip4/127.0.0.1/udp/0/quic-v1"}
					}
				}
				a := realNode(t, 0, transport)
				b := realNode(t, 1, func(c *Config) { transport(c); c.Peers = a.Addrs() })
				for _, n := range []*Node{a, b} {
					await(t, n, 20*time.Second, "connected", func() bool {
						p := n.Nodes()
						return len(p) == 1 && p[0].Connected && p[0].WS == "ws://localhost:9000/ws" && p[0].Version == "1.0"
					})
				}
				await(t, a, 20*time.Second, "the other's status has come", func() bool { return a.Nodes()[0].Seen != 0 })
			})
		}
	})
	// LevelDB drains its buffer pool for a second after Close, and libp2p's goroutines end after
	// that of the host.
	drain, began := goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"), time.Now()
	for err := goleak.Find(before, drain); err != nil; err = goleak.Find(before, drain) {
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
	}
}

func psk(t *testing.T, digit string) []byte {
	t.Helper()
	key, err := ParsePSK([]byte("/key/swarm/psk/1.0.0/\n/base16/\n" + strings.Repeat(digit, 64) + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPSK checks that nodes with one key connect. With another key, or none on one side,
// they do not, and both sides show what may be wrong.
func TestPSK(t *testing.T) {
	if want, _ := hex.DecodeString(strings.Repeat("a", 64)); !bytes.Equal(psk(t, "a"), want) {
		t.Fatal("ParsePSK")
	}
	a := realNode(t, 0, func(c *Config) { c.PSK = psk(t, "a") })
	same := realNode(t, 1, func(c *Config) { c.PSK, c.Peers = psk(t, "a"), a.Addrs() })
	other := realNode(t, 2, func(c *Config) { c.PSK, c.Peers = psk(t, "b"), a.Addrs() })
	none := realNode(t, 3, func(c *Config) { c.Peers = a.Addrs() })
	await(t, same, 20*time.Second, "connected with the same key", func() bool {
		return len(same.Nodes()) > 0 && same.Nodes()[0].Connected
	})
	for name, n := range map[string]*Node{"another key": other, "no key": none} {
		// Without a key, half of the tries end before what comes looks like one.
		await(t, n, 2*time.Minute, name+": the dialer shows why", func() bool {
			p := n.Nodes()
			return len(p) > 0 && !p[0].Connected && strings.Contains(p[0].Reason, "--psk")
		})
	}
	await(t, a, 30*time.Second, "the other side shows why", func() bool {
		for _, p := range a.Nodes() {
			if p.State == FailedHandshake && strings.Contains(p.Reason, "--psk") {
				return true
			}
		}
		return false
	})
}

// TestIdleConnections checks that a client that connects hundreds of times and
// sends nothing keeps no node out.
func TestIdleConnections(t *testing.T) {
	a := realNode(t, 0, nil)
	_, port, _ := strings.Cut(a.host.Addrs()[0].String(), "/tcp/")
	for range 3 * maxTries {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	b := realNode(t, 1, func(c *Config) { c.Peers = a.Addrs() })
	await(t, b, handshakeTime/2, "connected", func() bool { return b.Nodes()[0].Connected })
	a.gater.mu.Lock()
	defer a.gater.mu.Unlock()
	if len(a.gater.tries) > maxTries {
		t.Errorf("%d handshakes wait, over the bound of %d", len(a.gater.tries), maxTries)
	}
}

// TestRoomForOthers checks that the address with the most places gives one up.
func TestRoomForOthers(t *testing.T) {
	g := newConnGater(func(peer.ID) bool { return false }, func(ma.Multiaddr) bool { return false }, new(counters))
	for i := range maxTries {
		g.InterceptAccept(fromAddr(fmt.Sprintf("/ip4/10.0.0.%d/tcp/%d", min(i, 2), 1000+i)))
	}
	for i := range 10 {
		g.InterceptAccept(fromAddr(fmt.Sprintf("/ip4/10.0.1.%d/tcp/1", i)))
	}
	count := make(map[string]int)
	for _, t := range g.tries {
		count[t.ip.String()]++
	}
	if count["10.0.0.0"] != 1 || count["10.0.0.1"] != 1 || count["10.0.0.2"] != maxTries-12 || len(count) != 13 {
		t.Errorf("they wait: %v", count)
	}
}

// TestFailuresTogether checks that handshakes of an address that fail together count as
// one, since they have one cause, such as a pulled cable. Only one that began later makes
// the address a stranger.
func TestFailuresTogether(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		g := newConnGater(nil, nil, new(counters))
		fail := func(want int, ports ...int) {
			t.Helper()
			for _, port := range ports {
				g.InterceptAccept(fromAddr(fmt.Sprint("/ip4/10.0.0.1/tcp/", port)))
				time.Sleep(time.Second)
			}
			for range ports {
				time.Sleep(handshakeTime - time.Second)
				g.sweep(time.Now())
			}
			if all := g.failedHandshakes(); len(all) != want {
				t.Errorf("ports %v: strangers are %v", ports, all)
			}
		}
		fail(0, 1, 2, 3)
		fail(1, 4)
	})
}

// A fromAddr is a connection from an address.
type fromAddr string

func (a fromAddr) RemoteMultiaddr() ma.Multiaddr { return ma.StringCast(string(a)) }
func (a fromAddr) LocalMultiaddr() ma.Multiaddr  { return ma.StringCast("/ip4/10.9.9.9/tcp/19000") }

// TestPortTaken checks that for a port in use, by another node or another program, New
// returns an error that names the port and what to do.
func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	chain := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "loopback"})})
	for _, addr := range []string{"/ip4/127.0.0.1/tcp/" + port, realNode(t, 1, nil).host.Addrs()[0].String()} {
		_, err := New(Config{Chain: chain, Key: ledgertest.Key(0), Listen: []string{addr}})
		if err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("New: %v", err)
		}
	}
}

// TestProvenAddress checks that announced addresses do not push out the one by which a
// node was reached.
func TestProvenAddress(t *testing.T) {
	old, n := realNode(t, 1, nil), realNode(t, 0, nil)
	if err := n.Register([]string{old.Addrs()[0]}); err != nil {
		t.Fatal(err)
	}
	await(t, n, time.Minute, "connected", func() bool { return len(n.Nodes()) == 1 && n.Nodes()[0].Connected })
	var told []ma.Multiaddr
	for i := range 2 * maxAddrs {
		told = append(told, ma.StringCast(fmt.Sprintf("/ip4/127.0.1.%d/tcp/1", i+1)))
	}
	n.table.discovered(old.host.ID(), told, true)
	if addrs := n.Nodes()[0].Addrs; len(addrs) != maxAddrs || addrs[0] != old.Addrs()[0] {
		t.Errorf("kept %v, want %s first", addrs, old.Addrs()[0])
	}
}
