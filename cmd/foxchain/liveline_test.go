package main

import (
	"fmt"
	"strings"
	"testing"

	"foxchain/rpc/api"
)

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
	if got, want := syncWords(12345, &api.Sync{Best: 50000}), "12,345 of 50,000 blocks (24%)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
