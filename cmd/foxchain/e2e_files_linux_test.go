package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// TestFewFiles lets a node open 256 files and opens more idle connections to both its
// ports. They take none of the files that the ledger needs.
func TestFewFiles(t *testing.T) {
	waits(t)
	onLoopback(t, func(t *testing.T, h *host) {
		const limit, ledger = 256, 100
		n := &node{host: h, ws: h.base}
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, limit),
			binary(t), "node", "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "1")
		n.process = startCommand(t, "a node with few files", cmd, t.TempDir())
		n.awaitReady()
		c := n.connect()
		var d net.Dialer
		for i := range limit + 64 {
			idle, err := d.DialContext(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", h.base+i%2*10000))
			if err != nil {
				break // the kernel's queue is full
			}
			defer idle.Close()
		}
		most := 0
		look := func() error {
			files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid))
			if most = max(most, len(files)); most < 50 {
				return errors.Join(err, fmt.Errorf("only %d files are open", most))
			}
			return err
		}
		eventually(t, "sockets are held", look)
		c.merge(issue(1, 1))
		eventually(t, "the transaction is in a block", func() error { return errors.Join(look(), inBlocks(1, []*client{c})) })
		if most > limit-ledger {
			t.Errorf("%d files are open, of at most %d that leave %d to the ledger", most, limit-ledger, ledger)
		}
	})
}
