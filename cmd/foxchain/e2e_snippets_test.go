package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestEventClients runs the clients of rpc/README.md of events, in Python, Go and
// JavaScript, as they stand there: each shows every block once, though the node
// is restarted under it.
func TestEventClients(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "1")
		shown := map[string]func() string{
			"Python":     pythonSnippet(t, n),
			"Go":         goSnippet(t, n),
			"JavaScript": jsSnippet(t, n),
		}
		for height := range 2 {
			if height > 0 {
				n.stop()
				n = n.again()
			}
			c := n.connect()
			c.merge(issue(height+1, 5))
			for name, output := range shown {
				eventually(t, 15*time.Second, fmt.Sprintf("%s shows block %d", name, height), func() error {
					if got := output(); !strings.Contains(got, fmt.Sprintf("in %d ", height)) {
						return fmt.Errorf("it shows %q", got)
					}
					return nil
				})
			}
		}
		blocks := n.connect().blocks()
		want := fmt.Sprintf("in 0 %s\nin 1 %s", blocks[0].Hash, blocks[1].Hash)
		for name, output := range shown {
			if got := strings.TrimSpace(output()); got != want {
				t.Errorf("%s shows\n%s\nnot\n%s", name, got, want)
			}
		}
	})
}

// snippet returns the block of code in rpc/README.md in a language that holds word.
func snippet(t *testing.T, language, word string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "rpc", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(text), "\n```"+language+"\n")[1:] {
		if code, _, _ := strings.Cut(part, "\n```"); strings.Contains(code, word) {
			return code + "\n"
		}
	}
	t.Fatalf("rpc/README.md has no block of %s with %q", language, word)
	return ""
}

func pythonSnippet(t *testing.T, n *node) func() string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "follow.py")
	if err := os.WriteFile(file, []byte(snippet(t, "python", "subscribe")), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startCommand(t, "the Python client", exec.CommandContext(context.WithoutCancel(t.Context()), pythonWithWebsocket(t), file, n.url()), "")
	return p.out.String
}

func goSnippet(t *testing.T, n *node) func() string {
	t.Helper()
	dir := t.TempDir()
	source, program := filepath.Join(dir, "follow.go"), filepath.Join(dir, "follow")
	if err := os.WriteFile(source, []byte(snippet(t, "go", "subscribe")), 0o600); err != nil {
		t.Fatal(err)
	}
	// Built here, in the module, whose dependencies it uses.
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("the Go client: %v\n%s", err, out)
	}
	p := startCommand(t, "the Go client", exec.CommandContext(context.WithoutCancel(t.Context()), program, n.url()), "")
	return p.out.String
}

// jsSnippet runs in the node's own page, in Chromium.
func jsSnippet(t *testing.T, n *node) func() string {
	t.Helper()
	browser := newBrowser(t)
	page := strings.TrimSuffix(strings.Replace(n.url(), "ws://", "http://", 1), "ws")
	if err := chromedp.Do(browser, chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	code := strings.Replace(snippet(t, "js", "subscribe"), "ws://localhost:9000/ws", n.url(), 1)
	script := "const shown = []; console.log = (...words) => shown.push(words.join(' '));\n" + code + "; 'running'"
	if _, err := chromedp.Run(browser, chromedp.Evaluate[string](script)); err != nil {
		t.Fatalf("the JavaScript client: %v", err)
	}
	return func() string {
		text, err := chromedp.Run(browser, chromedp.Evaluate[string](`shown.join('\n')`))
		if err != nil {
			t.Fatalf("the JavaScript client: %v", err)
		}
		return text
	}
}
