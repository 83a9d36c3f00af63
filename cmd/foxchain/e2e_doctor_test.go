package main_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A diagnosis is what one run of the doctor found.
type diagnosis struct {
	t    *testing.T
	code int
	out  string
	OK   bool `json:"ok"`

	Checks []struct {
		About, Name, State, Reason, Step string
		Advice, Passed                   []string
	} `json:"checks"`
}

// examine runs the doctor on a host.
func examine(t *testing.T, cmd *exec.Cmd, dir string) *diagnosis {
	cmd.Dir = dir
	begin := time.Now()
	out, err := cmd.Output()
	t.Logf("%s: %s", time.Since(begin).Round(time.Millisecond), cmd)
	d := &diagnosis{t: t, out: string(out)}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		d.code = exit.ExitCode()
		d.out += string(exit.Stderr)
	} else if err != nil {
		t.Errorf("%s: %v", cmd, err)
	}
	if err := json.Unmarshal(out, d); err != nil {
		t.Errorf("%s: %v\n%s", cmd, err, d.out)
	}
	if d.OK != (d.code == 0) {
		t.Errorf("%s: ended with %d\n%s", cmd, d.code, d.out)
	}
	return d
}

// has checks that a check of the diagnosis has a state, and words in its text.
func (d *diagnosis) has(about, name, state string, words ...string) {
	d.t.Helper()
	for _, c := range d.Checks {
		if c.About != about || !strings.HasPrefix(c.Name, name) {
			continue
		}
		text := strings.Join(append([]string{c.Step, c.Reason}, c.Advice...), "\n")
		for _, w := range words {
			if !strings.Contains(text, w) {
				d.t.Errorf("%s %s has no %q:\n%s", about, c.Name, w, text)
			}
		}
		if c.State != state {
			d.t.Errorf("%s %s is %s, want %s:\n%s", about, c.Name, c.State, state, text)
		}
		return
	}
	d.t.Errorf("nothing about %s %s in\n%s", about, name, d.out)
}

// line returns the --peer address of a node at an IP address.
func (c *client) line(ip string) string {
	return "/ip4/" + ip + "/tcp/19000/p2p/" + c.info().PeerID
}

var timed = regexp.MustCompile(`"latency_ms": ?[0-9.]*[1-9]`)

// TestDoctor makes each fault, on machines with a node and without. The doctor names the
// fault and what to do.
func TestDoctor(t *testing.T) {
	waits(t)
	if _, err := exec.LookPath("nft"); err != nil {
		unable(t, "the faults need the program nft")
	}
	if clocksMove {
		shiftedBinary(t) // here, so that it is built once for all tests
	}
	inLab(t, func(t *testing.T, l *lab) {
		for _, bridge := range []string{"lan", "wifi", "home"} {
			l.addBridge(bridge)
		}
		fox, asks, drops, rejects, other, private, clock := l.addHost("lan"), l.addHost("lan"), l.addHost("lan"), l.addHost("lan"), l.addHost("lan"), l.addHost("lan"), l.addHost("lan")
		apart, alsoApart := l.addHost("wifi"), l.addHost("wifi")
		home, mute := l.addHost("home"), l.addHost("home")
		l.fault(drops, "drop")
		l.fault(rejects, "reject")
		l.sh("ip addr add 10.77.0.254/24 dev wifi") // an access point that keeps its clients apart
		l.sh("ip link set %s type bridge_slave isolated on", apart.port)
		l.sh("ip link set %s type bridge_slave isolated on", alsoApart.port)
		l.sh("ip -n %s link set eth0 multicast off", mute.netns)
		nft(l, fox, "add table ip nat; add chain ip nat output { type nat hook output priority -100; }; add rule ip nat output ip daddr 203.0.113.5 dnat to "+fox.addr)
		tmp := t.TempDir()
		l.sh("mkdir %s/full", tmp)
		l.sh("mount -t tmpfs -o size=64m tmpfs %s/full", tmp)
		defer l.sh("umount %s/full", tmp)
		key, otherKey := filepath.Join(tmp, "a.psk"), filepath.Join(tmp, "b.psk")
		for _, file := range []string{key, otherKey} {
			l.sh("%s psk new %s", binary(t), file)
		}

		nodes := make([]*client, 5)
		var wg sync.WaitGroup
		if clocksMove {
			clock.setClock(t, -2*time.Hour)
		}
		for i, n := range []struct {
			h    *host
			args []string
		}{{fox, nil}, {other, []string{"--network", "class-3b"}}, {private, []string{"--psk", key}}, {clock, nil}, {home, nil}} {
			dir := t.TempDir()
			nodes[i] = &client{n: launch(t, n.h, dir, n.args...)}
		}
		for i, c := range nodes {
			c.n.awaitReady()
			nodes[i] = c.n.connect()
		}
		awaitAll(t, []*client{nodes[0], nodes[3]})
		eventually(t, "the node has timed the other", func() error {
			if peers := nodes[0].op("peers", ""); !timed.MatchString(peers.text) {
				return errors.New(peers.text)
			}
			return nil
		})
		at := func(h *host, check func(*diagnosis), args ...string) {
			cmd := h.command(t.Context(), t, append([]string{"doctor", "--json"}, args...)...)
			wg.Go(func() { check(examine(t, cmd, tmp)) })
		}
		line, otherNet, psk, late := nodes[0].line(fox.addr), nodes[1].line(other.addr), nodes[2].line(private.addr), nodes[3].line(clock.addr)

		at(home, func(d *diagnosis) {
			d.has("node", "ws://localhost:9000/ws", "ok", "on network")
			d.has("interface", "eth0", "ok", home.addr, "multicast goes out and is heard")
			d.has("discovery", "", "note", "this node hears itself", "no other machine is heard", "guest Wi-Fi")
			d.has("port", "/ip4/"+home.addr, "ok", "answers", "There: foxchain doctor --peer /ip4/"+home.addr)
			d.has("peers", "", "note", "no other node is known")
			if d.code != 0 {
				t.Errorf("a machine on which nothing fails: exit code %d\n%s", d.code, d.out)
			}
		})
		at(mute, func(d *diagnosis) {
			d.has("node", "ws://localhost:9000/ws", "note", "no node runs here", "foxchain node")
			d.has("interface", "eth0", "fail", "does not carry multicast", "sudo ip link set eth0 multicast on")
			d.has("port", "9000", "ok", "free")
			d.has("port", "19000", "ok", "free")
		})
		at(fox, func(d *diagnosis) {
			d.has("discovery", "", "ok", "this node hears itself", "other node")
			d.has("peers", "", "ok", "1 connected")
			d.has("peer", "/ip4/203.0.113.5/", "fail", "this node itself answers there", "hairpin", "Use the address that the other node has")
			d.has("peer", "/ip4/198.51.100.7/", "fail", "connection", "the line of this node itself", "hairpin", "must lead TCP port 19000 to this machine")
			d.has("peer", "/ip4/"+fox.addr, "fail", "the line of this node itself, and it answers", "on the other machine")
			if clocksMove {
				d.has("clock", "", "fail", "2h ahead of", "one of the two is wrong", "timedatectl")
			}
		}, "--peer", nodes[1].line("203.0.113.5"), "--peer", nodes[0].line("198.51.100.7"), "--peer", line)
		at(asks, func(d *diagnosis) {
			d.has("peer", "/ip4/"+fox.addr, "ok", "answers, in")
			d.has("peer", "/ip4/"+drops.addr, "fail", "connection", "its machine is on", "a firewall there drops it", "ufw allow 19000/tcp")
			d.has("peer", "/ip4/"+rejects.addr, "fail", "connection", "its machine is on, and refuses TCP port 19000", "its firewall rejects", "foxchain node", "ufw allow 19000/tcp")
			d.has("peer", "/ip4/10.77.0.99", "fail", "connection", "nothing answers at 10.77.0.99", "off, asleep", "Switch it on")
			d.has("peer", "/ip4/"+other.addr, "fail", "network", `it is on network "class-3b"`, "same --network")
			d.has("peer", "/ip4/"+private.addr, "fail", "handshake", "private network (--psk)", "same --psk FILE")
			d.has("peer", "/ip4/x", "fail", "address", "must be", "prints its whole address")
			d.has("peer", "ws://"+fox.addr, "fail", "websocket", "no node runs there at this port", "/ip4/…/p2p/…")
			d.has("clock", "", "ok", "within a minute")
		}, "--mdns=false", "--peer", line, "--peer", nodes[0].line(drops.addr), "--peer", nodes[0].line(rejects.addr), "--peer", nodes[0].line("10.77.0.99"),
			"--peer", otherNet, "--peer", psk, "--peer", "/ip4/x", "--peer", "ws://"+fox.addr+":9000/ws")
		at(asks, func(d *diagnosis) {
			d.has("peer", "/ip4/"+private.addr, "fail", "handshake", "key (--psk) may be another", "same --psk FILE")
		}, "--mdns=false", "--psk", otherKey, "--peer", psk)
		at(asks, func(d *diagnosis) {
			d.has("peer", "/ip4/"+private.addr, "ok", "answers, in")
			if d.code != 0 {
				t.Errorf("with the key: exit code %d\n%s", d.code, d.out)
			}
		}, "--mdns=false", "--psk", key, "--peer", psk)
		if clocksMove {
			at(asks, func(d *diagnosis) {
				d.has("clock", "", "fail", "2h ahead of", "timedatectl")
			}, "--mdns=false", "--peer", late)
		}
		at(drops, func(d *diagnosis) {
			d.has("interface", "eth0", "fail", "a firewall keeps UDP port 5353 out", "Let UDP port 5353")
			d.has("firewall", "nftables", "fail", "19000", "sudo nft insert rule inet filter input tcp dport 19000 accept")
		})
		at(apart, func(d *diagnosis) {
			d.has("peer", "/ip4/"+alsoApart.addr, "fail", "connection", "only the gateway 10.77.0.254 does", "client isolation", "access point")
		}, "--mdns=false", "--peer", nodes[0].line(alsoApart.addr))

		few := asks.command(t.Context(), t, "doctor", "--json", "--mdns=false", "-r", filepath.Join(tmp, "full", "9000.db"))
		few.Args = append([]string{"sh", "-c", `ulimit -n 64 && exec "$0" "$@"`}, few.Args...)
		few.Path = "/bin/sh"
		wg.Go(func() {
			d := examine(t, few, tmp)
			d.has("disk", filepath.Join(tmp, "full"), "fail", "the disk is nearly full", "Make room")
			d.has("files", "", "fail", "may open 64 files", "ulimit -n 4096")
			d.has("node", filepath.Join(tmp, "full", "9000.db"), "note", "no node runs here")
		})
		wg.Wait()

		// Nothing is left of peers that only tried to connect.
		becomes(t, "the node forgets who tried", 0, func() int { return len(nodes[4].known()) })
	})
}

// fault makes a host drop or reject what comes in for a node, and drop mDNS.
func (l *lab) fault(h *host, verdict string) {
	nft(l, h, "add table inet filter; add chain inet filter input { type filter hook input priority 0; }; "+
		"add rule inet filter input tcp dport 19000 "+verdict+"; add rule inet filter input udp dport 5353 drop")
}

func nft(l *lab, h *host, rules string) {
	l.t.Helper()
	if out, err := exec.Command("nsenter", "--net="+netnsPath(h.netns), "--", "nft", rules).CombinedOutput(); err != nil {
		l.t.Fatalf("nft %s: %v\n%s", rules, err, out)
	}
}
