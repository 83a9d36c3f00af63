package node

import (
	"fmt"
	"time"

	"foxchain/cmd/foxchain/internal/term"
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
			if err := w.live.Set(""); err != nil {
				return err
			}
		}
		w.log.Info("sync ended, the chain has "+term.Count(blocks, "block")+" now", "tip", w.tip.Hash.Short(),
			"new", max(blocks, was.from)-was.from, "took", time.Since(was.since).Round(time.Second))
	case w.live != nil:
		return w.live.Set("sync: " + SyncWords(blocks, now))
	case time.Since(w.syncing.told) >= syncEvery:
		w.syncing.told = time.Now()
		w.log.Info("sync: " + SyncWords(blocks, now))
	}
	return nil
}

// SyncWords returns how far a node has caught up, in one line.
func SyncWords(blocks uint64, s *api.Sync) string {
	return fmt.Sprintf("%s of %s blocks (%d%%)", term.Thousands(blocks), term.Thousands(s.Best), 100*blocks/max(s.Best, 1))
}
