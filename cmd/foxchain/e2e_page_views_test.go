package main_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"foxchain/rpc/web/webtest"
)

// A visit is a node's page in a real browser, as a person uses it. Tests check only what
// the page shows.
type visit struct {
	*webtest.Page
	own string // the origin of the page
}

// visitAt opens the page at host and port, with the given fragment, in a window of its own.
func visitAt(t *testing.T, own, fragment string) *visit {
	t.Helper()
	v := &visit{webtest.Open(t, "http://"+own+"/"+fragment), own}
	v.Patience *= slack
	v.Until(`document.getElementById("link").dataset.state === "live"`)
	v.Run(`window.sameDocument = true`)
	return v
}

// shows waits until an element's text holds a part.
func (v *visit) shows(selector, part string) {
	v.T.Helper()
	v.Until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, part))
}

// types puts a text into a field as if it was typed over what stood there.
func (v *visit) types(selector, text string) {
	v.T.Helper()
	v.Until(fmt.Sprintf("document.querySelector(%q) !== null", selector))
	v.Run(fmt.Sprintf(`{ const field = document.querySelector(%q); field.focus(); field.select(); }`, selector))
	v.keys(text)
}

// keys presses the keys of a text in the field that has the focus.
func (v *visit) keys(text string) {
	v.T.Helper()
	v.Do(chromedp.KeyEvent(text))
}

func (v *visit) clicks(selector string) {
	v.T.Helper()
	v.Do(chromedp.Click(chromedp.CSS(selector)))
}

// goes shows a route of the page.
func (v *visit) goes(route string) {
	v.T.Helper()
	v.Run(fmt.Sprintf("location.hash = %q", route))
}

// check fails the test when the browser complained, sent a request to another server than its
// node, or the page was loaded again.
func (v *visit) check() {
	v.T.Helper()
	v.Until(`window.sameDocument && document.title !== "evil" && !document.querySelector("main img")`)
	v.Until(`!/\[object|undefined|NaN/.test(document.body.innerText)`)
	seen := v.Seen()
	for _, trouble := range seen.Troubles {
		v.T.Errorf("on the browser's console: %s", trouble)
	}
	if len(seen.Asked) < 5 {
		v.T.Errorf("only %d requests were seen", len(seen.Asked))
	}
	for _, url := range seen.Asked {
		if !strings.HasPrefix(url, "http://"+v.own+"/") && !strings.HasPrefix(url, "ws://"+v.own+"/ws") {
			v.T.Errorf("a request to %s", url)
		}
	}
}

// evil is markup that changes the title if a page does not escape it.
const evil = `<img src=x onerror="document.title='evil'">`

// TestPage does on one node's page, in one browser, what people do there. The node builds
// blocks of four.
func TestPage(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		dir := t.TempDir()
		// Break it searches for work in the browser, so few bits keep it short.
		save(t, dir, "page.json", `{"name":"page","bits":8}`)
		n := startNode(t, h, dir, "-p", strconv.Itoa(h.base), "--network", "page.json", "--mdns=false", "-t", "0s")
		v, c := visitAt(t, fmt.Sprintf("localhost:%d", n.ws), ""), n.connect()
		for _, part := range []struct {
			name string
			f    func(*testing.T, *client, *visit)
		}{{"Sample", samples}, {"Console", consoles}, {"Send", sends}, {"Search", searches}, {"Break", breaks}, {"Origins", origins}} {
			t.Run(part.name, func(sub *testing.T) {
				v.T, c.t = sub, sub
				defer func() { v.T, c.t = t, t }()
				part.f(sub, c, v)
			})
		}
		v.check()
	})
}

// fourBuilt returns the block of transactions first to first+3, once it is there. What
// could be built before them is in earlier blocks.
func fourBuilt(t *testing.T, c *client, first int) block {
	t.Helper()
	filler := 1_000_000 + 10*first
	eventually(t, "an empty pool", func() error {
		n := c.info().Payable
		if n == 0 {
			return nil
		}
		c.merge(issue(filler, 1))
		filler++
		return fmt.Errorf("%d can be paid", n)
	})
	for i := range 4 {
		c.merge(issue(first+i, 1000*(i+1)))
	}
	return c.built(numbered(first + 3))
}

// built returns the last block once it has a transaction.
func (c *client) built(id string) (last block) {
	c.t.Helper()
	eventually(c.t, "a block of "+id, func() error {
		blocks := c.blocks()
		if len(blocks) > 0 {
			last = blocks[len(blocks)-1]
		}
		if !slices.ContainsFunc(last.Items, func(tx tx) bool { return tx.ID == id }) {
			return fmt.Errorf("%d blocks", len(blocks))
		}
		return nil
	})
	return last
}

// The search box finds what exists, by each of its names, and reports in words
// that something does not.
func searches(t *testing.T, c *client, v *visit) {
	b := fourBuilt(t, c, 301)
	for i := range 5 {
		fourBuilt(t, c, 310+4*i)
	}
	top, minted, issued := 0, 0, 0
	for _, b := range c.blocks() {
		top = int(b.Height)
		for _, tx := range b.Items {
			if tx.Sender == numbered(0) {
				minted += int(tx.Amount)
				issued++
			}
		}
	}
	const only = "87654321-1234-4234-8234-123456789abc"
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":5}`, only, numbered(301), numbered(377)))

	v.goes("#/pool") // what begins so is found once the page knows of it
	v.Until(fmt.Sprintf(`document.querySelector('#pool-rows a[href="#/tx/%s"]') !== null`, only))
	for query, route := range map[string]string{
		fmt.Sprint(b.Height):      "#/block/" + b.Hash,
		fmt.Sprint("#", b.Height): "#/block/" + b.Hash,
		strings.ToUpper(b.Hash):   "#/block/" + b.Hash,
		b.Hash[:8]:                "#/block/" + b.Hash,
		" " + only + " ":          "#/tx/" + only,
		only[:13]:                 "#/tx/" + only,
		numbered(377):             "#/account/" + numbered(377),
		"issuer":                  "#/account/" + numbered(0),
	} {
		v.goes("#/")
		v.types("#search input", query)
		v.keys("\r")
		v.Until(fmt.Sprintf("location.hash === %q", route))
	}
	for query, words := range map[string]string{
		"99":                     fmt.Sprintf("There is no block 99: the newest one is block %d.", top),
		strings.Repeat("ab", 32): "No block with this hash is known here.",
		numbered(9999):           "Nothing found: no transaction has this ID",
		"fff":                    "Nothing on this page begins like this",
		"ffffff":                 "Nothing that this node has begins like this",
		numbered(0)[:33]:         "More than one begins like t",
		numbered(301)[:35]:       "Several begin like t", // 301 to 304, and the node names all
		evil:                     "Nothing found. Search for",
	} {
		v.types("#search input", query)
		v.keys("\r")
		v.shows("#found", words)
	}

	// The original's examples use one UUID for a transaction and an account, so the page
	// offers both.
	v.types("#search input", numbered(302))
	v.keys("\r")
	v.Until(`document.querySelectorAll("#found a").length === 2`)
	v.clicks("#found li:last-child a")
	v.Until(fmt.Sprintf("location.hash === %q", "#/account/"+numbered(302)))
	v.shows(".balance", "2,000")
	v.Until(`document.querySelectorAll(".view-account tbody tr").length === 1`)

	// A history comes in pages.
	v.goes("#/account/" + numbered(0))
	v.Until(fmt.Sprintf(`document.querySelector(".holding")?.textContent.replaceAll(",", "").startsWith("%d minted")`, minted))
	v.Until(`document.querySelectorAll(".view-account tbody tr").length === 20`)
	v.clicks(".pager button:last-child") // older
	v.Until(`document.querySelectorAll(".view-account tbody tr").length === ` + strconv.Itoa(min(20, issued-20)))
	v.clicks(".pager button:nth-child(2)") // newer
	v.Until(`document.querySelectorAll(".view-account tbody tr").length === 20`)
}

// The form shows beside the field what is wrong, sends, and follows what it
// sent from the pool into a block, without a reload.
func sends(t *testing.T, c *client, v *visit) {
	fourBuilt(t, c, 201) // nothing that can be paid is in the pool
	height := c.built(numbered(204)).Height + 1
	v.goes("#/send")
	v.types("#send-sender", evil)
	v.types("#send-receiver", "me")
	v.types("#send-amount", "1.5")
	v.keys("\r")
	v.shows("#send-sender-error", "Must be a UUID")
	v.shows("#send-receiver-error", "Must be a UUID")
	v.shows("#send-amount-error", "Must be a whole number from 1 to 9007199254740991.")
	v.Until(`document.activeElement.id === "send-sender" && document.querySelector("#send-sender").getAttribute("aria-invalid") === "true"`)

	// The node refuses a keyed account, and that too stands beside the field.
	v.types("#send-sender", "56475aa7-5463-874c-8285-df5dbf2bcab7")
	v.types("#send-receiver", numbered(205))
	v.types("#send-amount", "5")
	v.keys("\r")
	v.shows("#send-sender-error", "Only its holder can send from it")

	// The word issuer is its account, as in the commands.
	v.types("#send-sender", "issuer")
	v.types("#send-receiver", "Issuer")
	v.keys("\r")
	v.shows("#send-receiver-error", "Must not be an issuer when the sender is one.")
	v.Until(fmt.Sprintf(`document.querySelector("#send-sender").value === %q`, numbered(0)))
	v.types("#send-sender", "")
	v.types("#send-receiver", numbered(205))

	v.Run(`document.querySelector(".entry button").click()`) // issuer
	v.Until(fmt.Sprintf(`document.querySelector("#send-sender").value === %q`, numbered(0)))
	v.types("#send-amount", "3000")
	v.keys("\r")
	v.shows(".receipt .outcome", "In the pool: it can be paid")
	v.shows(".receipt .next", "1 of 4; a block comes in ")
	sent := slices.DeleteFunc(c.pool(), func(tx tx) bool { return tx.Receiver != numbered(205) })
	if len(sent) != 1 || sent[0].Amount != 3000 || sent[0].Receiver != numbered(205) {
		t.Fatalf("the pool is %+v", sent)
	}

	// The same ID with other contents is another transaction, and is refused.
	v.Run(`document.querySelector("details").open = true`)
	v.types("#send-id", sent[0].ID)
	v.types("#send-amount", "4")
	v.keys("\r")
	v.shows(".form-error", "another transaction with the same ID is in the pool")

	// One that cannot be paid waits, and its receipt reports for what.
	const poor = "12345678-1234-4234-8234-123456789abc"
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":70}`, poor, numbered(205), numbered(206)))
	c.merge(fmt.Sprintf(`{"id":%q,"sender":%q,"receiver":%q,"amount":50}`, numbered(290), numbered(266), numbered(206)))
	v.goes("#/tx/" + numbered(290))
	v.shows(".receipt .outcome", "Waiting, because the sender holds 0 and needs 50 more.")

	v.goes("#/tx/" + sent[0].ID)
	v.shows(".receipt .outcome", "In the pool")
	c.merge(issue(211, 1), issue(212, 1))
	v.shows(".receipt .outcome", fmt.Sprintf("In block %d, with 1 confirmation.", height))
	fourBuilt(t, c, 220)
	v.shows(".receipt .outcome", fmt.Sprintf("In block %d, with 2 confirmations.", height))
	v.Until(`document.querySelectorAll(".receipt .facts dd").length >= 5`)
	v.shows(".receipt .facts", numbered(205))

	v.goes("#/tx/" + numbered(299))
	v.shows(".receipt", "This node knows no transaction with this ID.")
	c.merge(issue(299, 1)) // it comes, and shows by itself
	v.shows(".receipt .outcome", "In the pool")
}

// While there is no block, a sample that the browser made can be broken.
func samples(_ *testing.T, _ *client, v *visit) {
	v.goes("#/break")
	v.shows(".chooser", "A sample block, made in this browser just now")
	v.shows(".summary", "Everything holds.")
}

// A change of one amount breaks everything that follows from it. The page lists what
// broke, and taking the change back repairs it. Nothing of it reaches the node.
func breaks(t *testing.T, c *client, v *visit) {
	// broken waits until exactly these checks fail.
	broken := func(want ...string) {
		t.Helper()
		v.Until(fmt.Sprintf(`[...document.querySelectorAll('.checks > [data-ok="false"]')].map(c => c.dataset.check).join() === %q`, strings.Join(want, ",")))
	}
	b := fourBuilt(t, c, 401)
	fourBuilt(t, c, 405)
	before := c.op("blocks", "").text
	v.goes("#/break/" + b.Hash)
	v.shows(".chooser", fmt.Sprintf("Block %d, transactions: 4", b.Height))
	v.shows(".summary", "Everything holds.")
	broken()

	amount := `[data-path="items[0].amount"]`
	v.types(amount, "9000")
	broken("links", "root", "hash", "work", "signature", "next")
	v.shows(".summary", "No longer holds: Links, Merkle root, Block hash, Work, Builder's signature, Link from the block above.")
	v.shows(".changes", "items[0].amount 1000 → 9000")
	v.Until(`[...document.querySelectorAll('[data-check="hash"] mark')].map(m => m.textContent).join("").length > 40`) // the digits that differ
	v.Until(`document.querySelectorAll('.chainlet-block[data-state="broken"]').length === 2`)
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

	// How far a repair comes, step by step and then all at once.
	v.types(amount, "9000")
	broken("links", "root", "hash", "work", "signature", "next")
	v.clicks(`[data-do="mend"]`)
	broken("work", "signature", "next")
	v.clicks(`[data-do="work"]`)
	v.shows(".said", "Found after")
	broken("signature", "next")
	v.clicks(`[data-do="sign"]`)
	broken("next")
	v.shows(".said", fmt.Sprintf("But block %d above it names the old hash", b.Height+1))
	v.clicks(`[data-do="undoAll"]`)
	v.types(amount, "7")
	v.clicks(`[data-do="sign"]`)
	v.shows(".said", fmt.Sprintf("But block %d above it names the old hash", b.Height+1))
	broken("next")
	if got := c.op("blocks", "").text; got != before {
		t.Errorf("the ledger has changed: %s", got)
	}
}

// The console's examples are understood, each reply stands beside its request,
// and what was sent can be sent again.
func consoles(t *testing.T, c *client, v *visit) {
	fourBuilt(t, c, 20)
	v.goes("#/console")
	v.Until(`document.querySelector("#message") !== null`)
	count, err := chromedp.Run(v.Ctx, chromedp.Evaluate[int](`document.querySelectorAll(".example").length`))
	if err != nil || count < 15 {
		t.Fatalf("%d examples, %v", count, err)
	}
	for i := range count {
		v.Run(fmt.Sprintf(`{
			document.querySelectorAll(".example")[%d].click();
			document.querySelector("#exchanges").replaceChildren();
			document.querySelector("#console").requestSubmit();
		}`, i))
		v.Until(`document.querySelector('.exchange:last-child .status')?.dataset.good === "true"`)
	}

	last := ".exchange:first-child "
	v.types("#message", `{"op": "pool", "id": 5.0}`)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".request", `"op": "pool"`)
	v.shows(last+".reply", `"id": 5.0`) // as it came, and not 5
	v.types("#message", "nonsense"+evil)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".reply", "Cannot parse request message.")
	v.Until(`document.querySelector('.exchange .status').dataset.good === "false"`)
	v.clicks(".exchange:nth-child(2) .again")
	v.Until(`document.querySelector("#message").value === '{"op": "pool", "id": 5.0}'`)

	// The console shows the events that it subscribes to.
	v.types("#message", `{"op": "subscribe", "args": {"events": ["block"]}}`)
	v.clicks(`#console button[type="submit"]`)
	v.shows(last+".reply", `"events"`)
	c.merge(issue(30, 1), issue(31, 1), issue(32, 1), issue(33, 1))
	v.shows(".exchange.event", `"change": "in"`)
	v.Until(`document.querySelectorAll(".exchange").length <= 30`)
}
