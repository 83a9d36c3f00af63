package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"foxchain/cmd/foxchain/internal/node"
)

// TestSignAndSubmit checks that a key with a passphrase signs without a node, and that
// what it signed counts once, however often it is submitted.
func TestSignAndSubmit(t *testing.T) {
	if testing.Short() {
		t.Skip("a passphrase costs a second each time, and a minute under the race detector")
	}
	dir := t.TempDir()
	file := func(name, text string) string { return save(t, filepath.Join(dir, name), text) }
	env := map[string]string{"FOXCHAIN_PASSPHRASE": "fox den"}
	key := filepath.Join(dir, "ada.key")
	out, _ := scripted(t, 0, env, "keygen", "-o", key, "--json")
	var made madeKey
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(key); err != nil || !strings.HasPrefix(string(text), "-----BEGIN AGE ENCRYPTED FILE-----\n") {
		t.Fatalf("%s %v", text, err)
	}
	secret, err := node.ReadKey(key, func(string) (string, error) { return "fox den", nil })
	if err != nil {
		t.Fatal(err)
	}
	text, err := node.EncodeKey(secret, "")
	if err != nil {
		t.Fatal(err)
	}
	plain := file("ada.pem", string(text)) // faster, for the rest
	pass := file("passphrase", "fox den\r\n")

	// Nothing runs yet.
	network := file("office.json", `{"name":"office"}`)
	_, port := runNode(t, "--network", network, "-k", "1", "-t", "0s")
	on := "--node=" + port
	first, errs := program(t, 0, "sign", "--key", key, "--passphrase-file", pass, "--network", network, accountB, "5")
	id := infoOf(t, port).Network.ID.String()
	checkHas(t, errs, "signed: 5 from "+made.Account+" to "+accountB+", for the network office ("+id+")\n")
	if err := os.Chmod(plain, 0o644); err != nil {
		t.Fatal(err)
	}
	second, errs := program(t, 0, "sign", "--key", plain, "--network", id, "--to", accountB, "--amount", "7")
	if runtime.GOOS != "windows" {
		checkHas(t, errs, "other users of this machine could read "+plain+"; now only you can\n")
	}

	program(t, 0, "send", on, "issuer", made.Account, "100", "--wait")
	pay := file("pay.jsonl", first+"\n"+second)
	out, errs = program(t, 0, "submit", on, pay, "--wait")
	if strings.Count(out, "is in block") != 2 || strings.Contains(errs, "before") {
		t.Errorf("%s%s", out, errs)
	}
	again, errs := program(t, 0, "submit", on, pay, "--wait")
	if again != out && !strings.Contains(again, "above it") {
		t.Errorf("%s, not %s", again, out)
	}
	checkHas(t, errs, "The node had all of it before: nothing was changed.")
	third, _ := program(t, 0, "sign", "--key", plain, "--network", network, accountB, "1")
	_, errs = program(t, 0, "submit", on, file("more.jsonl", first+third), "--wait")
	checkHas(t, errs, "had 1 of 2 transactions before")
	out, _ = program(t, 0, "account", on, made.Account)
	checkHas(t, out, "balance  87\n")

	// The error for a bad file names item, field and rule, and nothing of the file is sent.
	open := `{"id":"` + accountA + `","sender":"00000000-0000-0000-0000-000000000000","receiver":"` + accountA + `","amount":1}` + "\n"
	elsewhere, _ := program(t, 0, "sign", "--key", plain, "--network", "elsewhere", accountB, "1")
	for _, c := range []struct{ text, reason string }{
		{"", "is empty: there is no transaction"},
		{"hello", "transaction 1 is not valid JSON"},
		{open + first[:40], "transaction 2 is cut off"},
		{"[" + first + "]", "transaction 1: transaction: must be a transaction: an object"},
		{open + strings.Replace(first, `"amount":5`, `"amount":0`, 1), "transaction 2: transaction.amount: must be an integer from 1"},
		{open + strings.Replace(first, `"amount":5`, `"amount":6`, 1), "transaction 2: transaction.signature: must be the sender's"},
		{open + elsewhere, "transaction 2: transaction.signature: must be the sender's, made for this network"},
		{open + strings.Replace(first, `"amount":5`, `"amount":5,"amount":5`, 1), "transaction 2 is not valid JSON: duplicate"},
		{open + strings.Replace(first, `"amount"`, `"sum"`, 1), "transaction 2: transaction.sum: is not a key of a transaction"},
		{strings.Replace(open, `"id":"`+accountA+`",`, "", 1), "transaction 1: transaction.id: must be given, so that"},
	} {
		_, errs := program(t, 1, "submit", on, file("bad.jsonl", c.text))
		checkHas(t, errs, c.reason, "Nothing was sent")
	}
	program(t, 3, "tx", on, accountA)

	// Each of the passphrase's own errors.
	for _, c := range []struct {
		env          map[string]string
		args, reason string
	}{
		{nil, "--key " + key, "has a passphrase, and there is no terminal to ask on"},
		{nil, "--key " + key + " --passphrase-file " + file("none", ""), "the passphrase is empty"},
		{nil, "--key " + key + " --passphrase-file " + file("lines", "a\nb\n"), "a passphrase is one line"},
		{nil, "--key " + key + " --passphrase-file " + file("long", strings.Repeat("x", 1030)), "more than 1025 bytes"},
		{nil, "--key " + network, "is not an Ed25519 key"},
		{nil, "--key " + filepath.Join(dir, "no.key"), "no such file"},
	} {
		args := append(strings.Fields(c.args), accountB, "1")
		_, errs := scripted(t, 1, c.env, append([]string{"sign"}, args...)...)
		checkHas(t, errs, c.reason)
		_, errs = scripted(t, 1, c.env, append([]string{"send", on}, args...)...)
		checkHas(t, errs, c.reason)
	}
	_, errs = scripted(t, 1, map[string]string{"FOXCHAIN_PASSPHRASE": "dog den"}, "send", on, "--key", key, accountB, "1")
	checkHas(t, errs, "that is not the passphrase of "+key)
	_, errs = program(t, 1, "keygen", "-o", filepath.Join(dir, "new.key"), "--passphrase")
	checkHas(t, errs, "there is no terminal to ask on", "FOXCHAIN_PASSPHRASE")
	_, errs = program(t, 1, "send", on, made.Account, accountB, "1")
	checkHas(t, errs, "is the account of a key, and only that key can send from it", "--key FILE")
	_, errs = program(t, 1, "sign", "--key", filepath.Join(dir, "no.key"), "--network", id, "issuer", "1")
	checkHas(t, errs, `"issuer" stands in the network's file`)
	for _, args := range []string{"send ada", "send a b c", "send issuer " + accountA + " 0", "send issuer " + accountA + " 5 --to issuer",
		"sign " + accountA + " 5", "sign --key x " + accountA + " five"} {
		program(t, 2, strings.Fields(args)...)
	}
}

// TestArgumentsWinOverEnvironment checks that the command line wins over the environment,
// and that a flag beside an argument of the same meaning is refused.
func TestArgumentsWinOverEnvironment(t *testing.T) {
	key := filepath.Join(t.TempDir(), "ada.key")
	program(t, 0, "keygen", "-o", key)
	env := map[string]string{"FOXCHAIN_TO": accountA, "FOXCHAIN_AMOUNT": "7", "FOXCHAIN_KEY": key}
	out, _ := scripted(t, 0, env, "sign", accountB, "5")
	checkHas(t, out, `"receiver":"`+accountB+`","amount":5`)
	out, _ = scripted(t, 0, env, "sign", "--amount", "6")
	checkHas(t, out, `"receiver":"`+accountA+`","amount":6`)
	_, errs := program(t, 2, "sign", "--key", key, "--to", accountA, accountB, "5")
	checkHas(t, errs, "cannot be a flag, too: the arguments are TO AMOUNT\n")
	_, errs = program(t, 2, "send", "--from", accountA, accountA, accountB, "5")
	checkHas(t, errs, "cannot be a flag, too: the arguments are FROM TO AMOUNT, and with --key TO AMOUNT\n")
}

// TestPassphraseIsNotLost checks that a passphrase that would protect nothing is refused,
// and that keygen reports whether there is one.
func TestPassphraseIsNotLost(t *testing.T) {
	dir := t.TempDir()
	file, key := filepath.Join(dir, "passphrase"), filepath.Join(dir, "ada.key")
	save(t, file, "fox den\n")
	_, errs := program(t, 2, "keygen", "--node", "-r", filepath.Join(dir, "9000.db"), "--passphrase-file", file)
	checkHas(t, errs, "a passphrase and --node cannot go together")
	out, _ := scripted(t, 0, map[string]string{"FOXCHAIN_PASSPHRASE": "fox den"}, "keygen", "-o", key)
	checkHas(t, out, "it has a passphrase")
	_, errs = program(t, 1, "sign", "--key", key, "--passphrase-file", filepath.Join(dir, "none"), accountB, "5")
	if strings.Contains(errs, "To make a key") {
		t.Errorf("a missing passphrase is no missing key:\n%s", errs)
	}
	_, errs = program(t, 1, "sign", "--key", filepath.Join(dir, "none"), accountB, "5")
	checkHas(t, errs, "To make a key and its account")
}
