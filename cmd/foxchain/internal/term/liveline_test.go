package term

import (
	"strings"
	"testing"
)

func TestLiveLine(t *testing.T) {
	var b strings.Builder
	l := &LiveLine{w: &b, width: func() int { return 11 }}
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { _, _ = l.Write([]byte("one\n")) }, "one\n"},
		{func() { l.Set("sync: 5 of 9 blocks") }, "\r\x1b[Ksync: 5 o…"},
		{func() { l.Set("sync: 5 of 9 blocks") }, ""},
		{func() { _, _ = l.Write([]byte("two\n")) }, "\r\x1b[Ktwo\nsync: 5 o…"},
		{func() { l.Set("") }, "\r\x1b[K"},
		{func() { _, _ = l.Write([]byte("three\n")) }, "three\n"},
	} {
		b.Reset()
		if step.do(); b.String() != step.want {
			t.Errorf("got %q, want %q", b.String(), step.want)
		}
	}
}

func TestNoTerminalNoLine(t *testing.T) {
	l := NewLiveLine(new(strings.Builder))
	l.Show("%d blocks", 7)
	if l.Set("7 blocks"); l != nil {
		t.Errorf("got %v", l)
	}
}
