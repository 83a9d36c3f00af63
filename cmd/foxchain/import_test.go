package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestUSBStick takes blocks from one network to another that it never meets, and back.
// The better chain wins on both, transactions that left it are in the pool again, and
// what is printed is what happened.
func TestUSBStick(t *testing.T) {
	_, east := runNode(t, "-k", "1", "-t", "0s", "--name", "east")
	_, west := runNode(t, "-k", "1", "-t", "0s", "--name", "west")
	stick := filepath.Join(t.TempDir(), "stick.jsonl")
	send := func(port, to, amount, id string) {
		t.Helper()
		program(t, 0, "send", "--node", port, "--from", "issuer", "--to", to, "--amount", amount, "--id", id, "--wait")
	}
	n := 0
	carry := func(code int, from, to string, since ...string) string {
		t.Helper()
		n++
		file := stick + string(rune('a'+n))
		program(t, 0, append([]string{"export", "--node", from, "-o", file}, since...)...)
		out, errs := program(t, code, "import", "--node", to, file)
		return out + errs
	}
	tip := func(port string) string { return infoOf(t, port).Tip.String() }

	checkHas(t, carry(0, east, west), "0 blocks read")
	send(east, accountA, "10", uuid.NewString())
	common := tip(east)
	checkHas(t, carry(0, east, west), "1 block read; the node's chain had 0 blocks and has 1\n", "new: 1 block joined the chain, with 1 transaction\n")
	checkHas(t, carry(0, east, west), "nothing was new")

	// The west builds two blocks, and the east one with a transaction that has the id of
	// one of the west's.
	clash, only := uuid.NewString(), uuid.NewString()
	send(west, accountA, "1", clash)
	send(west, accountA, "2", uuid.NewString())
	send(east, accountB, "3", clash)
	checkHas(t, carry(0, east, west, "--since", common), "1 block read", "the file's last block is not on the chain: this node's chain has more work")
	checkHas(t, carry(1, west, east, "--since", "2"), "prev_hash: is not a block that is known here", "earlier --since")
	got := carry(0, west, east, "--since", "1")
	checkHas(t, got, "2 blocks read; the node's chain had 2 blocks and has 3\n", "new: 2 blocks joined the chain, with 2 transactions\n",
		"moved: 1 block left the chain. Of their transactions 0 are in the new blocks, too, 0 are in the pool again",
		"clashed: 1 transaction cannot be on this chain:\n  "+clash+" (3): another transaction with the id "+clash)
	if a, b := tip(east), tip(west); a != b {
		t.Errorf("the east is on %s, the west on %s", a, b)
	}

	// The east reverts a block again, and now nothing clashes.
	send(east, accountB, "4", only)
	send(west, accountB, "5", uuid.NewString())
	send(west, accountB, "6", uuid.NewString())
	got = carry(0, west, east, "--since=-2")
	if !strings.Contains(got, "1 are in the pool again") && !strings.Contains(got, "1 are in the new blocks") || strings.Contains(got, "clashed") {
		t.Errorf("the second time: %s", got)
	}
	checkHas(t, carry(0, east, west), "blocks read") // the whole chain again, of which all but the end is known
	// Transactions in no block yet are carried, too, and those that clash are named.
	_, south := runNode(t, "--build=false", "--name", "south")
	carry(0, east, south)
	free := uuid.NewString()
	program(t, 0, "send", "--node", south, "--from", "issuer", "--to", accountA, "--amount", "7", "--id", free)
	program(t, 0, "send", "--node", south, "--from", "issuer", "--to", accountA, "--amount", "8", "--id", uuid.NewString())
	send(west, accountB, "9", free)
	checkHas(t, carry(0, south, west), "pool: 2 transactions of the file's pool read, of which the node has 1\n  "+free+" clashed: ")
	_, north := runNode(t, "--network", "north")
	checkHas(t, carry(1, east, north), "Malicious block is detected. blocks[0]", "of another network than the node's")
	_, errs := program(t, 3, "export", "--node", east, "--since", strings.Repeat("ab", 32))
	checkHas(t, errs, "is not known here", "The two networks parted")
}
