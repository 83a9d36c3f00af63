package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestTerminal checks that commands use colours on a terminal, and only there.
func TestTerminal(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		if out, err := exec.CommandContext(t.Context(), "script", "--version").CombinedOutput(); err != nil || !strings.Contains(string(out), "util-linux") {
			unable(t, "no terminal: apt-get install bsdutils (the program script of util-linux)")
		}
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "--name", "fox", "-k", "1")
		c := n.connect()
		c.merge(issue(1, 5))
		becomes(t, "a block", 1, func() int { return len(c.blocks()) })
		hash := c.blocks()[0].Hash[:12]
		blocks := fmt.Sprintf("%s blocks --node %d", binary(t), n.ws)

		for _, look := range []struct {
			command string
			env     string
			colours bool
		}{
			{blocks, "", false},
			{onTerminal(blocks), "", true},
			{onTerminal(blocks), "NO_COLOR=1", false},
			{onTerminal(blocks), "TERM=dumb", false},
		} {
			cmd := exec.CommandContext(t.Context(), "sh", "-c", look.command)
			cmd.Env = append(os.Environ(), "TERM=xterm", look.env)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), hash) || strings.Contains(string(out), "\x1b[") != look.colours {
				t.Errorf("%s %s: %v, colours %v\n%q", look.env, look.command, err, !look.colours, out)
			}
		}
	})
}

// onTerminal returns a shell command that runs another on a terminal of its own.
func onTerminal(command string) string {
	return fmt.Sprintf("script -qec '%s' /dev/null", command)
}
