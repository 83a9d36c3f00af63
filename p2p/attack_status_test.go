package p2p

import (
	"fmt"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// TestAttackStatusKeys checks that status lines of more keys than the table holds make no
// node a builder, and evict neither a connected node nor one that built lately.
func TestAttackStatusKeys(t *testing.T) {
	inLab(t, func(t *testing.T, l *lab) {
		yes := func(c *Config) { c.Builds = func() bool { return true } }
		a := &attack{lab: l}
		a.honest[0] = l.start(0, yes)
		a.honest[1] = l.start(1, func(c *Config) { yes(c); c.Peers = a.honest[0].Addrs() })
		a.bad = l.start(2, nil)
		l.until(10*time.Second, "connected", func() bool { return a.honest[0].connectedTo() == 1 && a.bad.syncs() })
		// A builder that the victims only know from its block and its lines.
		away := ledgertest.Key(9)
		tip := a.honest[0].chain.Tip()
		b := ledgertest.Seal(a.net, away, ledger.Header{Version: 1, Height: tip.Blocks, Parent: tip.Hash, Bits: a.net.Bits, Time: 2}, a.mint(1))
		a.take(a.honest[0], b)
		a.follow(b)
		a.unvalidate()
		a.strike()
		for i := range maxStatuses + 200 {
			key := ledgertest.Key(1000 + i)
			if i == 0 {
				key = away
			}
			line := testLine(key, 1, 1)
			line.Builds, line.Peers = true, nil
			data, err := encodeStatus(l.net, line, key)
			if err != nil {
				t.Fatal(err)
			}
			a.gossip(data)
			if i%100 == 99 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		time.Sleep(time.Second)
		want := fmt.Sprint(sortedKeys(a.honest[0].pub, a.honest[1].pub, ledgertest.Public(away)))
		for i, n := range a.honest {
			if got := n.statuses.table.records(); len(got) != maxStatuses {
				t.Errorf("node %d holds %d lines, want %d", i, len(got), maxStatuses)
			}
			if got := fmt.Sprint(n.Builders()); got != want {
				t.Errorf("node %d takes %d for builders, want 3", i, len(n.Builders()))
			}
			if p := n.peer(a.honest[1-i]); p.Seen == 0 {
				t.Errorf("node %d has forgotten the line of a connected node", i)
			}
		}
	})
}
