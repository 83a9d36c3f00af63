package p2p

import (
	"testing"
	"time"

	"foxchain/ledger"
)

// TestLate checks that a status line is late when the next one is overdue, and that the
// line that then comes is news.
func TestLate(t *testing.T) {
	table, now := newStatusTable(), time.Now()
	line := func(counter uint64) *statusLine { return &statusLine{Key: ledger.PublicKey{1}, Counter: counter} }
	table.add(line(1), nil, now, nil)
	for n, c := range []struct {
		after time.Duration
		late  bool
	}{{4 * time.Second, false}, {8 * time.Second, false}, {14 * time.Second, true}, {18 * time.Second, false}} {
		at := now.Add(c.after)
		r := table.records()[ledger.PublicKey{1}]
		if r.late(at) != c.late || table.add(line(uint64(n+2)), nil, at, nil) != c.late {
			t.Errorf("after %s: late is not %v, or the line that came is no news", c.after, c.late)
		}
	}
}
