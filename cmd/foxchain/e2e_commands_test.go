package main_test

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// run runs one command of the program to its end, and returns what it printed and
// its exit code.
func run(t testing.TB, h *host, dir string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := h.command(t.Context(), t, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("foxchain %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs one command that has to succeed.
func must(t testing.TB, h *host, dir string, args ...string) string {
	t.Helper()
	out, errs, code := run(t, h, dir, args...)
	if code != 0 {
		t.Fatalf("foxchain %s: exit code %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// TestDevnetAndCommands starts three nodes in one process and queries them with the
// commands, as tables and as JSON.
func TestDevnetAndCommands(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		h, dir := l.here, t.TempDir()
		devnet := start(t, h, dir, "devnet", "-n", "3", "-k", "2")
		var clients []*client
		for i := range 3 {
			n := &node{process: devnet, host: h, dir: dir, ws: 9000 + i}
			n.awaitReady()
			clients = append(clients, n.connect())
		}
		awaitAll(t, clients)

		must(t, h, dir, "keygen", "-o", "me.pem")
		account := numbered(3)
		must(t, h, dir, "send", "--from", "issuer", "--to", account, "--amount", "30", "--id", numbered(1))
		must(t, h, dir, "send", "--node", "9001", "--from", account, "--to", "issuer", "--amount", "10", "--id", numbered(2), "--wait")
		eventually(t, "all hold the block of both", func() error { return agreed(numberedTo(2), clients...) })
		for _, args := range [][]string{
			{"info"}, {"peers"}, {"pool"}, {"blocks"}, {"block", "0"}, {"tx", numbered(1)}, {"account", account},
		} {
			args = append(args, "--node", "9002")
			if table := must(t, h, dir, args...); strings.TrimSpace(table) == "" {
				t.Errorf("foxchain %v printed nothing", args)
			}
			args = append(args, "--json")
			for line := range strings.Lines(must(t, h, dir, args...)) {
				if !jsontext.Value(line).IsValid() {
					t.Errorf("foxchain %v: not a JSON value a line: %s", args, line)
				}
			}
		}
		if out := must(t, h, dir, "account", account, "--json"); !strings.Contains(out, `"balance":20`) {
			t.Errorf("the account holds not 20: %s", out)
		}
		exitCodes(t, h, dir)
		devnet.stop()
	})
}

// exitCodes checks the exit codes that scripts rely on.
func exitCodes(t *testing.T, h *host, dir string) {
	t.Helper()
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"version"}},
		{1, []string{"info", "--node", "9999"}},
		{1, []string{"node", "-p", "9000", "-r", "taken.db"}}, // its port is in use
		{1, []string{"keygen", "-o", "me.pem"}},               // it exists
		{2, []string{"node", "--no-such-flag"}},
		{2, []string{"send", "--amount", "0", "--from", "issuer", "--to", numbered(3)}},
		{3, []string{"block", "999"}},
		{3, []string{"tx", numbered(999)}},
	} {
		out, errs, code := run(t, h, dir, c.args...)
		if code != c.code || (code != 0 && strings.TrimSpace(errs) == "") {
			t.Errorf("foxchain %v: exit code %d, not %d; it says\n%s%s", c.args, code, c.code, out, errs)
		}
	}
}
