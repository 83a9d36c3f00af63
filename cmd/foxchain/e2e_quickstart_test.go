package main_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestQuickStart runs the README's first command line in a fresh copy of the
// sources, as a stranger does, and finds a ready node with its page.
func TestQuickStart(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		root := filepath.Join("..", "..")
		blocks := shellBlocks(t, filepath.Join(root, "README.md"))
		if len(blocks) < 2 || blocks[1] != "go test ./..." {
			t.Errorf("the README's second sh block is not the command that runs the tests: %q", blocks)
		}
		clone := t.TempDir()
		for _, dir := range []string{"builder", "cmd", "ledger", "p2p", "rpc"} {
			if err := os.CopyFS(filepath.Join(clone, dir), os.DirFS(filepath.Join(root, dir))); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"go.mod", "go.sum"} {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(clone, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		build, run, ok := strings.Cut(blocks[0], " && ")
		if !ok {
			t.Fatalf("the README's first sh block is not one line that builds and starts: %q", blocks[0])
		}
		// In the place of the sources, the copy finds its packages in the build cache.
		place, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		l.sh("mount --bind %s %s", clone, place)
		shell := exec.CommandContext(t.Context(), "sh", "-c", build)
		shell.Dir = place
		if out, err := shell.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", build, err, out)
		}
		words := strings.Fields(run)
		p := startCommand(t, run, exec.CommandContext(t.Context(), filepath.Join(clone, words[0]), words[1:]...), clone)
		n := &node{process: p, host: l.here, dir: clone, ws: 9000}
		n.awaitReady()
		if status, body, err := n.get("/", nil); err != nil || status != 200 || !strings.Contains(body, "<html") {
			t.Errorf("the page: %d %v %.200s", status, err, body)
		}
		eventually(t, "the first lines name page and WebSocket", func() error { // printed a moment after it is ready
			if out := p.out.String(); !strings.Contains(out, "http://localhost:9000/") || !strings.Contains(out, "ws://localhost:9000/ws") {
				return errors.New(out)
			}
			return nil
		})
		n.stop()
	})
}

// shellBlocks returns the contents of the sh blocks of a Markdown file.
func shellBlocks(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(text), "\n```sh\n")[1:] {
		block, _, _ := strings.Cut(part, "\n```")
		blocks = append(blocks, block)
	}
	return blocks
}
