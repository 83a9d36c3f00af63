package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPageNetwork opens the pages of two of three machines. They show the nodes, a
// transaction as it goes from a form on one page into the pool and the chain on the
// other, and the network apart and joined again. No page is loaded twice.
func TestPageNetwork(t *testing.T) { inLab(t, pageNetwork) }

func pageNetwork(t *testing.T, l *lab) {
	l.addBridge("lan")
	l.addBridge("cut")
	l.sh("ip addr add 10.77.0.250/24 dev lan") // the machine with the browsers
	near, nearPage := visitHost(t, l, "-k", "2", "--name", "near")
	middle, middlePage := visitHost(t, l, "-k", "2", "--name", "middle")
	far := startNode(t, l.addHost("lan"), t.TempDir(), "-k", "2", "--name", evil).connect()
	awaitAll(t, []*client{near, middle, far})

	// The network page shows three nodes, whatever their names, and their connections.
	nearPage.goes("#/network")
	nearPage.Until(`document.querySelectorAll("#node-rows tr:not(.gone)").length === 3`)
	nearPage.shows("#node-rows", evil)
	nearPage.Until(`document.querySelectorAll("#graph circle").length === 3 && document.querySelectorAll("#graph line").length === 3`)

	// A transaction that a form here sends is in the pool there, and then in the chain there.
	id := sendByForm(nearPage, 500)
	middlePage.goes("#/pool")
	middlePage.Until(fmt.Sprintf(`document.querySelector('#pool-rows a[href="#/tx/%s"]') !== null`, id))
	middlePage.goes("#/chain")
	far.merge(issue(1, 1))
	middlePage.Until(`document.querySelector("#block-rows tr td")?.textContent === "0"`)
	middlePage.goes("#/block/0")
	middlePage.Until(fmt.Sprintf(`document.querySelector('#block-txs a[href="#/tx/%s"]') !== null`, id))
	middlePage.shows("#block-standing", "On the chain. Confirmations: 1.")

	// The third node, cut off, builds another chain. The colour of its last block, as its
	// status lines reported it, is not that of ours.
	nearPage.goes("#/network")
	nearPage.Until(oneTip)
	nearPage.Run(`window.stood = ` + corners)
	l.plug(far.n.host, "cut")
	// A link that was cut is no longer drawn, some seconds before its node is missing.
	nearPage.Until(`document.querySelectorAll("#graph line").length === 1 && !document.querySelector("#network-about").textContent.includes("has not answered")`)
	nearPage.shows("#network-about", "1 of 3 nodes has not answered for ")
	nearPage.Until(`document.querySelector("#network-about").className === "warn" && document.querySelector("#network-about").textContent.includes("<img")`)
	nearPage.goes("#/")
	nearPage.Until(`document.getElementById("verdict").dataset.level === "warn"`)
	nearPage.goes("#/network")
	nearPage.Until(`Object.entries(window.stood).every(([id, at]) => (` + corners + `)[id] === at) && Object.keys(window.stood).length === 3`)
	near.merge(issue(10, 1), issue(11, 1))
	far.merge(issue(20, 1), issue(21, 1))
	nearPage.Until(`new Set(` + tips + `).size === 2 && new Set(` + colours + `).size === 2`)
	eventually(t, "both sides built", func() error {
		if n, f := near.blocks(), far.blocks(); len(n) != 2 || len(f) != 2 || n[1].Hash == f[1].Hash {
			return fmt.Errorf("%d and %d blocks", len(n), len(f))
		}
		return nil
	})
	ours := near.blocks()[1].Hash
	l.plug(far.n.host, "lan")
	sent := []string{numbered(1), numbered(10), numbered(11), numbered(20), numbered(21), id}
	eventually(t, "the chains joined", func() error { return agreed(sent, near, middle, far) })
	nearPage.Until(oneTip)

	// Where our block lost, it is drawn beside the chain.
	nearPage.goes("#/chain")
	nearPage.shows(".strip", ours[:8])
	if now := near.blocks()[1].Hash; now != ours {
		nearPage.Until(fmt.Sprintf(`document.querySelector('.strip li.side[data-hash="%s"]') !== null`, ours))
	}

	// The charts are drawn from what the node counted.
	nearPage.goes("#/")
	nearPage.Until(`document.querySelectorAll("#charts canvas").length === 5`)
	counted := regexp.MustCompile(`"bytes":\[[0-9,]*[1-9]`)
	eventually(t, "the bytes between nodes are counted", func() error {
		if samples := near.raw(`{"op":"samples"}`); !counted.MatchString(samples) {
			return fmt.Errorf("%s", samples)
		}
		return nil
	})

	languageAndWidth(middlePage)
	nearPage.check()
	middlePage.check()
}

// Where the network page draws nodes, and which last blocks it shows in which colours.
const (
	corners = `Object.fromEntries([...document.querySelectorAll("#graph g[data-node]")].map(g => [g.dataset.node, g.querySelector("circle").getAttribute("cx") + " " + g.querySelector("circle").getAttribute("cy")]))`

	tips    = `[...document.querySelectorAll("#node-rows tr")].map(tr => tr.dataset.tip)`
	colours = `[...document.querySelectorAll("#node-rows .tip .swatch")].map(i => i.style.background)`
	oneTip  = `document.querySelectorAll("#node-rows tr:not(.gone)").length === 3 && new Set(` + tips + `).size === 1 && new Set(` + colours + `).size === 1`
)

// visitHost starts a node on a machine of its own. The browser opens the node's page over
// the wire, and so with the node's token.
func visitHost(t *testing.T, l *lab, args ...string) (*client, *visit) {
	t.Helper()
	h, dir := l.addHost("lan"), t.TempDir()
	n := startNode(t, h, dir, append(args, "--ws-listen", h.addr, "--ws-listen", "127.0.0.1")...)
	token, err := os.ReadFile(filepath.Join(dir, "9000.db", "token"))
	if err != nil {
		t.Fatal(err)
	}
	return n.connect(), visitAt(t, fmt.Sprintf("%s:%d", h.addr, n.ws), "#token="+strings.TrimSpace(string(token)))
}

// sendByForm sends from the issuer as a person does, and returns the ID.
func sendByForm(v *visit, amount int) string {
	v.T.Helper()
	id := numbered(900)
	v.goes("#/send")
	v.types("#send-sender", numbered(0))
	v.types("#send-receiver", numbered(7))
	v.types("#send-amount", fmt.Sprint(amount))
	v.Run(`document.querySelector("#view details").open = true`)
	v.types("#send-id", id)
	v.clicks(`#view form button[type="submit"]`)
	return id
}

// languageAndWidth switches to Chinese and back, and to a phone's width.
func languageAndWidth(v *visit) {
	v.T.Helper()
	v.clicks("#language")
	v.shows("#navigation", "区块链")
	v.Until(`document.documentElement.lang === "zh-CN"`)
	v.clicks("#language")
	v.shows("#navigation", "Chain")
	if err := chromedp.Do(v.Ctx, chromedp.EmulateViewport(360, 740)); err != nil {
		v.T.Fatal(err)
	}
	for _, route := range []string{"#/", "#/network", "#/chain", "#/block/0", "#/pool"} {
		v.goes(route)
		v.Until(fmt.Sprintf(`document.querySelector("#view > .view-%s")?.children.length > 0`, viewOf(route)))
		v.Until(`document.documentElement.scrollWidth <= 360`)
	}
}

func viewOf(route string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(route, "#/"), "/")
	if name == "" {
		return "home"
	}
	return name
}
