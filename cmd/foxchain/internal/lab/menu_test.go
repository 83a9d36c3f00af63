package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"foxchain/rpc/web/webtest"
)

// A deed is an action of the page: what opens its menu, the button in it, and the command
// that is given. Lines of a scenario, and holds, then check its effect on the nodes.
type deed struct {
	opens, button, line string
	then                []string
	holds               func(*lan) bool // under Lab.mu; nil: nothing more
}

// deeds has each action of the page. Each begins on the network that the one before it left.
func deeds() []deed {
	form := func(key string) string { return `#menu form[data-key="` + key + `"] button` }
	fault := func(is func(faults) bool) func(*lan) bool {
		return func(n *lan) bool { f, _ := n.link(0, 1).now(); return is(f) }
	}
	ahead := func(n *lan) time.Duration { return time.Until(n.nodes[2].run.Cfg.Hooks.Now()).Round(time.Minute) }
	return []deed{
		{"[data-node=A]", form("send"), "send A 5", []string{"wait tx block all", "wait one tip"}, nil},
		{"[data-node=A]", "", "build A off", []string{"build C off", "build D off"}, nil},
		{"[data-node=B]", "", "lie B two-blocks", []string{"send A 6", "wait tx block all"}, func(n *lan) bool {
			twins := 0
			for _, b := range n.blocks {
				if b.header.Height == 1 && b.builder == 1 {
					twins++
				}
			}
			return twins == 2
		}},
		{"[data-node=B]", "", "lie B withhold", []string{"send A 7"}, func(n *lan) bool {
			return slices.ContainsFunc(n.lab.log, func(l Line) bool { return strings.HasSuffix(l.Text.EN, "keeps its transactions to itself") })
		}},
		{"[data-node=A]", "", "build A on", []string{"wait tx block all"}, func(n *lan) bool { return n.blocks[n.nodes[0].view.tip].builder == 0 }},
		{"[data-node=B]", "", "lie B off", []string{"build A off", "send A 8", "wait tx block all"}, func(n *lan) bool { return n.blocks[n.nodes[0].view.tip].builder == 1 }},
		{"[data-tool=fault]", form("slow"), "slow A B 200ms", nil, fault(func(f faults) bool { return f.delay == 200*time.Millisecond })},
		{"[data-tool=fault]", form("loss"), "loss A B 30%", nil, fault(func(f faults) bool { return f.loss == 30 })},
		{"A-B", "", "heal A B", nil, fault(func(f faults) bool { return f == faults{} })},
		{"A-B", "", "cut A B", []string{"wait not linked A B"}, nil},
		{"[data-node=A]", "", "heal A B", []string{"wait linked A B"}, nil},
		{"[data-node=A]", "", "cut A B", nil, fault(func(f faults) bool { return f.cut })},
		{"[data-tool=split]", form("split"), "split A B | C D", []string{"wait not linked A C", "wait not linked B D", "wait linked A B"}, nil},
		{"", "[data-tool=heal]", "heal", []string{"wait linked A C", "wait linked B D"}, nil},
		{"[data-node=C]", "", "clock C +2h", nil, func(n *lan) bool { return ahead(n) == 2*time.Hour }},
		{"[data-node=C]", "", "clock C right", nil, func(n *lan) bool { return ahead(n) == 0 }},
		{"[data-tool=send]", form("send"), "send A 5", []string{"wait tx block all"}, nil},
		{"[data-tool=conflict]", form("conflict"), "conflict A B 5", []string{"wait tx once"}, nil},
		{"[data-node=D]", "", "stop D", []string{"wait not linked A D"}, func(n *lan) bool { return n.nodes[3].run == nil && !n.nodes[0].view.peers[3] }},
		{"[data-node=D]", "", "start D", []string{"wait linked A D"}, nil},
		{"[data-node=D]", "", "kill D", nil, func(n *lan) bool { f, _ := n.link(0, 3).now(); return n.nodes[3].run == nil && f.dark }},
		{"[data-node=D]", "", "start D", []string{"wait linked A D"}, nil},
		{"[data-node=B]", "", "lie B invalid", []string{"send A 9", "wait refused B"}, nil},
		{"", "[data-tool=add]", "add", []string{"wait linked A E"}, nil},
	}
}

// deedsBy does all that the page can do, with the mouse or with keys alone.
func deedsBy(reach func(*page, string), open func(*page, string)) func(*testing.T) {
	return func(t *testing.T) {
		p := openLab(t, 4, false)
		p.drawn()
		for _, d := range deeds() {
			if d.button == "" {
				d.button = fmt.Sprintf(`#menu button[data-line="%s"]`, d.line)
			}
			switch {
			case strings.HasPrefix(d.opens, "["):
				reach(p, d.opens)
			case d.opens != "":
				open(p, d.opens)
			}
			reach(p, d.button)
			p.says(d.line)
			p.lab.play(t, d.then...)
			ctx, cancel := context.WithTimeout(t.Context(), maxWaitTime)
			if d.holds != nil && p.lab.await(ctx, d.holds) != nil {
				t.Fatalf("%s has no effect on the nodes: %+v", d.line, p.lab.log)
			}
			cancel()
			p.escape()
			p.drawn()
		}
		p.check()
	}
}

// drawn waits until the page shows the nodes as they are, so that no menu is drawn anew
// under the mouse.
func (p *page) drawn() {
	p.T.Helper()
	p.lab.mu.Lock()
	now := time.Now().UnixMilli()
	p.lab.note()
	p.lab.mu.Unlock()
	p.Until(fmt.Sprintf(`document.body.dataset.drawn >= %d`, now))
}

// withMouse presses an element, and opens the menu of a link.
func withMouse() (reach, open func(*page, string)) {
	reach = func(p *page, selector string) {
		if strings.HasPrefix(selector, "[data-node") {
			selector += " .body"
		}
		p.press(selector)
	}
	return reach, func(p *page, link string) {
		x, y := p.at(link[:1], link[2:], 0.25)
		p.Do(chromedp.MouseClickXY(x, y, chromedp.ButtonType(input.MouseButtonRight)))
	}
}

// withKeys goes to an element by Tab, and presses it by Enter. Arrows lead to a link.
func withKeys() (reach, open func(*page, string)) {
	to := func(p *page, selector, key string) {
		p.T.Helper()
		p.Until(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
		for range 200 {
			if webtest.Eval[bool](p.Page, fmt.Sprintf(`document.activeElement.matches(%q)`, selector)) {
				return
			}
			p.keys(key)
		}
		p.T.Fatalf("no key leads to %s", selector)
	}
	reach = func(p *page, selector string) { to(p, selector, kb.Tab); p.keys("\r") }
	return reach, func(p *page, link string) {
		to(p, "[data-node="+link[:1]+"]", kb.Tab)
		to(p, fmt.Sprintf("[data-link=%q]", link), kb.ArrowRight)
		p.keys("s")
	}
}
