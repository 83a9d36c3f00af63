package main

import (
	"strings"
	"testing"
)

// TestTokenCommands makes a token, uses it, and revokes it while the node runs.
func TestTokenCommands(t *testing.T) {
	dir, port := runNode(t)
	out, _ := program(t, 0, "token", "list", "-r", dir)
	checkHas(t, out, "No tokens beside the node's own")
	token, _ := program(t, 0, "token", "add", "wall", "--scope", "read", "-r", dir)
	token = strings.TrimSpace(token)
	use := []string{"--node", port, "--token", token}
	program(t, 0, append(use, "info")...)
	_, errs := program(t, 1, append(use, "register", "ws://localhost:1/ws")...)
	checkHas(t, errs, `The token "wall" has the scope read, and the op register needs the scope all.`, "foxchain token list -r DIRECTORY")
	out, _ = program(t, 0, "token", "list", "-r", dir, "--json")
	checkHas(t, out, `{"name":"wall","scope":"read","sha256":"`, `"created":`)
	if strings.Contains(out, token) {
		t.Error("the list has the token itself")
	}
	_, errs = program(t, 1, "token", "add", "wall", "--scope", "all", "-r", dir)
	checkHas(t, errs, "there is a token wall already", "token list -r "+dir)
	out, _ = program(t, 0, "token", "revoke", "wall", "-r", dir)
	checkHas(t, out, "wall is revoked\n")
	_, errs = program(t, 1, append(use, "info")...)
	checkHas(t, errs, "does not let us in (401 Unauthorized): Refused: the token is not that of this node: it is wrong, or it was revoked.")
}
