package term

import (
	"strings"
	"testing"
)

func TestLiveLine(t *testing.T) {
	var b strings.Builder
	l := &LiveLine{w: &b, width: func() int { return 11 }}
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { _, err := l.Write([]byte("one\n")); return err }, "one\n"},
		{func() error { return l.Set("sync: 5 of 9 blocks") }, "\r\x1b[Ksync: 5 o…"},
		{func() error { return l.Set("sync: 5 of 9 blocks") }, ""},
		{func() error { _, err := l.Write([]byte("two\n")); return err }, "\r\x1b[Ktwo\nsync: 5 o…"},
		{func() error { return l.Set("") }, "\r\x1b[K"},
		{func() error { _, err := l.Write([]byte("three\n")); return err }, "three\n"},
	} {
		b.Reset()
		if err := step.do(); err != nil || b.String() != step.want {
			t.Errorf("got %q, %v, want %q", b.String(), err, step.want)
		}
	}
}

func TestNoTerminalNoLine(t *testing.T) {
	l := NewLiveLine(new(strings.Builder))
	l.Show("%d blocks", 7)
	if err := l.Set("7 blocks"); l != nil || err != nil {
		t.Errorf("got %v, %v", l, err)
	}
}
