package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"foxchain/cmd/foxchain/internal/term"

	"foxchain/rpc/api"
)

// completions are what a shell would offer, without descriptions.
func completions(t *testing.T, args ...string) []string {
	t.Helper()
	out, _ := program(t, 0, append([]string{"__completeNoDesc"}, args...)...)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return lines[:len(lines)-1] // the last is the directive
}

func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"bl"}, []string{"block", "blocks"}},
		{[]string{"watch", "--ev"}, []string{"--events"}},
		{[]string{"watch", "--events", ""}, api.EventKinds()},
		{[]string{"pool", "--color", ""}, []string{"auto", "always", "never"}},
		{[]string{"node", "--log-level", ""}, []string{"debug", "info", "warn", "error"}},
		{[]string{"send", "--to", "i"}, []string{term.IssuerWord}},
		{[]string{"account", ""}, []string{term.IssuerWord}},
		{[]string{"account", "--from", ""}, nil},
	} {
		if got := completions(t, c.args...); !slices.Equal(got, c.want) && len(got)+len(c.want) > 0 {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	for args, directive := range map[string]string{
		"send --key": ":0", "info --dir": ":16", "block": ":4", "keygen --out": ":0",
	} {
		out, _ := program(t, 0, append(append([]string{"__complete"}, strings.Fields(args)...), "")...)
		if !strings.HasSuffix(out, "\n"+directive+"\n") && out != directive+"\n" {
			t.Errorf("%s: %q, want the directive %s", args, out, directive)
		}
	}
}

// TestCompletionScripts: there is one for each shell, and the shells that are
// here can read theirs.
func TestCompletionScripts(t *testing.T) {
	for shell, check := range map[string][]string{
		"bash": {"bash", "-n"}, "zsh": {"zsh", "-n"}, "fish": {"fish", "--no-execute"}, "powershell": nil,
	} {
		script, _ := program(t, 0, "completion", shell)
		checkHas(t, script, "foxchain", "__complete")
		if check == nil {
			continue
		}
		if _, err := exec.LookPath(check[0]); err != nil {
			t.Logf("%s is not here: its script is not read by it", shell)
			continue
		}
		cmd := exec.CommandContext(t.Context(), check[0], check[1:]...)
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
}
