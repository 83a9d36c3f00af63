package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

const (
	// benchLook is how often bench asks whether something has happened: how
	// exact its times are. Events would come up to 50 ms late.
	benchLook = 2 * time.Millisecond
	// benchPatience is how long nothing may happen.
	benchPatience = 60 * time.Second
)

// A benchRun measures rows, one after the other.
type benchRun struct {
	b       *bench
	dir     string // for throwaway data
	out     io.Writer
	log     io.Writer // of the nodes
	live    *liveLine // nil: nobody looks
	head    string    // what is measured
	rows    []benchRow
	written atomic.Int64 // transactions that were sent
	said    atomic.Int64 // when the live line was set, in Unix milliseconds
}

func newBenchRun(b *bench, dir string, out, errs io.Writer) *benchRun {
	r := &benchRun{b: b, dir: dir, out: out, log: errs}
	if isTerminal(errs) {
		r.live = newLiveLine(errs.(*os.File)) // isTerminal: it is one
		r.log = r.live
	}
	return r
}

// say shows what is done now, on a terminal, ten times a second at most. It may
// be called from any goroutine.
func (r *benchRun) say(format string, args ...any) {
	now := time.Now().UnixMilli()
	said := r.said.Load()
	if r.live == nil || now-said < 100 || !r.said.CompareAndSwap(said, now) {
		return
	}
	_ = r.live.set("bench: " + fmt.Sprintf(format, args...)) // only a hint for people
}

// until asks over and over until something has come about, and gives up when
// what is seen meanwhile has not changed for benchPatience: that is a *missing.
func (r *benchRun) until(ctx context.Context, trouble string, look func() (done bool, seen any, err error)) error {
	tick := time.NewTicker(benchLook)
	defer tick.Stop()
	var last any
	changed := time.Now()
	for {
		done, seen, err := look()
		if err != nil || done {
			return err
		}
		if seen != last {
			last, changed = seen, time.Now()
		}
		if time.Since(changed) > benchPatience {
			return &missing{fmt.Sprintf("%s: nothing has changed for %s", trouble, benchPatience)}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// rest does nothing for a while.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
