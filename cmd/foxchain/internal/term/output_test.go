package term

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"foxchain/ledger/ledgertest"
)

// A gate is a writer that takes nothing while it is shut, or fails.
type gate struct {
	mu   sync.Mutex // held while it is shut
	fail error
	room int // bytes that a failing write takes
	text strings.Builder
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail != nil {
		n := min(g.room, len(p))
		g.text.Write(p[:n])
		return n, g.fail
	}
	return g.text.Write(p)
}

// TestOutputNeverBlocks checks that a terminal that takes nothing costs lines beyond the
// queue, and that the count stands where they are missing.
func TestOutputNeverBlocks(t *testing.T) {
	g := new(gate)
	g.mu.Lock()
	o := NewOutput(g)
	const all = 3 * maxQueuedLines
	for i := range all {
		if n, err := fmt.Fprintf(o, "%d\n", i); n == 0 || err != nil {
			t.Fatal(n, err)
		}
	}
	g.mu.Unlock()
	o.Close(t.Context())
	lines := strings.Split(strings.TrimSpace(g.text.String()), "\n")
	kept := len(lines) - 1
	if kept < maxQueuedLines || kept > 2*maxQueuedLines+1 || lines[kept-1] != fmt.Sprint(kept-1) {
		t.Errorf("kept %d of %d lines, the last is %q", kept, all, lines[kept-1])
	}
	if want := fmt.Sprintf("foxchain: %d %s", all-kept, LostWords); lines[kept] != want {
		t.Errorf("the end is %q, want %q", lines[kept], want)
	}
}

// TestOutputIsBoundedInBytes checks that few long lines are dropped, too.
func TestOutputIsBoundedInBytes(t *testing.T) {
	g := new(gate)
	g.mu.Lock()
	o := NewOutput(g)
	line := strings.Repeat("x", 64<<10) + "\n"
	for range 64 {
		fmt.Fprint(o, line)
	}
	o.mu.Lock()
	held, lost := len(o.queue), o.lost
	o.mu.Unlock()
	if held > maxQueued || lost == 0 {
		t.Errorf("%d bytes wait, %d lines are lost", held, lost)
	}
	g.mu.Unlock()
	o.Close(t.Context())
}

// TestOutputOutlivesFailure checks that a full disk costs the lines of that time, that a
// torn line is ended (here the first one, and the first report), and that what comes
// later is written.
func TestOutputOutlivesFailure(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		g := &gate{fail: syscall.ENOSPC, room: 3}
		o := NewOutput(g)
		fmt.Fprint(o, "first\n")
		synctest.Wait()
		g.room = 0
		fmt.Fprint(o, "second\n")
		synctest.Wait()
		g.fail = nil
		fmt.Fprint(o, "third\n") // shows that there is room again
		synctest.Wait()
		fmt.Fprint(o, "fourth\n")
		o.Close(t.Context())
		if got, want := g.text.String(), "fir\nfo\nfoxchain: 3 "+LostWords+"\nfourth\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestCloseWaitsNotForEver checks that a program ends although its terminal takes
// nothing. One that asks waits for its reader until its context ends.
func TestCloseWaitsNotForEver(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		shut := make(chan struct{})
		w := writer(func(p []byte) (int, error) { <-shut; return len(p), nil })
		o := NewOutput(w)
		fmt.Fprint(o, "held\n")
		ctx, cancel := context.WithCancel(t.Context())
		closed := make(chan struct{})
		go func() { o.Close(ctx); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("it did not wait")
		default:
		}
		cancel()
		<-closed
		if _, err := (Until{ctx, w}).Write([]byte("x")); !errors.Is(err, context.Canceled) {
			t.Errorf("a command that was told to end got %v", err)
		}
		close(shut)
	})
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestNoReader(t *testing.T) {
	w := writer(func([]byte) (int, error) { return 0, syscall.EPIPE })
	if _, err := (Until{t.Context(), w}).Write([]byte("x")); !errors.Is(err, ErrGone) {
		t.Errorf("got %v", err)
	}
}
