package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/ledger"
)

func TestBuilderWords(t *testing.T) {
	for n, want := range map[int]string{
		0:   "everybody: any node may build, and nothing becomes final",
		1:   "1 builder: it must not lie; while it is away there are no blocks",
		2:   "2 builders: 0 may lie or be away; with 1 away nothing becomes final, and the chain goes on",
		3:   "3 builders: 0 may lie or be away; with 1 away nothing becomes final, and the chain goes on",
		4:   "4 builders: 1 may lie or be away; with 2 away nothing becomes final, and the chain goes on",
		7:   "7 builders: 2 may lie or be away; with 3 away nothing becomes final, and the chain goes on",
		100: "100 builders: 33 may lie or be away; with 34 away nothing becomes final, and the chain goes on",
		101: "101 builders: more than 100 cannot vote, so nothing becomes final",
	} {
		if got := builderWords(n, 0); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// TestNetworkFile checks that the output of network init is read again as the same rules,
// and holds no default.
func TestNetworkFile(t *testing.T) {
	key, account := strings.Repeat("ab", 32), "3f1c0a52-9d1e-8b6a-9c55-1d0f2a7be913"
	file := filepath.Join(t.TempDir(), "office.json")
	for _, c := range []struct{ args, file, words string }{
		{"--name office", "{\n  \"name\": \"office\"\n}\n", "everybody: any node may build"},
		{"--name office --keyed-only", "{\n  \"name\": \"office\",\n  \"keyed_only\": true\n}\n", "caution   everybody on this network can mint"},
		{"--name office --no-self-pay", "{\n  \"name\": \"office\",\n  \"no_self_pay\": true\n}\n", "none may pay itself"},
		{"--name office --bits 0 --builder " + key + " --issuer " + account + " --credit " + uuid.Max.String() + "=7 --credit all=9 --max-unfinal 50",
			"{\n  \"name\": \"office\",\n  \"bits\": 0,\n  \"issuers\": [\n    \"" + account + "\"\n  ],\n  \"builders\": [\n    \"" + key +
				"\"\n  ],\n  \"credit\": {\n    \"" + uuid.Max.String() + "\": 7\n  },\n  \"credit_default\": 9,\n  \"max_unfinal\": 50\n}\n", "every account may owe 9"},
	} {
		out, errs := program(t, 0, append([]string{"network", "init"}, strings.Fields(c.args)...)...)
		if out != c.file {
			t.Errorf("%s printed\n%s, want\n%s", c.args, out, c.file)
		}
		checkHas(t, errs, c.words)
		save(t, file, out)
		if shown, _ := program(t, 0, "network", "show", file); shown != errs {
			t.Errorf("%s: show prints\n%s, init printed\n%s", c.args, shown, errs)
		}
	}
}

// TestNetworkFileToCopy checks that the file in the documentation can be copied as it
// stands, and so can what a running node prints.
func TestNetworkFileToCopy(t *testing.T) {
	text, err := os.ReadFile("../../ledger/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, shown, _ := strings.Cut(string(text), "```json\n")
	shown, _, _ = strings.Cut(shown, "```")
	file := filepath.Join(t.TempDir(), "guild.json")
	save(t, file, shown)
	_, port := runNode(t, "--network", file)
	if printed, _ := program(t, 0, "network", "show", "--file", "--node", port); printed != shown {
		t.Errorf("the node prints\n%s", printed)
	}
	out, _ := program(t, 0, "network", "show", "--node", port)
	checkHas(t, out, "network   guild\n", "every account may owe 100", "(issuer), open")
}

// TestNetworkOfNamedAccounts checks that an account's name does for the account.
func TestNetworkOfNamedAccounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "names")
	program(t, 0, "names", "add", "bank", accountA, "--names", file)
	program(t, 0, "names", "add", "bo", accountB, "--names", file)
	out, errs := program(t, 0, "network", "init", "--name", "office", "--issuer", "bank", "--credit", "bo=5", "--names", file)
	checkHas(t, out, `"`+accountA+`"`, `"`+accountB+`": 5`)
	checkHas(t, errs, accountA+" (bank)", accountB+" (bo) may owe 5")
	_, errs = program(t, 2, "network", "init", "--name", "office", "--issuer", "di", "--names", file)
	checkHas(t, errs, `--issuer is "di": an account must be a UUID`, "or a name of yours (foxchain names)")
}

func TestNetworkRefuses(t *testing.T) {
	dir, key := t.TempDir(), strings.Repeat("ab", 32)
	const zero = "00000000-0000-0000-0000-000000000000"
	for args, want := range map[string]string{
		"":                      "--name is missing",
		"--name \x01":           "--name: must be printable text",
		"--name a --bits 41":    "--bits: must be an integer from 0 to 40",
		"--name a --bits 300":   "--bits: must be an integer from 0 to 40",
		"--name a --bits 1.5":   "--bits",
		"--name a --builder zz": `--builder is "zz": a builder's key is 64 hex digits`,
		"--name a --builder " + key + " --builder " + key: "--builder: must not name " + key + " twice",
		"--name a --issuer x":                             `--issuer is "x": an account must be a UUID`,
		"--name a --credit x":                             `--credit is "x": must be ACCOUNT=FLOOR`,
		"--name a --credit x=1":                           `--credit is "x=1": the account must be a UUID`,
		"--name a --credit all=-1":                        `--credit is "all=-1": must be ACCOUNT=FLOOR`,
		"--name a --credit " + zero + "=1":                "--credit " + zero + ": must not be an issuer's",
		"--name a --credit all=9007199254740992":          "where FLOOR is an integer from 0 to 9007199254740991",
		"--name a --max-unfinal 5":                        "--max-unfinal: needs 1 to 100 builders, not 0",
	} {
		out, errs := program(t, 2, append([]string{"network", "init"}, strings.Fields(args)...)...)
		if checkHas(t, errs, want, "See: foxchain network init --help"); out != "" {
			t.Errorf("%s prints %s", args, out)
		}
	}
	for text, want := range map[string]string{
		`{"name":"a","credit":{"x":1}}`: "bad.json: credit.x: must be a UUID",
		`{"name":"a","max_unfinal":5}`:  "bad.json: max_unfinal: needs 1 to 100 builders",
		"\x00":                          "bad.json contains NUL characters",
	} {
		file := filepath.Join(dir, "bad.json")
		save(t, file, text)
		_, errs := program(t, 1, "network", "show", file)
		checkHas(t, errs, want, "as foxchain network init makes it")
	}
	_, errs := program(t, 2, "network", "make")
	checkHas(t, errs, "network takes init or show")
}

// TestNetworkFromLive checks that the file of the builders that run serves an unused
// directory of such a builder.
func TestNetworkFromLive(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node.db")
	n := startNode(t, "-p", "0", "-r", dir, "--name", "ada")
	out, errs := program(t, 0, "network", "init", "--name", "office", "--from-live", "-r", dir)
	rules, err := ledger.ParseNetwork([]byte(out))
	if err != nil || len(rules.Builders) != 1 {
		t.Fatalf("%s: %v", out, err)
	}
	checkHas(t, errs, "builder "+rules.Builders[0].String()+" is ada, the node that was asked")
	n.stop()
	file := filepath.Join(t.TempDir(), "office.json")
	save(t, file, out)
	again := startNode(t, "-p", "0", "-r", dir, "--network", file, "-k", "1")
	info, _ := program(t, 0, "info", "--node", again.port)
	checkHas(t, info, "office ("+rules.ID().String()+")", "1 builder", rules.Builders[0].String())
	key, err := node.ReadKey(filepath.Join(dir, "node.key"), nil)
	if err != nil || node.PublicKey(key) != rules.Builders[0] {
		t.Errorf("the builder's key changed: %v", err)
	}
	again.stop()
	idle := startNode(t, "-p", "0", "-r", dir, "--network", file, "--build=false")
	_, errs = program(t, 1, "network", "init", "--name", "office", "--from-live", "--builder", rules.Builders[0].String(), "--node", idle.port)
	checkHas(t, errs, "the node sees no builder")
}
