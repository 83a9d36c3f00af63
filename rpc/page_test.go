package rpc

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/web/webtest"
)

// A page is the node's page in a real browser.
type page struct {
	*webtest.Page
	t   *testing.T
	ctx context.Context
}

// openPage shows the page of a node.
func openPage(t *testing.T, url string) *page {
	t.Helper()
	p := webtest.Open(t, url)
	return &page{p, t, p.Ctx}
}

// A testRun ends the browser when all tests have run.
type testRun struct{ *testing.M }

func (r testRun) Run() int {
	defer webtest.Close()
	return r.M.Run()
}

func (p *page) until(expression string) { p.t.Helper(); p.Until(expression) }
func (p *page) run(script string)       { p.t.Helper(); p.Run(script) }
func (p *page) shot(name string)        { p.t.Helper(); p.Shot(name) }

// shows waits until an element's text holds a part.
func (p *page) shows(selector, part string) {
	p.t.Helper()
	p.until(fmt.Sprintf("document.querySelector(%q)?.textContent.includes(%q)", selector, part))
}

// goTo opens a view and waits until it is there.
func (p *page) goTo(route string) {
	p.t.Helper()
	p.run(fmt.Sprintf("location.hash = %q", route))
	name, _, _ := strings.Cut(strings.TrimPrefix(route, "#/"), "/")
	if name == "" {
		name = "home"
	}
	p.until(fmt.Sprintf(`document.querySelector("#view > .view-%s")?.children.length > 0`, name))
}

// firstLoad fails the test when more bytes than these came so far.
func (p *page) firstLoad(most float64) {
	p.t.Helper()
	seen := p.Seen()
	p.t.Logf("the first page: %.0f bytes in %d requests", seen.Loaded, len(seen.Asked))
	if seen.Loaded < 1000 || seen.Loaded > most {
		p.t.Errorf("the first page took %.0f bytes", seen.Loaded)
	}
}

// check fails the test when the browser complained, or asked any other server.
func (p *page) check(l *lab) {
	p.t.Helper()
	seen := p.Seen()
	for _, trouble := range seen.Troubles {
		p.t.Errorf("on the browser's console: %s", trouble)
	}
	if len(seen.Asked) < 5 {
		p.t.Errorf("only %d requests were seen", len(seen.Asked))
	}
	for _, url := range seen.Asked {
		if !strings.HasPrefix(url, "http://"+l.addr()+"/") && !strings.HasPrefix(url, "ws://"+l.addr()+"/ws") {
			p.t.Errorf("a request to %s", url)
		}
	}
}

// The page shows the node, and what happens to it without being loaded again.
func TestPage(t *testing.T) {
	const evil = `<img src=x onerror="document.title='evil'">`
	l := newLab(t).start()
	l.net.set(api.Peer{ID: "12D3KooWOther", Name: evil, State: "connected", Reason: evil, Connected: true, WS: "ws://fox.lan:9001/ws", Seen: 1, Blocks: 7})
	l.submit(mint(1, 3000))
	first := l.build()
	p := openPage(t, "http://"+l.addr()+"/")

	p.until(`document.getElementById("link").dataset.state === "live"`)
	p.shows("#name", "fox")
	p.shows("#network", "rpc-test")
	p.shows("#peer-id", "12D3KooWTest")
	p.shows("#tip", first.Hash().String())
	p.shows(".strip", first.Hash().Short())
	p.shows("#verdict", "6 blocks behind")
	p.firstLoad(100_000)
	p.shows(".view-home .lines", "foxchain node --network ./rpc-test.json --peer /ip4/127.0.0.1/tcp/19000/p2p/12D3KooWTest")
	p.run(`window.sameDocument = true`)

	p.goTo("#/network")
	p.until(`document.title === "Network · fox · rpc-test · foxchain" && document.activeElement.localName === "h1"`)
	p.shows("#node-rows", evil)
	p.shows("#graph", "<img src=x")
	p.until(`document.querySelectorAll("#graph line").length === 1`)

	p.goTo("#/pool")
	poor := mint(3, 5)
	poor.Sender = numbered(9)
	l.submit(mint(2, 2000), poor)
	p.shows("#pool-rows tr:nth-child(1)", "2,000")
	p.shows("#pool-rows tr:nth-child(2)", "sender holds 0")
	p.shows("#pool-count", "2 in all, of which 1 cannot be paid yet")
	p.shows("#pool-rows tr:nth-child(1)", "issuer")
	p.shows("#pool-rows tr:nth-child(1) .age", " d ") // of its own time, which lies back

	p.goTo("#/chain")
	second := l.build()
	p.shows("#block-rows tr:first-child", second.Hash().Short())

	// A longer branch takes the place of the second block, which is then drawn
	// beside the chain.
	side := l.extend(l.header(first, mint(4, 1)), []*ledger.Transaction{mint(4, 1)})
	longer := l.extend(l.header(side, mint(5, 1)), []*ledger.Transaction{mint(5, 1)})
	p.shows("#block-rows tr:first-child", longer.Hash().Short())
	p.shows("#block-rows tr:nth-child(2)", side.Hash().Short())
	p.until(`document.querySelectorAll("#block-rows tr").length === 3`)
	p.shows(".strip li.side", second.Hash().Short())

	// A block opens, and shows its place.
	p.goTo("#/block/" + second.Hash().String())
	p.shows("#block-standing", "Not on the chain")
	p.shows("#block-fields", second.Root.String())
	p.shows("#block-txs", "2,000")
	p.goTo("#/block/1")
	p.shows("#block-standing", "On the chain. Confirmations: 2.")
	p.shows("#block-fields", side.Hash().String())
	p.goTo("#/pool")
	p.shows("#pool-rows", "2,000") // given back

	// A history has the balance after each transaction, and names issuers as such.
	p.goTo("#/account/" + numbered(0).String())
	p.until(`[...document.querySelectorAll(".view-account tbody tr")].map(tr => tr.children[2].textContent).join() === "−3,002,−3,001,−3,000"`)
	p.goTo("#/account/" + numbered(4).String())
	p.shows(".view-account tbody tr td:nth-child(4)", "issuer")

	// The text about an account of a key is true here, where no key can be given.
	p.goTo("#/account/56475aa7-5463-874c-8285-df5dbf2bcab7")
	p.until(`document.querySelector(".holding")?.textContent.endsWith("only its holder can send from it.")`)

	// The transactions of a block are turned forwards, not to older ones.
	for n := range 6 {
		l.submit(mint(10+n, 1))
	}
	p.goTo("#/break/" + l.build().Hash().String())
	p.until(`[...document.querySelectorAll(".view-break .pager > *")].map(e => e.textContent).join() === "← Previous,1 to 5 of 7,Next →"`)

	// The file of the network can be copied as it stands.
	p.goTo("#/help")
	p.shows("#network-use", "foxchain node --network ./rpc-test.json")
	text, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](`document.getElementById("network-file").textContent`))
	if n, bad := ledger.ParseNetwork([]byte(text)); err != nil || bad != nil || n.ID() != l.chain.Network().ID() {
		t.Errorf("%s is not the network's file: %v %v", text, err, bad)
	}
	p.until(`document.querySelector('.view-help a[href="verify"]') && document.querySelector('footer a[href="verify"]')`)

	p.until(`window.sameDocument && document.title !== "evil" && !document.querySelector("#view img")`)
	p.check(l)
}

// The page speaks two languages, fits a phone, and has a dark and a light look.
func TestPageLooks(t *testing.T) {
	l := newLab(t).start()
	l.net.set(api.Peer{ID: "12D3KooWOther", Name: strings.Repeat("longname", 12), State: "connected", Connected: true, Seen: 1})
	l.submit(mint(1, 3000))
	l.build()
	l.submit(mint(2, 3000))
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows("#verdict", "All is well")
	p.run(`document.getElementById("language").click()`)
	p.shows("#verdict", "一切正常")
	p.until(`document.documentElement.lang === "zh-CN"`)
	p.shows("#navigation", "区块链")
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(360, 740)); err != nil {
		t.Fatal(err)
	}
	for _, view := range []string{"", "network", "chain", "block/0", "pool", "tx/" + mint(1, 1).ID.String(), "account/" + numbered(1).String(), "send", "break", "console", "help"} {
		p.goTo("#/" + view)
		p.until(`document.documentElement.scrollWidth <= 360`)
		p.until(`!document.querySelector("#view .notice")`)
		p.until(`![...document.querySelectorAll("#view *")].some(e => e.children.length === 0 && /^[a-z]+\.[a-zA-Z.]+$/.test(e.textContent))`) // keys without words
	}
	ground := `getComputedStyle(document.body).backgroundColor`
	p.run(`window.before = ` + ground + `; document.getElementById("theme").click()`)
	p.until(ground + ` !== window.before`)
	p.check(l)
}

// However long the chain and however many transactions and nodes there are, the
// page holds a bounded number of them, and its messages stay small.
func TestPageIsBounded(t *testing.T) {
	blocks, pool := 300, 1200
	if os.Getenv("FOXCHAIN_LONG") != "" {
		blocks, pool = 10_000, 50_000
	}
	l := newLab(t).start()
	var last *ledger.Block
	for n := range blocks {
		l.submit(mint(n+1, 1))
		last = l.build()
	}
	var txs []*ledger.Transaction
	for n := range pool {
		txs = append(txs, mint(1_000_000+n, 1))
	}
	for len(txs) > 0 {
		n := min(len(txs), 1000)
		l.submit(txs[:n]...)
		txs = txs[n:]
	}
	var nodes []api.Peer
	for n := range 50 {
		var links []string
		for other := range 50 {
			links = append(links, fmt.Sprintf("12D3KooWNode%02d", other))
		}
		nodes = append(nodes, api.Peer{ID: fmt.Sprintf("12D3KooWNode%02d", n), Name: fmt.Sprintf("node%02d", n), State: "connected", Connected: true, Seen: 1, Links: links})
	}
	l.net.set(nodes...)
	p := openPage(t, "http://"+l.addr()+"/")
	for _, view := range []struct {
		route, ready string
		most         int
	}{
		{"#/", `document.querySelectorAll(".strip li").length === 9`, 500},
		{"#/network", `document.querySelectorAll("#node-rows tr").length === 51 && document.querySelectorAll("#graph circle").length === 50`, 3000},
		{"#/chain", `document.querySelectorAll("#block-rows tr").length === 24`, 800},
		{"#/pool", `document.querySelectorAll("#pool-rows tr").length === 50`, 800},
	} {
		p.goTo(view.route)
		p.until(view.ready)
		p.until(fmt.Sprintf(`document.querySelectorAll("*").length < %d`, view.most))
		p.shot("bounded" + strings.ReplaceAll(view.route, "/", "-"))
	}
	p.until(fmt.Sprintf(`document.getElementById("pool-count").textContent.replace(/,/g, "").startsWith("%d in all of which 0 cannot be paid yet. The first 1000 are shown.")`, pool))

	// Every block can be reached, a page at a time.
	p.goTo("#/chain")
	p.run(`document.querySelector("[data-to=oldest]").click()`)
	p.until(`document.querySelector("#block-rows tr:last-child td").textContent === "0" && document.querySelectorAll("#block-rows tr").length === 25`)
	p.run(`document.querySelector("[data-to=newest]").click()`)
	for n := range 3 {
		tx := mint(2_000_000+n, 1)
		b := l.extend(l.header(last, tx), []*ledger.Transaction{tx})
		last = b
		p.shows("#block-rows tr:first-child", b.Hash().Short())
	}
	p.until(`document.querySelectorAll("#block-rows tr").length === 24 && document.querySelectorAll(".strip li").length === 25`)

	p.smooth(l)
	largest := p.Seen().Largest
	t.Logf("%d blocks, %d in the pool, 50 nodes: largest message %d bytes", blocks, pool, largest)
	if largest > 600_000 {
		t.Errorf("a message of %d bytes", largest)
	}
	p.check(l)
}

// smooth fails the test where a task of the page takes 100 ms with 20 nodes that build, lose
// each other, come and go. Of the rounds of each act the median counts.
func (p *page) smooth(l *lab) {
	p.t.Helper()
	p.goTo("#/")
	var tip uint64
	// twenty has so many nodes, of which every odd one has another tip where they are apart.
	twenty := func(count int, apart bool) {
		p.t.Helper()
		tip++
		ids := []string{"12D3KooWTest"}
		for n := range count {
			ids = append(ids, fmt.Sprintf("12D3KooWTwenty%02d", n))
		}
		var nodes []api.Peer
		for n, id := range ids[1:] {
			node := api.Peer{ID: id, Name: fmt.Sprint("node", n), State: "connected", Connected: true, Seen: 1, Blocks: tip, Tip: fmt.Sprintf("%064x", tip), Links: ids}
			if apart && n%2 == 1 {
				node.Tip, node.Links = fmt.Sprintf("%064x", 1<<32+tip), ids[:n]
			}
			nodes = append(nodes, node)
		}
		l.net.set(nodes...)
		p.until(fmt.Sprintf(`document.querySelector('#node-rows tr[data-tip="%064x"]') !== null && document.querySelectorAll("#node-rows tr").length === %d`, tip, count+1))
	}
	took := make(map[string][]float64)
	for range 5 {
		for _, act := range []struct {
			name string
			do   func()
		}{
			{"Network opens", func() { p.goTo("#/network"); twenty(20, false) }},
			{"a block", func() { twenty(20, false) }},
			{"a split", func() { twenty(20, true) }},
			{"half are gone", func() { twenty(10, false) }},
			{"all are back", func() { twenty(20, false) }},
			{"another view", func() { p.goTo("#/") }},
		} {
			took[act.name] = append(took[act.name], p.LongestTask(act.do))
		}
	}
	for name, all := range took {
		slices.Sort(all)
		p.t.Logf("20 nodes, %s: longest tasks %.0f ms of the processor", name, all)
		if median := all[len(all)/2]; median > 100 {
			p.t.Errorf("20 nodes, %s: a task of %.0f ms", name, median)
		}
	}
}

// The token is taken from the address line, which browsers do not send, and
// goes with the WebSocket.
func TestPageToken(t *testing.T) {
	l, _ := scopedLab(t)
	p := openPage(t, "http://"+l.addr()+"/#token=secret")
	p.until(`document.getElementById("link").dataset.state === "live" && !location.href.includes("secret")`)
	if err := chromedp.Do(p.ctx, chromedp.Navigate("http://"+l.addr()+"/?again")); err != nil {
		t.Fatal(err)
	}
	p.until(`document.getElementById("link")?.dataset.state === "live"`)
	p.check(l)
	for _, url := range p.Seen().Asked {
		if strings.HasPrefix(url, "ws:") && !strings.HasSuffix(url, "/ws?token=secret") {
			t.Errorf("a WebSocket without the token: %s", url)
		}
	}
	p.run(`location.hash = "#token=submit"`)
	p.shows("#notice", `"the submit" has the scope submit, and the op subscribe needs the scope read`)
}

// A browser that keeps no site data throws where the page would remember something, and one that
// does not allow the clipboard rejects. The page works with both, until it is closed.
func TestPageWithoutSiteData(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "about:blank")
	const blocked = `for (const name of ["localStorage", "sessionStorage"])
		Object.defineProperty(window, name, {get() { throw new DOMException("denied", "SecurityError"); }});
	Object.defineProperty(navigator, "clipboard", {value: {writeText: () => Promise.reject(new DOMException("denied", "NotAllowedError"))}});
	Object.defineProperty(window, "Notification", {value: undefined});
	crypto.randomUUID = undefined;`
	if _, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: blocked}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.Navigate("http://"+l.addr()+"/#token=secret")); err != nil {
		t.Fatal(err)
	}
	p.until(`document.getElementById("link")?.dataset.state === "live"`)
	for range 2 {
		p.run(`document.getElementById("language").click(); document.getElementById("theme").click()`)
	}
	for _, route := range []string{"#/send", "#/network", "#/console"} {
		p.goTo(route)
	}
	p.run(`document.querySelector(".copy")?.click()`)
	if troubles := p.Seen().Troubles; len(troubles) > 0 {
		t.Errorf("on the browser's console: %q", troubles)
	}
}

// A page of which a part did not come, as on a network that changes, shows that it may be
// loaded again.
func TestPageThatDoesNotLoad(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "about:blank")
	lost := &network.BlockPattern{URLPattern: "http://*:*/live.js", Block: true}
	if _, err := chromedp.Call(p.ctx, network.SetBlockedURLs, network.SetBlockedURLsParams{URLPatterns: []*network.BlockPattern{lost}}); err != nil {
		t.Fatal(err)
	}
	const noted = `addEventListener("error", () => window.failed = true, true)`
	if _, err := chromedp.Call(p.ctx, cdppage.AddScriptToEvaluateOnNewDocument, cdppage.AddScriptToEvaluateOnNewDocumentParams{Source: noted}); err != nil {
		t.Fatal(err)
	}
	p.Do(chromedp.Navigate("http://" + l.addr() + "/"))
	p.until(`window.failed && document.getElementById("link").textContent.includes("reload if this stays")`)
	p.shot("not-loaded")
}

// The page reports that the node has gone, also in a view that was not loaded before,
// which comes when the node is back.
func TestPageLosesItsNode(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows("#verdict", "No other node was found yet")
	p.goTo("#/network")
	p.until(`document.querySelector("#node-rows .tip")?.textContent === "–"`) // it has no block
	p.goTo("#/")
	l.stop()
	p.until(`document.getElementById("link").dataset.state === "lost"`)
	p.shows("#notice", "the node is stopping")
	p.run(`document.getElementById("language").click()`)
	p.shows("#notice", "节点正在停止")
	p.run(`document.getElementById("language").click()`)
	p.shows("#verdict", "Something is wrong")
	p.shows("#name", "fox") // what was known stays
	p.goTo("#/send")
	p.shows(".view-send", "The page has no connection to the node. Is it still running?")

	at := l.addr()
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	l.ended <- nil
	back, err := Listen(t.Context(), []string{at}, nil)
	if err != nil {
		t.Fatal(err)
	}
	newLab(t, func(c *Config) { c.Listener = back }).start()
	p.until(`document.getElementById("send-amount") !== null`)
}
