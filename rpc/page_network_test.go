package rpc

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// standing is an expression of the page for where each node of the drawing stands.
const standing = `Object.fromEntries([...document.querySelectorAll("#graph g[data-node]")].map(g => [g.dataset.node, g.querySelector("circle").getAttribute("cx") + " " + g.querySelector("circle").getAttribute("cy")]))`

// TestPageDrawing checks that nodes keep their places in the drawing while others come
// and go, that one which is lost stays until it is forgotten, and that a link which one
// end alone reports is not drawn.
func TestPageDrawing(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 1))
	tip := l.build().Hash().String()
	var ids []string
	for n := range 30 {
		ids = append(ids, fmt.Sprintf("12D3KooWNode%02d", n*7%30))
	}
	// set has the nodes with these numbers, connected to all but number 4, which does not report number 5.
	states := map[int]string{}
	set := func(numbers ...int) {
		var nodes []api.Peer
		for _, n := range numbers {
			p := api.Peer{ID: ids[n], Name: fmt.Sprint("node", n), State: "connected", Connected: true, Seen: ledger.UnixSeconds(time.Now()), Blocks: 1, Tip: tip, Links: append([]string{"12D3KooWTest"}, ids...)}
			if n == 4 {
				p.Links = []string{"12D3KooWTest", ids[1], ids[2], ids[3]}
			}
			if s := states[n]; s != "" {
				p.State, p.Connected = s, false
			}
			switch p.State {
			case "missing":
				p.Missing = 1
			case "quiet":
				p.State, p.Connected, p.Late = "connected", true, true
			}
			nodes = append(nodes, p)
		}
		l.net.set(nodes...)
	}
	set(1, 2, 3, 4, 5)
	p := openPage(t, "http://"+l.addr()+"/#/network")
	drawn := func(circles, lines int) {
		t.Helper()
		p.until(fmt.Sprintf(`document.querySelectorAll("#graph circle").length === %d && document.querySelectorAll("#graph line").length === %d`, circles, lines))
		p.until(`Object.entries(window.stood ?? {}).every(([id, at]) => (` + standing + `)[id] === at)`)
		p.until(`new Set(Object.values(` + standing + `)).size === document.querySelectorAll("#graph circle").length`)
	}
	drawn(6, 14) // of 15 pairs, one is reported by one end only
	p.run(`window.stood = ` + standing)
	set(0, 1, 2, 3, 4, 5, 6)
	drawn(8, 14+5+5+1)  // 6 and 0 are reported by all but number 4
	states[2] = "quiet" // its line is late, so its present connections are unknown
	set(0, 1, 2, 3, 4, 5, 6)
	drawn(8, 14+5+5+1-7)
	states[2] = "dialing"
	set(0, 1, 2, 3, 4, 5, 6)
	p.until(`document.querySelectorAll("#graph circle.lost").length === 1`)
	states[2] = "missing"
	set(1, 2, 3, 4, 5)
	drawn(6, 9)
	p.goTo("#/")
	p.run(`document.getElementById("language").click()`)
	p.goTo("#/network")
	drawn(6, 9)
	p.run(`document.getElementById("language").click(); delete window.stood["` + ids[2] + `"]`)
	set(1, 3, 4, 5)
	drawn(5, 9)
	many := []int{1, 3, 4, 5}
	for n := 6; n < 30; n++ {
		many = append(many, n)
	}
	set(many...)
	p.until(`document.querySelectorAll("#graph circle").length === 29`)
	p.until(`Object.entries(window.stood).every(([id, at]) => (` + standing + `)[id] === at)`)

	// Of two last blocks each has a letter, in the drawing, in the table and in words.
	p.until(`!document.querySelector("#graph .letter, #tips li")`)
	other := api.Peer{ID: ids[1], Name: "node1", State: "connected", Connected: true, Seen: ledger.UnixSeconds(time.Now()), Blocks: 1, Tip: strings.Repeat("00", 8) + strings.Repeat("ab", 24)}
	l.net.set(other)
	p.until(`[...document.querySelectorAll("#graph .letter")].map(l => l.textContent).sort().join() === "A,B"`)
	p.until(`[...document.querySelectorAll("#node-rows .tip .swatch")].map(l => l.textContent).join() === "A,B"`)
	p.shows("#tips li:nth-child(2)", "0000000000000000abab") // digits that tell it apart
	p.check(l)
}

// colors is a script of the page. It returns what is wrong with the colours of random chains.
const colors = `(async () => {
	const { blockColor } = await import("/color.js");
	const probe = document.body.appendChild(document.createElement("i"));
	const rgb = (color, scheme) => {
		probe.style.colorScheme = scheme;
		probe.style.background = color;
		return getComputedStyle(probe).backgroundColor.match(/\d+/g).slice(0, 3).map(Number);
	};
	const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
	const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
	const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
	const oklab = (color) => {
		const [r, g, b] = color.map(linear);
		const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
		const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
		const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
		return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
	};
	const known = new Map(), wrong = [];
	const look = (color, scheme) => {
		if (!known.has(color + scheme)) {
			const seen = rgb(color, scheme), card = scheme === "light" ? [255, 255, 255] : [27, 31, 36];
			if (contrast(seen, card) < 4.5) wrong.push(color + " has too little contrast on " + scheme);
			known.set(color + scheme, oklab(seen));
		}
		return known.get(color + scheme);
	};
	const hash = () => "0000" + [...crypto.getRandomValues(new Uint8Array(30))].map((b) => b.toString(16).padStart(2, "0")).join("");
	const distances = (list, what) => {
		for (const scheme of ["light", "dark"]) {
			list.forEach((a, i) => list.slice(0, i).forEach((b) => {
				if (Math.hypot(...look(a, scheme).map((v, k) => v - look(b, scheme)[k])) < 0.1) wrong.push(what + ", " + scheme + ": " + a + " and " + b);
			}));
		}
	};
	for (let chain = 0; chain < 40; chain++) {
		const shown = []; // the colours of the last 20 heights, of which four have rivals
		for (let height = chain * 1000; height < chain * 1000 + 50; height++) {
			const here = [blockColor(hash(), height)];
			if (height % 5 === chain % 5) here.push(blockColor(hash(), height));
			shown.push(here);
			distances(shown.slice(-20).flat(), "chain " + chain + " at " + height);
		}
		// Two long branches.
		for (let height = chain * 1000 + 500; height < chain * 1000 + 540; height++) {
			distances([blockColor(hash(), height), blockColor(hash(), height)], "tips at " + height);
		}
	}
	return wrong.slice(0, 5).join("\n");
})()`

// TestPageColors checks that people can tell the colours of the last twenty blocks apart,
// those of competing blocks among them, and see each on its ground, light or dark.
func TestPageColors(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, "http://"+l.addr()+"/")
	if wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](colors, chromedp.EvalAwaitPromise)); err != nil || wrong != "" {
		t.Errorf("%s %v", wrong, err)
	}
	p.check(l)
}

// behindProxy returns the URL of a proxy that notes that it passes requests on, so that
// the node asks its clients for the token.
func (l *lab) behindProxy() string {
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", l.addr(), r.In.Host
		r.Out.Header.Set("Via", "1.1 test")
	}})
	l.t.Cleanup(proxy.Close)
	return proxy.URL
}

// TestPageAsksForToken checks that the page of a node that wants a token has a field for
// it, distinguishes none from a wrong one, and does not ask the node again and again.
func TestPageAsksForToken(t *testing.T) {
	l := newLab(t).start()
	p := openPage(t, l.behindProxy()+"/")
	asks := func(words string) {
		t.Helper()
		p.until(`document.getElementById("link").dataset.state === "token" && document.getElementById("view").hidden && document.activeElement.id === "token-field"`)
		p.shows("#token:not([hidden]) #token-title", words)
		p.until(`document.getElementById("notice").hidden && !/Refused|no connection/.test(document.body.innerText)`)
	}
	give := func(token string) {
		t.Helper()
		p.run(fmt.Sprintf(`document.getElementById("token-field").value = %q; document.getElementById("token").requestSubmit()`, token))
	}
	asks("This node asks for its token")
	p.look("token")
	p.run(`document.getElementById("language").click()`)
	p.shows("#token-title", "此节点需要令牌")
	give("secre")
	p.shows("#token-title", "令牌不正确")
	p.run(`document.getElementById("language").click()`)
	asks("This is not the token of this node")
	give(" http://fox.lan:9000/#token=secret ")
	p.until(`document.getElementById("link").dataset.state === "live" && document.getElementById("token").hidden && !document.getElementById("view").hidden`)
	p.shows("#verdict", "No other node was found yet")
	seen, sockets := p.Seen(), 0
	for _, url := range seen.Asked {
		if strings.HasPrefix(url, "ws:") {
			sockets++
		}
	}
	if sockets != 3 {
		t.Errorf("%d WebSockets: without a token, with a wrong one, with the right one are 3", sockets)
	}
	for _, trouble := range seen.Troubles {
		if !strings.Contains(trouble, fmt.Sprint(http.StatusUnauthorized)) && !strings.Contains(trouble, "HTTP Authentication failed") {
			t.Errorf("on the browser's console: %s", trouble)
		}
	}
}
