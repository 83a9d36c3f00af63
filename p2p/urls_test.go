package p2p

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"foxchain/ledger/ledgertest"

	ma "github.com/multiformats/go-multiaddr"
)

const someID = "12D3KooWLQGKc32rG56KCTL5mZEgWsRCbjBZNSSgAwXEUGgAnPzG" // of no node here

// TestRegisterRefuses checks that with one bad address nothing is registered, and
// that the error names it and the reason.
func TestRegisterRefuses(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		n := l.start(0, nil)
		good := "ws://localhost:9001/ws"
		for bad, want := range map[string]string{
			"":                                     "must be ws://",
			"localhost:9001":                       "must be ws://",
			"http://localhost:9001/ws":             "must be ws://",
			"ws://":                                "such as ws://localhost:9000/ws",
			"ws:localhost":                         "such as",
			"ws://user@localhost/ws":               "without user",
			"ws://localhost:99999999999/\x7f":      "invalid",
			"/ip4/1.2.3.4/tcp/19000":               "must end in /p2p/",
			"/ip6/fe80::1/tcp/19000/p2p/" + someID: "needs the network interface",
			"ws://::1:9000/ws":                     "in brackets",
			"/ip4/1.2.3/tcp/19000/p2p/" + someID:   "multiaddr such as",
			"/ip4/1.2.3.4/tcp/0/p2p/" + someID:     "TCP port",
			"/ip4/1.2.3.4/udp/19000/p2p/" + someID: "TCP port",
			"/p2p/" + someID:                       "TCP port",
			"ws://" + strings.Repeat("x", 600):     "at most",
		} {
			err := n.Register([]string{good, bad})
			if err == nil || !strings.Contains(err.Error(), "addr[1]") || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want one with %q", bad, err, want)
			}
			if p := n.Nodes(); len(p) != 0 {
				t.Fatalf("%q: something was registered: %+v", bad, p)
			}
		}
		var many []string
		for i := range maxRegistered/2 + 1 {
			many = append(many, "ws://localhost:9000/"+strings.Repeat("x", i), fmt.Sprintf("/ip4/10.9.9.9/tcp/%d/p2p/%s", i+1, someID))
		}
		if err := n.Register(many); err == nil || !strings.Contains(err.Error(), "no room for 258 more addresses: 0 of at most 256") {
			t.Errorf("too many addresses were registered: %v", err)
		}
		if p := n.Nodes(); len(p) != 0 {
			t.Errorf("of too many, %d were registered", len(p))
		}
	})
}

// TestRegisterInFullTable checks that registered nodes are known beside as many connected
// ones as the table holds, and no others.
func TestRegisterInFullTable(t *testing.T) {
	inMadeUp(t, func(t *testing.T, m *madeUp) {
		for i := range maxKnown {
			m.add(i, "10.7.7.7").session = new(session)
		}
		urls, given := &urlTable{shared: m.shared, table: m.peerTable}, make([]givenAddr, 3)
		for i, n := range []int{2000, 0, 2001} { // the second is connected
			g, err := &given[i], error(nil)
			g.text = "/ip4/10.9.9.9/tcp/1/p2p/" + m.id(n).String()
			if g.info, err = checkMultiaddr(g.text); err != nil {
				t.Fatal(err)
			}
		}
		if err := urls.register(nil, given); err != nil {
			t.Fatal(err)
		}
		for _, g := range given {
			if e := m.known[g.info.ID]; e == nil || !slices.Equal(e.given, []string{g.text}) {
				t.Errorf("%s is not registered: %+v", g.text, e)
			}
		}
		if m.peerTable.add(m.id(3000)) != nil || len(m.known) != maxKnown+2 {
			t.Errorf("%d nodes are known, want %d", len(m.known), maxKnown+2)
		}
	})
}

// TestRegisterToken checks that the token in a URL is sent to its node, and shown
// nowhere.
func TestRegisterToken(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		var b *labNode
		answers := false
		a := l.start(0, func(c *Config) {
			c.Resolve = func(_ context.Context, asked string) ([]string, error) {
				if !answers || asked != "ws://10.0.0.2:9001/ws?token=secret" {
					return nil, errors.New("not let in")
				}
				return b.Addrs(), nil
			}
		})
		b = l.start(1, nil)
		if err := a.Register([]string{"ws://10.0.0.2:9001/ws?token=secret", "ws://10.0.0.3/ws?a=b&token=secret"}); err != nil {
			t.Fatal(err)
		}
		registered := func() string {
			var all []string
			for _, p := range a.Nodes() {
				all = append(all, p.Registered...)
			}
			slices.Sort(all)
			return strings.Join(all, " ")
		}
		const want = "ws://10.0.0.2:9001/ws ws://10.0.0.3/ws?a=b"
		if got := registered(); got != want {
			t.Errorf("shown before it answers: %s", got)
		}
		answers = true
		l.until(10*time.Second, "connected", func() bool { return a.peer(b).Connected })
		if got := registered(); got != want {
			t.Errorf("shown when connected: %s", got)
		}
		if err := a.Register([]string{"wss:///ws?token=secret"}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("a bad one: %v", err)
		}
		if a.logs.count("secret") > 0 {
			t.Errorf("logged:\n%s", a.logs)
		}
	})
}

// TestRegisterURL checks that a URL is shown from its registration on, is asked until it
// answers, and is then one entry with its node. It is asked again when the node has
// moved.
func TestRegisterURL(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		const url, own = "ws://10.0.0.2:9001/ws", "ws://localhost:9000/ws"
		var a, b *labNode
		answers := false
		resolve := func(_ context.Context, asked string) ([]string, error) {
			switch {
			case asked == own:
				return a.Addrs(), nil
			case asked != url || !answers:
				return nil, ErrNoNode
			}
			return b.Addrs(), nil
		}
		b = l.start(1, func(c *Config) { c.WS = WSInfo{Port: 9001} })
		a = l.start(0, func(c *Config) { c.Resolve, c.WS = resolve, WSInfo{Port: 9000, Loopback: true} })
		if err := a.Register([]string{url, own}); err != nil {
			t.Fatal(err)
		}
		if p := a.Nodes(); len(p) != 2 || p[0].State != Unresolved || len(p[0].Registered) != 1 {
			t.Errorf("right after the registration: %+v", p)
		}
		time.Sleep(5 * time.Second)
		if p := a.Nodes(); len(p) != 2 || !strings.Contains(p[0].Reason+p[1].Reason, "no node runs there") {
			t.Errorf("while nothing answers: %+v", p)
		}
		if p := a.peerID(a.ID()); p.State != Itself || p.Registered[0] != own {
			t.Errorf("our own URL: %+v", p)
		}
		answers = true
		l.until(45*time.Second, "connected", func() bool { return a.connectedTo() == 1 && b.connectedTo() == 1 })
		if p := a.peer(b); len(p.Registered) != 1 || p.Registered[0] != url || p.WS != url {
			t.Errorf("connected: %+v", p)
		}
		if p := b.peer(a); p.WS != "" {
			t.Errorf("a WebSocket on another machine's loopback is shown: %q", p.WS)
		}
		b.stop()
		b = l.start(5, func(c *Config) { c.Key = ledgertest.Key(1) }) // the same node at another address
		l.until(time.Minute, "found where it is now", func() bool { return a.connectedTo() == 1 })
	})
}

func TestWSURL(t *testing.T) {
	near := newLocalNet(nil)
	near.subnet.Store(&[]netip.Prefix{netip.MustParsePrefix("192.168.1.5/24")})
	for _, c := range []struct {
		ws               WSInfo
		remotePeer, want string
	}{
		{WSInfo{Port: 9001, Loopback: true}, "/ip4/127.0.0.1/tcp/1", "ws://localhost:9001/ws"},
		{WSInfo{Port: 9001, Loopback: true}, "/ip4/192.168.1.5/tcp/1", "ws://localhost:9001/ws"},
		{WSInfo{Port: 9001, Loopback: true}, "/ip4/192.168.1.6/tcp/1", ""},
		{WSInfo{Port: 9001}, "/ip4/192.168.1.6/tcp/1", "ws://192.168.1.6:9001/ws"},
		{WSInfo{Port: 9001}, "/ip6/fd00::1/tcp/1", "ws://[fd00::1]:9001/ws"},
		{WSInfo{}, "/ip4/127.0.0.1/tcp/1", ""},
	} {
		if got := wsURL(near, c.ws.Port, c.ws.Loopback, ma.StringCast(c.remotePeer)); got != c.want {
			t.Errorf("%+v at %s: %q, want %q", c.ws, c.remotePeer, got, c.want)
		}
	}
}
