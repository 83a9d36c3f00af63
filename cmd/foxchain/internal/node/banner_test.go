package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBanner(t *testing.T) {
	const id = "/p2p/12D3KooWGC6TvWhfajpgX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
	g := Banner{
		Name: "fox\x1b[2J", Network: "class-3b", NetworkID: strings.Repeat("0a", 32), NetworkBy: "class 3b.json",
		Dir: "/home/fox/9000.db", Blocks: 17, URL: "ws://localhost:9000/ws", Loopback: true,
		Addrs: []string{"/ip4/127.0.0.1/tcp/19000" + id, "/ip4/10.1.2.3/tcp/19000" + id}, MDNS: true, Builds: true,
	}
	text := g.Text()
	for _, want := range []string{
		"name       fox\uFFFD[2J\n",
		"network    class-3b (0a0a0a0a0a0a)\n",
		"data       /home/fox/9000.db (17 blocks)\n",
		"page       http://localhost:9000/\n",
		"websocket  ws://localhost:9000/ws\n",
		`join       foxchain node --network "class 3b.json" --peer /ip4/10.1.2.3/tcp/19000` + id + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "builder ") || strings.Contains(text, "token") {
		t.Errorf("says too much:\n%s", text)
	}
	g.New, g.Builds, g.Loopback, g.Listen, g.Token = true, false, false, []string{"127.0.0.1", "10.1.2.3"}, "5eC"
	text = g.Text()
	for _, want := range []string{"9000.db (new)\n", "builder    off", "from afar  http://10.1.2.3:9000/#token=5eC\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestBestAddr(t *testing.T) {
	lan, docker := "/ip4/192.168.1.7/tcp/19000", "/ip4/172.17.0.1/tcp/19000"
	for _, c := range []struct {
		addrs    []string
		outgoing string
		want     string
	}{
		{[]string{"/ip4/127.0.0.1/tcp/1", docker, lan}, "192.168.1.7", lan},
		{[]string{"/ip4/127.0.0.1/tcp/1", "/ip6/fe80::1/tcp/1", lan}, "", lan},
		{[]string{"/ip4/192.168.1.7/udp/19000/quic-v1", lan}, "192.168.1.7", lan},
		{[]string{"/ip4/127.0.0.1/tcp/1"}, "192.168.1.7", "/ip4/127.0.0.1/tcp/1"},
		{[]string{"nonsense"}, "", ""},
		{nil, "", ""},
	} {
		outgoing, _ := netip.ParseAddr(c.outgoing)
		if got := bestAddr(c.addrs, outgoing); got != c.want {
			t.Errorf("bestAddr(%q, %s) = %q, want %q", c.addrs, c.outgoing, got, c.want)
		}
	}
}

// TestCalledAs checks that the line for a neighbour can be pasted.
func TestCalledAs(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	onPath := filepath.Join(dir, "foxchain-on-path.exe") // the ending is for Windows
	if err := os.WriteFile(onPath, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for arg, want := range map[string]string{
		"foxchain":                               "foxchain",
		"./foxchain":                             "./foxchain",
		"bin/foxchain":                           "bin/foxchain",
		onPath:                                   "foxchain-on-path.exe",
		filepath.Join(elsewhere, "foxchain-far"): "./foxchain-far",
		filepath.Join(elsewhere, "foxchain-far copy"): `"./foxchain-far copy"`,
	} {
		if got := calledAs(arg); got != want {
			t.Errorf("%s: %s, want %s", arg, got, want)
		}
	}
	g := Banner{Program: "./foxchain", Addrs: []string{"/ip4/127.0.0.1/tcp/19000"}}
	// A node that only this machine reaches invites no other machine.
	if text := g.Text(); !strings.Contains(text, "./foxchain node --peer /ip4/127") || !strings.Contains(text, "reach ") ||
		!strings.Contains(text, "on this machine, with another port") || strings.Contains(text, "(on another machine") {
		t.Errorf("it says\n%s", text)
	}
	g.Addrs = append(g.Addrs, "/ip4/10.1.2.3/tcp/19000")
	if text := g.Text(); strings.Contains(text, "reach ") {
		t.Errorf("it says\n%s", text)
	}
}

func TestLonely(t *testing.T) {
	text := lonelyText([]string{"a firewall may block\nits port"}, "foxchain node --peer X")
	for _, want := range []string{"foxchain doctor", "  - a firewall may block its port\n", "  foxchain node --peer X\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}
