package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ends waits for a process that must end by itself, with exit code 1 and these
// words.
func (p *process) ends(words ...string) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second * slack):
		p.t.Fatalf("%s: still runs", p.name)
	}
	if p.err == nil || p.cmd.ProcessState.ExitCode() != 1 {
		p.t.Errorf("%s: ended with %v, want exit code 1", p.name, p.err)
	}
	for _, word := range words {
		if !strings.Contains(p.out.String(), word) {
			p.t.Errorf("%s: does not say %q:\n%s", p.name, word, p.out.String())
		}
	}
}

// TestDisks gives a node disks that do not do what they should. The node names each fault
// in words, with what to do.
func TestDisks(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		h := l.here
		args := func(dir string) []string {
			return []string{"node", "-p", strconv.Itoa(h.base), "-r", dir, "--mdns=false", "-t", "50ms"}
		}
		t.Run("full", func(t *testing.T) { fullDisk(t, l, args) })
		t.Run("read-only", func(t *testing.T) {
			dir := t.TempDir()
			l.mount(t, dir, "ro")
			start(t, h, dir, args(filepath.Join(dir, "x.db"))...).ends("read-only file system", "-r")
		})
		t.Run("read-only ledger", func(t *testing.T) {
			dir := t.TempDir()
			l.mount(t, dir, "rw")
			n := startNode(t, h, dir, args("x.db")[1:]...)
			n.connect().merge(issue(1, 5))
			n.stop()
			l.sh("mount -o remount,ro %s", dir)
			start(t, h, dir, args("x.db")...).ends("read-only file system", "write to")
		})
		t.Run("in use", func(t *testing.T) {
			dir := t.TempDir()
			startNode(t, h, dir, args("x.db")[1:]...)
			start(t, h, dir, "node", "-p", strconv.Itoa(h.base+1), "-r", "x.db", "--mdns=false").ends("another node uses the data directory")
		})
		t.Run("another network's", func(t *testing.T) {
			dir := t.TempDir()
			n := startNode(t, h, dir, args("x.db")[1:]...)
			n.connect().merge(issue(1, 5)) // one that never held anything would take the other network
			n.stop()
			start(t, h, dir, append(args("x.db"), "--network", "class-3b")...).ends("another network", "class-3b")
		})
		t.Run("damaged", func(t *testing.T) { damagedDisk(t, h, args) })
	})
}

// mount puts a small disk on a directory until the test ends.
func (l *lab) mount(t *testing.T, dir, options string) {
	t.Helper()
	l.sh("mount -t tmpfs -o %s tmpfs %s", options, dir)
	t.Cleanup(func() { l.sh("umount -l %s", dir) })
}

// fullDisk fills a small disk while transactions come in. The node ends and reports why.
// With room again, everything that was accepted is there.
func fullDisk(t *testing.T, l *lab, args func(string) []string) {
	dir := t.TempDir()
	l.mount(t, dir, "size=24m")
	n := startNode(t, l.here, dir, args("x.db")[1:]...)
	load := startLoad(n, 0)
	if err := fill(filepath.Join(dir, "ballast")); err == nil {
		t.Fatal("the disk is not full")
	}
	select {
	case <-n.ended:
	case <-time.After(60 * time.Second * slack):
		t.Fatal("the node goes on on a full disk")
	}
	accepted := load.wait()
	n.ends("no space left on device", "make room")
	start(t, l.here, dir, args("x.db")...).ends("no space left on device", "make room")
	l.sh("rm %s", filepath.Join(dir, "ballast"))
	n = n.again()
	found := n.everything()
	for _, id := range accepted {
		if found[id] != 1 {
			t.Errorf("transaction %s was answered 202 and is there %d times", id, found[id])
		}
	}
	t.Logf("the disk was full after %d transactions were accepted: 0 lost, 0 twice", len(accepted))
}

// fill writes a file until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	chunk := make([]byte, 64<<10)
	for {
		if _, err := f.Write(chunk); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
}

// damagedDisk flips bytes in the tables of a stopped node. Then verify names the damage,
// the node refuses or stops, and repair keeps the key and makes a ledger that runs.
func damagedDisk(t *testing.T, h *host, args func(string) []string) {
	dir := t.TempDir()
	n := startNode(t, h, dir, args("x.db")[1:]...)
	c := n.connect()
	for i := range 40 {
		c.merge(issue(i+1, 5))
	}
	n.stop()
	n = n.again() // the journal became a table
	key, err := os.ReadFile(filepath.Join(dir, "x.db", "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	n.stop()
	tables, err := filepath.Glob(filepath.Join(dir, "x.db", "chain", "*.ldb"))
	if err != nil || len(tables) == 0 {
		t.Fatalf("no tables: %v", err)
	}
	for _, table := range tables {
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b[:len(b)/2] {
			b[i] ^= 0x20
		}
		if err := os.WriteFile(table, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start(t, h, dir, "verify", "-r", "x.db").ends("damaged", "foxchain repair -r")
	start(t, h, dir, args("x.db")...).ends("damaged", "foxchain repair -r")
	chain := filepath.Join(dir, "x.db", "chain")
	if out, err := exec.Command("chown", "-R", "65532", chain).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	repair := start(t, h, dir, "repair", "-r", "x.db", "--network", "foxchain")
	<-repair.ended
	if out, err := exec.Command("find", chain, "!", "-user", "65532").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("not the user's, for whom the administrator repaired: %v, %s", err, out)
	}
	if repair.err != nil || !strings.Contains(repair.out.String(), "old files") {
		t.Fatalf("repair: %v\n%s", repair.err, repair.out.String())
	}
	n = n.again()
	if again, err := os.ReadFile(filepath.Join(dir, "x.db", "node.key")); err != nil || string(again) != string(key) {
		t.Errorf("the node has another key: %v", err)
	}
	n.stop()
	verify := start(t, h, dir, "verify", "-r", "x.db")
	<-verify.ended
	if verify.err != nil {
		t.Errorf("verify: %v\n%s", verify.err, verify.out.String())
	}
}
