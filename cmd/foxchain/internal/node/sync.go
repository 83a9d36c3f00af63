package node

import (
	"fmt"
	"time"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
)

// syncEvery is the time between two log lines about a sync.
const syncEvery = 10 * time.Second

// A syncing is what a watcher has logged of one sync.
type syncing struct {
	since  time.Time // zero: the node is not behind
	from   uint64    // blocks when it began
	logged time.Time
}

// again returns when to look again though nothing changed.
func (s *syncing) again() <-chan time.Time {
	if s.since.IsZero() {
		return nil
	}
	return time.After(eventPause)
}

// lookAtSync shows how sync goes: in the terminal's last line, or now and then
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
	case time.Since(w.syncing.logged) >= syncEvery:
		w.syncing.logged = time.Now()
		w.log.Info("sync: " + SyncWords(blocks, now))
	}
	return nil
}

// SyncWords returns how far a node has caught up, in one line.
func SyncWords(blocks uint64, s *api.Sync) string {
	return fmt.Sprintf("%s of %s blocks (%d%%)", term.Thousands(blocks), term.Thousands(s.Best), 100*blocks/max(s.Best, 1))
}
