package lograte

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		flood := func() (lines int) {
			out.Reset()
			for i := range 1000 {
				log.With("stranger", i).Info(fmt.Sprint("another text ", i))
			}
			return strings.Count(out.String(), "\n")
		}
		if n := flood(); n != burst {
			t.Errorf("%d lines at once, want %d", n, burst)
		}
		time.Sleep(10 * time.Second)
		if n := flood(); n != 10*perSecond {
			t.Errorf("%d lines after 10 s, want %d", n, 10*perSecond)
		}
		if !strings.Contains(out.String(), "left_out=900") {
			t.Errorf("the lines that were left out are not counted:\n%s", out.String())
		}
		out.Reset()
		log.Info("another place")
		for range 2 * burst {
			log.Debug("asked for")
		}
		if n := strings.Count(out.String(), "\n"); n != 1+2*burst {
			t.Errorf("%d lines of other places, want %d", n, 1+2*burst)
		}
	})
}
