package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestFinal runs four builders as an office does. What is sent becomes final, also with one
// of them killed. With two killed the chain goes on, and nothing new is final. When one is
// back, all of it is.
func TestFinal(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		nodes := office(t, h, dir)
		send := func(amount int, wait string) string {
			return must(t, h, dir, "send", "--node", nodes[0].url(), "--from", "issuer", "--to", "00000000-0000-0000-0000-000000000003",
				"--amount", strconv.Itoa(amount), wait)
		}
		final := func(n *node) int64 { return n.connect().info().finalHeight() }
		for i := range 2 {
			if out := send(i+1, "--wait=final"); !strings.Contains(out, "FINAL") {
				t.Fatalf("not final: %s", out)
			}
		}
		nodes[3].kill()
		if out := send(3, "--wait=final"); !strings.Contains(out, "FINAL") {
			t.Fatalf("not final with three of four: %s", out)
		}
		nodes[2].kill()
		before := final(nodes[0])
		if out := send(4, "--wait"); !strings.Contains(out, " · not final") || !strings.Contains(out, "may still be taken back") {
			t.Fatalf("with two of four: %s", out)
		}
		prints(t, "info names the missing ones", "2 of 4 builders are reachable", func() string { return must(t, h, dir, "info", "--node", nodes[0].url()) })
		if out := must(t, h, dir, "blocks", "--node", nodes[0].url()); strings.Count(out, "  final\n") != int(before)+1 || strings.Count(out, "  not yet\n") != 1 {
			t.Errorf("not %d final blocks and one that is not:\n%s", before+1, out)
		}
		lost := lastTx(t, nodes[0])
		// They were lost in the same minute or in two.
		said := regexp.MustCompile(`· not final: 2 of 4 builders are reachable \(missing: (n2, n3 since \S+|n[23] since \S+, n[23] since \S+)\), 3 are needed; may still be taken back`)
		if out := must(t, h, dir, "tx", "--node", nodes[0].url(), lost); !said.MatchString(out) {
			t.Errorf("the receipt does not say who is missing:\n%s", out)
		}
		if got := final(nodes[0]); got != before {
			t.Fatalf("block %d became final with two of four builders", got)
		}
		nodes[2] = nodes[2].again()
		for _, n := range nodes[:3] {
			n.awaitFinal()
			if got := final(n); got <= before {
				t.Errorf("final is block %d, and %d was", got, before)
			}
		}
		if out := must(t, h, dir, "tx", "--node", nodes[0].url(), lost); !strings.Contains(out, "· FINAL since ") || !strings.Contains(out, ", signed by n0, n1, n2 (3 of 4)") {
			t.Errorf("the receipt does not say who signed:\n%s", out)
		}
		proves(t, h, dir, nodes[0], lost)
	})
}

// proves runs the recipe of README.md that audits a payment, as it stands there, and then
// on a changed proof.
func proves(t *testing.T, h *host, dir string, n *node, id string) {
	t.Helper()
	root := filepath.Join("..", "..")
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	python, err := filepath.Abs(filepath.Join(root, "ledger", "testdata", "proof.py"))
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, found := strings.Cut(string(readme), "### Audit a payment without a node\n\n```console\n")
	recipe, _, _ = strings.Cut(recipe, "```")
	recipe = strings.NewReplacer("\n$ ", "\n", "--network foxchain", "--network office.json", "./foxchain", binary(t), "ledger/testdata/proof.py", python).Replace("\n" + recipe)
	shell := func(script string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", script)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "ID="+id, "FOXCHAIN_NODE="+n.url())
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := shell(recipe)
	if !found || err != nil || !strings.Contains(out, "It is FINAL: 3 of 4 builders signed block ") || !strings.Contains(out, "It is of your network") || !strings.Contains(out, "right: final") {
		t.Errorf("%v\n%s", err, out)
	}
	check := strings.Split(recipe, "\n")
	for i, want := range map[int]string{2: "proves nothing: path: must lead from the transaction", 3: "wrong: path"} {
		out, err := shell(`sed -i 's/"amount": /"amount": 1/' proof.json` + "\n" + check[i])
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("a changed proof: %v\n%s", err, out)
		}
	}
}

// lastTx returns the ID of the transaction in a node's last block.
func lastTx(t *testing.T, n *node) string {
	b := decode[block](t, must(t, n.host, n.dir, "block", "--node", n.url(), "--json", "--", "-1"))
	if len(b.Items) != 1 {
		t.Fatalf("%+v", b)
	}
	return b.Items[0].ID
}

// office starts four builders in dir. Those with a number in alone know no other.
func office(t *testing.T, h *host, dir string, alone ...int) (nodes []*node) {
	t.Helper()
	builders := make([]string, 4)
	for i := range builders {
		builders[i] = "--builder=" + decode[info](t, must(t, h, dir, "keygen", "--node", "-r", fmt.Sprintf("n%d.db", i), "--json")).NodeKey
	}
	save(t, dir, "office.json", must(t, h, dir, append([]string{"network", "init", "--name", "office"}, builders...)...))
	for i := range builders {
		args := []string{"-p", strconv.Itoa(h.base + i), "-r", fmt.Sprintf("n%d.db", i), "--network", "office.json", "--mdns=false", "-k", "1", "-t", "0s", "--name", fmt.Sprintf("n%d", i)}
		for j, n := range nodes {
			if !slices.Contains(alone, i) && !slices.Contains(alone, j) {
				args = append(args, "--peer", n.url())
			}
		}
		nodes = append(nodes, startNode(t, h, dir, args...))
	}
	return nodes
}

// TestVotingStick has three builders and the fourth on networks that never meet, and
// carries files between them. What the three made final is final at the fourth too, against
// more work. What the fourth had built is in its pool again, goes back in a file, and
// becomes final there.
func TestVotingStick(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		nodes := office(t, h, dir, 3)
		lan, away := nodes[0], nodes[3]
		send := func(n *node, wait string) string {
			out := must(t, h, dir, "send", "--node", n.url(), "--from", "issuer", "--to", "00000000-0000-0000-0000-000000000003", "--amount", "1", wait)
			id, _, _ := strings.Cut(out, " ")
			return strings.TrimSpace(id)
		}
		n := 0
		carry := func(from, to *node, since ...string) string {
			n++
			file := fmt.Sprintf("stick%d.jsonl", n)
			must(t, h, dir, append([]string{"export", "--node", from.url(), "-o", file}, since...)...)
			return must(t, h, dir, "import", "--node", to.url(), file)
		}
		send(lan, "--wait=final")
		if out := carry(lan, away); !strings.Contains(out, "final up to height 0, as the file's certificate shows") {
			t.Errorf("the first time: %s", out)
		}
		common := away.connect().info().Final.Hash
		mine := []string{send(away, "--wait"), send(away, "--wait")}
		send(lan, "--wait=final")
		out := carry(lan, away, "--since", common)
		for _, want := range []string{"1 block read", "final up to height 1", "moved: 2 blocks left the chain"} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q: %s", want, out)
			}
		}
		// The fourth may have built its own again on the file's block before import looked.
		if !strings.Contains(out, "new: 1 block joined the chain, with 1 transaction\n") && !strings.Contains(out, "new: 2 blocks joined the chain, with 3 transactions\n") {
			t.Errorf("it counts what joined the chain wrongly: %s", out)
		}
		becomes(t, "the fourth builds again what it had", true, func() bool { return away.connect().info().Blocks >= 3 })
		carry(away, lan, "--since", "2")
		for _, id := range mine {
			prints(t, "what came by the file is final", "· FINAL since ", func() string { return must(t, h, dir, "tx", "--node", lan.url(), id) })
		}
		if out := carry(lan, away); !strings.Contains(out, "final up to height") {
			t.Errorf("back again: %s", out)
		}
		if a, b := lan.connect().info(), away.connect().info(); a.Blocks != b.Blocks || a.finalHeight() != b.finalHeight() {
			t.Errorf("%d and %d blocks, %d and %d final", a.Blocks, b.Blocks, a.finalHeight(), b.finalHeight())
		}
	})
}

// TestOfficeRegister runs the recipe of ledger/README.md as it stands there.
func TestOfficeRegister(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		if err := os.Symlink(binary(t), filepath.Join(dir, "foxchain")); err != nil {
			t.Fatal(err)
		}
		steps := shellBlocks(t, filepath.Join("..", "..", "ledger", "README.md"))
		if len(steps) != 3 {
			t.Fatalf("%d steps", len(steps))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute*slack)
		defer cancel()
		shell := exec.CommandContext(ctx, "sh", "-e", "-c",
			// What a failed step leaves running ends with the shell.
			"trap 'kill -9 $(jobs -p) 2>/dev/null || true' EXIT\n"+strings.Join(steps, "\n"))
		shell.Dir, shell.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := shell.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := strings.Count(string(out), "· FINAL"); got != 3 || !strings.Contains(string(out), "final      all blocks") {
			t.Errorf("final %d times, not 3:\n%s", got, out)
		}
	})
}
