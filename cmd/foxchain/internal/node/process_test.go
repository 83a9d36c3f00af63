package node

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/cmd/foxchain/internal/term"
)

// A failing writer fails until it is mended.
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

// TestLossIsLogged: a log in JSON reports lost lines as JSON.
func TestLossIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
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
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(newBoundedHandler(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
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
