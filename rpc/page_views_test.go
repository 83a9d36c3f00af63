package rpc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/websocket"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/web/webtest"
)

// formats is a script of the page. It computes, with the page's own modules, every vector
// that the ledger's formats are tested against, and returns what differs.
const formats = `(async () => {
	const vectors = %s;
	const [{ hex, unhex }, encode, hash, { pythonFloat }, { Checker }, keys] = await Promise.all(
		["bytes", "encode", "hash", "python", "check", "keys"].map((name) => import("/lib/" + name + ".js")));
	const { network } = vectors;
	const wrong = [];
	let done = 0;
	const same = (what, got, want) => { done++; if (got !== want) wrong.push(what + ": " + got + ", not " + want); };
	for (const { name, json, seed, cbor, digest, legacy_hash } of vectors.transactions) {
		const tx = JSON.parse(json);
		same(name, hex(encode.encodeTx(tx)), cbor);
		same(name, hash.digest(tx), digest);
		same(name, hash.legacyHash(tx, null), legacy_hash);
		if (tx.signature) same(name, hash.signed(hash.txMessage(network, tx), tx.signature, tx.public_key), true);
		if (seed) {
			const key = keys.readKey(keys.keyText(keys.keyOf(unhex(seed, 32))));
			same(name, JSON.stringify(keys.signTx({ ...tx, sender: "" }, network, key)), JSON.stringify(tx));
		}
	}
	const account = (n) => "00000000-0000-0000-0000-" + n.toString(16).padStart(12, "0");
	const digests = [];
	vectors.roots.forEach((want, i) => {
		const id = account(i + 1);
		digests.push(hash.digest({ id, sender: account(0), receiver: id, amount: i + 1, t: 0 }));
		same("root of " + digests.length, hash.root(digests), want);
	});
	for (const { json, hash: want, header_cbor, links } of vectors.blocks) {
		const block = JSON.parse(json);
		const header = { ...block, parent: block.prev_hash ?? network, count: block.items.length };
		same("header", hex(encode.encodeHeader(header)), header_cbor);
		same("block hash", hash.blockHash(header), want);
		const checker = new Checker({ id: network, bits: block.bits }, { below: header.parent, above: want });
		const { ok, links: got } = checker.check(block);
		same("block " + block.height, ok, true);
		same("links", got.join(), links.join());
		same("a signature of another network", hash.signed(hash.blockMessage(want, want), block.signature, block.builder), false);
	}
	for (const { bits, repr } of vectors.floats) {
		const view = new DataView(new ArrayBuffer(8));
		view.setBigUint64(0, BigInt("0x" + bits));
		same("float", pythonFloat(view.getFloat64(0)), repr);
	}
	for (const { public_key, account } of vectors.accounts) same("account", hash.accountOf(public_key), account);
	return wrong.length ? wrong.join("\n") : done > 60 ? "all hold" : "only " + done;
})()`

// What the page computes of a block is what the ledger computes. The command that it shows
// starts a node of its network.
func TestPageFormats(t *testing.T) {
	vectors, err := os.ReadFile("../ledger/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t).start()
	p := openPage(t, "http://"+l.addr()+"/")
	compute := chromedp.Evaluate[string](fmt.Sprintf(formats, jsontext.Value(vectors)), chromedp.EvalAwaitPromise)
	if got, err := chromedp.Run(p.ctx, compute); err != nil || got != "all hold" {
		t.Errorf("%v\n%s", err, got)
	}
	const commands = `import("/ui.js").then(({ nodeCommand }) => [{}, { name: "class-3b" }, { name: "3 b" }, { name: "b", keyed_only: true }, { bits: 8 }, { credit: { x: 1 } }].map((n) =>
		nodeCommand({ name: "foxchain", bits: 16, issuers: ["00000000-0000-0000-0000-000000000000"], builders: [], ...n })).join())`
	const want = "foxchain node,foxchain node --network class-3b,foxchain node --network ./3-b.json,foxchain node --network ./b.json,foxchain node --network ./foxchain.json,foxchain node --network ./foxchain.json"
	if got, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](commands, chromedp.EvalAwaitPromise)); err != nil || got != want {
		t.Errorf("%v: %s", err, got)
	}
	if sum := webtest.Eval[string](p.Page, `import("/fmt.js").then(({ number }) => number("27021597764222973"))`); sum != "27,021,597,764,222,973" {
		t.Errorf("more than a number holds: %s", sum)
	}
	p.check(l)
}

// A receipt reports that a reorg gave its transaction back, and where it went.
func TestPageReorg(t *testing.T) {
	l := newLab(t).start()
	first := l.extend(l.header(nil, mint(1, 1)), []*ledger.Transaction{mint(1, 1)})
	l.submit(mint(2, 2000))
	l.build()
	p := openPage(t, "http://"+l.addr()+"/#/tx/"+numbered(2).String())
	p.shows(".receipt .outcome", "In block 1, with 1 confirmation.")

	side := l.extend(l.header(first, mint(4, 1)), []*ledger.Transaction{mint(4, 1)})
	l.extend(l.header(side, mint(5, 1)), []*ledger.Transaction{mint(5, 1)})
	p.shows(".receipt .outcome", "In the pool: it can be paid")
	p.shows(".told", "had it")
	p.run(`window.told = 0;
		const send = WebSocket.prototype.send, now = performance.now.bind(performance);
		WebSocket.prototype.send = function (text) { if (text.includes("told")) told++; send.call(this, text); };
		performance.now = () => now() + 20_000`)
	l.s.mu.Lock()
	for c := range l.s.conns {
		c.hangUp("", websocket.CloseGoingAway, "the node is stopping")
	}
	l.s.mu.Unlock()
	p.until(`told > 0`)
	search := func(text string) {
		t.Helper()
		p.run(fmt.Sprintf(`document.getElementById("query").value = %q; document.getElementById("search").requestSubmit()`, text))
	}
	l.net.set(api.Peer{ID: "12D3KooWB", Name: "Bongo"}, api.Peer{ID: "12D3KooWC", Name: "bonsai"})
	p.until(`document.getElementById("link").dataset.state === "live"`)
	search("0000000000")
	p.until(`document.querySelectorAll("#found a").length > 1`)
	p.shows(".receipt .next", "This node does not build")
	p.shows(".receipt", "It was in block 1, which lost to another branch")
	l.build()
	p.shows(".receipt .outcome", "In block 3, with 1 confirmation.")
	p.until(`!document.querySelector(".told").textContent.includes("not known yet")`) // by an event
	p.until(`document.querySelector('.receipt a[href="verify"]') !== null`)
	p.run(`URL.createObjectURL = (blob) => { blob.text().then((text) => { window.proof = text; }); return "#/tx/` + numbered(2).String() + `"; };
		document.querySelector(".receipt .proof").click()`)
	p.until(`JSON.parse(window.proof).transaction !== undefined`)
	search("bon")
	p.shows("#found", "Node Bongo")
	search("bongo")
	p.until(`location.hash === "#/network"`)
	p.check(l)
}

// instead is a script of the page. It does something else in place of sending the next
// message that has a text.
const instead = `{
	const send = WebSocket.prototype.send;
	WebSocket.prototype.send = function (text) {
		if (!text.includes(%q)) return send.call(this, text);
		WebSocket.prototype.send = send;
		const answers = (error) => this.onmessage({ data: JSON.stringify({ status: 500, error, id: JSON.parse(text).id }) });
		%s;
	};
}`

// connects is a script of the page. It returns what connect calls when a connection begins.
const connects = `(async () => {
	const { connect } = await import("/live.js"), called = [], real = WebSocket;
	let socket;
	window.WebSocket = class { constructor() { socket = this; } };
	connect(() => "", { link: (how) => called.push(how), fresh: () => called.push("fresh"), event: (kind) => called.push(kind) });
	window.WebSocket = real;
	for (const m of [{ status: 200 }, { event: "status", n: 1 }, { event: "peers", n: 2 }]) socket.onmessage({ data: JSON.stringify(m) });
	return called.join();
})()`

// TestPageAsksAgain checks that a view whose question was not answered asks again, and that the
// search does not report that there is nothing. What an issuer moved is not called a balance.
func TestPageAsksAgain(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 5))
	hash := l.build().Hash().String()
	stopping, failed := asOpError(context.Canceled).text, asOpError(errors.New("x")).text
	p := openPage(t, "http://"+l.addr()+"/")
	for route, shown := range map[string]string{"#/break/" + hash: ".checks > li", "#/block/" + hash: "#block-fields"} {
		for _, trouble := range []string{`this.close()`, fmt.Sprintf("answers(%q)", stopping)} {
			p.goTo("#/")
			p.until(`document.getElementById("link").dataset.state === "live"`)
			p.run(fmt.Sprintf(instead, `"op":"block"`, trouble))
			p.goTo(route)
			p.until(fmt.Sprintf(`document.querySelector(%q) !== null`, shown))
		}
	}
	for answer, words := range map[string]string{stopping: "the connection was lost", failed: failed} {
		p.until(`document.getElementById("link").dataset.state === "live"`)
		p.run(fmt.Sprintf(instead, `"op":"tx"`, fmt.Sprintf("answers(%q)", answer)))
		p.run(`document.getElementById("query").value = "abcd"; document.getElementById("search").requestSubmit()`)
		p.shows("#found", words)
	}
	p.goTo("#/block/" + hash)
	p.shows("#block-standing", "Confirmations: 1.")
	p.run(fmt.Sprintf(instead, `"op":"block"`, `this.close()`))
	l.submit(mint(2, 5))
	l.build()
	p.shows("#block-standing", "Confirmations: 2.")
	if order := webtest.Eval[string](p.Page, connects); order != "live,fresh,status,peers" {
		t.Errorf("a new connection: %s", order)
	}
	for n := range 25 {
		l.submit(mint(n+3, 5))
		l.build()
	}
	p.goTo("#/chain")
	p.run(fmt.Sprintf(instead, `"op":"blocks"`, `this.close(); window.asked = this`))
	p.until(`document.querySelector('[data-to="oldest"]:enabled').click() ?? true`)
	p.until(`asked.readyState === WebSocket.CLOSED`)
	p.run(`document.querySelector('[data-to="oldest"]').click()`)
	p.until(`document.querySelector("#block-rows tr:last-child td").textContent === "0"`)
	p.goTo("#/account/" + numbered(0).String())
	p.shows("th.behind", "Redeemed less minted")
	rows := func(button, clicks, want int) {
		t.Helper()
		p.run(fmt.Sprintf(`for (let i = 0; i < %d; i++) document.querySelectorAll(".view-account .pager button")[%d].click()`, clicks, button))
		p.until(fmt.Sprintf(`document.querySelectorAll(".view-account tbody tr").length === %d`, want))
	}
	rows(2, 2, 7)  // older, of 27
	rows(1, 2, 20) // newer
	p.goTo("#/account/" + numbered(1).String())
	p.shows("th.behind", "Balance")
	p.check(l)
}

// texts is a script of the page. It returns the keys whose texts differ between the
// languages in more than their words.
const texts = `(async () => {
	const [en, zh] = await Promise.all(["en", "zh"].map(async (name) => (await import("/i18n/" + name + ".js")).default));
	const values = (text) => [...(text ?? "{none}").matchAll(/\{\w+\}/g)].sort().join();
	return Object.keys({ ...en, ...zh }).filter((key) => values(en[key]) !== values(zh[key])).join(" ");
})()`

// Every text is there in both languages, with the same values in it, and the
// views that one types in fit a phone in both.
func TestPageTexts(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(2, 2000))
	b := l.build()
	p := openPage(t, "http://"+l.addr()+"/")
	if wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](texts, chromedp.EvalAwaitPromise)); err != nil || wrong != "" {
		t.Errorf("not the same in both languages: %s %v", wrong, err)
	}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(390, 844)); err != nil {
		t.Fatal(err)
	}
	account := numbered(2).String()
	for _, view := range []struct{ route, shown string }{
		{"tx/" + account, ".facts"}, {"account/" + account, ".balance"}, {"send", ".form"},
		{"break/" + b.Hash().String(), ".checks > li"}, {"console", ".example"}, {"help", "#network-file"},
	} {
		p.run(fmt.Sprintf("location.hash = %q", "#/"+view.route))
		for range 2 { // the other language, and back
			p.run(`document.getElementById("view").replaceChildren(); document.getElementById("language").click()`)
			p.until(fmt.Sprintf("document.querySelector(%q) !== null", view.shown))
			p.until(`document.documentElement.scrollWidth <= innerWidth`)
			p.until(`!/\b(page|rule|reason|tx|account|send|console|break|search)\.[a-zA-Z]{3}/.test(document.body.innerText)`)
		}
	}
	// The form offers the issuer, own keys and what was used, each with what it is.
	p.run(fmt.Sprintf(`for (const [name, id] of [["accounts", %q], ["ownAccounts", %q]]) localStorage.setItem("foxchain." + name, JSON.stringify([id]))`, numbered(7), numbered(8)))
	p.goTo("#/send")
	p.until(`[...document.querySelectorAll("#accounts option")].map((o) => o.value.slice(-2) + o.label).join() === "00Issuer,08account of your key,07used here before"`)
	p.check(l)
}
