package webtest

import (
	"slices"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"
)

// mark is what the page notes in its trace, so that its main thread is found there.
const mark = "webtest"

// A traceEvent is an event of Chromium's trace.
type traceEvent struct {
	Name string  `json:"name"`
	Pid  int     `json:"pid"`
	Tid  int     `json:"tid"`
	Took float64 `json:"tdur"` // µs of the processor
	Args struct {
		Data struct {
			Message string `json:"message"`
		} `json:"data"`
	} `json:"args"`
}

// LongestTask returns how many milliseconds of the processor the longest task of the page's
// main thread took while do ran. By the clock a task also takes as long as others keep its
// thread off the processor.
func (p *Page) LongestTask(do func()) float64 {
	p.T.Helper()
	p.mu.Lock()
	p.traced, p.traceEnd = nil, make(chan struct{})
	p.mu.Unlock()
	call(p, tracing.Start, tracing.StartParams{TraceConfig: &tracing.TraceConfig{IncludedCategories: []string{"toplevel", "devtools.timeline"}, ExcludedCategories: []string{"*"}}})
	p.Run(`console.timeStamp("` + mark + `")`)
	do()
	call(p, tracing.End, cdp.Empty{})
	select {
	case <-p.traceEnd:
	case <-p.Ctx.Done():
		p.T.Fatal("Chromium's trace did not end")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	main := slices.IndexFunc(p.traced, func(e traceEvent) bool { return e.Name == "TimeStamp" && e.Args.Data.Message == mark })
	if main < 0 {
		p.T.Fatalf("the page is not in Chromium's trace of %d events", len(p.traced))
	}
	var longest traceEvent
	for _, e := range p.traced {
		if strings.HasSuffix(e.Name, "RunTask") && e.Pid == p.traced[main].Pid && e.Tid == p.traced[main].Tid && e.Took > longest.Took {
			longest = e
		}
	}
	if longest.Took == 0 {
		p.T.Fatal("Chromium's trace has no times of the processor")
	}
	return longest.Took / 1000
}

// trace takes a part of Chromium's trace. What is no traceEvent has no time.
func (p *Page) trace(part *tracing.EventDataCollected) {
	for _, raw := range part.Value {
		var e traceEvent
		if json.Unmarshal(raw, &e) == nil {
			p.traced = append(p.traced, e)
		}
	}
}

func call[P, R any](p *Page, command cdp.Command[P, R], params P) {
	p.T.Helper()
	if _, err := chromedp.Call(p.Ctx, command, params); err != nil {
		p.T.Fatalf("%s: %v", command.Method, err)
	}
}
