package main

import (
	"os/exec"
	"strings"
	"testing"
)

// TestCompletionScripts checks that there is a script for each shell, and that the shells
// on this machine can read theirs.
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
