package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p"
)

// A failing writer fails until mended is set.
type failing struct {
	mended bool
	text   strings.Builder
}

func (f *failing) Write(p []byte) (int, error) {
	if !f.mended {
		return 0, io.ErrShortWrite
	}
	return f.text.Write(p)
}

// TestLossIsLogged checks that a log in JSON reports lost lines as JSON.
func TestLossIsLogged(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		f := new(failing)
		out := term.NewOutput(f)
		log, err := NewLogger(out, "info", "json")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("one")
		synctest.Wait()
		f.mended = true
		log.Info("two")
		synctest.Wait()
		log.Info("three")
		out.Close(t.Context())
		var lines []string
		for line := range strings.Lines(f.text.String()) {
			var event struct {
				Msg string `json:"msg"`
			}
			if err := json.Unmarshal([]byte(line), &event); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			lines = append(lines, event.Msg)
		}
		if len(lines) != 2 || lines[0] != "2 "+term.LostWords || lines[1] != "three" {
			t.Errorf("got %q", lines)
		}
	})
}

func TestLogIsBounded(t *testing.T) {
	ledgertest.Bubble(t, func(t *testing.T) {
		var out bytes.Buffer
		log, err := NewLogger(&out, "debug", "text")
		if err != nil {
			t.Fatal(err)
		}
		flood := func() (lines int) {
			out.Reset()
			for i := range 1000 {
				log.With("stranger", i).Info(fmt.Sprint("another text ", i))
			}
			return strings.Count(out.String(), "\n")
		}
		if n := flood(); n != logBurst {
			t.Errorf("%d lines at once, want %d", n, logBurst)
		}
		time.Sleep(10 * time.Second)
		if n := flood(); n != 10*logRate {
			t.Errorf("%d lines after 10 s, want %d", n, 10*logRate)
		}
		if !strings.Contains(out.String(), "left_out=900") {
			t.Errorf("the lines that were left out are not counted:\n%s", out.String())
		}
		out.Reset()
		log.Info("another place")
		for range 2 * logBurst {
			log.Debug("asked for")
		}
		if n := strings.Count(out.String(), "\n"); n != 1+2*logBurst {
			t.Errorf("%d lines of other places, want %d", n, 1+2*logBurst)
		}
	})
}

// A sharedBuffer is written by many goroutines.
type sharedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *sharedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// TestAttackLog has 130 identities of another network connect with a node. Each is
// refused, and they write no more lines to its log than logBurst and logRate allow.
func TestAttackLog(t *testing.T) {
	const identities = 130
	var out sharedBuffer
	log, err := NewLogger(&out, "info", "text")
	if err != nil {
		t.Fatal(err)
	}
	n, err := p2p.New(p2p.Config{
		Chain:  chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, ledger.Network{Name: "ours"})}),
		Key:    ledgertest.Key(1),
		Listen: []string{"/ip4/127.0.0.1/tcp/0"},
		Log:    log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	begin := time.Now()
	theirs := ledgertest.Network(t, ledger.Network{Name: "theirs"})
	trial := p2p.Trial{Network: theirs.ID(), NetworkName: theirs.Name}
	var g errgroup.Group
	g.SetLimit(8)
	for range identities {
		g.Go(func() error {
			if o := trial.Run(ctx, n.Addrs()[0]); o.Step != p2p.StepNetwork {
				return fmt.Errorf("not refused as of another network: %+v", o)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	bound := logBurst + int(time.Since(begin)/time.Second)*logRate
	if got := strings.Count(out.buf.String(), "\n"); got > bound || got < logBurst {
		t.Errorf("%d identities were refused with %d lines of log, want %d to %d:\n%.1000s", identities, got, logBurst, bound, out.buf.String())
	}
}
