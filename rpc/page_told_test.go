package rpc

import (
	"crypto/ed25519"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
	"foxchain/p2p"
	"foxchain/rpc/api"
	"foxchain/rpc/web/webtest"
)

// verdicts is a script of the page. It returns the states of which a node alone makes a
// row that warns, while the verdict is good, or which the page does not name as the node
// does. A node that is not there, whatever its last block was, is no fork. Nor is one
// that has reported nothing since it may have got this node's last block.
const verdicts = `(async () => {
	const [{ health, standing }, { State }, en, zh] = await Promise.all([import("/health.js"), import("/state.js"), import("/i18n/en.js"), import("/i18n/zh.js")]);
	const wrong = [];
	for (const name of %s) {
		const state = new State();
		state.info = { time: 1000, uptime: 100, blocks: 1, tip: "aa", payable: 0, pool: 0, builds: true, disk_free: null, deep_reorgs: 0, network: {} };
		const other = { id: "a", name: "a", state: "connected", connected: true, seen: 1000, blocks: 1, tip: "aa" };
		const node = { ...other, id: "b", name: "b", state: name, connected: name === "connected", reason: "", missing_since: name === "missing" ? 900 : 0 };
		state.nodes = [other, node];
		if (health(state, "live").level === "good" !== (standing(node) !== "warn")) wrong.push(name + ": " + standing(node) + " " + health(state, "live").level);
		Object.assign(node, { seen: 960, blocks: 1, tip: "bb" });
		state.infoAt = performance.now();
		state.apart.set("b", performance.now() - 50_000);
		const forked = () => health(state, "live").reasons.some((r) => r.key === "home.fork");
		if (forked()) wrong.push(name + ", with another block 10 s long when last heard of: fork");
		node.seen = 1000;
		if (forked() !== (standing(node) === "good")) wrong.push(name + ", with another block: fork " + forked());
		state.info.blocks = 50;
		node.blocks = 40;
		state.apart.set("b", performance.now() - 70_000);
		for (const stood of [30_000, 70_000]) { // of one that is catching up, and of one that is not
			state.stood.set("b", { tip: "bb", since: performance.now() - stood });
			const stuck = health(state, "live").reasons.some((r) => r.key === "home.stuck");
			if (stuck !== (node.connected && stood > 60_000)) wrong.push(name + ", 10 blocks behind for " + stood + ": stuck " + stuck);
		}
		for (const connected of [false, node.connected]) { // it was away, and comes back
			node.connected = connected;
			state.compareTips();
		}
		state.apart.set("b", performance.now() - 70_000);
		if (health(state, "live").reasons.some((r) => r.key === "home.stuck")) wrong.push(name + ", back a moment ago: stuck");
		if (en.default["network.is." + name] !== name || !zh.default["network.is." + name]) wrong.push(name + " has another name");
	}
	return wrong.join("\n");
})()`

// whys is a script of the page. It returns the reasons that the page has in other words
// than the node, or not at all.
const whys = `(async () => {
	const [en, zh] = await Promise.all([import("/i18n/en.js"), import("/i18n/zh.js")]);
	return Object.entries(%s).filter(([code, words]) => en.default["why." + code] !== words || !zh.default["why." + code]).map(([code]) => code).join();
})()`

// foreign is a script of the page. It returns what is in English while the page is in Chinese.
const foreign = `(async () => {
	const [{ why }, { retell }] = await Promise.all([import("/health.js"), import("/i18n.js")]);
	const words = (code, args) => why({ reason: "x", reason_code: code, reason_args: args });
	return [
		words("clock", { time: "3 h", way: "ahead" }), words("clock", { time: "20 min", way: "behind" }), words("clock", { time: "2 years", way: "behind" }),
		words("misbehaved", { what: "sent a body that is not block 7's (00ab): its root is another" }), words("misbehaved", { what: "gossiped an invalid header: bits" }),
		words("misbehaved", { what: "sent a malformed answer of kind 3: x" }), words("misbehaved", { what: "does not know its own pool" }),
		words("refuses", { why: 'it is on network "甲" (00ab), this node is on "乙" (00cd)' }),
		retell("the node is stopping"), retell("the connection to the node was lost"), retell('args.node: "甲" is connected: a node that is there would be added again at once; stop it first'),
		retell("Transaction 00000000-0000-0000-0000-000000000007 is in no block yet, so there is nothing to prove it by"),
		retell("A block with transaction 7 is not known here"), retell("Transaction 7 is not known here"), retell("Block 7 is not known here"),
		retell("Of block 00ab only the header is known here: its branch has less work than the chain"),
		retell("args.hash: 5 or more begin with 00ab: give more digits"),
		retell("More than 9 accounts are too many to be ordered by balance: list them by account, or give a prefix"),
		%s.map(retell).join(),
	].filter((text) => /[a-z]{3}/.test(text.replaceAll(/[-]{2}[a-z-]+|args.hash|localhost|token|add|foxchain|data|directory|Authorization|Bearer/g, ""))).join("\n");
})()`

// TestPageMissing checks that the page names the missing nodes and since when, that its
// verdict is never good while a row warns, and that a node can be forgotten.
func TestPageMissing(t *testing.T) {
	l := newLab(t).start()
	now := ledger.UnixSeconds(time.Now())
	gone := func(n int, since float64) api.Peer {
		p := api.Peer{ID: fmt.Sprintf("12D3KooWGone%02d", n), Name: fmt.Sprintf("gone%d", n), State: "missing", Missing: now - since, Seen: now - since,
			Detail: "dial tcp4 10.0.0.9:19000: i/o timeout"}
		p.Because(api.Why("silent"))
		return p
	}
	l.net.set(api.Peer{ID: "12D3KooWHere", Name: "here", State: "connected", Connected: true, Seen: now, Clock: -7200}, gone(1, 7300), gone(2, 7300), gone(3, 11_000))
	l.sealer.key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // of another node, which was forgotten
	l.net.former = []api.Former{{Key: ledgertest.Public(l.sealer.key).String(), Name: "ada", Seen: now - 200_000}}
	l.submit(mint(1, 5))
	l.build()
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows("#verdict", "3 of 5 nodes have not answered for 2 hours; you may be on a branch of your own: gone1 (2 hours), gone2 (2 hours), gone3 (3 hours)")
	p.until(`document.getElementById("verdict").dataset.level === "warn"`)
	p.shot("home-en")
	states := "["
	for _, s := range []string{p2p.Connected, p2p.Connecting, p2p.Dialing, p2p.Missing, p2p.NotReached, p2p.Replaced,
		p2p.Refused, p2p.Banned, p2p.Unresolved, p2p.Itself, p2p.FailedHandshake, p2p.HeardOf} {
		states += fmt.Sprintf("%q,", s)
	}
	if wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf(verdicts, states+"]"), chromedp.EvalAwaitPromise)); err != nil || wrong != "" {
		t.Errorf("%s %v", wrong, err)
	}
	p.run(`document.getElementById("language").click()`)
	var refused []string
	for _, host := range []string{"evil.example", l.addr()} {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+"/metrics", nil)
		r.Header.Set("Origin", "http://1.2.3.4")
		w := httptest.NewRecorder()
		l.s.handler().ServeHTTP(w, r)
		refused = append(refused, strings.TrimSpace(strings.NewReplacer("evil.example", "1.2.3.4", "http://", "").Replace(w.Body.String())))
	}
	told, err := json.Marshal(refused)
	if err != nil {
		t.Fatal(err)
	}
	if words := webtest.Eval[string](p.Page, fmt.Sprintf(foreign, told)); words != "" {
		t.Errorf("in English on a Chinese page: %s", words)
	}
	p.run(`document.getElementById("language").click()`)
	reasons, err := json.Marshal(api.Reasons())
	if err != nil {
		t.Fatal(err)
	}
	if wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](fmt.Sprintf(whys, reasons), chromedp.EvalAwaitPromise)); err != nil || wrong != "" {
		t.Errorf("%s %v", wrong, err)
	}
	for _, view := range []string{"chain", "block/0"} {
		p.goTo("#/" + view)
		p.shows("#view", "ada (last seen 2 d ago)")
	}
	p.goTo("#/network")
	p.shows("#network-about", "3 of 5 nodes have not answered for 2 hours; you may be on a branch of your own: gone1")
	p.until(`[...document.querySelectorAll("#node-rows tr")].map(tr => tr.dataset.node).join() === "12D3KooWTest,12D3KooWGone01,12D3KooWGone02,12D3KooWGone03,12D3KooWHere"`)
	p.shows("#node-rows", "its clock is 2 h 0 min behind this node's")
	p.until(`document.querySelectorAll("#node-rows .dot.warn").length === 3 && !document.querySelector("#network-about.good")`)
	p.until(`document.querySelectorAll("#graph line").length === 1`)
	p.until(`!document.querySelector("#node-rows details").open`)
	p.shot("network-en")
	p.run(`document.getElementById("language").click()`)
	p.shows("#node-rows", "失联")
	p.shows("#node-rows", "没有应答：已关机、休眠，或在另一个 Wi-Fi 上")
	p.shot("network-zh")
	p.goTo("#/")
	p.shows("#verdict", "5 个节点中有 3 个已 2 小时没有应答")
	p.shot("home-zh")
	p.goTo("#/network")
	p.run(fmt.Sprintf(instead, `"op":"forget"`, `answers("the node is stopping")`) + `; document.querySelector("#node-rows .forget").click()`)
	p.shows("#node-rows .bad", "节点正在停止")
	p.run(`document.querySelector("#node-rows .forget").click()`)
	p.until(`document.querySelectorAll("#node-rows .dot.warn").length === 2`)
	p.check(l)
}
