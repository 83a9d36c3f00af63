package main

import (
	"path/filepath"
	"testing"

	"github.com/google/uuid"
)

// TestNames checks that a name is shown for its account and taken for it, and that send
// shows which account it is. An unknown name is an error before anything is sent.
func TestNames(t *testing.T) {
	_, port := runNode(t, "-k", "1", "-t", "0s")
	file := filepath.Join(t.TempDir(), "foxchain", "names")
	ask := func(code int, args ...string) string {
		t.Helper()
		out, errs := program(t, code, append(args, "--names", file)...)
		return out + errs
	}
	checkHas(t, ask(0, "names"), "No names yet", file)
	none, _ := program(t, 0, "names", "--names", "")
	checkHas(t, none, "the file of --names FILE")
	checkHas(t, ask(0, "names", "add", "ada", accountA), "ada is "+accountA)
	checkHas(t, ask(0, "names", "add", "bo", accountB), "bo is "+accountB)
	checkHas(t, ask(1, "names", "add", "Ada", uuid.NewString()), `"ada" is already that of `+accountA, "foxchain names --help")
	checkHas(t, ask(0, "names"), accountA+"  ada\n"+accountB+"  bo\n")

	on := "--node=" + port
	checkHas(t, ask(0, "send", on, "--from", "issuer", "--to", "ada", "--amount", "30", "--wait"), "ada is "+accountA+"\n", "is in block 0")
	checkHas(t, ask(0, "send", on, "--from", "ada", "--to", "bo", "--amount", "5", "--wait"), "ada is "+accountA+"\nbo is "+accountB+"\n")
	checkHas(t, ask(2, "send", on, "--from", "ada", "--to", "Bo", "--amount", "5"), `the account "Bo" must be a UUID`, "a name of yours")
	checkHas(t, ask(0, "account", on, "ada"), accountA+" (ada)\n", "bo")
	checkHas(t, ask(0, "block", on, "1"), "ada", "bo")
	checkHas(t, ask(0, "block", on, "1", "--full"), accountA+" (ada)", accountB+" (bo)")
	checkHas(t, ask(2, "account", on, "nobody"), `the account "nobody" must be`)

	checkHas(t, ask(0, "names", "remove", "bo"), "bo is only "+accountB+" again")
	checkHas(t, ask(1, "names", "remove", "bo"), `no name "bo"`)
	save(t, file, "ada\n")
	checkHas(t, ask(1, "account", on, "issuer"), file+", line 1: must be NAME KEY")
}
