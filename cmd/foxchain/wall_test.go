package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/rpc"
)

// testWall is a network of four: two agree, one is on a fork, one was never
// heard of.
func testWall(now time.Time) *wall {
	w := &wall{url: "ws://localhost:9000/ws"}
	tip := ledger.Hash{0xaa}
	seconds := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1e3 }
	// The node's clock is an hour behind ours.
	clock := now.Add(-time.Hour)
	w.setInfo(&rpc.Info{Name: "fox", Version: "1.2.3", Blocks: 12, Tip: tip, TipSince: seconds(clock.Add(-90 * time.Second)),
		Started: seconds(clock.Add(-5 * time.Hour)), Time: seconds(clock), Pool: 3, Waiting: 1, Peers: 2, Nodes: 3, Builds: true,
		Network: rpc.NetworkInfo{Name: "class-3b"}}, now)
	w.peers = &rpc.Peers{Nodes: []rpc.Node{
		{ID: "12D3KooWzzzzzzzz", Name: "zebra of the long name", State: "connected", Connected: true, Blocks: 10, Tip: "bb" + strings.Repeat("0", 62), Pool: 4, Peers: 1, Seen: seconds(clock.Add(-2 * time.Second)), LatencyMS: 1.25},
		{ID: "12D3KooWaaaaaaaa", Name: "ant\x1b[2J", State: "connected", Connected: true, Blocks: 12, Tip: tip.String(), Builds: true, Seen: seconds(clock.Add(-2 * time.Minute))},
		{ID: "12D3KooWmmmmmmmm", State: "dialing"},
		{ID: "12D3KooWself", State: "itself"},
		{Registered: []string{"ws://owl:9000/ws"}, State: "unresolved"},
	}}
	return w
}

func TestWall(t *testing.T) {
	now := time.Now()
	w := testWall(now)
	want := `fox on class-3b (00000000), foxchain 1.2.3, up 5h, ws://localhost:9000/ws
12 blocks, tip aa000000 for 1m, 0 reorgs
3 transactions in the pool, 1 of them waiting; connected to 2 nodes of 3 known

NODE                          STATE       BLOCKS  TIP           LAG  POOL  PEERS  SEEN  BUILDS    RTT
fox                           this node       12  aa0000000000    0     3      2   now  yes         -
ant` + "\uFFFD" + `[2J (…aaaaaaaa)           connected       12  aa0000000000    0     0      -    2m  yes         -
ws://owl:9000/ws              unresolved       -  -               -     -      -     -  -           -
zebra of the lo… (…zzzzzzzz)  connected       10  bb0000000000    2     4      1    2s  no      1.2ms
…mmmmmmmm                     dialing          -  -               -     -      -     -  -           -
`
	if got := w.text(now, false, 0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What does not fit the screen is counted.
	if got := w.text(now, false, 7); strings.Count(got, "\n") != 7 || !strings.HasSuffix(got, "and 4 nodes more\n") {
		t.Errorf("on seven lines:\n%s", got)
	}
	painted := strings.Split(w.text(now, true, 0), "\n")
	fork := hashStyle("bb" + strings.Repeat("0", 62))
	same := string(hashStyle(ledger.Hash{0xaa}.String()))
	if strings.Count(strings.Join(painted[5:], ""), same) != 2 || string(fork) == same || !strings.Contains(painted[8], string(fork)) {
		t.Errorf("the tips' colours:\n%q", painted)
	}
	w.lost = "the node is gone"
	if got := w.text(now, false, 0); !strings.Contains(got, "known\nthe node is gone\n\nNODE") {
		t.Errorf("without a connection:\n%s", got)
	}
}

func TestTipStylesDiffer(t *testing.T) {
	var hashes []string
	for i := range len(hashStyles()) {
		hashes = append(hashes, fmt.Sprint("hash ", i), fmt.Sprint("hash ", i)) // each twice
	}
	seen := make(map[style]bool)
	for _, s := range tipStyles(hashes) {
		seen[s] = true
	}
	if len(seen) != len(hashStyles()) {
		t.Errorf("%d hashes have %d colours", len(hashStyles()), len(seen))
	}
	if one := tipStyles([]string{"a"}); one["a"] != hashStyle("a") {
		t.Errorf("alone it has the colour %s, elsewhere %s", one["a"], hashStyle("a"))
	}
	if many := tipStyles(strings.Split(strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1), "")); len(many) != 26 {
		t.Errorf("of 26 hashes %d have a colour", len(many))
	}
}

func TestFrame(t *testing.T) {
	k := ink(true)
	got := frame(k.paint(red, "一二三四")+" and more\nsecond\nthird\n", 7, 2)
	if want := "\x1b[H\x1b[31m一二三\x1b[0m\x1b[K\r\nsecond\x1b[K\x1b[J"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := fitInked(k.paint(red, "ab")+k.paint(green, "cd"), 4); got != "\x1b[31mab\x1b[0m\x1b[32mcd\x1b[0m" {
		t.Errorf("what fits: %q", got)
	}
}

func TestKeysEndTop(t *testing.T) {
	for keys, want := range map[string]bool{"q": true, "xyQ": true, "\x03": true, "xyz": false, "": false} {
		stopped := false
		readKeys(strings.NewReader(keys), func() { stopped = true })
		if stopped != want {
			t.Errorf("keys %q: stopped is %v", keys, stopped)
		}
	}
}

func TestLiveLine(t *testing.T) {
	var b strings.Builder
	l := &liveLine{w: &b, width: func() int { return 11 }}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { _, err := l.Write([]byte("one\n")); return err }, "one\n"},
		{func() error { return l.set("sync: 5 of 9 blocks") }, "\r\x1b[Ksync: 5 o…"},
		{func() error { return l.set("sync: 5 of 9 blocks") }, ""},
		{func() error { _, err := l.Write([]byte("two\n")); return err }, "\r\x1b[Ktwo\nsync: 5 o…"},
		{func() error { return l.set("") }, "\r\x1b[K"},
		{func() error { _, err := l.Write([]byte("three\n")); return err }, "three\n"},
	} {
		b.Reset()
		if err := step.do(); err != nil || b.String() != step.want {
			t.Errorf("got %q, %v, want %q", b.String(), err, step.want)
		}
	}
}

func TestSyncWords(t *testing.T) {
	eta := 75.2
	if got, want := syncWords(12345, &rpc.Sync{Best: 50000, Rate: 1234.5, ETA: &eta}), "12,345 of 50,000 blocks (24%), 1,235 transactions/s, 1m left"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := syncWords(0, &rpc.Sync{Best: 100}), "0 of 100 blocks (0%), 0 transactions/s, nothing came lately"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
