package main

import (
	"encoding/csv"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestStatement checks the balances of a statement, of its periods that meet, and as CSV.
// It also checks the list of accounts with the names of this machine.
func TestStatement(t *testing.T) {
	_, port := runNode(t, "-k", "1", "-t", "0s")
	names := filepath.Join(t.TempDir(), "names")
	ask := func(code int, args ...string) string {
		t.Helper()
		out, errs := program(t, code, append(args, "--names", names, "--node", port)...)
		return out + errs
	}
	if _, errs := program(t, 0, "names", "add", "ada", accountA, "--names", names); errs != "" {
		t.Fatal(errs)
	}
	send := func(from, to, amount string) {
		t.Helper()
		ask(0, "send", "--from", from, "--to", to, "--amount", amount, "--wait")
	}
	send("issuer", "ada", "30") // blocks 0 to 3
	send("ada", accountB, "12")
	send("ada", "ada", "5")
	send(accountB, "issuer", "2")

	rows := func(args ...string) [][]string {
		t.Helper()
		rows, err := csv.NewReader(strings.NewReader(ask(0, append([]string{"statement", "--csv"}, args...)...))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		held := "balance"
		if args[0] == "issuer" {
			held = "redeemed less minted"
		}
		if rows[0][5] != held {
			t.Errorf("%v: the column of what is behind each is called %s, want %s", args, rows[0][5], held)
		}
		return rows[1:]
	}
	// each is what, in, out, balance and name.
	want := func(got [][]string, want ...string) {
		t.Helper()
		var lines []string
		for _, r := range got {
			lines = append(lines, strings.Join(slices.Concat(r[2:6], r[7:8]), " "))
		}
		if !slices.Equal(lines, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
	}
	want(rows("ada"), "opening balance   0 ", "in 30  30 ", "out  12 18 ", "self 5 5 18 ada", "closing balance   18 ")
	want(rows("ada", "--from", "1", "--to", "1"), "opening balance   30 ", "out  12 18 ", "closing balance   18 ")
	want(rows("issuer"), "opening redeemed less minted   0 ", "out  30 -30 ada", "in 2  -28 ", "closing redeemed less minted   -28 ")
	today := time.Now().Format(time.DateOnly)
	want(rows(accountB, "--from", today), "opening balance   0 ", "in 12  12 ada", "out  2 10 ", "closing balance   10 ")
	want(rows(accountB, "--to", "2020-01-31"), "opening balance   0 ", "closing balance   0 ")
	want(rows(accountB, "--from", "9999-01-31"), "opening balance   10 ", "closing balance   10 ")
	checkHas(t, ask(0, "statement", "ada"), accountA+" (ada)", "0 to 3, the last one", "closing balance  18", " BALANCE  TRANSACTION ", "3 transactions\n")
	checkHas(t, ask(0, "statement", "issuer"), "opening redeemed less minted  0\n", "closing redeemed less minted  -28\n", " REDEEMED LESS MINTED  TRANSACTION ", "  -28  ")
	checkHas(t, ask(2, "statement", "ada", "--from", "May"), `--from is "May": must be a height, or a date`)

	// A history has the balance after each transaction.
	checkHas(t, ask(0, "account", "ada", "--limit", "1"), "AMOUNT  BALANCE  WITH", "  ±5       18  itself", "To list all: foxchain statement "+accountA+" --node "+port+"\n")
	checkHas(t, ask(0, "account", "issuer", "--limit", "1"), "AMOUNT  REDEEMED LESS MINTED  WITH", "      +2                   -28 ")

	checkHas(t, ask(0, "accounts"), "issuer", "minted 30, redeemed 2", accountA+"  ada", "18\n")
	checkHas(t, ask(0, "accounts", "--by", "account", "--limit", "1"), "More: foxchain accounts --by account --from "+accountA)
	checkHas(t, ask(0, "accounts", "--limit", "1"), "More: foxchain accounts --by balance --from ")
	if out := ask(0, "accounts", "--by", "name"); strings.Count(out, "\n") != 2 || !strings.Contains(out, "ada") {
		t.Errorf("by name: %s", out)
	}
	checkHas(t, ask(0, "accounts", "ff"), "No accounts.")
	checkHas(t, ask(2, "accounts", "--by", "age"), "must be balance, account or name")
}
