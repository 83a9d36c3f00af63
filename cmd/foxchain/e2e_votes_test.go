package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestVoteKills kills builders (SIGKILL) while they vote, 25 times or
// FOXCHAIN_TEST_KILLS. It does so at any moment, also between saving a vote and sending
// it. No other builder ever receives two votes of one key that exclude each other, and in
// the end all is final.
func TestVoteKills(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		times := 25
		if os.Getenv("FOXCHAIN_TEST_KILLS") != "" {
			times = kills(t)
		}
		r := rand.New(rand.NewPCG(1, 0))
		nodes := office(t, h, t.TempDir())
		asker := nodes[0].connect()
		stop := trickle(nodes[0])
		voting := 0
		for i := range times {
			at := 1 + i%3
			key := nodes[at].connect().info().NodeKey
			time.Sleep(time.Duration(50+r.IntN(250)) * time.Millisecond) // the moment of the kill is the point
			if f := asker.info().Final; f != nil && slices.Contains(f.Signers, key) {
				voting++
			}
			nodes[at].kill()
			nodes[at] = nodes[at].again()
		}
		stop()
		for _, n := range nodes {
			n.awaitFinal()
			if v := n.connect().info().Voting; len(v.Evidence) > 0 || v.Twice || v.Mute {
				t.Errorf("%s: %+v", n.name, v)
			}
		}
		t.Logf("%d kills, %d of them of a builder in the last certificate; no builder signed two votes", times, voting)
	})
}

// TestVotesOfAnOldDirectory puts back an old directory of a builder, and then runs a copy of
// one beside it. The old one votes only once a block became final without it. Of the two nodes
// with one key, one that receives the other's votes stops voting. No block is taken back.
func TestVotesOfAnOldDirectory(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		data, backup, twin := filepath.Join(dir, "n3.db"), filepath.Join(dir, "backup"), filepath.Join(dir, "twin.db")
		nodes := office(t, h, dir)
		blocks := 0
		final := func(on ...*node) {
			t.Helper()
			blocks++
			nodes[0].connect().merge(issue(blocks, 1))
			for _, n := range on {
				n.awaitFinal()
			}
		}
		final(nodes...)
		nodes[3].stop()
		copyDir(t, backup, data)
		nodes[3] = nodes[3].again()
		for range 5 {
			final(nodes...)
		}
		nodes[3].stop()
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		copyDir(t, data, backup)
		old := nodes[3].args
		nodes[3] = startNode(t, h, dir, append(slices.Clone(old), "--keep-identity")...)
		if !nodes[3].connect().info().Voting.Mute {
			t.Error("an old directory votes at once")
		}
		eventually(t, "it votes again", func() error {
			final(nodes...)
			if nodes[3].connect().info().Voting.Mute {
				return fmt.Errorf("it is mute after %d blocks", blocks)
			}
			return nil
		})
		nodes[2].kill() // now it is needed
		final(nodes[0], nodes[1], nodes[3])
		nodes[2] = nodes[2].again()
		final(nodes...)
		for _, n := range nodes {
			if v := n.connect().info().Voting; len(v.Evidence) > 0 || v.Twice {
				t.Errorf("%s: %+v", n.name, v)
			}
		}

		nodes[3].stop()
		copyDir(t, twin, data)
		nodes[3] = startNode(t, h, dir, old...)
		other := slices.Clone(old)
		other[slices.Index(other, "n3.db")], other[slices.Index(other, "-p")+1] = twin, strconv.Itoa(h.base+4)
		copied := startNode(t, h, dir, append(other, "--keep-identity")...)
		before := nodes[0].connect().info().Final
		eventually(t, "one of the two stops to vote", func() error {
			final(nodes[:3]...)
			for _, n := range []*node{nodes[3], copied} {
				if v := n.connect().info().Voting; v.Twice {
					return nil
				}
			}
			return fmt.Errorf("both vote, or one is mute")
		})
		for _, n := range nodes[:3] {
			l := decode[lists](t, string(n.connect().op("blocks", fmt.Sprintf(`"start":%d`, before.Height)).Response))
			if got := decodeAll[block](t, l.Blocks)[0].Hash; got != before.Hash {
				t.Errorf("%s: block %d is %s, and %s was final", n.name, before.Height, got, before.Hash)
			}
		}
	})
}

func copyDir(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// trickle submits to a node every 20 ms, until stop.
func trickle(n *node) (stop func()) {
	n.t.Helper()
	ws, _, err := n.handshake(n.url(), nil)
	if err != nil {
		n.t.Fatal(err)
	}
	var done sync.WaitGroup
	end := make(chan struct{})
	done.Go(func() {
		defer ws.Close()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 1; ; i++ {
			message := fmt.Sprintf(`{"op":"merge","args":{"pool":[%s]}}`, issue(i, 1))
			if ws.WriteMessage(websocket.TextMessage, []byte(message)) != nil {
				return
			}
			if _, _, err := ws.ReadMessage(); err != nil {
				return
			}
			select {
			case <-end:
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(end)
		done.Wait()
	}
}

// awaitFinal waits until all blocks of a node are final.
func (n *node) awaitFinal() {
	n.t.Helper()
	c := n.connect()
	defer c.ws.Close()
	eventually(n.t, n.name+" has all final", func() error {
		if in := c.info(); in.finalHeight() != in.Blocks-1 || in.Blocks == 0 {
			return fmt.Errorf("final is %d of %d blocks: %+v", in.finalHeight(), in.Blocks, in.Voting)
		}
		return nil
	})
}
