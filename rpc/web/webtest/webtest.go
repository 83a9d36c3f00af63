package webtest

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/tracing"
	"github.com/chromedp/chromedp"
)

// A Page is a page in the browser.
type Page struct {
	T   *testing.T
	Ctx context.Context // of its tab, for chromedp

	Patience time.Duration // of Until

	mu       sync.Mutex
	seen     Seen
	traced   []traceEvent
	traceEnd chan struct{}
}

// Seen is what the browser reported of a page.
type Seen struct {
	Troubles []string // exceptions, errors and warnings on its console
	Asked    []string // URLs of all requests and WebSockets
	Loaded   float64  // bytes of all files, as they were transferred
	Sent     []string // all requests with their contents, and all messages
	Largest  int      // bytes of the largest message that came over a WebSocket
}

// Seen returns what the browser reported so far.
func (p *Page) Seen() Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.seen
	s.Troubles, s.Asked, s.Sent = slices.Clone(s.Troubles), slices.Clone(s.Asked), slices.Clone(s.Sent)
	return s
}

var browser struct {
	sync.Once
	ctx   context.Context // nil: there is none
	close context.CancelFunc
	err   error
}

func openBrowser() {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to use as root
	}
	browser.ctx, browser.close = chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(options...))
	browser.err = chromedp.Do(browser.ctx)
}

// Close ends the browser. A binary's TestMain calls it when all tests have run.
func Close() {
	if browser.close != nil {
		browser.close()
	}
}

// Open shows a page. Without a Chromium the test is skipped, but in CI it fails. With
// -short there is none.
func Open(t *testing.T, url string) *Page {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser: not with -short")
	}
	browser.Do(openBrowser)
	switch {
	case browser.err != nil:
		t.Fatalf("Chromium: %v", browser.err)
	case browser.ctx != nil:
	case os.Getenv("CI") == "true":
		t.Fatal("CI must run this: there is no Chromium (apt-get install chromium)")
	default:
		t.Skip("there is no Chromium")
	}
	p := &Page{T: t, Patience: 3 * time.Minute}
	ctx, cancel := context.WithTimeout(browser.ctx, 10*time.Minute)
	t.Cleanup(cancel)
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(closeTab)
	p.Ctx = ctx
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	p.Do(chromedp.Navigate(url))
	return p
}

func (p *Page) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &p.seen
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		s.Troubles = append(s.Troubles, text)
	case *runtime.EventConsoleAPICalled:
		s.Troubles = append(s.Troubles, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		s.Troubles = append(s.Troubles, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		s.Asked = append(s.Asked, e.Request.URL)
		s.Sent = append(s.Sent, fmt.Sprintf("%+v", *e.Request))
	case *network.EventWebSocketFrameSent:
		s.Sent = append(s.Sent, string(e.Response.PayloadData))
	case *network.EventLoadingFinished:
		s.Loaded += e.EncodedDataLength
	case *network.EventWebSocketFrameReceived:
		s.Largest = max(s.Largest, len(e.Response.PayloadData))
	case *network.EventWebSocketCreated:
		s.Asked = append(s.Asked, e.URL)
	case *tracing.EventDataCollected:
		p.trace(e)
	case *tracing.EventTracingComplete:
		close(p.traceEnd)
	}
}

// Do does steps of chromedp.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.T.Helper()
	if err := chromedp.Do(p.Ctx, steps...); err != nil {
		p.T.Fatalf("Chromium: %v\n%s", err, strings.Join(p.Seen().Troubles, "\n"))
	}
}

// Run runs a script.
func (p *Page) Run(script string) {
	p.T.Helper()
	p.Do(chromedp.Evaluate[chromedp.Void](script))
}

// Eval returns the value of an expression, of a promise once it is there.
func Eval[T any](p *Page, expression string) T {
	p.T.Helper()
	v, err := chromedp.Run(p.Ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.T.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Until waits until an expression holds, looking once a frame. One that throws, since an
// element is not there yet, does not hold.
func (p *Page) Until(expression string) {
	p.T.Helper()
	err := chromedp.Do(p.Ctx, chromedp.Poll[chromedp.Void]("(() => { try { return "+expression+" } catch { return false } })()", chromedp.WithPollingTimeout(p.Patience)))
	if err != nil {
		text, _ := chromedp.Run(p.Ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.T.Fatalf("the page never came to %s: %v\n%s\n%s", expression, err, strings.Join(p.Seen().Troubles, "\n"), text)
	}
}

//go:embed axe.min.js.gz
var axe []byte // the script of axe-core, packed

const violations = `axe.run(document, {resultTypes: ["violations"], %s}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target + ": " + n.failureSummary)).join("\n"))`

// Axe fails the test where axe-core finds a fault in what the page shows. options are its,
// "" for all rules.
func (p *Page) Axe(look, options string) {
	p.T.Helper()
	z, err := gzip.NewReader(bytes.NewReader(axe))
	if err != nil {
		p.T.Fatal(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		p.T.Fatal(err)
	}
	if Eval[bool](p, `!window.axe`) {
		p.Run(string(script))
	}
	if wrong := Eval[string](p, fmt.Sprintf(violations, options)); wrong != "" {
		p.T.Errorf("%s: %s", look, wrong)
	}
}

// Looks fails the test where axe-core finds what people who cannot see, or use no mouse,
// stumble over: in each language, on a screen and on a large and a small phone, light and
// dark. The colours, which do not depend on the language, are looked at in dark in one of
// the two, and the other rules, which do not depend on the colours, in light. wear gives
// the page a look, as Wear does. With a directory FOXCHAIN_SHOTS pictures of all looks are
// kept.
func (p *Page) Looks(name string, wear func(language, theme string, width int64)) {
	p.T.Helper()
	for i, language := range []string{"en", "zh"} {
		for j, width := range []int64{1280, 390, 320} {
			for _, theme := range []string{"light", "dark"} {
				rules, checked := "", true
				if theme == "dark" {
					rules, checked = `runOnly: ["color-contrast"]`, i == j%2
				}
				if !checked && os.Getenv("FOXCHAIN_SHOTS") == "" {
					continue
				}
				wear(language, theme, width)
				look := fmt.Sprintf("%s-%s-%s-%d", name, language, theme, width)
				if checked {
					p.Axe(look, rules)
				}
				p.Shot(look)
			}
		}
	}
	wear("en", "light", 1280)
}

// Wear gives the page a language, a theme and a width, in which it must fit.
func (p *Page) Wear(language, theme string, width, height int64) {
	p.T.Helper()
	p.Do(chromedp.EmulateViewport(width, height))
	p.Run(fmt.Sprintf(`document.documentElement.dataset.theme = %q;
		if (document.documentElement.lang.slice(0, 2) !== %q) document.getElementById("language").click()`, theme, language))
	p.Until(fmt.Sprintf(`document.documentElement.lang.slice(0, 2) === %q && innerWidth === %d && document.documentElement.scrollWidth <= innerWidth`, language, width))
}

// Shot keeps a picture of the page in the directory FOXCHAIN_SHOTS, where one is set.
func (p *Page) Shot(name string) {
	p.T.Helper()
	dir := os.Getenv("FOXCHAIN_SHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(p.Ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600)
	}
	if err != nil {
		p.T.Fatal(err)
	}
}
