package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestExportImport takes the chain of one node to another that has none, by a
// file; a second import changes nothing, and half a file is refused by its line.
func TestExportImport(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		common := []string{"--mdns=false", "--listen", "/ip4/127.0.0.1/tcp/0"}
		from := startNode(t, h, dir, append([]string{"-p", strconv.Itoa(h.base), "-k", "1", "-t", "20ms"}, common...)...)
		to := startNode(t, h, dir, append([]string{"-p", strconv.Itoa(h.base + 1), "--build=false"}, common...)...)
		a, b := from.connect(), to.connect()
		for i := range 12 {
			a.merge(issue(i+1, 5))
		}
		eventually(t, 10*time.Second, "all is in blocks", func() error {
			if n := len(a.pool()); n > 0 {
				return fmt.Errorf("%d in the pool", n)
			}
			return nil
		})
		run := func(args ...string) *process {
			p := start(t, h, dir, args...)
			<-p.ended
			return p
		}
		if p := run("export", "--node", strconv.Itoa(h.base), "-o", "chain.jsonl"); p.err != nil {
			t.Fatalf("export: %v", p.out.String())
		}
		for range 2 {
			if p := run("import", "--node", strconv.Itoa(h.base+1), "chain.jsonl"); p.err != nil {
				t.Fatalf("import: %v", p.out.String())
			}
			if err := agreed(numberedTo(12), a, b); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(filepath.Join(dir, "chain.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(text), "\n")
		if err := os.WriteFile(filepath.Join(dir, "half.jsonl"), text[:len(text)-20], 0o600); err != nil {
			t.Fatal(err)
		}
		run("import", "--node", strconv.Itoa(h.base+1), "half.jsonl").ends(fmt.Sprintf("line %d is not JSON", lines))
	})
}
