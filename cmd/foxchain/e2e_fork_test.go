package main_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestForks cuts two machines apart, and both build. Joined again they agree on
// the chain that the fork choice names, and nothing that either accepted is
// lost or stands twice.
func TestForks(t *testing.T) {
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
	})
}

// A fork is two nodes and the cable between them.
type fork struct {
	t         *testing.T
	l         *lab
	near, far *client
	submitted int
}

// equalWork lets each side build one block: the lower hash wins.
func (f *fork) equalWork() {
	f.l.plug(f.far.n.host, "cut")
	f.submit(f.near, 2)
	f.submit(f.far, 2)
	f.awaitBlocks(f.near, 2)
	f.awaitBlocks(f.far, 2)
	tips := []block{f.near.blocks()[1], f.far.blocks()[1]}
	winner := slices.MinFunc(tips, func(a, b block) int { return cmp.Compare(a.Hash, b.Hash) })
	f.l.plug(f.far.n.host, "lan")
	f.agree("after a fork of equal work")
	f.held(winner)
	// What the losing side built came back, and is built again.
	f.awaitBlocks(f.near, 3)
	f.agree("on a block of what the fork gave back")
}

// moreWork lets the far side build two blocks and the near side one, with a
// transaction left over: the two win. The cut lasts until both noticed it.
func (f *fork) moreWork() {
	f.l.plug(f.far.n.host, "cut")
	f.submit(f.near, 3)
	f.awaitBlocks(f.near, 4)
	f.submit(f.far, 2)
	f.awaitBlocks(f.far, 4)
	f.submit(f.far, 2)
	f.awaitBlocks(f.far, 5)
	winner := f.far.blocks()[4]
	eventually(f.t, time.Minute, "both noticed the cut", func() error {
		for _, c := range []*client{f.near, f.far} {
			if peers := c.peers(); len(peers) != 1 {
				return fmt.Errorf("%s has the peers %v", c.n.name, peers)
			}
		}
		return nil
	})
	f.l.plug(f.far.n.host, "lan")
	f.agree("after a fork of unequal work")
	f.held(winner)
}

// submit gives a node new transactions, n of them.
func (f *fork) submit(c *client, n int) {
	f.t.Helper()
	for range n {
		f.submitted++
		c.merge(issue(f.submitted, 1))
	}
}

func (f *fork) awaitBlocks(c *client, n int) {
	f.t.Helper()
	eventually(f.t, 10*time.Second, fmt.Sprintf("%s has %d blocks", c.n.host.netns, n), func() error {
		if got := len(c.blocks()); got != n {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
}

// agree waits until both hold the same chain and, in chain and pool together,
// every transaction once.
func (f *fork) agree(when string) {
	f.t.Helper()
	eventually(f.t, 15*time.Second, "both agree "+when, func() error {
		return agreed(numberedTo(f.submitted), f.near, f.far)
	})
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
