package main_test

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// longEnv makes the tests of cut networks last as long as a user's patience.
const longEnv = "E2E_LONG"

// TestThreeAgainstThree cuts six machines into two halves, which both take
// transactions and build. Joined again, all agree, and nothing is lost. E2E_LONG=1 cuts
// them for a minute.
func TestThreeAgainstThree(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		apart := 20 * time.Second
		if os.Getenv(longEnv) != "" {
			apart = time.Minute
		}
		l.addBridge("lan")
		l.addBridge("cut")
		var clients []*client
		for range 6 {
			clients = append(clients, startNode(t, l.addHost("lan"), t.TempDir(), "-k", "2", "--max-wait", "2s").connect())
		}
		awaitAll(t, clients)
		for _, c := range clients[3:] {
			l.plug(c.n.host, "cut")
		}
		n := 0
		for end := time.Now().Add(apart); time.Now().Before(end); {
			for _, c := range clients {
				n++
				c.merge(issue(n, n))
			}
			pause(t, 700*time.Millisecond)
		}
		left, right := len(clients[0].blocks()), len(clients[3].blocks())
		if left == 0 || right == 0 {
			t.Errorf("the halves have built %d and %d blocks", left, right)
		}
		for _, c := range clients[3:] {
			l.plug(c.n.host, "lan")
		}
		eventually(t, fmt.Sprintf("all agree on %d transactions after %s apart (%d and %d blocks)", n, apart, left, right), func() error { return agreed(numberedTo(n), clients...) })
		eventually(t, "all are in blocks", func() error { return inBlocks(n, clients) })
	})
}

// TestCableOut takes a machine's cable out for 20 s, so that its own end notices too.
// Plugged in again, it agrees with the others. TestPulledCable of p2p shows how soon, with
// a simulated clock.
func TestCableOut(t *testing.T) {
	waits(t)
	inLab(t, func(t *testing.T, l *lab) {
		l.addBridge("lan")
		var clients []*client
		for range 3 {
			clients = append(clients, startNode(t, l.addHost("lan"), t.TempDir()).connect())
		}
		awaitAll(t, clients)
		l.sh("ip link set %s down", clients[2].n.host.port)
		for i := range 8 {
			clients[i%3].merge(issue(i+1, 1))
		}
		pause(t, 20*time.Second)
		l.sh("ip link set %s up", clients[2].n.host.port)
		eventually(t, "plugged in again, it agrees", func() error { return agreed(numberedTo(8), clients...) })
		awaitAll(t, clients)
	})
}

// pause lets real time pass, which is what these tests are about.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
