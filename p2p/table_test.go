package p2p

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// TestTableIsBounded checks that found nodes over the bound push out each other, and
// never a connected, registered or once reached node. The book holds no more.
func TestTableIsBounded(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "connected", func() bool { return a.connectedTo() == 1 })
		registered := "/ip4/10.9.9.9/udp/8000/quic-v1/p2p/" + someID
		if err := a.Register([]string{registered}); err != nil {
			t.Fatal(err)
		}
		b.stop()
		l.until(time.Minute, "the other is gone", func() bool { return a.connectedTo() == 0 })
		for i := range maxKnown + 500 {
			key := ledger.PublicKey(sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
			id, err := peerOf(key)
			if err != nil {
				t.Fatal(err)
			}
			a.discovery.take(peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/10.8.8.8/udp/1/quic-v1")}}, false)
		}
		if got := len(a.Nodes()); got != maxUnproven+2 {
			t.Errorf("%d nodes are known, want %d", got, maxUnproven+2)
		}
		if p := a.peer(b); p.ID == "" {
			t.Error("a node that was reached was dropped for found ones")
		}
		if p := a.peerID(someID); len(p.Registered) != 1 || p.Registered[0] != registered {
			t.Errorf("the registered node: %+v", p)
		}
		if err := a.book.save(); err != nil {
			t.Fatal(err)
		}
		all, err := a.chain.Book().All()
		if err != nil {
			t.Fatal(err)
		}
		stored := 0
		for name := range all {
			if strings.HasPrefix(name, bookPeer) {
				stored++
			}
		}
		if stored != 2 {
			t.Errorf("the book holds %d nodes, want 2", stored)
		}
	})
}

// TestOtherVersion checks that a node of another version is refused with that reason, and
// so is a peer that is not a foxchain node.
func TestOtherVersion(t *testing.T) {
	for spoken, reason := range map[protocol.ID]string{
		"/foxchain/hello/1":  "it speaks version 1 of foxchain's protocols, this node speaks 2",
		"/foxchain/hello/12": "it speaks version 12 of foxchain's protocols, this node speaks 2",
		"/another/1":         "it is no foxchain node of this version",
	} {
		inLab(t, func(t *testing.T, l *lab) {
			a := l.start(0, nil)
			other := l.host(1, ledgertest.Key(1))
			defer other.Close()
			other.SetStreamHandler(spoken, func(s network.Stream) { _ = s.Reset() })
			if err := a.Register([]string{other.Addrs()[0].String() + "/p2p/" + other.ID().String()}); err != nil {
				t.Fatal(err)
			}
			l.until(30*time.Second, "refused", func() bool { return a.peerID(other.ID().String()).State == Refused })
			if p := a.peerID(other.ID().String()); !strings.Contains(p.Reason, reason) {
				t.Errorf("it is refused with %q", p.Reason)
			}
			if str, err := other.NewStream(t.Context(), a.host.ID(), spoken); err == nil {
				_ = str.Close()
				t.Error("the node speaks that version")
			}
		})
	}
}

// TestTextOfOthers checks that the name of a peer of another network is shown
// without control characters.
func TestTextOfOthers(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		other := l.host(1, ledgertest.Key(1))
		defer other.Close()
		other.SetStreamHandler(helloProtocol, func(str network.Stream) {
			defer str.Close()
			if err := readHello(str, new(hello)); err != nil {
				t.Errorf("read the hello: %v", err)
			}
			if err := writeHello(str, &helloReply{Hello: hello{Name: "the \x1b[31mother"}}); err != nil {
				t.Errorf("answer: %v", err)
			}
		})
		if err := a.Register([]string{other.Addrs()[0].String() + "/p2p/" + other.ID().String()}); err != nil {
			t.Fatal(err)
		}
		l.until(10*time.Second, "refused", func() bool { return a.peerID(other.ID().String()).State == Refused })
		if p := a.peerID(other.ID().String()); p.Name != "the [31mother" {
			t.Errorf("it is shown as %q", p.Name)
		}
	})
}

// TestDiagnosis checks that a node alone for 30 s shows what may be wrong, until it has a peer.
func TestDiagnosis(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, func(c *Config) {
			c.Peers = []string{"/ip4/10.9.9.9/udp/8000/quic-v1/p2p/" + someID}
		})
		time.Sleep(lonelyTime - time.Second)
		if d := a.Diagnosis(); d != nil {
			t.Errorf("too soon: %q", d)
		}
		time.Sleep(2 * time.Second)
		text := strings.Join(a.Diagnosis(), "\n")
		for _, want := range []string{"no other node", "mDNS) is off", "nothing tried to connect", "not reached", someID[len(someID)-8:]} {
			if !strings.Contains(text, want) {
				t.Errorf("it does not show %q:\n%s", want, text)
			}
		}
		l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(10*time.Second, "no longer alone", func() bool { return a.connectedTo() == 1 && a.Diagnosis() == nil })
	})
}
