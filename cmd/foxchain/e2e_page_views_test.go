package main_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A visit is a node's page in a real browser, as a person uses it: everything
// is asked of what stands on the page.
type visit struct {
	t   *testing.T
	ctx context.Context
	own string // the origin of the page

	mu       sync.Mutex
	troubles []string // exceptions, errors and warnings on the browser's console
	asked    []string // URLs of all requests and WebSockets
	sent     []string // all requests with their contents, and all messages
}

// visitPage opens the page of a node on the browser's own machine.
func visitPage(t *testing.T, n *node) *visit {
	t.Helper()
	return visitAt(t, fmt.Sprintf("localhost:%d", n.ws), "")
}

// visitAt opens the page at host and port, with what stands behind # in its
// address.
func visitAt(t *testing.T, own, fragment string) *visit {
	t.Helper()
	v := &visit{t: t, own: own}
	ctx := newBrowser(t, chromedp.WithListener(v.listen))
	v.ctx = ctx
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate("http://"+v.own+"/"+fragment)); err != nil {
		t.Fatalf("the page: %v", err)
	}
	v.until(`document.getElementById("link").dataset.state === "live"`)
	v.run(`window.sameDocument = true`)
	return v
}

func (v *visit) listen(ev any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		v.troubles = append(v.troubles, text)
	case *runtime.EventConsoleAPICalled:
		v.troubles = append(v.troubles, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		v.troubles = append(v.troubles, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		v.asked = append(v.asked, e.Request.URL)
		v.sent = append(v.sent, fmt.Sprintf("%+v", *e.Request))
	case *network.EventWebSocketFrameSent:
		v.sent = append(v.sent, string(e.Response.PayloadData))
	case *network.EventWebSocketCreated:
		v.asked = append(v.asked, e.URL)
	}
}

// until waits until a JavaScript expression holds, looking once a frame.
func (v *visit) until(expression string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, 15*time.Second*slack)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression)); err != nil {
		text, _ := chromedp.Run(v.ctx, chromedp.Evaluate[string]("location.hash + '\\n' + document.body.innerText"))
		v.mu.Lock()
		defer v.mu.Unlock()
		v.t.Fatalf("the page never came to %s: %v\n%s\n%s", expression, err, strings.Join(v.troubles, "\n"), text)
	}
}

// shows waits until an element's text holds a part.
func (v *visit) shows(selector, part string) {
	v.t.Helper()
	v.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, part))
}

func (v *visit) run(script string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.Evaluate[chromedp.Void](script)); err != nil {
		v.t.Fatalf("%s: %v", script, err)
	}
}

// types puts a text into a field as if it was typed over what stood there.
func (v *visit) types(selector, text string) {
	v.t.Helper()
	v.until(fmt.Sprintf("document.querySelector(%q) !== null", selector))
	v.run(fmt.Sprintf(`{ const field = document.querySelector(%q); field.focus(); field.select(); }`, selector))
	v.keys(text)
}

// keys presses the keys of a text in the field that has the focus.
func (v *visit) keys(text string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.KeyEvent(text)); err != nil {
		v.t.Fatalf("the keys %q: %v", text, err)
	}
}

func (v *visit) clicks(selector string) {
	v.t.Helper()
	if err := chromedp.Do(v.ctx, chromedp.Click(chromedp.CSS(selector))); err != nil {
		v.t.Fatalf("click %s: %v", selector, err)
	}
}

// goes shows a route of the page.
func (v *visit) goes(route string) {
	v.t.Helper()
	v.run(fmt.Sprintf("location.hash = %q", route))
}

// check fails the test when the browser complained, sent a request to another server than its
// node, or the page was loaded again.
func (v *visit) check() {
	v.t.Helper()
	v.until(`window.sameDocument && document.title !== "evil" && !document.querySelector("main img")`)
	v.until(`!/\[object|undefined|NaN/.test(document.body.innerText)`)
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, trouble := range v.troubles {
		v.t.Errorf("on the browser's console: %s", trouble)
	}
	if len(v.asked) < 5 {
		v.t.Errorf("only %d requests were seen", len(v.asked))
	}
	for _, url := range v.asked {
		if !strings.HasPrefix(url, "http://"+v.own+"/") && !strings.HasPrefix(url, "ws://"+v.own+"/ws") {
			v.t.Errorf("a request to %s", url)
		}
	}
}

// evil is markup that would show itself in the title if it was taken for such.
const evil = `<img src=x onerror="document.title='evil'">`

// onePage runs f with a node that builds blocks of four, and its page.
func onePage(t *testing.T, f func(t *testing.T, c *client, v *visit)) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-t", "0s")
		v := visitPage(t, n)
		f(t, n.connect(), v)
		v.check()
	})
}

// fourBuilt returns the block of transactions first to first+3, once it is there.
func fourBuilt(t *testing.T, c *client, first int) block {
	t.Helper()
	for i := range 4 {
		c.merge(issue(first+i, 1000*(i+1)))
	}
	var blocks []block
	eventually(t, 5*time.Second, "a block of four", func() error {
		if blocks = c.blocks(); len(blocks) == 0 || blocks[len(blocks)-1].Items[3].ID != numbered(first+3) {
			return fmt.Errorf("%d blocks", len(blocks))
		}
		return nil
	})
	return blocks[len(blocks)-1]
}

// The search box finds what exists, by each of its names, and reports in words
// that something does not.
func TestPageSearch(t *testing.T) { onePage(t, searches) }

func searches(t *testing.T, c *client, v *visit) {
	b := fourBuilt(t, c, 1)
	for i := range 5 {
		fourBuilt(t, c, 10+4*i)
	}
	const only = "12345678-1234-4234-8234-123456789abc"
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":5}`, only, numbered(1), numbered(77)))

	v.goes("#/pool") // what begins so is found once the page knows of it
	v.until(fmt.Sprintf(`document.querySelector('#pool-rows a[href="#/tx/%s"]') !== null`, only))
	for query, route := range map[string]string{
		"0":                     "#/block/" + b.Hash,
		"#0":                    "#/block/" + b.Hash,
		strings.ToUpper(b.Hash): "#/block/" + b.Hash,
		b.Hash[:8]:              "#/block/" + b.Hash,
		" " + only + " ":        "#/tx/" + only,
		only[:13]:               "#/tx/" + only,
		numbered(77):            "#/account/" + numbered(77),
		"issuer":                "#/account/" + numbered(0),
	} {
		v.goes("#/")
		v.types("#search input", query)
		v.keys("\r")
		v.until(fmt.Sprintf("location.hash === %q", route))
	}
	for query, words := range map[string]string{
		"99":                                 "There is no block 99: the newest one is block 5.",
		strings.Repeat("ab", 32):             "No block with this hash is known here.",
		numbered(99):                         "Nothing found: no transaction has this ID",
		"fff":                                "Nothing on this page begins like this",
		"ffffff":                             "Nothing that this node has begins like this",
		"00000000-0000-0000-0000-0000000000": "Several begin like t", // two that wait in the pool
		evil:                                 "Nothing found. Search for",
	} {
		v.types("#search input", query)
		v.keys("\r")
		v.shows("#found", words)
	}

	// The original's examples use one UUID for both: one may choose.
	v.types("#search input", numbered(2))
	v.keys("\r")
	v.until(`document.querySelectorAll("#found a").length === 2`)
	v.clicks("#found li:last-child a")
	v.until(fmt.Sprintf("location.hash === %q", "#/account/"+numbered(2)))
	v.shows(".balance", "2,000")
	v.until(`document.querySelectorAll(".view-account tbody tr").length === 1`)

	// A history comes in pages.
	v.goes("#/account/" + numbered(0))
	v.shows(".holding", "60,000 minted")
	v.until(`document.querySelectorAll(".view-account tbody tr").length === 20`)
	v.clicks(".pager button:last-child") // older
	v.until(`document.querySelectorAll(".view-account tbody tr").length === 4`)
	v.clicks(".pager button:nth-child(2)") // newer
	v.until(`document.querySelectorAll(".view-account tbody tr").length === 20`)
}

// The form shows beside the field what is wrong, sends, and follows what it
// sent from the pool into a block, without a reload.
func TestPageSend(t *testing.T) { onePage(t, sends) }

func sends(t *testing.T, c *client, v *visit) {
	v.goes("#/send")
	v.types("#send-sender", evil)
	v.types("#send-receiver", "me")
	v.types("#send-amount", "1.5")
	v.keys("\r")
	v.shows("#send-sender-error", "Must be a UUID")
	v.shows("#send-receiver-error", "Must be a UUID")
	v.shows("#send-amount-error", "Must be a whole number from 1 to 9007199254740991.")
	v.until(`document.activeElement.id === "send-sender" && document.querySelector("#send-sender").getAttribute("aria-invalid") === "true"`)

	// A keyed account: the node refuses, and that too stands beside the field.
	v.types("#send-sender", "56475aa7-5463-874c-8285-df5dbf2bcab7")
	v.types("#send-receiver", numbered(5))
	v.types("#send-amount", "5")
	v.keys("\r")
	v.shows("#send-sender-error", "Only its holder can send from it")

	v.run(`document.querySelector(".entry button").click()`) // issuer
	v.until(fmt.Sprintf(`document.querySelector("#send-sender").value === %q`, numbered(0)))
	v.types("#send-amount", "3000")
	v.keys("\r")
	v.shows(".receipt .outcome", "In the pool: it can be paid")
	sent := c.pool()
	if len(sent) != 1 || sent[0].Amount != 3000 || sent[0].Receiver != numbered(5) {
		t.Fatalf("the pool is %+v", sent)
	}

	// The same ID with other contents is another transaction: refused.
	v.run(`document.querySelector("details").open = true`)
	v.types("#send-id", sent[0].ID)
	v.types("#send-amount", "4")
	v.keys("\r")
	v.shows(".form-error", "another transaction with the same ID is in the pool")

	// One that cannot be paid waits, and its receipt reports for what.
	const poor = "12345678-1234-4234-8234-123456789abc"
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":70}`, poor, numbered(5), numbered(6)))
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":50}`, numbered(90), numbered(66), numbered(6)))
	v.goes("#/tx/" + numbered(90))
	v.shows(".receipt .outcome", "Waiting, because the sender holds 0 and needs 50 more.")

	v.goes("#/tx/" + sent[0].ID)
	v.shows(".receipt .outcome", "In the pool")
	c.merge(issue(11, 1), issue(12, 1))
	v.shows(".receipt .outcome", "In block 0, with 1 confirmation.")
	fourBuilt(t, c, 20)
	v.shows(".receipt .outcome", "In block 0, with 2 confirmations.")
	v.until(`document.querySelectorAll(".receipt .facts dd").length >= 5`)
	v.shows(".receipt .facts", numbered(5))

	v.goes("#/tx/" + numbered(99))
	v.shows(".receipt", "This node knows no transaction with this ID.")
	c.merge(issue(99, 1)) // it comes, and shows by itself
	v.shows(".receipt .outcome", "In the pool")
}

// A change of one amount breaks everything that follows from it, the page says
// what, and taking it back heals it. Nothing of it reaches the node.
func TestPageBreak(t *testing.T) { onePage(t, breaks) }

func breaks(t *testing.T, c *client, v *visit) {
	// broken waits until exactly these checks fail.
	broken := func(want ...string) {
		t.Helper()
		v.until(fmt.Sprintf(`[...document.querySelectorAll('.checks > [data-ok="false"]')].map(c => c.dataset.check).join() === %q`, strings.Join(want, ",")))
	}
	v.goes("#/break")
	v.shows(".chooser", "A sample block, made in this browser just now")
	v.shows(".summary", "Everything holds.")

	b := fourBuilt(t, c, 1)
	fourBuilt(t, c, 5)
	before := c.op("blocks", "").text
	v.goes("#/break/" + b.Hash)
	v.shows(".chooser", "Block 0, with 4 transactions")
	v.shows(".summary", "Everything holds.")
	broken()

	amount := `[data-path="items[0].amount"]`
	v.types(amount, "9000")
	broken("links", "root", "hash", "work", "signature", "next")
	v.shows(".summary", "No longer holds: Links, Merkle root, Block hash, Work, Builder's signature, Link from the block above.")
	v.shows(".changes", "items[0].amount 1000 → 9000")
	v.until(`document.querySelectorAll('[data-check="hash"] mark').length > 4`) // the difference
	v.until(`document.querySelectorAll('.chainlet-block[data-state="broken"]').length === 2`)
	v.clicks(`.changes .undo`)
	broken()

	v.types(`[data-path="items[2].prev_hash"]`, strings.Repeat("0", 40))
	broken("links") // the old link carries no trust
	v.clicks(`[data-do="undoAll"]`)
	v.types(`[data-path="prev_hash"]`, strings.Repeat("0", 64))
	broken("hash", "work", "signature", "parent", "next")
	v.clicks(`[data-do="undoAll"]`)
	v.types(`[data-path="signature"]`, strings.Repeat("0", 128))
	broken("signature")
	v.clicks(`[data-do="undoAll"]`)
	v.types(amount, evil)
	broken("fields", "links", "root", "hash", "work", "signature", "next")
	v.shows(`.entry:has([data-path="items[0].amount"]) .field-error`, "Must be a whole number")
	v.clicks(`[data-do="undoAll"]`)
	broken()

	// How far one comes in mending it: step by step, then all at once.
	v.types(amount, "9000")
	broken("links", "root", "hash", "work", "signature", "next")
	v.clicks(`[data-do="mend"]`)
	broken("work", "signature", "next")
	v.clicks(`[data-do="work"]`)
	v.shows(".said", "Found after")
	broken("signature", "next")
	v.clicks(`[data-do="sign"]`)
	broken("next")
	v.shows(".said", "But block 1 above it names the old hash")
	v.clicks(`[data-do="undoAll"]`)
	v.types(amount, "7")
	v.clicks(`[data-do="sign"]`)
	v.shows(".said", "But block 1 above it names the old hash")
	broken("next")
	if got := c.op("blocks", "").text; got != before {
		t.Errorf("the ledger has changed: %s", got)
	}
}

// The console's examples are understood, each reply stands beside its request,
// and what was sent can be sent again.
func TestPageConsole(t *testing.T) { onePage(t, consoles) }

func consoles(t *testing.T, c *client, v *visit) {
	fourBuilt(t, c, 20)
	v.goes("#/console")
	v.until(`document.querySelector("#message") !== null`)
	count, err := chromedp.Run(v.ctx, chromedp.Evaluate[int](`document.querySelectorAll(".example").length`))
	if err != nil || count < 15 {
		t.Fatalf("%d examples, %v", count, err)
	}
	for i := range count {
		v.run(fmt.Sprintf(`{
			document.querySelectorAll(".example")[%d].click();
			document.querySelector("#exchanges").replaceChildren();
			document.querySelector("#console").requestSubmit();
		}`, i))
		v.until(`document.querySelector('.exchange:last-child .status')?.dataset.good === "true"`)
	}

	last := ".exchange:first-child "
	v.types("#message", `{"op": "pool", "id": 5.0}`)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".request", `"op": "pool"`)
	v.shows(last+".reply", `"id": 5.0`) // as it came, and not 5
	v.types("#message", "nonsense"+evil)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".reply", "Cannot parse request message.")
	v.until(`document.querySelector('.exchange .status').dataset.good === "false"`)
	v.clicks(".exchange:nth-child(2) .again")
	v.until(`document.querySelector("#message").value === '{"op": "pool", "id": 5.0}'`)

	// What one subscribes to there comes there.
	v.types("#message", `{"op": "subscribe", "args": {"events": ["block"]}}`)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".reply", `"events"`)
	c.merge(issue(30, 1), issue(31, 1), issue(32, 1), issue(33, 1))
	v.shows(".exchange.event", `"change": "in"`)
	v.until(`document.querySelectorAll(".exchange").length <= 30`)
}
