// Package lograte bounds the lines of a log by place and time, whatever they say:
// strangers cause some of them, and choose names, addresses and reasons. Each
// call in the source may log 100 lines at once and then one a second. The line after a
// gap reports how many were left out. Lines of the level debug are not bounded.
package lograte

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	burst     = 100
	perSecond = 1
)

// New returns a handler that passes on to h what the bound lets through.
func New(h slog.Handler) slog.Handler {
	return &handler{Handler: h, places: &places{of: make(map[uintptr]*place)}}
}

type handler struct {
	slog.Handler
	places *places
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		leftOut, ok := h.places.allow(r.PC, r.Time)
		if !ok {
			return nil
		}
		if leftOut > 0 {
			r.AddAttrs(slog.Int("left_out", leftOut))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	return &handler{h.Handler.WithAttrs(as), h.places}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.Handler.WithGroup(name), h.places}
}

// places has each call in the source that has logged, by its program counter.
type places struct {
	mu sync.Mutex
	of map[uintptr]*place
}

type place struct {
	*rate.Limiter
	leftOut int // since the last line
}

// allow reports whether the place may log a line now, and how many it left out before.
func (p *places) allow(pc uintptr, now time.Time) (leftOut int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.of[pc]
	if at == nil {
		at = &place{Limiter: rate.NewLimiter(perSecond, burst)}
		p.of[pc] = at
	}
	if !at.AllowN(now, 1) {
		at.leftOut++
		return 0, false
	}
	leftOut, at.leftOut = at.leftOut, 0
	return leftOut, true
}
