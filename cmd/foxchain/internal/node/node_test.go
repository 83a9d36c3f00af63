package node

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foxchain/ledger/ledgertest"
)

// TestNoteSlow checks that a start that takes long is logged, and that one that does not is not.
func TestNoteSlow(t *testing.T) {
	for took, words := range map[time.Duration]string{slowOpen - 1: "", slowOpen + 1: "takes long"} {
		ledgertest.Bubble(t, func(t *testing.T) {
			var out bytes.Buffer
			note := noteSlow(slog.New(slog.NewTextHandler(&out, nil)), "9000.db")
			time.Sleep(took)
			note.Stop()
			synctest.Wait()
			if got := out.String(); !strings.Contains(got, words) || (got == "") != (words == "") {
				t.Errorf("after %s: %q", took, got)
			}
		})
	}
}
