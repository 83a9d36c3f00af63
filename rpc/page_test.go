package rpc

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"foxchain/ledger"
)

// A page is the node's page in a real browser.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string // exceptions, errors and warnings on the browser's console
	asked    []string // URLs of all requests and WebSockets
}

// openPage shows the page of a node. It needs a Chromium: without one the test
// is skipped, but in CI it fails.
func openPage(t *testing.T, url string) *page {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI must run this: there is no Chromium (apt-get install chromium)")
		}
		t.Skip("there is no Chromium")
	}
	p := &page{t: t}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to use as root
	}
	ctx, closeTab := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(options...), chromedp.WithListener(p.listen))
	t.Cleanup(closeTab)
	p.ctx = ctx
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("the page: %v", err)
	}
	return p
}

func (p *page) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.troubles = append(p.troubles, text)
	case *runtime.EventConsoleAPICalled:
		p.troubles = append(p.troubles, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		p.troubles = append(p.troubles, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		p.asked = append(p.asked, e.Request.URL)
	case *network.EventWebSocketCreated:
		p.asked = append(p.asked, e.URL)
	}
}

// until waits until a JavaScript expression holds, looking once a frame.
func (p *page) until(expression string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Poll[chromedp.Void](expression)); err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("the page never came to %s: %v\n%s\n%s", expression, err, strings.Join(p.troubles, "\n"), text)
	}
}

// shows waits until an element's text holds a part.
func (p *page) shows(selector, part string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, part))
}

func (p *page) run(script string) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
}

// send types a message into the console and sends it.
func (p *page) send(message string) {
	p.t.Helper()
	err := chromedp.Do(p.ctx,
		chromedp.SetValue(chromedp.ID("message"), message),
		chromedp.Click(chromedp.CSS("#console button")))
	if err != nil {
		p.t.Fatalf("the console: %v", err)
	}
}

// check fails the test when the browser complained, or asked anybody else.
func (p *page) check(l *lab) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, trouble := range p.troubles {
		p.t.Errorf("on the browser's console: %s", trouble)
	}
	if len(p.asked) < 5 {
		p.t.Errorf("only %d requests were seen", len(p.asked))
	}
	for _, url := range p.asked {
		if !strings.HasPrefix(url, "http://"+l.addr()+"/") && !strings.HasPrefix(url, "ws://"+l.addr()+"/ws") {
			p.t.Errorf("a request to %s", url)
		}
	}
}

// The page shows the node, and what happens to it without being loaded again.
func TestPage(t *testing.T) {
	const evil = `<img src=x onerror="document.title='evil'">`
	l := newLab(t).start()
	l.net.set(Node{ID: "12D3KooWOther", Name: evil, State: "connected", Connected: true, WS: "ws://fox.lan:9001/ws", Seen: 1, Blocks: 7})
	l.submit(mint(1, 3000))
	first := l.build()
	p := openPage(t, "http://"+l.addr()+"/")

	p.until(`document.getElementById("link").dataset.state === "live"`)
	p.shows("#name", "fox")
	p.shows("#network", "rpc-test")
	p.shows("#peer-id", "12D3KooWTest")
	p.shows("#tip", first.Hash().String())
	p.shows("#block-rows", first.Hash().Short())
	p.shows("#peer-rows", evil)
	p.run(`window.sameDocument = true`)

	poor := mint(3, 5)
	poor.Sender = numbered(9)
	l.submit(mint(2, 2000), poor)
	p.shows("#pool-rows tr:nth-child(1)", "2,000")
	p.shows("#pool-rows tr:nth-child(2)", "waiting: ")
	p.shows("#pool-count", "2 in all, of which 1 cannot be paid yet")
	second := l.build()
	p.shows("#block-rows tr:first-child", second.Hash().Short())
	p.until(`document.getElementById("blocks").textContent === "2" && document.querySelectorAll("#pool-rows tr").length === 1`)

	// A longer branch takes the place of the second block.
	side := l.extend(l.header(first, mint(4, 1)), []*ledger.Transaction{mint(4, 1)})
	longer := l.extend(l.header(side, mint(5, 1)), []*ledger.Transaction{mint(5, 1)})
	p.shows("#block-rows tr:first-child", longer.Hash().Short())
	p.shows("#block-rows tr:nth-child(2)", side.Hash().Short())
	p.until(`document.querySelectorAll("#block-rows tr").length === 3`)
	p.shows("#pool-rows", "2,000") // given back

	p.until(`window.sameDocument && document.title !== "evil" && !document.querySelector("#peer-rows img")`)
	p.check(l)
}

// However many blocks and transactions there are, the page holds a bounded
// number of them.
func TestPageIsBounded(t *testing.T) {
	l := newLab(t).start()
	for n := range 25 {
		l.submit(mint(n+1, 1))
		l.build()
	}
	var txs []*ledger.Transaction
	for n := range 1200 {
		txs = append(txs, mint(1000+n, 1))
	}
	l.submit(txs...)
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows("#pool-count", "1,200 in all, of which 0 cannot be paid yet. The first 100 are shown.")
	p.until(`document.querySelectorAll("#pool-rows tr").length === 100`)
	p.until(`document.querySelectorAll("#block-rows tr").length === 20`)
	for n := range 3 {
		l.submit(mint(100+n, 1))
		b := l.build()
		p.shows("#block-rows tr:first-child", b.Hash().Short())
	}
	p.until(`document.querySelectorAll("#block-rows tr").length === 20`)
	p.check(l)
}

// The console sends what stands in it and shows what comes back, as it came.
func TestPageConsole(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "http://"+l.addr()+"/#token=secret")
	p.until(`document.getElementById("link").dataset.state === "live"`)
	reply := "#replies pre:last-child"

	p.send(`{"op": "merge", "args": {"pool": [` + txJSON(mint(3, 1000)) + `]}}`)
	p.shows(reply, `"error": "Accepted"`)
	p.shows("#pool-rows", "1,000")
	p.send(`{"op": "pool", "id": 5.0}`)
	p.shows(reply, `"t": 1620811762.5`)
	p.shows(reply, `"id": 5.0`) // and not 5
	p.send(`nonsense`)
	p.shows(reply, "Cannot parse request message.")
	b := l.build()
	p.shows("#block-rows", b.Hash().Short())
	p.run(`document.querySelector("#block-rows button").click()`)
	p.shows(reply, b.Signature.String())

	// What one subscribes to there comes there, and the page goes on.
	p.send(`{"op": "subscribe", "args": {"events": ["block"]}}`)
	p.shows(reply, `"from": 1`)
	l.submit(mint(4, 1))
	b = l.build()
	p.shows(reply, `"event": "block"`)
	p.shows("#block-rows tr:first-child", b.Hash().Short())
	p.until(`document.querySelectorAll("#replies pre").length <= 30`)
	p.check(l)
	for _, url := range p.asked {
		if strings.HasPrefix(url, "ws:") && !strings.HasSuffix(url, "/ws?token=secret") {
			t.Errorf("a WebSocket without the token: %s", url)
		}
	}
}

// Every example of the console is something that the node understands.
func TestPageExamples(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(3, 1000))
	l.build()
	p := openPage(t, "http://"+l.addr()+"/")
	p.until(`document.getElementById("link").dataset.state === "live"`)
	count, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](`document.getElementById("example").options.length`))
	if err != nil || count < 10 {
		t.Fatalf("%d examples, %v", count, err)
	}
	for i := range count {
		p.run(fmt.Sprintf(`{
			const example = document.getElementById("example");
			example.selectedIndex = %d;
			example.dispatchEvent(new Event("change"));
			document.getElementById("replies").replaceChildren();
			document.getElementById("console").requestSubmit();
		}`, i))
		p.until(`[...document.querySelectorAll("#replies pre.came")].some(pre => /"status": 20[02]/.test(pre.textContent))`)
	}
	p.check(l)
}

// The page says that the node has gone.
func TestPageLosesItsNode(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "http://"+l.addr()+"/")
	p.until(`document.getElementById("link").dataset.state === "live"`)
	l.stop()
	p.until(`document.getElementById("link").dataset.state === "lost"`)
	p.shows("#link", "the node is stopping")
	p.shows("#name", "fox") // what was known stays
}
