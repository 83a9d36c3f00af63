package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	const id = "12D3KooWGC6TvWhfajpgX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5"
	for _, c := range []struct {
		args string
		want string // a part of the error; empty: none
	}{
		{"", ""},
		{"--peer /ip4/192.168.1.7/tcp/19000/p2p/" + id, ""},
		{"--peer ws://localhost:9001/ws --listen /ip4/127.0.0.1/tcp/0", ""},
		{"-p 0 -r x", ""},
		{"-p 70000", "-p is 70000"},
		{"-p 0", "-p 0 needs -r"},
		{"-k 0", "-k is 0"},
		{"-k 10001", "1 to 10000"},
		{"--expiry 0", "--expiry is 0"},
		{"--name " + strings.Repeat("x", 65), "1 to 64 bytes"},
		{"--name a\x1bb", "printable"},
		{"--listen 0.0.0.0:19000", "--listen is \"0.0.0.0:19000\""},
		{"--peer 192.168.1.7", "--peer is"},
		{"--peer /ip4/192.168.1.7/tcp/19000", "must end in /p2p/"},
		{"--peer ws://", "must be a WebSocket URL"},
		{"--peer /ip4/192.168.1.7/tcp/0/p2p/" + id, "TCP port"},
		{"--lan-range 203.0.113.0/24 --lan-range 2001:db8::/56", ""},
		{"--lan-range 203.0.113.7", "must be a range"},
		{"--quic --psk FILE", "cannot go together"},
		{"--ws-listen everywhere", "IP address"},
		{"--ws-listen fe80::1%eth0", "without a zone"},
	} {
		cfg, _, err := settingsFrom(t, nil, strings.Fields(c.args)...)
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q: error %v, want %q", c.args, err, c.want)
		}
	}
}

func TestRanges(t *testing.T) {
	c, _, err := settingsFrom(t, nil, "--lan-range", "203.0.113.9/24", "--lan-range", "2001:db8::/56")
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/56")}
	if got := c.ranges(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWSListen(t *testing.T) {
	c, _, _ := settingsFrom(t, nil, "-p", "9100")
	if got, want := c.wsListen(), []string{"127.0.0.1:9100", "[::1]:9100"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	c, _, _ = settingsFrom(t, nil, "--ws-listen", "0.0.0.0", "--ws-listen", "::")
	if got, want := c.wsListen(), []string{"0.0.0.0:9000", "[::]:9000"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestWSURL(t *testing.T) {
	for args, want := range map[string]string{
		"":                        "ws://localhost:9000/ws",
		"--ws-listen 0.0.0.0":     "ws://localhost:9000/ws",
		"--ws-listen ::1":         "ws://localhost:9000/ws",
		"--ws-listen 127.0.0.2":   "ws://127.0.0.2:9000/ws",
		"--ws-listen 192.168.1.7": "ws://192.168.1.7:9000/ws",
		"--ws-listen fd00::7":     "ws://[fd00::7]:9000/ws",
		"--ws-listen 192.168.1.7 --ws-listen 127.0.0.1": "ws://localhost:9000/ws",
	} {
		c, _, err := settingsFrom(t, nil, strings.Fields(args)...)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.WSURL(9000); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

func TestLoadNetwork(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "class.json")
	save(t, file, `{"name": "class-3b", "bits": 8}`)
	byName, err := LoadNetwork("class-3b")
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := LoadNetwork(file)
	if err != nil {
		t.Fatal(err)
	}
	if byName.Name != "class-3b" || byFile.Name != "class-3b" || byFile.Bits != 8 || byName.ID() == byFile.ID() {
		t.Errorf("by name %+v, by file %+v", byName, byFile)
	}
	t.Chdir(dir)
	save(t, "class", `{"name": "class-3b", "bits": 9}`)
	if err := os.WriteFile("foxchain", []byte("\x7fELF: the program itself"), 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := LoadNetwork("foxchain"); err != nil || n.Name != "foxchain" {
		t.Errorf("beside the program, its network is %v, %v", n, err)
	}
	if _, err := LoadNetwork("class"); err == nil || !strings.Contains(err.Error(), "./class") {
		t.Errorf("a name that is a file too gave %v", err)
	}
	for _, wrong := range []string{filepath.Join(dir, "none"), "none.json", ""} {
		if n, err := LoadNetwork(wrong); err == nil || !strings.Contains(err.Error(), "--network") {
			t.Errorf("%q gave %v, %v", wrong, n, err)
		}
	}
}

func TestLoadPSK(t *testing.T) {
	file := filepath.Join(t.TempDir(), "swarm.key")
	save(t, file, "/key/swarm/psk/1.0.0/\n/base16/\n"+strings.Repeat("0f", 32)+"\n")
	if key, err := LoadPSK(file); err != nil || len(key) != 32 || key[31] != 0x0f {
		t.Errorf("got %x, %v", key, err)
	}
	if key, err := LoadPSK(""); key != nil || err != nil {
		t.Errorf("no file gave %x, %v", key, err)
	}
	save(t, file, "secret\n")
	if _, err := LoadPSK(file); err == nil || !strings.Contains(err.Error(), "swarm") {
		t.Errorf("a wrong file gave %v", err)
	}
}
