package p2p

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

// states returns the states of the others as n shows them.
func (n *labNode) states(others ...*labNode) (all []string) {
	for _, o := range others {
		all = append(all, n.peer(o).State)
	}
	return all
}

// TestOneLinkCut checks that two nodes hear of each other through a third when only the
// link between them is cut, and that neither is ever missing or away to the other.
func TestOneLinkCut(t *testing.T) {
	for phase := range 4 {
		inLab(t, func(t *testing.T, l *lab) {
			a := l.start(0, nil)
			b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
			c := l.start(2, func(c *Config) { c.Peers = a.Addrs() })
			l.until(time.Minute, "all are connected", func() bool { return a.connectedTo() == 2 && b.connectedTo() == 2 && c.connectedTo() == 2 })
			time.Sleep(2*peersEvery + publishEvery*time.Duration(phase)/4)
			l.sever(1, 2)
			heard := func() bool { return b.peer(c).State == HeardOf && c.peer(b).State == HeardOf }
			there := []string{Connected, HeardOf}
			for cut := time.Now(); time.Since(cut) < 2*peersEvery; time.Sleep(time.Second / 4) {
				if !slices.Contains(there, b.peer(c).State) || !slices.Contains(there, c.peer(b).State) || b.Away(c.pub) || c.Away(b.pub) {
					t.Fatalf("in phase %d, %s after the cut, they are %s and %s", phase, time.Since(cut), b.peer(c).State, c.peer(b).State)
				}
				if time.Since(cut) > 18*time.Second && !heard() {
					t.Fatalf("in phase %d they are %s and %s", phase, b.peer(c).State, c.peer(b).State)
				}
			}
		})
	}
}

// TestSilentAmongMany checks that one of many peers that falls silent is noticed as soon
// as one of few, though many are asked for their status in turn.
func TestSilentAmongMany(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		const size = 20
		l.startMesh(size)
		time.Sleep(time.Minute)
		gone := l.runs[size-1]
		l.pull(true, size-1)
		l.until(14*time.Second, "it is missing", func() bool {
			return !slices.ContainsFunc(l.runs[:size-1], func(n *labNode) bool { return n.peer(gone).State != Missing })
		})
	})
}

// TestMissing checks a partition of one from two. Each side shows which nodes are missing
// and since when, in one state that stays until they are back.
func TestMissing(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		c := l.start(2, func(c *Config) { c.Peers = a.Addrs() })
		all := []*labNode{a, b, c}
		together := func() bool { return a.connectedTo() == 2 && b.connectedTo() == 2 && c.connectedTo() == 2 }
		l.until(time.Minute, "all are connected", together)
		cut := time.Now()
		l.pull(true, 0)
		l.until(15*time.Second, "the two are missing", func() bool {
			return slices.Equal(a.states(b, c), []string{Missing, Missing}) && b.peer(a).State == Missing && c.peer(a).State == Missing
		})
		if b.peer(c).State != Connected {
			t.Error("those on one side lost each other")
		}
		l.until(time.Minute, "a dial has failed", func() bool { return a.peer(b).Detail != "" })
		p := a.peer(b)
		if ago := api.Duration(p.Missing - ledger.UnixSeconds(cut)).Abs(); ago > 5*time.Second || !strings.HasPrefix(p.Reason, "does not answer: switched off, asleep") || p.Why.Code != "silent" {
			t.Errorf("since %s after the cut, %q, %q", ago, p.Reason, p.Detail)
		}
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			if got := a.states(b, c); !slices.Equal(got, []string{Missing, Missing}) {
				t.Fatalf("it flickers: %v", got)
			}
		}
		l.pull(false, 0)
		l.until(time.Minute, "all are connected again", together)

		// A node that was stopped is missing for hours, and then no longer.
		c.stop()
		l.until(time.Minute, "it is missing", func() bool { return a.peer(c).State == Missing })
		if err := errors.Join(a.Forget("node 2"), b.Forget(c.ID()[len(c.ID())-8:])); err != nil {
			t.Fatal(err)
		}
		for range 2 { // from the table, and from the book
			if f := a.Former(); len(f) != 1 || f[0].Name != "node 2" || api.Duration(f[0].Seen-ledger.UnixSeconds(time.Now())).Abs() > time.Minute {
				t.Errorf("who built its blocks: %+v", f)
			}
			a.table.mu.Lock()
			clear(a.table.former)
			a.table.mu.Unlock()
			if err := a.book.load(); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		for _, n := range all[:2] {
			if p := n.peer(c); p.ID != "" || n.connectedTo() != 1 {
				t.Errorf("not forgotten: %+v", p)
			}
		}
		if err := errors.Join(a.Forget("node 2"), b.Forget(c.ID())); err != nil || len(a.Former())+len(b.Former()) > 0 {
			t.Errorf("forgotten twice: %v, %+v, %+v", err, a.Former(), b.Former())
		}
		for name, why := range map[string]string{"node 2": "no node is known", "node 1": "is connected", "nobody": "no node is known", "": "no node is known"} {
			if err := a.Forget(name); err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("forget %q: %v", name, err)
			}
		}
		now := time.Now()
		gone := &knownPeer{left: now, fails: 1}
		for after, want := range map[time.Duration]string{11 * time.Second: Dialing, 12 * time.Second: Missing, 11 * time.Hour: Missing, 13 * time.Hour: NotReached} {
			if got, _ := a.roster.stateOf(gone, nil, now.Add(after)); got != want {
				t.Errorf("after %s: %s, not %s", after, got, want)
			}
		}
	})
}

// TestMissingAfterRestart checks that a node knows from its book which nodes were there
// before its restart.
func TestMissingAfterRestart(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(time.Minute, "the two are connected", func() bool { return a.connectedTo() == 1 })
		time.Sleep(15 * time.Minute)
		b.stop()
		l.until(time.Minute, "it is missing", func() bool { return a.peer(b).State == Missing })
		if a.peer(b).Missing != api.Shown(a.left(b), time.Now()) {
			t.Error("another time than the table's")
		}
		rec := a.table.known[b.host.ID()].record()
		if ago := time.Since(time.Unix(rec.Seen, 0)); ago > 2*time.Minute {
			t.Errorf("the book has it seen %s ago", ago)
		}
	})
}

func (n *labNode) left(o *labNode) time.Time {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	return n.table.known[o.host.ID()].left
}

// TestStrangersAreStrange checks that a handshake that breaks off names no key and makes
// no stranger of a node that was connected, since it may be suspended or its cable
// pulled. Nor does a single one of an address.
func TestStrangersAreStrange(t *testing.T) {
	for name, key := range map[string][]byte{"open": nil, "private": psk(t, "a")} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(t *testing.T, l *lab) {
				a := l.start(0, func(c *Config) { c.PSK = key })
				b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
				l.until(time.Minute, "the two are connected", func() bool { return a.connectedTo() == 1 })
				known, _ := ipOf(b.host.Addrs()[0])
				b.stop()
				l.until(time.Minute, "one is gone", func() bool { return a.connectedTo() == 0 })
				other, once := netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.10")
				a.gater.mu.Lock()
				for _, ip := range []netip.Addr{known, other, once, known, other} {
					a.gater.failed[ip] = failure{a.gater.failed[ip].times + 1, time.Now()}
				}
				a.gater.mu.Unlock()
				var strange []string
				for _, p := range a.Nodes() {
					if p.State == FailedHandshake {
						strange = append(strange, p.Addrs...)
					}
				}
				if !slices.Equal(strange, []string{other.String()}) {
					t.Errorf("strangers are %q, not only %s", strange, other)
				}
			})
		})
	}
}

// TestReplaced checks that a node that comes back with another identity is connected at
// once. Its old identity is shown as replaced, is not missing, and is forgotten.
func TestReplaced(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a := l.start(0, nil)
		b := l.start(1, func(c *Config) { c.Peers = a.Addrs() })
		l.until(time.Minute, "the two are connected", func() bool { return a.connectedTo() == 1 })
		b.stop()
		fresh := l.start(1, func(c *Config) { c.Key, c.Name = ledgertest.Key(7), "node 1 again" })
		l.until(30*time.Second, "the new identity is met", func() bool { return a.peer(fresh).Connected })
		l.until(time.Minute, "the old one is named as replaced", func() bool {
			p := a.peer(b)
			return p.State == Replaced && strings.Contains(p.Reason, `"node 1 again"`) && !strings.Contains(p.Reason, "psk")
		})
		l.until(2*time.Minute, "the old one is forgotten", func() bool { return a.peer(b).ID == "" && a.connectedTo() == 1 })
		for _, n := range []*labNode{a, fresh} {
			for _, p := range n.Nodes() {
				if p.State == FailedHandshake {
					t.Errorf("%s has a stranger: %s", n.cfg.Name, p.Reason)
				}
			}
			if n.logs.count("psk") > 0 {
				t.Errorf("the log of %s names a key that nobody uses:\n%s", n.cfg.Name, n.logs)
			}
		}
	})
}

// TestTroubleInWords checks that the reason why a dial failed is given in words, with the
// error itself kept behind them.
func TestTroubleInWords(t *testing.T) {
	addr := ma.StringCast("/ip4/10.0.0.9/tcp/19000")
	dial := func(cause error) error {
		return &swarm.DialError{DialErrors: []swarm.TransportError{{Address: addr, Cause: cause}}}
	}
	op := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, c := range []struct {
		err  error
		psk  bool
		want string
	}{
		{dial(op(syscall.ECONNREFUSED)), false, "no node runs there"},
		{dial(op(syscall.EHOSTUNREACH)), false, "switched off, asleep, or on another Wi-Fi"},
		{dial(op(syscall.ENETUNREACH)), false, "this machine is not on its network"},
		{dial(swarm.ErrDialBackoff), false, "switched off, asleep"},
		{dial(errors.New("failed to negotiate security protocol: EOF")), false, "it is overloaded, about to stop"},
		{dial(errors.New("message did not have trailing newline")), false, "--psk"},
		{dial(errors.New("failed to negotiate security protocol: EOF")), true, "--psk"},
	} {
		reason, detail := wordsOf(explain(c.err, c.psk))
		words := reason.String()
		if !strings.Contains(words, c.want) || detail == "" || strings.Contains(words, "EOF") || !c.psk && c.want != "--psk" && strings.Contains(words, "psk") {
			t.Errorf("%v: %q, behind it %q", c.err, words, detail)
		}
	}
	for raw, want := range map[error]string{
		op(syscall.ECONNREFUSED):                       "no node runs",
		fmt.Errorf("%w: 401 raw", ErrWantsToken):       "?token=",
		fmt.Errorf("%w: bad raw handshake", ErrNoNode): "does not answer",
		errors.New("websocket: raw close 1006"):        "another program",
		fmt.Errorf("x: %w", context.DeadlineExceeded):  "does not answer",
	} {
		reason, detail := wordsOf(explainURL(raw))
		words := reason.String()
		if !strings.Contains(words, want) || strings.Contains(words, "raw") || detail == "" {
			t.Errorf("%v: %q, behind it %q", raw, words, detail)
		}
	}
	for raw, want := range map[string]string{
		"failed to listen on any addresses: [bind: " + syscall.EADDRINUSE.Error() + "]": "another program",
		"[bind: " + syscall.EADDRNOTAVAIL.Error() + "]":                                 "does not have the address",
		"[bind: " + syscall.EACCES.Error() + "]":                                        "1024",
		"raw":                                                                           "no address to listen on",
	} {
		if words := listenWords(errors.New(raw)); !strings.Contains(words, want) {
			t.Errorf("%s: %q", raw, words)
		}
	}
	if words := mdnsWords(errors.New("raw")); strings.Contains(words, "raw") {
		t.Errorf("mDNS: %q", words)
	}
}

// TestForgetConnecting checks that a node with which a session has begun is not forgotten.
func TestForgetConnecting(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		a, b := l.start(0, nil), l.start(1, nil)
		answer := make(chan struct{})
		b.host.SetStreamHandler(helloProtocol, func(str network.Stream) {
			<-answer
			b.sessions.handleHello(str)
		})
		if err := a.Register(b.Addrs()); err != nil {
			t.Fatal(err)
		}
		l.until(5*time.Second, "a session has begun", func() bool { return b.connectedTo() == 1 })
		if err := a.Forget(b.ID()); err == nil || !strings.Contains(err.Error(), "is connected") {
			t.Errorf("forget a node with a session: %v", err)
		}
		time.Sleep(2 * roundEvery)
		close(answer)
		l.until(5*time.Second, "the two are connected", func() bool { return a.connectedTo() == 1 })
		if a.logs.count("connected") != 1 {
			t.Errorf("two sessions: %s", a.logs)
		}
	})
}
