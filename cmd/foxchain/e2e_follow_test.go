package main_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestForeignPeer follows a node with p2p/testdata/follow, a peer in JavaScript that was
// written from the documented formats. It shows every block, those that were there and the
// one that comes, and is a peer like any other. The network file has a rule of each kind.
func TestForeignPeer(t *testing.T) {
	waits(t)
	modules := nodeModules(t) // before the test has a network of its own
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		made := decode[info](t, must(t, h, dir, "keygen", "--node", "-r", "n.db", "--json"))
		file := must(t, h, dir, "network", "init", "--name", "café", "--bits", "8", "--builder", made.NodeKey, "--no-self-pay", "--max-unfinal", "50",
			"--issuer", numbered(0), "--issuer", numbered(9), "--credit", numbered(3)+"=300", "--credit", "all=1")
		save(t, dir, "cafe.json", file)
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "-r", "n.db", "--network", "cafe.json", "--mdns=false", "-k", "3", "-t", "0s")
		c := n.connect()
		c.merge(issue(1, 5), issue(2, 6), issue(3, 7))
		becomes(t, "a block is built", 1, func() int { return len(c.blocks()) })
		js := startCommand(t, "the JavaScript peer", exec.CommandContext(context.WithoutCancel(t.Context()), "node", follower(t, modules), c.info().Multiaddrs[0], filepath.Join(dir, "cafe.json")), "")
		shows := func(blocks int) {
			t.Helper()
			eventually(t, fmt.Sprintf("the JavaScript peer shows %d blocks", blocks), func() error {
				var want strings.Builder
				for i, b := range c.blocks() {
					fmt.Fprintf(&want, "%d %s %d\n", i, b.Hash, len(b.Items))
				}
				if got := js.out.String(); strings.Count(got, "\n") != blocks || got != want.String() {
					return fmt.Errorf("it shows\n%snot\n%s", got, want.String())
				}
				return nil
			})
		}
		shows(1)
		c.merge(issue(4, 5), issue(5, 6), issue(6, 7))
		shows(2)
		prints(t, "it is a peer of the node", "  connected  ", func() string { return must(t, h, dir, "peers", "--node", n.url()) })
	})
}

// nodeModules returns a directory with the npm packages of p2p/testdata/follow. They are
// installed once on a machine.
func nodeModules(t *testing.T) string {
	t.Helper()
	for _, tool := range []string{"node", "npm"} {
		if _, err := exec.LookPath(tool); err != nil {
			unable(t, "the JavaScript peer needs Node.js with npm: apt-get install nodejs npm")
		}
	}
	lock, err := os.ReadFile(followFile("package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, fmt.Sprintf("foxchain-follow-%x", sha256.Sum256(lock)))
	if _, err := os.Stat(dir); err == nil {
		return filepath.Join(dir, "node_modules")
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	made, err := os.MkdirTemp(cache, "foxchain-follow-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(made)
	if err := os.CopyFS(made, os.DirFS(followFile("."))); err != nil {
		t.Fatal(err)
	}
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = made
	if out, err := npm.CombinedOutput(); err != nil {
		unable(t, "npm cannot install the packages of the JavaScript peer: %v\n%s", err, out)
	}
	if err := os.Rename(made, dir); err != nil {
		if _, err := os.Stat(dir); err != nil { // else another test was first
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "node_modules")
}

// follower returns the peer's program in a directory where it finds its packages.
func follower(t *testing.T, modules string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(followFile("."))); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "follow.js")
}

func followFile(name string) string {
	return filepath.Join("..", "..", "p2p", "testdata", "follow", name)
}
