package main_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// TestBuilderProcess builds, in a process of its own, for a node that only follows. One
// builder is given the node's directory, as in the original, the next one its URL. From the
// first on the node reports that it builds.
func TestBuilderProcess(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "-r", "follower.db", "--mdns=false", "--build=false")
		c := n.connect()
		for i, where := range []string{"-r=follower.db", n.url()} {
			want := numberedTo(2 * (i + 1))
			c.merge(issue(2*i+1, 10), issue(2*i+2, 20))
			if blocks := c.blocks(); len(blocks) != i {
				t.Fatalf("%d blocks before the builder started, not %d", len(blocks), i)
			}
			if i == 0 && c.info().Builds {
				t.Error("it reports that it builds, and there is no builder yet")
			}
			builder := start(t, h, dir, "builder", where, "-k", "2")
			eventually(t, "builder "+where+" built a block", func() error {
				if !builder.running() {
					t.Fatalf("the builder ended: %v\n%s", builder.err, builder.out.String())
				}
				if got := chained(c.blocks()); !slices.Equal(got, want) {
					return fmt.Errorf("in blocks: %v", got)
				}
				return nil
			})
			if !c.info().Builds {
				t.Error("it does not report that it builds")
			}
			builder.stop()
		}
		for _, b := range c.blocks() {
			checkLinks(t, b)
		}
	})
}

// TestBuilderOutlivesItsNode stops the node under a running builder. The builder waits, and
// goes on when the node is back.
func TestBuilderOutlivesItsNode(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "-r", "follower.db", "--mdns=false", "--build=false")
		builder := start(t, h, dir, "builder", "-r", "follower.db", "-k", "1")
		c := n.connect()
		for i := range 2 {
			if i > 0 {
				n.kill()
				c = n.again().connect()
			}
			c.merge(issue(i+1, 10))
			eventually(t, "the builder built a block", func() error {
				if got := chained(c.blocks()); !slices.Equal(got, numberedTo(i+1)) {
					return fmt.Errorf("in blocks: %v; the builder says\n%s", got, builder.out.String())
				}
				return nil
			})
		}
		builder.stop()
	})
}
