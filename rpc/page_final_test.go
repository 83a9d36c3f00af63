package rpc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/rpc/api"
)

// A votingLab is a lab on a network of builders. Their votes are what the test sets.
type votingLab struct {
	*lab
	voters
	mu     sync.Mutex
	voting api.Voting
}

func newVotingLab(t *testing.T, builders int) *votingLab {
	l := &votingLab{voters: newVoters(t, builders, ledger.Network{Name: "office", Credit: map[uuid.UUID]uint64{numbered(9): 500}, MaxUnfinal: 3})}
	c := l.on
	l.voting = api.Voting{View: 1, Need: finality.Quorum(builders), Builders: c.Network().Builders, Away: []ledger.PublicKey{}, Evidence: []ledger.PublicKey{}}
	sealer := &testSealer{chain: c, key: ledgertest.Key(0)}
	l.lab = newLab(t, func(cfg *Config) {
		cfg.Chain, cfg.Sealer, cfg.Key, cfg.Name = c, sealer, ledgertest.Public(sealer.key), "ada"
		cfg.Voting = func() *api.Voting {
			l.mu.Lock()
			defer l.mu.Unlock()
			v := l.voting
			v.Members = slices.Clone(v.Members)
			return &v
		}
	})
	l.chain, l.sealer = c, sealer
	return l
}

// builder returns the key of builder number n, which is named ada, bo, cy or di.
func (l *votingLab) builder(n int) ledger.PublicKey { return ledgertest.Public(ledgertest.Key(n)) }

// set makes the builders in away missing, and has evidence against those in liars.
func (l *votingLab) set(away, liars []int) {
	now := ledger.UnixSeconds(time.Now())
	var nodes []api.Peer
	v := api.Voting{View: 1, Need: l.voting.Need, Builders: l.voting.Builders, Away: []ledger.PublicKey{}, Evidence: []ledger.PublicKey{}}
	for _, k := range v.Builders {
		v.Members = append(v.Members, api.Member{Key: k})
	}
	for n, name := range []string{"bo", "cy", "di"} {
		tip := l.chain.Status().Tip
		nodes = append(nodes, api.Peer{
			ID: "12D3KooW" + name, Key: l.builder(n + 1).String(), Name: name, State: "connected", Connected: true, Builds: true, Seen: now,
			Blocks: tip.Blocks, Tip: tip.Hash.String(), Links: []string{"12D3KooWTest", "12D3KooWbo", "12D3KooWcy", "12D3KooWdi"},
		})
	}
	for _, n := range away {
		p := &nodes[n-1]
		p.State, p.Connected, p.Missing, p.Seen, p.Reason = "missing", false, now-660, now-660, "does not answer: switched off, asleep, or on another Wi-Fi"
		v.Away = append(v.Away, l.builder(n))
		v.Members[slices.Index(v.Builders, l.builder(n))].Away = now - 660
	}
	for _, n := range liars {
		v.Evidence = append(v.Evidence, l.builder(n))
	}
	l.mu.Lock()
	l.voting = v
	l.mu.Unlock()
	l.net.set(nodes...)
}

// TestPageFinal shows on the page of a network with builders what is final and what is
// not, and why. On any other one it shows on how many nodes a block was seen.
func TestPageFinal(t *testing.T) {
	l := newVotingLab(t, 4)
	l.set(nil, nil)
	l.start()
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows(".finality-words", "3 of 4 builders make a block final")
	l.submit(mint(1, 3000))
	first := l.build()
	p.shows(".finality-words", "All blocks: not final yet: the builders are voting")
	l.finalize(l.chain.Tip().Blocks)
	p.shows(".finality-words", "All blocks: FINAL since ")
	p.shows(".finality-words", " (3 of 4).")
	p.shows("#tiles", "block, final")
	p.until(`document.querySelector(".strip .edge.final").dataset.hash === "` + first.Hash().String() + `"`)

	// The line moves up.
	l.submit(mint(2, 1))
	second := l.build()
	p.shows(".finality-words", "Blocks above it (1): not final yet")
	p.shows(".strip li:nth-child(2)", "not final")
	l.set(nil, nil)
	p.goTo("#/tx/" + mint(2, 1).ID.String())
	p.shows(".receipt .finality.warn", "not final yet: the builders are voting; may still be taken back")
	p.until(`document.querySelector(".receipt .steps li:last-child").dataset.step === "to"`)
	l.finalize(l.chain.Tip().Blocks)
	p.shows(".receipt .finality.good", "FINAL since ")
	p.shows(".receipt .outcome", "In block 1, 0 above it.")
	p.until(`document.querySelector(".receipt .steps li:last-child").dataset.step === "now"`)
	p.look("final-tx")
	p.goTo("#/block/0")
	p.shows("#block-final.good", "FINAL since ")
	p.look("final-block")
	for n := range 3 {
		l.submit(mint(10+n, 1))
		l.build()
	}
	l.finalize(l.chain.Tip().Blocks)
	l.set(nil, nil)
	p.goTo("#/chain")
	p.until(`document.querySelector("#block-rows tr").className === "line" && document.querySelector(".strip .edge").dataset.hash !== "` + second.Hash().String() + `"`)
	p.look("final-chain")
	p.goTo("#/")
	p.shows("#verdict", "All is well")
	p.look("final-home")

	// Below zero, as far as the network allows.
	owing := mint(20, 120)
	owing.Sender, owing.Receiver = numbered(9), numbered(10)
	l.submit(owing)
	l.build()
	p.goTo("#/account/" + numbered(9).String())
	p.shows(".balance.bad", "−120")
	p.shows(".holding", "This account owes 120.")
	p.shows(".holding .owe", "It may owe up to 500. It can still spend 380.")
	p.shows(".view-account tbody", "not final")
	p.look("owing-account")

	// With two of four away nothing becomes final.
	l.submit(mint(30, 1))
	l.build()
	l.set([]int{2, 3}, nil)
	const why = `not final: 2 of 4 builders are reachable \(missing: cy, di since [-0-9: ]+\), 3 are needed; may still be taken back`
	p.goTo("#/tx/" + mint(30, 1).ID.String())
	p.reads(".receipt .finality", why)
	p.look("away-tx")
	p.goTo("#/")
	p.reads(".finality-words", `Blocks up to 4: FINAL since .* Blocks above it \(2\): `+why)
	p.shows("#verdict", "No block becomes final: 2 of 4 builders are reachable")
	p.look("away-home")
	p.goTo("#/chain")
	p.until(`[...document.querySelectorAll("#block-rows tr")].findIndex(tr => tr.className === "line") === 2`)
	p.look("away-chain")
	l.submit(mint(31, 1))
	l.build()
	p.goTo("#/")
	p.shows("#verdict", "3 blocks are not final. On this network no more are built until one is.")

	l.accuse(l.committee.Index(l.builder(1)), 9)
	l.set(nil, []int{1})
	p.shows(".alarm", "bo signed two votes that exclude each other")
	p.shows(".alarm", "no more than 1 of the 4 builders")
	p.until(`document.getElementById("verdict").dataset.level === "bad"`)
	p.look("evidence-home")
	p.run(`HTMLAnchorElement.prototype.click = () => setTimeout(() => { window.whole = !window.revoked; }, 0); URL.revokeObjectURL = () => { window.revoked = true; }; URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = JSON.parse(text); }); return "#/"; };
		document.querySelector(".alarm button").click()`)
	p.until(`window.saved?.builder === "` + l.builder(1).String() + `" && window.saved.votes.length === 2 && window.saved.votes.every(v => v.signed && v.signature)`)
	p.until(`window.whole`)
	p.check(l.lab)
}

// TestPageThreeBuilders checks that of three builders two may lie, and that every two
// certificates still have an honest one in common. One that was never heard of is missing
// since the node started.
func TestPageThreeBuilders(t *testing.T) {
	l := newVotingLab(t, 3)
	l.set(nil, []int{1})
	l.start()
	p := openPage(t, "http://"+l.addr()+"/")
	p.shows(".alarm", "no more than 2 of the 3 builders")
	l.set([]int{2}, nil)
	l.net.set()
	p.reads("#verdict", `2 of 3 builders are reachable \(missing: `+l.builder(2).String()[:8]+` since `)
	p.check(l.lab)
}

// TestPageStates shows what people meet on an open network, and checks that axe finds no fault.
func TestPageStates(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 3000))
	l.build()
	now := ledger.UnixSeconds(time.Now())
	tip := l.chain.Status().Tip.Hash.String()
	node := func(name string) api.Peer {
		return api.Peer{ID: "12D3KooW" + name, Name: name, State: "connected", Connected: true, Builds: true, Seen: now, Blocks: 1, Tip: tip, Links: []string{"12D3KooWTest", "12D3KooWoffice", "12D3KooWkitchen"}}
	}
	office, kitchen := node("office"), node("kitchen")
	p := openPage(t, "http://"+l.addr()+"/")
	show := func(name string, views ...string) {
		t.Helper()
		for _, view := range views {
			p.goTo("#/" + view)
			kind, _, _ := strings.Cut(view, "/")
			p.look(name + "-" + cmp.Or(kind, "home"))
		}
	}
	l.net.set(office, kitchen)
	l.submit(mint(2, 1<<53-1)) // as wide as an amount is
	p.shows("#verdict", "All is well")
	p.goTo("#/tx/" + mint(1, 1).ID.String())
	p.shows(".receipt", "On 3 of 3 nodes seen; this network has no finality.")
	p.until(`!document.querySelector(".voted, .alarm, .final")`)
	show("well", "", "network", "chain", "block/0", "block/7", "pool", "tx/"+mint(1, 1).ID.String(), "accounts", "account/"+numbered(1).String(), "send", "break", "console", "help")

	kitchen.State, kitchen.Connected, kitchen.Missing, kitchen.Reason = "missing", false, now-125, "does not answer: switched off, asleep, or on another Wi-Fi"
	l.net.set(office, kitchen)
	p.goTo("#/")
	p.shows("#verdict", "1 of 3 nodes has not answered")
	show("partition", "")

	l.net.set(office, api.Peer{Addrs: []string{"10.77.0.9"}, State: "stranger", Reason: "it connects and breaks off the handshake"})
	p.goTo("#/")
	p.shows("#verdict", "This node cannot talk to 10.77.0.9")
	show("stranger", "network")

	kitchen = node("kitchen")
	kitchen.Clock = -7200
	l.net.set(office, kitchen)
	p.goTo("#/network")
	p.shows("#node-rows", "its clock is 2 h 0 min behind")
	show("clock", "network")
	p.check(l)
}

// reads waits until an element's text matches.
func (p *page) reads(selector, pattern string) {
	p.t.Helper()
	p.until(fmt.Sprintf("/%s/.test(document.querySelector(%q)?.textContent)", pattern, selector))
}

// look looks at what the page shows in each look.
func (p *page) look(name string) {
	p.t.Helper()
	p.Looks(name, p.wear)
}

// wear gives the page a look, and waits until it has it.
func (p *page) wear(language, theme string, width int64) {
	p.t.Helper()
	p.Wear(language, theme, width, 800)
	p.until(`innerWidth > 390 || [...document.querySelectorAll(".table, .stack td")].every(e => e.scrollWidth <= e.clientWidth)`)
	p.until(`document.querySelector("#view > div").children.length > 0 && !/正在加载|Loading…/.test(document.getElementById("view").innerText) && document.getAnimations().length === 0`)
}
