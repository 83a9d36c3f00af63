package sync

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPenaliseQuiet checks that a peer that sent nothing of a body counts as silent
// where another sent it at once, and not on a line that is slow for all.
func TestPenaliseQuiet(t *testing.T) {
	for took, want := range map[time.Duration]bool{quietTime / 2: true, 20 * time.Second: false} {
		synctest.Test(t, func(t *testing.T) {
			f := &bodyFetcher{core: &core{Config: Config{Stats: new(Counters)}}}
			silent := newQuestion(newRemote("silent"), 0)
			time.Sleep(awaitTime + quietTime)
			delivered := newQuestion(newRemote("delivers"), 0)
			time.Sleep(took)
			f.penaliseQuiet(delivered, []*question{silent})
			if got := silent.r.isPenalised(); got != want {
				t.Errorf("another took %s, and the silent one is penalised: %v", took, got)
			}
		})
	}
}
