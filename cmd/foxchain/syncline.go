package main

import (
	"fmt"
	"strconv"
	"time"

	"foxchain/rpc/api"
)

// syncEvery is how often the log tells how sync goes.
const syncEvery = 10 * time.Second

// A syncing is what a watcher tells of one sync.
type syncing struct {
	since time.Time // zero: the node is not behind
	from  uint64    // blocks when it began
	told  time.Time // in the log
}

// again says when to look again though nothing changed: how sync goes.
func (s *syncing) again() <-chan time.Time {
	if s.since.IsZero() {
		return nil
	}
	return time.After(eventPause)
}

// lookAtSync tells how sync goes: in the terminal's last line, or now and then
// in the log; and that it ended.
func (w *watcher) lookAtSync(now *api.Sync) error {
	blocks := w.tip.Blocks
	switch {
	case now == nil:
		was := w.syncing
		w.syncing = syncing{}
		if w.live != nil {
			if err := w.live.set(""); err != nil {
				return err
			}
		}
		w.log.Info("sync ended, the chain has "+count(blocks, "block")+" now", "tip", w.tip.Hash.Short(),
			"new", max(blocks, was.from)-was.from, "took", time.Since(was.since).Round(time.Second))
	case w.live != nil:
		return w.live.set("sync: " + syncWords(blocks, now))
	case time.Since(w.syncing.told) >= syncEvery:
		w.syncing.told = time.Now()
		w.log.Info("sync: " + syncWords(blocks, now))
	}
	return nil
}

// syncWords returns how far a node has caught up, in one line.
func syncWords(blocks uint64, s *api.Sync) string {
	return fmt.Sprintf("%s of %s blocks (%d%%)", thousands(blocks), thousands(s.Best), 100*blocks/max(s.Best, 1))
}

// thousands groups digits as people read them: 1,234,567.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
