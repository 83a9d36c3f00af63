package doctor

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"foxchain/rpc/api"
)

// TestWalls reads what the programs of each firewall print.
func TestWalls(t *testing.T) {
	const ruleset = "table inet filter {\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n%s\t}\n}\n"
	rules := func(lines ...string) string {
		return strings.Replace(ruleset, "%s", "\t\t"+strings.Join(lines, "\n\t\t")+"\n", 1)
	}
	ours := func(lines ...string) string {
		return "table inet filter {\n\tchain ours {\n\t\t" + strings.Join(lines, "\n\t\t") + "\n\t}\n}\n"
	}
	const both = "tcp dport 19000 accept\n\t\tudp dport 5353 accept"
	for _, c := range []struct {
		system, name, output, state string
		words                       []string
	}{
		{"linux", "ufw", "Status: active\n\nTo                         Action      From\n22/tcp                     ALLOW       Anywhere\n", Fail, []string{"sudo ufw allow 19000/tcp && sudo ufw allow 5353/udp"}},
		{"linux", "ufw", "Status: active\n\n19000/tcp                  ALLOW       Anywhere\n", OK, nil},
		{"linux", "ufw", "Status: inactive\n", "", nil},
		{"linux", "firewalld", "public (active)\n  target: default\n  services: dhcpv6-client ssh\n  ports: \n", Fail, []string{"--add-port=19000/tcp --add-service=mdns"}},
		{"linux", "firewalld", "public (active)\n  services: ssh mdns\n  ports: 19000/tcp\n", OK, nil},
		{"linux", "nftables", rules("ct state established accept"), Fail, []string{"sudo nft insert rule inet filter input tcp dport 19000 accept"}},
		{"linux", "nftables", rules(both), OK, nil},
		{"linux", "nftables", rules("counter packets 3 bytes 9 drop", both), Fail, nil}, // it comes first
		{"linux", "nftables", rules("tcp dport { 22, 19000-19010 } accept", "udp dport mdns accept"), Note, nil},
		{"linux", "nftables", rules("tcp dport { 22, 80 } accept", "udp dport mdns accept"), Fail, nil},
		{"linux", "nftables", rules("jump ours"), Note, []string{"must admit", "If other machines"}},
		{"linux", "nftables", rules("ct state new jump ours", both) + ours("drop"), Note, nil},
		{"linux", "nftables", rules("ct state established,related accept", "iifname \"lo\" accept", "ip protocol icmp accept") +
			"table inet f2b {\n\tset addrs {\n\t\ttype ipv4_addr\n\t\telements = { 1.2.3.4 }\n\t}\n}\n", Fail, nil},
		{"linux", "nftables", rules("tcp dport 19000 ct state new accept", "udp dport 5353 limit rate 100/second burst 5 packets accept"), OK, nil},
		{"linux", "nftables", rules("ct state new tcp dport 19000 counter packets 1 bytes 2 accept comment \"a drop\"", "udp dport 5353 accept"), OK, nil},
		{"linux", "nftables", rules("log prefix \"x\" drop"), Fail, nil},
		{"linux", "nftables", rules("meta l4proto { tcp, udp } th dport { 5353, 19000 } accept"), Note, nil},
		{"linux", "nftables", rules("ct state vmap { established : accept, invalid : drop }", both), OK, nil},
		{"linux", "nftables", rules("iifname \"br-lan\" accept"), Note, nil},
		{"linux", "nftables", rules("iifname != \"lo\" drop", both), Note, nil},
		{"linux", "nftables", rules("tcp dport != 22 drop", both), Note, nil},
		{"linux", "nftables", rules("tcp dport @open accept"), Note, nil},
		{"linux", "nftables", rules("tcp dport vmap { 19000 : accept }"), Note, nil},
		{"linux", "nftables", rules("ip saddr 192.168.1.0/24 accept"), Note, nil},
		{"linux", "nftables", rules("meta l4proto tcp reject with tcp reset", both), Note, nil},
		{"linux", "nftables", rules("ip saddr 10.0.0.0/8 tcp dport 19000 accept", "udp dport 5353 accept"), Note, nil},
		{"linux", "nftables", rules("jump ours") + ours("jump ours"), Note, nil},
		{"linux", "nftables", rules("tcp dport { 22, 19000, 80 } accept", "udp dport 5353 accept"), OK, nil},
		{"linux", "nftables", rules("meta l4proto { icmp, ipv6-icmp } accept", "icmp type echo-request accept", both), OK, nil},
		{"linux", "nftables", rules("tcp dport 19000 ip saddr 10.0.0.0/8 accept", "udp dport 5353 accept"), Note, nil},
		{"linux", "nftables", rules("tcp dport 19000 iifname \"eth1\" drop", both), Note, nil},
		{"linux", "nftables", rules("tcp dport 19000 limit rate over 9/second drop", both), Note, nil},
		{"linux", "nftables", rules("tcp dport 19000 jump ours", "udp dport 5353 accept") + ours("accept"), Note, nil},
		{"linux", "nftables", rules("ct state != established drop", both), Note, nil},
		{"linux", "nftables", rules("tcp dport 1-65535 reject with icmp type port-unreachable", both), Note, nil},
		{"linux", "nftables", rules("ip protocol { tcp, icmp } accept", "udp dport 5353 accept"), Note, nil},
		{"linux", "nftables", rules("tcp dport 22 jump ours", both) + ours("drop"), OK, nil},
		{"linux", "nftables", strings.Replace(rules("iif lo accept"), "input priority filter; policy drop", "input priority filter; policy accept", 1), OK, nil},
		{"windows", "Windows Defender", "False\r\nTrue\r\nTrue\r\n", Note, []string{"New-NetFirewallRule", "-LocalPort 19000", "-LocalPort 5353"}},
		{"windows", "Windows Defender", "False\r\nFalse\r\n", "", nil},
		{"darwin", "the firewall of macOS", "Firewall is enabled. (State = 1)\n", Note, []string{"socketfilterfw --add", "--unblockapp"}},
		{"darwin", "the firewall of macOS", "Firewall is set to block all non-essential incoming connections. (State = 2)\n", Note, nil},
		{"darwin", "the firewall of macOS", "Firewall is disabled. (State = 0)\n", "", nil},
	} {
		for _, w := range walls[c.system] {
			if w.name != c.name {
				continue
			}
			var got Check
			if w.on.MatchString(c.output) {
				got = w.judge(c.output, 19000)[0]
			}
			text := got.Reason + strings.Join(got.Advice, "\n")
			for _, word := range c.words {
				if !strings.Contains(text, word) {
					t.Errorf("%s: no %q in %q", c.name, word, text)
				}
			}
			if got.State != c.state || strings.Contains(text, "%!") {
				t.Errorf("%s of\n%sis %q, want %q: %s", c.name, c.output, got.State, c.state, text)
			}
		}
	}
}

// TestClock checks which clock is reported as wrong. It is this machine's where all others
// differ from it alike.
func TestClock(t *testing.T) {
	for want, clocks := range map[string][]time.Duration{
		"not compared":                                     nil,
		"within a minute of that of 2":                     {time.Second, -30 * time.Second},
		"this machine's clock is 3h behind that of 2 of 3": {3 * time.Hour, 3*time.Hour + time.Second, 0},
		"wrong on b (3h ahead of this machine's)":          {0, 3 * time.Hour, 0},
		"one of the two is wrong":                          {-56 * 365 * 24 * time.Hour},
	} {
		d := &doctor{clocks: make(map[string]clock)}
		for i, ahead := range clocks {
			name := string(rune('a' + i))
			d.clocks[name] = clock{name, ahead}
		}
		if clocks == nil {
			d.nodes = []api.Peer{{ID: "new", Connected: true}} // it has not answered yet
		}
		if got := d.clock(t.Context())[0]; !strings.Contains(got.Reason, want) {
			t.Errorf("clocks ahead by %v: %q, want %q", clocks, got.Reason, want)
		}
	}
}

// TestPrint checks that no character that another node could move a cursor with is printed.
func TestPrint(t *testing.T) {
	r := &Report{Checks: []Check{
		{About: "disk", Name: "/a", State: OK, Reason: "9 GiB free"},
		{About: "peer", Name: "/ip4/\x1b[2J", State: Fail, Step: "hello", Passed: []string{"address", "route"}, Reason: "no", Advice: []string{"Look"}},
	}}
	var out bytes.Buffer
	if err := r.Print(&out); err != nil {
		t.Fatal(err)
	}
	want := "ok   disk /a: 9 GiB free\nfail peer /ip4/\uFFFD[2J, at the step hello: no\n     good: address, route\n     → Look\n"
	if out.String() != want {
		t.Errorf("printed\n%q, want\n%q", out.String(), want)
	}
	if err := r.Err(); err == nil || err.Error() != "1 of 2 checks failed. An arrow (→) marks what to do" {
		t.Error(err)
	}
}
