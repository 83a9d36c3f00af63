package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestTerminal runs commands on a terminal: colours come there and only there,
// and top draws the network until q.
func TestTerminal(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		if out, err := exec.CommandContext(t.Context(), "script", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "util-linux") {
			unable(t, "no terminal: apt-get install bsdutils (the program script of util-linux)")
		}
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "--name", "fox", "-k", "1")
		c := n.connect()
		c.merge(issue(1, 5))
		eventually(t, 5*time.Second, "a block", func() error {
			if got := len(c.blocks()); got != 1 {
				return fmt.Errorf("%d blocks", got)
			}
			return nil
		})
		hash := c.blocks()[0].Hash[:12]
		blocks := fmt.Sprintf("%s blocks --node %d", binary(t), n.ws)

		for _, look := range []struct {
			command string
			env     string
			colours bool
		}{
			{blocks, "", false},
			{blocks + " --color always", "", true},
			{onTerminal(blocks), "", true},
			{onTerminal(blocks), "NO_COLOR=1", false},
			{onTerminal(blocks), "TERM=dumb", false},
			{onTerminal(blocks + " --color never"), "", false},
			{onTerminal(blocks), "FOXCHAIN_COLOR=never", false},
		} {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", look.command)
			cmd.Env = append(os.Environ(), "TERM=xterm", look.env)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), hash) || strings.Contains(string(out), "\x1b[") != look.colours {
				t.Errorf("%s %s: %v, colours %v\n%q", look.env, look.command, err, !look.colours, out)
			}
		}

		top := exec.CommandContext(t.Context(), "sh", "-c", onTerminal(fmt.Sprintf("%s top --node %d", binary(t), n.ws)))
		top.Env = append(os.Environ(), "TERM=xterm")
		keys, err := top.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		p := startCommand(t, "foxchain top", top, t.TempDir())
		eventually(t, 10*time.Second, "top shows the node", func() error {
			if got := p.out.String(); !strings.Contains(got, "this node") || !strings.Contains(got, "1 block, tip") {
				return fmt.Errorf("it shows %q", got)
			}
			return nil
		})
		if _, err := keys.Write([]byte("q")); err != nil {
			t.Fatal(err)
		}
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second * slack):
			t.Fatal("q does not end top")
		}
		if out := p.out.String(); p.err != nil || !strings.HasPrefix(out, "\x1b[?1049h") || !strings.Contains(out, "\x1b[?1049l") {
			t.Errorf("top ended with %v, its screen closed: %v", p.err, strings.Contains(out, "\x1b[?1049l"))
		}
	})
}

// onTerminal is a shell command that runs another on a terminal of its own.
func onTerminal(command string) string {
	return fmt.Sprintf("script -qec '%s' /dev/null", command)
}
