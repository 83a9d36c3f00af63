package node

import (
	"log/slog"
	"strings"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

// TestWatcherShowsSync: in the log of a node without a terminal, and in the last
// line of one with.
func TestWatcherShowsSync(t *testing.T) {
	chain := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "watcher-test"})})
	for _, terminal := range []bool{false, true} {
		var out strings.Builder
		w := newWatcher(chain, ledger.PublicKey{}, nil)
		if terminal {
			w.show = func(text string) error { _, err := out.WriteString("\r" + text); return err }
		}
		w.log = slog.New(newTextHandler(&out, slog.LevelInfo))
		look := func(s *api.Sync) string {
			t.Helper()
			out.Reset()
			w.sync = func() *api.Sync { return s }
			if err := w.look(); err != nil {
				t.Fatal(err)
			}
			return out.String()
		}
		if got := look(nil); got != "" {
			t.Errorf("not behind: %q", got)
		}
		got := look(&api.Sync{Best: 200, Behind: 200})
		checkHas(t, got, "sync: 0 of 200 blocks (0%)")
		if strings.HasSuffix(got, "\n") == terminal {
			t.Errorf("terminal %v: %q", terminal, got)
		}
		got = look(&api.Sync{Best: 300, Behind: 300})
		if !terminal && got != "" {
			t.Errorf("logged again at once: %q", got)
		}
		if terminal && got != "\rsync: 0 of 300 blocks (0%)" {
			t.Errorf("drawn again: %q", got)
		}
		got = look(nil)
		checkHas(t, got, "sync ended, the chain has 0 blocks now")
		if terminal && !strings.HasPrefix(got, "\r") || !strings.HasSuffix(got, "\n") {
			t.Errorf("at the end: %q", got)
		}
		if got := look(nil); got != "" {
			t.Errorf("after the end: %q", got)
		}
	}
}

func checkHas(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in\n%s", part, text)
		}
	}
}

func TestSyncWords(t *testing.T) {
	if got, want := SyncWords(12345, &api.Sync{Best: 50000}), "12,345 of 50,000 blocks (24%)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
