package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestNewPSK: the file that psk new makes is one that --psk reads, and stays as it is.
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

// TestNodeKeyBeforeTheNode: a network's file names the key of a node that never ran, and
// the node then builds on that network.
func TestNodeKeyBeforeTheNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "office.db")
	var made struct {
		Key string `json:"node_key"`
	}
	for range 2 { // the second time it is read
		before := made.Key
		out, _ := program(t, 0, "keygen", "--node", "-r", dir, "--json")
		if err := json.Unmarshal([]byte(out), &made); err != nil || before != "" && made.Key != before {
			t.Fatalf("%s, before %s, %v", out, before, err)
		}
	}
	file := filepath.Join(t.TempDir(), "office.json")
	if err := os.WriteFile(file, []byte(`{"name":"office","builders":["`+made.Key+`"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, "-p", "0", "-r", dir, "--network", file)
	out, _ := program(t, 0, "info", "--node", n.port)
	checkHas(t, out, "builds     yes", made.Key)
}

// TestBlocksSayFinal: blocks in JSON say whether they are final, one also by whose votes, and
// an export stays as it was.
func TestBlocksSayFinal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ada.db")
	var made struct {
		Key string `json:"node_key"`
	}
	out, _ := program(t, 0, "keygen", "--node", "-r", dir, "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "office.json")
	if err := os.WriteFile(file, []byte(`{"name":"office","builders":["`+made.Key+`"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, "-p", "0", "-r", dir, "--network", file, "-k", "1", "-t", "0s", "--name", "ada")
	ask := func(args ...string) string {
		t.Helper()
		out, _ := program(t, 0, append(args, "--node", n.port)...)
		return out
	}
	ask("send", "issuer", accountA, "1", "--wait=final")
	checkHas(t, ask("block", "0", "--json"), `,"final":true,"final_by":{"height":0,`, `"signers":["`+made.Key+`"]`)
	checkHas(t, ask("blocks", "--json"), `,"final":true}`)
	if out := ask("export"); strings.Contains(out, `"final"`) {
		t.Errorf("an export has what import refuses:\n%s", out)
	}

	// Your own names, in words for you alone.
	mine := filepath.Join(t.TempDir(), "names")
	program(t, 0, "names", "add", "ada", accountA, "--names", mine)
	by := ", signed by ada (" + made.Key[:8] + ") (1 of 1)"
	for _, args := range [][]string{{"block", "0"}, {"info"}} {
		checkHas(t, ask(append(args, "--names", mine)...), by)
	}
	program(t, 0, "names", "add", "boss", made.Key, "--names", mine)
	for _, args := range [][]string{{"block", "0"}, {"info"}, {"send", "issuer", accountB, "1", "--wait=final"}} {
		checkHas(t, ask(append(args, "--names", mine)...), ", signed by boss (1 of 1)")
	}
	checkHas(t, ask("block", "0", "--json", "--names", mine), `"names":["ada"]`)
}
