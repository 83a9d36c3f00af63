package term

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// What an Output keeps while nothing takes it, some screens of a log.
const (
	maxQueued      = 1 << 20 // bytes
	maxQueuedLines = 5000
	// outputGrace is how long a program that ends waits for what is queued.
	outputGrace = 500 * time.Millisecond
)

// An Output is where a running program writes for people. Its Write never blocks and
// never fails, whatever the terminal, pipe or file behind it does. At most maxQueued
// bytes and maxQueuedLines lines wait for it. What comes beyond, and what could not be
// written, is dropped and counted, and the count is written when the output flows
// again.
type Output struct {
	w    io.Writer
	wake chan struct{} // holds one value when there is something to do
	done chan struct{} // closed when all is written after Close

	mu     sync.Mutex // never held while w is written
	queue  []byte
	lines  int // in queue
	lost   int // lines that were dropped since the last report
	closed bool
	report func(w io.Writer, lost int) error // writes the report of a loss
}

// NewOutput returns an Output for w. Close ends it.
func NewOutput(w io.Writer) *Output {
	o := &Output{w: w, wake: make(chan struct{}, 1), done: make(chan struct{}), report: reportLost}
	go o.run() // ends after Close, or with the process when w blocks for ever
	return o
}

// LostWords reports that lines were dropped.
const LostWords = "lines of this log are missing here: the terminal, pipe or file took none for a while"

func reportLost(w io.Writer, lost int) error {
	_, err := fmt.Fprintf(w, "foxchain: %d %s\n", lost, LostWords)
	return err
}

// OnLost sets how w reports lines that were dropped, where w is an Output or a live
// line above one.
func OnLost(w io.Writer, report func(w io.Writer, lost int) error) {
	if l, ok := w.(*LiveLine); ok {
		w = l.w
	}
	if o, ok := w.(*Output); ok {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.report = report
	}
}

// Write queues p, or drops and counts its lines.
func (o *Output) Write(p []byte) (int, error) {
	lines := bytes.Count(p, []byte("\n"))
	o.mu.Lock()
	// After a loss all is dropped until the loss is reported, so that the report
	// stands where the lines are missing.
	if o.lost > 0 || o.closed || len(o.queue)+len(p) > maxQueued || o.lines+lines > maxQueuedLines {
		o.lost += lines
	} else {
		o.queue, o.lines = append(o.queue, p...), o.lines+lines
	}
	o.mu.Unlock()
	o.signal()
	return len(p), nil
}

func (o *Output) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Close waits until what is queued is written, but not longer than outputGrace after
// the end of ctx.
func (o *Output) Close(ctx context.Context) {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.signal()
	select {
	case <-o.done:
		return
	case <-ctx.Done():
	}
	select {
	case <-o.done:
	case <-time.After(outputGrace):
	}
}

// run writes what is queued, all of it at once, then the count of what was lost.
func (o *Output) run() {
	defer close(o.done)
	torn := false // the last line was written in part
	write := func(p []byte) (left []byte, err error) {
		if torn {
			p = append([]byte("\n"), p...)
		}
		n, err := o.w.Write(p)
		if n > 0 {
			torn = err != nil && p[n-1] != '\n'
		}
		return p[n:], err
	}
	for range o.wake {
		o.mu.Lock()
		batch, lost, closed, report := o.queue, o.lost, o.closed, o.report
		o.queue, o.lines = nil, 0
		o.mu.Unlock()
		var line bytes.Buffer
		switch {
		case len(batch) > 0:
			if left, err := write(batch); err != nil {
				o.add(bytes.Count(left, []byte("\n")))
			}
			o.signal() // there may be a loss to report
			continue
		case lost > 0 && report(&line, lost) == nil:
			if _, err := write(line.Bytes()); err == nil {
				o.add(-lost)
			}
		}
		if closed {
			return
		}
	}
}

// add changes the number of lost lines.
func (o *Output) add(lines int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost += lines
}

// ErrGone is the end of a command whose output has no reader any more, as behind
// "| head".
var ErrGone = errors.New("nothing reads the output any more")

// An Until writes as w does, and waits for w as long as that takes, but not after ctx
// has ended: a program that was told to end does, whatever its terminal does.
type Until struct {
	Ctx context.Context
	W   io.Writer
}

func (u Until) Write(p []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	written := make(chan result, 1)
	own := bytes.Clone(p) // the caller's is not used after the return
	go func() {
		n, err := u.W.Write(own)
		written <- result{n, err}
	}()
	var r result
	select {
	case r = <-written:
	case <-u.Ctx.Done():
		select {
		case r = <-written:
		case <-time.After(outputGrace):
			return 0, u.Ctx.Err()
		}
	}
	switch {
	case isPipeClosed(r.err):
		r.err = fmt.Errorf("%w: %w", ErrGone, r.err)
	case r.err != nil:
		r.err = fmt.Errorf("the answer could not be written to the output: %w", r.err)
	}
	return r.n, r.err
}

// file returns the file that w writes to in the end, nil if it is none.
func file(w io.Writer) *os.File {
	for {
		switch v := w.(type) {
		case *Output:
			w = v.w
		case Until:
			w = v.W
		case *os.File:
			return v
		default:
			return nil
		}
	}
}

// Same reports whether two writers lead to one terminal, pipe or file.
func Same(a, b io.Writer) bool {
	fa, fb := file(a), file(b)
	if fa == nil || fb == nil {
		return a == b
	}
	ia, err := fa.Stat()
	if err != nil {
		return false
	}
	ib, err := fb.Stat()
	return err == nil && os.SameFile(ia, ib)
}
