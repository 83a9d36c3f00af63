package p2p

import (
	"fmt"
	"time"
)

// clockShown is by how much the clock of a peer must differ to be mentioned.
const clockShown = time.Minute

// noteClock notes how far the clock of a connected node is ahead of this machine's.
// Nothing follows from it. It is shown, since people wonder about times that differ.
// The caller holds mu.
func (t *peerTable) noteClock(e *knownPeer, ahead time.Duration) {
	was, now := clockHint(e.session.clock), clockHint(ahead)
	e.session.clock = ahead
	if now != was {
		t.notify()
		if was == "" {
			t.log.Info("a node's clock differs from this machine's, which has no effect on the ledger", "node", e.name, "peer", e.id, "reason", now)
		}
	}
}

// clockHint returns in words how far a clock is off. It returns "" where that is not
// worth mentioning.
func clockHint(ahead time.Duration) string {
	if ahead.Abs() <= clockShown {
		return ""
	}
	way := "ahead"
	if ahead < 0 {
		way = "behind"
	}
	const day = 24 * time.Hour
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * day, "years"}, {day, "days"}, {time.Hour, "h"}} {
		if n := ahead.Abs().Round(unit.size) / unit.size; n >= 2 {
			return fmt.Sprintf("its clock is %d %s %s", n, unit.name, way)
		}
	}
	return fmt.Sprintf("its clock is %d min %s", ahead.Abs().Round(time.Minute)/time.Minute, way)
}
