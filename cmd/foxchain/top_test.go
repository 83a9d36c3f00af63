package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// TestTopOutlivesTheNode: the wall says that the node is gone, and goes on when
// it is back.
func TestTopOutlivesTheNode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "node.db")
	n := startNode(t, "-p", "0", "-r", dir, "--name", "fox")
	var a ask
	cmd := &cobra.Command{}
	a.addFlags(cmd.Flags())
	a.node = n.port
	ctx, cancel := context.WithCancel(t.Context())
	cmd.SetContext(ctx)
	client, err := a.dial(cmd)
	if err != nil {
		t.Fatal(err)
	}
	changes := make(chan func(*wall))
	var g errgroup.Group
	g.Go(func() error { return a.feedWall(ctx, cmd, client, changes) })
	w := &wall{url: "here"}
	until := func(what string, is func() bool) {
		t.Helper()
		limit := time.After(20 * time.Second)
		for !is() {
			select {
			case change := <-changes:
				change(w)
			case <-limit:
				t.Fatalf("not within 20 s: %s\n%s", what, w.text(time.Now(), false, 0))
			}
		}
	}
	until("the node", func() bool { return w.info != nil && w.peers != nil })
	n.stop()
	until("that it is gone", func() bool { return strings.Contains(w.lost, "the node is stopping; connecting again") })
	started := w.info.Started
	startNode(t, "-p", n.port, "-r", dir, "--name", "fox")
	until("that it is back", func() bool { return w.lost == "" && w.info.Started > started })
	cancel()
	if err := g.Wait(); !isCanceled(err) {
		t.Errorf("the feed ended with %v", err)
	}
}
