package main_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestForks cuts two machines apart, and both build. Joined again they agree on
// the chain that the fork choice names, and nothing that either accepted is
// lost or stands twice.
func TestForks(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		l.addBridge("cut")
		near := startNode(t, l.addHost("lan"), t.TempDir(), "-k", "2").connect()
		far := startNode(t, l.addHost("lan"), t.TempDir(), "-k", "2").connect()
		f := &fork{t: t, l: l, near: near, far: far}
		awaitAll(t, []*client{near, far})
		f.submit(near, 2)
		f.awaitBlocks(near, 1)
		f.agree("on a common block")

		f.equalWork()
		f.moreWork()
		f.shortCut()
	})
}

// A fork is two nodes and the cable between them.
type fork struct {
	t         *testing.T
	l         *lab
	near, far *client
	submitted int
}

// cut takes the far side's cable out.
func (f *fork) cut() {
	f.t.Helper()
	f.l.plug(f.far.n.host, "cut")
}

// join waits until each side has given up the other, and joins them. If it joined them
// earlier, transactions of one side that are still on their way would let the other build
// once more.
func (f *fork) join() {
	f.t.Helper()
	eventually(f.t, "both noticed the cut", func() error {
		for _, c := range []*client{f.near, f.far} {
			if peers := c.peers(); len(peers) != 1 {
				return fmt.Errorf("%s has the peers %v", c.n.name, peers)
			}
		}
		return nil
	})
	f.l.plug(f.far.n.host, "lan")
}

// equalWork lets each side build one block. The lower hash wins.
func (f *fork) equalWork() {
	f.cut()
	f.submit(f.near, 2)
	f.submit(f.far, 2)
	f.awaitBlocks(f.near, 2)
	f.awaitBlocks(f.far, 2)
	tips := []block{f.near.blocks()[1], f.far.blocks()[1]}
	winner := slices.MinFunc(tips, func(a, b block) int { return cmp.Compare(a.Hash, b.Hash) })
	f.join()
	f.agree("after a fork of equal work")
	f.held(winner)
	// What the losing side built is back in the pool, and is built again.
	f.awaitBlocks(f.near, 3)
	f.agree("on a block of what the fork gave back")
}

// moreWork lets the far side build two blocks, and the near side one with a transaction
// left over. The two win. Each side accepts a transaction with the same ID and other
// contents. The chain decides, and the loser's receipt reports it.
func (f *fork) moreWork() {
	f.cut()
	f.submitted++
	f.near.merge(issue(f.submitted, 1))
	f.far.merge(issue(f.submitted, 2))
	rival := numbered(f.submitted)
	f.submit(f.near, 2)
	f.awaitBlocks(f.near, 4)
	f.submit(f.far, 1)
	f.awaitBlocks(f.far, 4)
	f.submit(f.far, 2)
	f.awaitBlocks(f.far, 5)
	winner := f.far.blocks()[4]
	f.join()
	f.agree("after a fork of unequal work")
	f.held(winner)

	ask := fmt.Sprintf(`"id":%q`, rival)
	near, far := f.near.op("tx", ask).text, f.far.op("tx", ask).text
	if !strings.Contains(near, `"amount":2`) || !strings.Contains(near, "another transaction with the id "+rival) {
		f.t.Errorf("the loser's receipt does not tell of the conflict: %s", near)
	}
	if !strings.Contains(far, `"amount":2`) || strings.Contains(far, `"amount":1`) {
		f.t.Errorf("the winner's receipt: %s", far)
	}
	f.awaitBlocks(f.near, 6)
	f.agree("on a block of what the second fork gave back")
}

// shortCut joins the sides before either has noticed the cut. What was on its way still
// arrives, and may be built anew, so either side can win.
func (f *fork) shortCut() {
	f.cut()
	f.submit(f.near, 2)
	f.submit(f.far, 2)
	f.awaitBlocks(f.near, 7)
	f.awaitBlocks(f.far, 7)
	f.l.plug(f.far.n.host, "lan")
	f.agree("after a short cut")
}

// submit sends n new transactions to a node.
func (f *fork) submit(c *client, n int) {
	f.t.Helper()
	for range n {
		f.submitted++
		c.merge(issue(f.submitted, 1))
	}
}

func (f *fork) awaitBlocks(c *client, n int) {
	f.t.Helper()
	becomes(f.t, c.n.host.netns+" builds", n, func() int { return len(c.blocks()) })
}

// agree waits until both hold the same chain and, in chain and pool together,
// every transaction once.
func (f *fork) agree(when string) {
	f.t.Helper()
	eventually(f.t, "both agree "+when, func() error { return agreed(numberedTo(f.submitted), f.near, f.far) })
}

// held checks that the chain holds the block that had to win.
func (f *fork) held(winner block) {
	f.t.Helper()
	for _, c := range []*client{f.near, f.far} {
		if got := hashes(c.blocks()); !slices.Contains(got, winner.Hash) {
			f.t.Errorf("%s has the chain %v without the winner, %s", c.n.name, got, winner.Hash)
		}
	}
}
