package node

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

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
