package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPrivateNetwork checks that a node without the pre-shared key, and one with another,
// are kept out of a private network, and that both sides report why. Nodes with the key
// are connected.
func TestPrivateNetwork(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		key := func(name, digits string) string {
			return save(t, dir, name, "/key/swarm/psk/1.0.0/\n/base16/\n"+strings.Repeat(digits, 32)+"\n")
		}
		ours := key("ours.key", "5a")
		g := &gang{t: t, h: h, dir: dir}
		inside := g.start("--psk", ours)
		insider := g.start("--psk", ours, "--peer", inside.n.url())
		for name, outsider := range map[string]*client{
			"no key":      g.start("--peer", inside.n.url()),
			"another key": g.start("--psk", key("theirs.key", "77"), "--peer", inside.n.url()),
		} {
			says(outsider, name+": the one outside says why", "--psk")
			keptOut(outsider)
		}
		says(inside, "the one inside says why", "--psk")
		inside.merge(issue(1, 100))
		eventually(t, "the one with the key has the transaction", func() error { return agreed(numberedTo(1), inside, insider) })
		g.apart(2)
	})
}

// TestOtherRules checks that nodes whose network files differ in one rule keep apart, and
// that both name the other's network.
func TestOtherRules(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		g := &gang{t: t, h: h, dir: dir}
		first := g.start("--network", save(t, dir, "strict.json", `{"name":"office","keyed_only":true}`))
		second := g.start("--network", save(t, dir, "open.json", `{"name":"office"}`), "--peer", first.n.url())
		says(first, "the first names the other's network", `it is on network \"office\"`)
		says(second, "the second names the other's network", `it is on network \"office\"`)
		first.merge(issue(1, 100))
		g.apart(1)
	})
}

// TestCopiedDirectory checks that a copy is a node of its own. With --keep-identity two
// nodes run with one key, and a third is connected with both. The two report it and go
// on. Once one of them has stopped, all is as before.
func TestCopiedDirectory(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		g := &gang{t: t, h: h, dir: t.TempDir()}
		between := g.start("--build=false")
		first := g.start("--build=false", "--peer", between.n.url())
		key := keyFile(t, first.n)
		first.n.stop()
		data := filepath.Join(first.n.dir, strconv.Itoa(first.n.ws)+".db")
		copied := filepath.Join(g.dir, "copy.db")
		if err := os.CopyFS(copied, os.DirFS(data)); err != nil {
			t.Fatal(err)
		}
		again := first.n.again().connect()
		if !bytes.Equal(keyFile(t, again.n), key) {
			t.Error("the key was made again at the second start")
		}
		own := g.start("--build=false", "-r", copied, "--peer", between.n.url())
		eventually(t, "the copy and the original are connected", func() error {
			if peers := string(own.op("peers", "").Response); strings.Count(peers, `"connected":true`) < 2 {
				return fmt.Errorf("its peers are %s", peers)
			}
			return nil
		})
		if !strings.Contains(own.n.out.String(), "is a copy") || !strings.Contains(own.n.out.String(), "--keep-identity") {
			t.Errorf("the copy does not report that it has a new identity:\n%s", own.n.out.String())
		}
		own.n.stop()
		twin := g.start("-k", "1", "-r", copied, "--keep-identity", "--peer", between.n.url())
		eventually(t, "both report it", func() error {
			for _, c := range []*client{again, twin} {
				if !strings.Contains(c.n.out.String(), "key is in use twice") {
					return fmt.Errorf("%s does not log it", c.n.name)
				}
				if info := string(c.op("info", "").Response); !strings.Contains(info, "remove node.key") {
					return fmt.Errorf("%s shows %s", c.n.name, info)
				}
			}
			return nil
		})
		twin.merge(issue(1, 100)) // with -k 1 a builder builds at once
		eventually(t, "it goes on building", func() error { return inBlocks(1, []*client{twin}) })
		again.n.stop()
		eventually(t, "with one of the two stopped, the other node has the transaction", func() error { return agreed(numberedTo(1), twin, between) })
		file := filepath.Join(data, "node.key") // as the notice advises
		if err := errors.Join(os.Remove(file), os.Remove(filepath.Join(data, "token")), os.RemoveAll(filepath.Join(data, "tokens"))); err != nil {
			t.Fatal(err)
		}
		must(t, h, data, "keygen", "-o", "node.key")
		renewed := again.n.again().connect()
		eventually(t, "under a new key it has the transaction", func() error { return agreed(numberedTo(1), renewed, twin, between) })
		if bytes.Equal(keyFile(t, renewed.n), key) {
			t.Error("it has the old key")
		}
	})
}

// keyFile reads a node's key, which only its user may read.
func keyFile(t *testing.T, n *node) []byte {
	t.Helper()
	file := filepath.Join(n.dir, strconv.Itoa(n.ws)+".db", "node.key")
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("%s has mode %o, want 600", file, got)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A gang is nodes of one machine that find each other only by --peer.
type gang struct {
	t       *testing.T
	h       *host
	dir     string
	clients []*client
}

func (g *gang) start(args ...string) *client {
	g.t.Helper()
	port := strconv.Itoa(g.h.base + len(g.clients))
	args = append([]string{"-p", port, "--mdns=false", "--listen", "/ip4/127.0.0.1/tcp/0"}, args...)
	c := startNode(g.t, g.h, g.dir, args...).connect()
	g.clients = append(g.clients, c)
	return c
}

// apart checks that the nodes from number n on got no transaction.
func (g *gang) apart(n int) {
	g.t.Helper()
	for _, c := range g.clients[n:] {
		if got := len(c.pool()) + len(c.blocks()); got > 0 {
			g.t.Errorf("%s has %d transactions and blocks", c.n.name, got)
		}
	}
}

// says waits until a node shows text among its peers' reasons.
func says(c *client, what, text string) {
	c.t.Helper()
	prints(c.t, what, text, func() string { return string(c.op("peers", "").Response) })
}

// keptOut checks that a node has no connection.
func keptOut(c *client) {
	c.t.Helper()
	if nodes := c.known(); slices.ContainsFunc(nodes, func(p peer) bool { return p.Connected }) {
		c.t.Errorf("%s is connected: %+v", c.n.name, nodes)
	}
}
