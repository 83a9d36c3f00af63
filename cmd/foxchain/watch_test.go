package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWatchOutlivesTheNode restarts the node of a watch, once with its ledger
// and once without.
func TestWatchOutlivesTheNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node.db")
	n := startNode(t, "-p", "0", "-r", dir, "-k", "1")
	send := func() {
		t.Helper()
		program(t, 0, "send", "--node", n.port, "--from", "issuer", "--to", accountA, "--amount", "7", "--wait")
	}
	send()
	seen, notices := newLines(), newLines()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"watch", "--node", n.port, "--from", "0", "--events", "block,pool"}, seen, notices, emptyEnv)
	}()
	seen.await(t, "block  0 ")

	n.stop()
	notices.await(t, "the node is stopping; connecting again until Ctrl-C")
	n = startNode(t, "-p", n.port, "-r", dir, "-k", "1")
	notices.await(t, "connected again, continuing after block 0 (")
	send()
	seen.await(t, "block  1 ")
	if strings.Count(seen.String(), "block  0 ") != 1 {
		t.Errorf("block 0 was printed again:\n%s", seen.String())
	}

	n.stop()
	if err := os.RemoveAll(filepath.Join(dir, "chain")); err != nil {
		t.Fatal(err)
	}
	n = startNode(t, "-p", n.port, "-r", dir, "-k", "1")
	notices.await(t, "does not know block 1 (")
	notices.await(t, "continuing with the next block")
	send()
	seen.await(t, "block  0 "+lastHash(t, n))
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("watch ended with code %d", code)
	}
}

// lastHash returns the short hash of the node's last block.
func lastHash(t *testing.T, n *startedNode) string {
	t.Helper()
	out, _ := program(t, 0, "blocks", "--node", n.port, "--start", "-1")
	return strings.Fields(out)[6] // behind the header's five
}
