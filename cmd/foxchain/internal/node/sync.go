package node

import (
	"fmt"
	"time"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
)

// syncEvery is the least time between two log lines about one sync.
const syncEvery = 10 * time.Second

// A syncing is one sync as a watcher follows it.
type syncing struct {
	since time.Time // zero: the node is not behind
	from  uint64    // blocks when it began
	shown time.Time // in the log
}

// again returns a channel that fires when a sync in progress is to be shown again.
func (s *syncing) again() <-chan time.Time {
	if s.since.IsZero() {
		return nil
	}
	return time.After(eventPause)
}

// lookAtSync reports the progress of sync, in the terminal's last line or every
// syncEvery in the log, and its end.
func (w *watcher) lookAtSync(now *api.Sync) error {
	blocks := w.tip.Blocks
	switch {
	case now == nil:
		was := w.syncing
		w.syncing = syncing{}
		if w.show != nil {
			if err := w.show(""); err != nil {
				return err
			}
		}
		w.log.Info("sync ended, the chain has "+term.Count(blocks, "block")+" now", "tip", w.tip.Hash.Short(),
			"new", max(blocks, was.from)-was.from, "took", time.Since(was.since).Round(time.Second))
	case w.show != nil:
		return w.show("sync: " + SyncWords(blocks, now))
	case time.Since(w.syncing.shown) >= syncEvery:
		w.syncing.shown = time.Now()
		w.log.Info("sync: " + SyncWords(blocks, now))
	}
	return nil
}

// SyncWords returns how far a node has caught up, in one line.
func SyncWords(blocks uint64, s *api.Sync) string {
	return fmt.Sprintf("%s of %s blocks (%d%%)", term.Thousands(blocks), term.Thousands(s.Best), 100*blocks/max(s.Best, 1))
}
