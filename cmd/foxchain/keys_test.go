package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewPSK checks that psk new makes a file that --psk reads, and never overwrites it.
func TestNewPSK(t *testing.T) {
	file := filepath.Join(t.TempDir(), "office.psk")
	out, _ := program(t, 0, "psk", "new", file)
	checkHas(t, out, file, "foxchain node --psk "+file)
	made, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	startNode(t, "-p", "0", "-r", filepath.Join(t.TempDir(), "node.db"), "--psk", file)
	program(t, 1, "psk", "new", file)
	if again, err := os.ReadFile(file); err != nil || string(again) != string(made) {
		t.Errorf("the key changed (%v)", err)
	}
}

// TestNodeKeyBeforeTheNode checks that a network's file can name the key of a node that
// never ran, and that the node then builds on that network.
func TestNodeKeyBeforeTheNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "office.db")
	key := answer[madeKey](t, "keygen", "--node", "-r", dir).NodeKey
	if again := answer[madeKey](t, "keygen", "--node", "-r", dir).NodeKey; again != key {
		t.Fatalf("%s, before %s", again, key)
	}
	n := startNode(t, "-p", "0", "-r", dir, "--network", officeOf(t, key))
	out, _ := program(t, 0, "info", "--node", n.port)
	checkHas(t, out, "builds     yes", key)
}

// TestBlocksSayFinal checks that blocks in JSON report whether they are final, one block
// also by whose votes, and that an export stays as it was.
func TestBlocksSayFinal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ada.db")
	key := answer[madeKey](t, "keygen", "--node", "-r", dir).NodeKey
	n := startNode(t, "-p", "0", "-r", dir, "--network", officeOf(t, key), "-k", "1", "-t", "0s", "--name", "ada")
	ask := func(args ...string) string {
		t.Helper()
		out, _ := program(t, 0, append(args, "--node", n.port)...)
		return out
	}
	ask("send", "issuer", accountA, "1", "--wait=final")
	checkHas(t, ask("block", "0", "--json"), `,"final":true,"final_by":{"height":0,`, `"signers":["`+key+`"]`)
	checkHas(t, ask("blocks", "--json"), `,"final":true}`)
	if out := ask("export"); strings.Contains(out, `"final"`) {
		t.Errorf("an export has what import refuses:\n%s", out)
	}

	// The user's own names are in text for people, and not in JSON.
	mine := filepath.Join(t.TempDir(), "names")
	program(t, 0, "names", "add", "ada", accountA, "--names", mine)
	by := ", signed by ada (" + key[:8] + ") (1 of 1)"
	for _, args := range [][]string{{"block", "0"}, {"info"}} {
		checkHas(t, ask(append(args, "--names", mine)...), by)
	}
	program(t, 0, "names", "add", "boss", key, "--names", mine)
	for _, args := range [][]string{{"block", "0"}, {"info"}, {"send", "issuer", accountB, "1", "--wait=final"}} {
		checkHas(t, ask(append(args, "--names", mine)...), ", signed by boss (1 of 1)")
	}
	checkHas(t, ask("block", "0", "--json", "--names", mine), `"names":["ada"]`)
}
