package p2p

import (
	"context"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// A madeUp is a peer table of its own in a running node, filled with made-up nodes.
type madeUp struct {
	*peerTable
	t *testing.T
}

func inMadeUp(t *testing.T, f func(t *testing.T, m *madeUp)) {
	inLab(t, func(t *testing.T, l *lab) {
		m := &madeUp{&peerTable{shared: l.start(0, nil).shared, known: make(map[peer.ID]*knownPeer), former: make(map[peer.ID]former)}, t}
		f(t, m)
	})
}

func (m *madeUp) id(n int) peer.ID {
	id, err := peerOf(ledger.PublicKey(sha256.Sum256([]byte{byte(n), byte(n >> 8)})))
	if err != nil {
		m.t.Fatal(err)
	}
	return id
}

// add puts node n into the table, at an address, to be dialed now.
func (m *madeUp) add(n int, ip string) *knownPeer {
	e := m.peerTable.add(m.id(n))
	e.setAddrs([]ma.Multiaddr{ma.StringCast("/ip4/" + ip + "/tcp/1")})
	e.next = m.started
	return e
}

// dials returns how many dials a round starts.
func (m *madeUp) dials() (n int) {
	m.dialDue(time.Now().Add(time.Minute), func(func(context.Context) error) { n++ })
	return n
}

// TestAttackInbound checks that inbound nodes, however many, do not keep this one from
// dialing, and that it keeps places among those it dials for nodes it was connected with
// before.
func TestAttackInbound(t *testing.T) {
	inMadeUp(t, func(t *testing.T, m *madeUp) {
		for i := range 100 {
			m.add(i, "10.7.7.7").session = &session{inbound: true, greeted: true}
		}
		friend := m.add(100, "10.1.1.1")
		friend.reached = true
		if m.dials() != 1 || !friend.dialing {
			t.Error("a node that was connected before is not dialed")
		}
		friend.dialing, friend.session = false, new(session)
		for i := range enoughPeers - provenPlaces - 1 {
			m.add(200+i, fmt.Sprintf("10.2.0.%d", i)).session = new(session)
		}
		stranger, known := m.add(300, "10.3.0.1"), m.add(301, "10.3.0.2")
		known.reached = true
		if m.dials() != 1 || !known.dialing || stranger.dialing {
			t.Error("no place is kept for a node that was connected before")
		}
		for i := range provenPlaces {
			m.add(400+i, fmt.Sprintf("10.4.0.%d", i)).session = new(session)
		}
		registered := m.add(500, "10.5.0.1")
		registered.given = []string{"given"}
		m.add(501, "10.5.0.2").reached = true
		if m.dials() != 1 || !registered.dialing {
			t.Error("over all places, a registered node is not dialed, or another is")
		}
	})
}

// TestAttackOneAddress checks how many nodes of one address are dialed and let in.
func TestAttackOneAddress(t *testing.T) {
	inMadeUp(t, func(t *testing.T, m *madeUp) {
		for i := range 20 {
			m.add(i, "10.7.7.7").reached = true
			m.add(100+i, "127.0.0.1").reached = true
		}
		for range 5 {
			m.dials()
			for _, e := range m.known {
				if e.dialing {
					e.dialing, e.session = false, new(session)
				}
			}
		}
		connected := make(map[string]int)
		for _, e := range m.known {
			if e.session != nil {
				connected[e.ip.String()]++
			}
		}
		if connected["10.7.7.7"] != maxDialedIP || connected["127.0.0.1"] != 20 {
			t.Errorf("dialed: %v", connected)
		}
	})
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
		of := func(n, o *labNode) network.Conn { return n.host.Network().ConnsToPeer(o.host.ID())[0] }
		m := &madeUp{&peerTable{shared: a.shared, known: make(map[peer.ID]*knownPeer), former: make(map[peer.ID]former)}, t}
		for i := range maxInboundIP {
			if m.crowded(new(knownPeer), of(a, b)) {
				t.Fatalf("with %d nodes of its address, one is turned away", i)
			}
			m.add(i, "10.7.7.7").session = &session{inbound: true, addr: of(a, b).RemoteMultiaddr()}
		}
		if !m.crowded(new(knownPeer), of(a, b)) {
			t.Errorf("one more than %d of an address is let in", maxInboundIP)
		}
		if m.crowded(&knownPeer{given: []string{"given"}}, of(a, b)) || m.crowded(new(knownPeer), of(b, a)) {
			t.Error("a registered node, or one that was dialed, is turned away")
		}
	})
}

// TestAttackAnswers checks that mDNS is restarted when it brings more answers than its
// library should keep, and that those over the bound are not looked at.
func TestAttackAnswers(t *testing.T) {
	inMadeUp(t, func(t *testing.T, m *madeUp) {
		d := &discovery{shared: m.shared, table: m.peerTable, flooded: make(chan struct{}, 1)}
		answer := func(n int) {
			d.take(peer.AddrInfo{ID: m.id(n), Addrs: []ma.Multiaddr{ma.StringCast("/ip4/10.7.7.7/tcp/1")}}, false)
		}
		for range maxFound {
			answer(1)
		}
		if len(d.flooded) != 0 {
			t.Error("it is started anew too soon")
		}
		answer(2)
		if len(d.flooded) != 1 || len(m.known) != 1 {
			t.Errorf("%d answers more: %d nodes are known, started anew: %v", 1, len(m.known), len(d.flooded) == 1)
		}
	})
}

// TestAttackSeen checks that thousands of made-up mDNS nodes at one address evict only
// each other and do not come into the book. They hold up the dial to no other node, not
// even to one that is only seen.
func TestAttackSeen(t *testing.T) {
	inMadeUp(t, func(t *testing.T, m *madeUp) {
		told := m.add(9000, "10.1.1.1")
		for i := range 3000 {
			m.discovered(m.id(i), []ma.Multiaddr{ma.StringCast("/ip4/10.7.7.7/tcp/1")}, false)
		}
		m.discovered(m.id(9001), []ma.Multiaddr{ma.StringCast("/ip4/10.1.1.2/tcp/1")}, false)
		found := m.known[m.id(9001)]
		if len(m.known) != maxUnproven || m.known[told.id] == nil || found == nil || found.proven() {
			t.Fatalf("%d are known; the told one is %v, the found one %+v", len(m.known), m.known[told.id], found)
		}
		friend := m.add(9002, "10.1.1.3")
		friend.reached = true
		if n := m.dials(); n != 4 || !told.dialing || !found.dialing || !friend.dialing {
			t.Errorf("%d are dialed; the told one: %v, the found one: %v, the reached one: %v", n, told.dialing, found.dialing, friend.dialing)
		}
	})
	inMadeUp(t, func(t *testing.T, m *madeUp) { // each at an address of its own
		for i := range 20 {
			m.add(i, fmt.Sprint("10.8.0.", i))
			m.discovered(m.id(100+i), []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/10.9.0.%d/tcp/1", i))}, false)
		}
		friend := m.add(9002, "10.1.1.3")
		friend.reached = true
		if n := m.dials(); n != 4+4+1 || !friend.dialing {
			t.Errorf("%d are dialed, the reached one: %v", n, friend.dialing)
		}
	})
}
