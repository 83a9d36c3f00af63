package node

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

// TestWatcherShowsSync checks that progress is in the log of a node without a terminal,
// and in the last line of one with.
func TestWatcherShowsSync(t *testing.T) {
	chain := chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "watcher-test"})})
	for _, terminal := range []bool{false, true} {
		var out strings.Builder
		w := newWatcher(chain, ledger.PublicKey{}, nil)
		if terminal {
			w.show = func(text string) { out.WriteString("\r" + text) }
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

// TestNodeWatcher checks that it is reported each time that the node becomes alone. The
// missing nodes are logged each time that they are others, with names and since when.
func TestNodeWatcher(t *testing.T) {
	var out strings.Builder
	var since time.Time
	var nodes []api.Peer
	alone, now := 0, time.Unix(1_800_000_000, 0)
	w := nodeWatcher{aloneSince: func() time.Time { return since }, alone: func() { alone++ }, all: func() []api.Peer { return nodes }}
	log := slog.New(newTextHandler(&out, slog.LevelInfo))
	pass := func(d time.Duration) string {
		out.Reset()
		for range d / time.Second {
			now = now.Add(time.Second)
			w.look(now, log)
		}
		return out.String()
	}
	node := func(id string, missing float64) api.Peer {
		p := api.Peer{ID: id, Name: "node " + id, Connected: missing == 0, State: "connected", Missing: missing}
		if missing > 0 {
			p.State = "missing"
		}
		return p
	}
	for episode := 1; episode <= 2; episode++ {
		if pass(time.Minute); alone != episode-1 {
			t.Errorf("reported %d times before it was alone", alone)
		}
		since = now
		if pass(2 * time.Minute); alone != episode {
			t.Errorf("alone %d times, reported %d times", episode, alone)
		}
		since = time.Time{}
	}
	gone := ledger.UnixSeconds(now) - 120
	nodes = []api.Peer{node("a", 0), node("b", gone), node("c", gone-60), node("d", gone)}
	got := pass(time.Minute)
	checkHas(t, got, "3 of 5 nodes have not answered for 2 minutes; you may be on a branch of your own: node b (2 minutes), node d (2 minutes), node c (3 minutes)")
	if strings.Count(got, "\n") != 1 {
		t.Errorf("logged again:\n%s", got)
	}
	nodes[1], nodes[2] = node("b", 0), node("c", 0)
	checkHas(t, pass(time.Minute), "1 of 5 nodes has not answered for 3 minutes; it may be switched off, or on a branch of its own: node d")
	nodes[3] = node("d", 0)
	checkHas(t, pass(time.Minute), "no node is missing any more")
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

func TestArrivalWords(t *testing.T) {
	for want, got := range map[string]string{
		"2 new transactions, in a block already":                             arrivalWords(2, 0, 0),
		"1 new transaction, the pool holds 3":                                arrivalWords(1, 3, 0),
		"1 new transaction, the pool holds 3, of which 2 cannot be paid yet": arrivalWords(1, 3, 2),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
