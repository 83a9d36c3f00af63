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

	"github.com/chromedp/chromedp"

	"foxchain/rpc/web/webtest"
)

// TestEventClients runs the event clients of rpc/README.md, in Python, Go and JavaScript,
// as they stand there. Each shows every block once, though the node is restarted under it.
func TestEventClients(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "1")
		shown := map[string]func() string{
			"Python": pythonSnippet(t, n),
			"Go":     goSnippet(t, n),
		}
		inBrowser(t, n, shown)
		for height := range 2 {
			if height > 0 {
				n.stop()
				n = n.again()
			}
			c := n.connect()
			c.merge(issue(height+1, 5))
			for name, output := range shown {
				prints(t, name+" shows a block", fmt.Sprintf("in %d ", height), output)
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
	file := save(t, t.TempDir(), "follow.py", snippet(t, "python", "subscribe"))
	p := startCommand(t, "the Python client", exec.CommandContext(context.WithoutCancel(t.Context()), pythonWithWebsocket(t), file, n.url()), "")
	return p.out.String
}

func goSnippet(t *testing.T, n *node) func() string {
	t.Helper()
	dir := t.TempDir()
	source, program := save(t, dir, "follow.go", snippet(t, "go", "subscribe")), filepath.Join(dir, "follow")
	// It is built here, in the module, whose dependencies it uses.
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("the Go client: %v\n%s", err, out)
	}
	p := startCommand(t, "the Go client", exec.CommandContext(context.WithoutCancel(t.Context()), program, n.url()), "")
	return p.out.String
}

// inBrowser runs the JavaScript clients, of the WebSocket and of server-sent events, in
// the node's own page, in Chromium.
func inBrowser(t *testing.T, n *node, shown map[string]func() string) {
	t.Helper()
	page := strings.TrimSuffix(strings.Replace(n.url(), "ws://", "http://", 1), "ws")
	browser := webtest.Open(t, page).Ctx
	for _, word := range []string{"WebSocket", "EventSource"} {
		code := strings.NewReplacer("ws://localhost:9000/ws", n.url(), "http://localhost:9000/", page).Replace(snippet(t, "js", "new "+word))
		script := fmt.Sprintf("{ const shown = window.of%s = [], console = {log: (...words) => shown.push(words.join(' '))};\n%s}; 'running'", word, code)
		if _, err := chromedp.Run(browser, chromedp.Evaluate[string](script)); err != nil {
			t.Fatalf("the JavaScript client: %v", err)
		}
		shown[word] = func() string {
			text, err := chromedp.Run(browser, chromedp.Evaluate[string]("of"+word+`.join('\n')`))
			if err != nil {
				t.Fatalf("the JavaScript client: %v", err)
			}
			return text
		}
	}
}

// TestCurl runs the lines with curl that are in the READMEs, as they stand there.
func TestCurl(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "1")
		ran := 0
		for _, file := range []string{"README.md", filepath.Join("rpc", "README.md")} {
			text, err := os.ReadFile(filepath.Join("..", "..", file))
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				line, isCurl := strings.CutPrefix(line, "$ curl ")
				if !isCurl {
					continue
				}
				ran++
				at := strings.NewReplacer("localhost:9000", fmt.Sprintf("localhost:%d", n.ws), "office.lan:9000", fmt.Sprintf("localhost:%d", n.ws))
				token, err := os.ReadFile(filepath.Join(n.dir, strconv.Itoa(n.ws)+".db", "token"))
				if err != nil {
					t.Fatal(err)
				}
				within := "60"
				if strings.Contains(line, "/events") { // which never ends
					within = "6"
				}
				curl := exec.CommandContext(t.Context(), "bash", "-c", "timeout "+within+" curl --fail-with-body "+at.Replace(line))
				curl.Env = append(os.Environ(), "TOKEN="+strings.TrimSpace(string(token)))
				out, err := curl.CombinedOutput()
				streams := strings.Contains(line, "/events") && curl.ProcessState.ExitCode() == 124 && strings.Contains(string(out), `data: {"change":"in"`)
				if err != nil && !streams || !strings.ContainsAny(string(out), "{") {
					t.Errorf("%s: curl %s: %v\n%s", file, line, err, out)
				}
			}
		}
		if ran < 6 {
			t.Errorf("%d lines", ran)
		}
	})
}
