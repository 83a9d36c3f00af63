package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"foxchain/cmd/foxchain/internal/lab/web"
	"foxchain/ledger"
	"foxchain/rpc/web/webtest"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

// A page is the page of a lab in a real browser.
type page struct {
	*webtest.Page
	lab *Lab // nil: the test sends states
}

// TestPage does on the page what people do there.
func TestPage(t *testing.T) {
	t.Parallel()
	together(t, map[string]func(*testing.T){
		"Four": fourNodes, "Mouse": deedsBy(withMouse()), "Keys": deedsBy(withKeys()), "Smooth": twentyNodes, "Chinese": inChineseWords,
		"Lessons1": func(t *testing.T) { lessons(t, order[:3]...) }, "Lessons2": func(t *testing.T) { lessons(t, order[3:]...) },
	})
}

// openLab starts a lab, and shows its page.
func openLab(t *testing.T, nodes int, voters bool) *page {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser: not with -short")
	}
	l := newTestLab(t, nodes, voters)
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.Serve(ctx, on) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	p := open(t, "http://"+on.Addr().String()+"/")
	p.lab = l
	p.Until(fmt.Sprintf(`document.querySelectorAll("[data-link].up").length === %d`, nodes*(nodes-1)/2))
	return p
}

func open(t *testing.T, url string) *page {
	t.Helper()
	p := &page{Page: webtest.Open(t, url)}
	p.Do(chromedp.EmulateViewport(1280, 720))
	return p
}

// keys presses keys as a keyboard does. One that the page takes for itself types nothing.
func (p *page) keys(keys string) {
	p.T.Helper()
	p.Do(chromedp.KeyEvent(keys, func(k *input.DispatchKeyEventParams) {
		if k.Type == kb.KeyDown {
			k.Type = kb.KeyRawDown
		}
	}))
}

// press clicks an element.
func (p *page) press(selector string) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
	p.Do(chromedp.Click(chromedp.CSS(selector)))
}

// at returns where a part of the way between two nodes is on the screen.
func (p *page) at(a, b string, part float64) (x, y float64) {
	p.T.Helper()
	p.Run(`document.getElementById("drawing").scrollIntoView({ block: "center" })`)
	where := webtest.Eval[[]float64](p.Page, fmt.Sprintf(`[%q, %q].flatMap(id => {
		const r = document.querySelector("[data-node=" + id + "] .body").getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})`, a, b))
	return where[0] + part*(where[2]-where[0]), where[1] + part*(where[3]-where[1])
}

// draws draws a line with the mouse.
func (p *page) draws(x1, y1, x2, y2 float64) {
	p.T.Helper()
	left := chromedp.ButtonType(input.MouseButtonLeft)
	p.Do(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x1, y1, left, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, (x1+x2)/2, (y1+y2)/2, left), chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x2, y2, left),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, x2, y2, left, chromedp.ClickCount(1)))
}

// look fails the test where axe-core finds a fault in what the page shows, with a script
// before each look. In the dark only the colours are others.
func (p *page) look(name, script string) {
	p.T.Helper()
	for _, language := range []string{"en", "zh"} {
		for _, width := range []int64{1280, 390} {
			for theme, rules := range map[string]string{"light": "", "dark": `runOnly: ["color-contrast"]`} {
				look := fmt.Sprintf("lab-%s-%s-%s-%d", name, language, theme, width)
				p.Wear(language, theme, width, 720)
				p.Until(`[...document.querySelectorAll("#txs .table")].every(t => t.scrollWidth <= t.clientWidth)`)
				p.Until(`document.querySelectorAll("#strips .strip-row").length > 3 && !document.querySelector("#drawing .dot")`)
				p.Run(script)
				p.Axe(look, rules)
				p.Shot(look)
			}
		}
	}
	p.Wear("en", "light", 1280, 720)
}

// check fails the test when the browser complained, or the page shows undefined or the like.
func (p *page) check() {
	p.T.Helper()
	p.Until(`!/\[object|undefined|NaN/.test(document.body.innerText)`)
	for _, trouble := range p.Seen().Troubles {
		if strings.Contains(trouble, "400 (Bad Request)") {
			continue // a command that was refused
		}
		p.T.Errorf("on the browser's console: %s", trouble)
	}
}

// says waits until the page shows that a command was done.
func (p *page) says(line string) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`document.getElementById("outcome").textContent === "› " + %q`, line))
	p.Until(fmt.Sprintf(`[...document.querySelectorAll("#log-lines [data-kind=command]")].some(l => l.textContent.endsWith(%q))`, line))
}

// link waits until a link has a class: up, cut, down or apart.
func (p *page) link(name, class string) {
	p.T.Helper()
	p.Until(fmt.Sprintf(`document.querySelector('[data-link="%s"]').classList.contains(%q)`, name, class))
}

const places = `JSON.stringify([..."ABCD"].map(id => { const c = document.querySelector("[data-node=" + id + "] .body"); return [c.getAttribute("cx"), c.getAttribute("cy")] }))`

// fourNodes are cut and healed, with the mouse and with keys.
func fourNodes(t *testing.T) {
	p := openLab(t, 4, false)
	p.Run(`window.before = ` + places)

	// A click cuts and heals a link.
	x, y := p.at("A", "B", 0.25)
	p.Do(chromedp.MouseClickXY(x, y))
	p.says("cut A B")
	p.link("A-B", "cut")
	p.Do(chromedp.MouseClickXY(x, y))
	p.says("heal A B")
	p.link("A-B", "up")

	// So do keys, on a node the letter of another one and on a link Enter, which keeps
	// the focus.
	p.Run(`document.querySelector("[data-node=A]").focus()`)
	p.keys("c")
	p.says("cut A C")
	p.link("A-C", "cut")
	p.keys(kb.ArrowRight + kb.ArrowRight)
	p.Until(`document.activeElement.dataset.link === "A-C"`)
	p.keys("\r")
	p.says("heal A C")
	p.link("A-C", "up")
	p.Until(`document.activeElement.dataset.link === "A-C"`)
	p.keys("s")
	p.Until(`document.activeElement.name === "delay"`)
	p.Run(`document.activeElement.select()`)
	p.keys("200ms\r")
	p.says("slow A C 200ms")
	p.Until(`document.querySelector('[data-link="A-C"] .fault').textContent === "200ms"`)
	p.escape()

	// A transaction that is sent at a node reaches the others, and a block.
	p.press("[data-node=C] .body")
	p.press(`#menu form[data-key="send"] button`)
	p.says("send C 5")
	p.Until(`document.querySelectorAll("#txs tbody td.block").length === 4`)
	p.escape()

	// A line through the network splits it, and each side builds a block of its own.
	x, y = p.at("A", "B", 0.5)
	x2, y2 := p.at("C", "D", 0.5)
	p.draws(x+(x-x2)*0.1, y+(y-y2)*0.1, x2-(x-x2)*0.1, y2-(y-y2)*0.1)
	p.says("split A D | B C")
	p.Until(`[...document.querySelectorAll("[data-link].cut")].map(l => l.dataset.link).join(" ") === "A-B A-C B-D C-D"`)
	p.Until(`document.querySelector("#summary.warn").textContent.includes("split: A D | B C")`)
	p.Until(`before === ` + places)
	p.types("send A 6")
	p.types("send B 7")
	p.Until(`document.querySelectorAll(".tree .forks").length >= 1 && document.querySelector("#summary.warn")`)
	p.Until(`document.querySelector("[data-node=A] .body").style.fill !== document.querySelector("[data-node=B] .body").style.fill`)
	p.look("split", `document.querySelector("[data-node=C]").dispatchEvent(new MouseEvent("click", { bubbles: true }))`)
	p.escape()

	// One that is added moves no other. Healed, all have one chain again.
	p.press("[data-tool=add]")
	p.says("add")
	p.press("[data-tool=heal]")
	p.says("heal")
	p.Until(`document.querySelectorAll("[data-node].running").length === 5 && !document.querySelector("#summary.warn")`)
	p.Until(`document.querySelectorAll("[data-link].up").length === 10 && before === ` + places)
	p.press("[data-node=E] .body")
	p.press(`#menu [data-line="kill E"]`)
	p.says("kill E")
	p.Until(`document.querySelector("[data-node=E].killed") && document.querySelectorAll("[data-link].down").length === 4`)
	p.escape()

	// A finger draws a line in any direction. An event without a pointer right after it
	// is handled at once.
	x, y = p.at("A", "C", 0.1)
	_, y2 = p.at("A", "C", 0.9)
	touch := func(kind input.DispatchTouchEventType, points ...*input.TouchPoint) {
		t.Helper()
		if _, err := chromedp.Call(p.Ctx, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points}); err != nil {
			t.Fatal(err)
		}
	}
	p.Run(`window.stood = window.scrollY`)
	x += 10 // between A and C on one side, and B on the other
	touch(input.DispatchTouchEventTypeTouchStart, &input.TouchPoint{X: x, Y: y})
	for part := 0.1; part <= 1; part += 0.1 {
		touch(input.DispatchTouchEventTypeTouchMove, &input.TouchPoint{X: x, Y: y + part*(y2-y)})
	}
	touch(input.DispatchTouchEventTypeTouchEnd)
	p.Until(`document.getElementById("outcome").textContent.startsWith("› cut") || document.getElementById("outcome").textContent.startsWith("› split")`)
	p.Until(`window.scrollY === window.stood`)
	p.Run(`document.querySelector("[data-node=D]").dispatchEvent(new MouseEvent("click", { bubbles: true }))`)
	p.Until(`document.querySelector('#menu:popover-open [data-line="stop D"]')`)
	p.check()
}

// escape closes the menu. The suggestions of a field may take the first Escape.
func (p *page) escape() {
	p.T.Helper()
	for range 2 {
		if webtest.Eval[bool](p.Page, `document.querySelector("#menu:popover-open") !== null`) {
			p.keys(kb.Escape)
		}
	}
	p.Until(`!document.querySelector("#menu:popover-open")`)
}

// types enters a command in the field for one.
func (p *page) types(line string) {
	p.T.Helper()
	p.Run(`document.getElementById("command-field").focus()`)
	p.keys(line + "\r")
	p.says(line)
}

// lessons are taken from their first steps to their last ones, on one page, and end as
// written.
func lessons(t *testing.T, names ...string) {
	p := openLab(t, MinNodes, false)
	for _, name := range names {
		p.press(fmt.Sprintf(`#lesson [data-do="lesson %s"]`, name))
		for step := 1; ; step++ {
			p.Until(fmt.Sprintf(`document.querySelector("#lesson progress").value === %d && document.querySelector("#lesson .good, #lesson .bad")`, step))
			if !webtest.Eval[bool](p.Page, `document.querySelector("#lesson [data-do=next]") !== null`) {
				break
			}
			p.press("#lesson [data-do=next]")
		}
		p.Until(`document.querySelector("#lesson .good").textContent.includes("ended as written")`)
		p.look(name, "")
		p.press(`#lesson [data-do="lesson stop"]`)
		p.Until(`document.querySelectorAll("#lesson .lessons button").length === 6`)
	}
	p.check()
}

// inChineseWords checks that all that a lesson waits for has Chinese words.
func inChineseWords(t *testing.T) {
	var conditions []string
	for _, name := range Names() {
		lesson, err := load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range lesson.steps {
			for _, c := range step.commands {
				if condition, ok := strings.CutPrefix(c.text, "wait "); ok {
					conditions = append(conditions, condition)
				}
			}
		}
	}
	conditions = append(conditions, "not final >= 1", "height = 3", "final = 2", "txs pool A B", "txs block C", "not one tip")
	p := openPlay(t)
	p.Run(`document.getElementById("language").click()`)
	words := webtest.Eval[[]string](p.Page, fmt.Sprintf(`import("/lesson.js").then(({ waits }) => %q.split(";").map(waits))`, strings.Join(conditions, ";")))
	for i, w := range words {
		if regexp.MustCompile(`[a-z]{2}`).MatchString(w) {
			t.Errorf("%s: %s", conditions[i], w)
		}
	}
	p.check()
}

// A play is a page without a lab. The test sends it states.
type play struct {
	*page
	states chan *state
}

func openPlay(t *testing.T) *play {
	t.Helper()
	files, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	states := make(chan *state)
	mux := http.NewServeMux()
	mux.Handle("GET /", files)
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case <-r.Context().Done():
				return
			case s := <-states:
				text, err := json.Marshal(s)
				if err != nil {
					t.Error(err)
				}
				fmt.Fprintf(w, "event: state\ndata: %s\n\n", text)
				w.(http.Flusher).Flush()
			}
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &play{open(t, server.URL), states}
}

// show sends a state, and waits until it was drawn.
func (p *play) show(s *state) {
	p.T.Helper()
	s.Time++
	p.states <- s
	p.Until(fmt.Sprintf(`document.body.dataset.drawn === "%d" && new Promise(done => requestAnimationFrame(() => setTimeout(() => done(true))))`, s.Time))
}

// crowd returns a network of twenty nodes with blocks, votes and transactions.
func crowd() *state {
	s := &state{Voters: true, Lessons: lessonTitles()}
	for at := range MaxNodes {
		s.Nodes = append(s.Nodes, nodeState{ID: nodeID(at), State: running, Height: -1, Final: -1, Building: true})
		for other := range at {
			s.Links = append(s.Links, linkState{A: nodeID(other), B: nodeID(at), Delay: "0s", Up: true})
		}
	}
	for range 40 {
		s.step()
	}
	return s
}

// step has all nodes take a transaction, and a block with the one before.
func (s *state) step() {
	all := make([]string, len(s.Nodes))
	block := blockState{Height: uint64(len(s.Blocks)), Hash: sha256.Sum256([]byte{byte(len(s.Blocks))}), Txs: 1, Builder: "A"}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		all[i] = n.ID
		n.Height, n.Final, n.Tip, n.Pool = int64(block.Height), int64(block.Height)-1, block.Hash.String(), 1
	}
	block.On, block.TipOf = all, all
	if last := len(s.Blocks) - 1; last >= 0 {
		block.Prev = s.Blocks[last].Hash
		s.Blocks[last].TipOf, s.Blocks[last].FinalOn = []string{}, all
	}
	if last := len(s.Txs) - 1; last >= 0 {
		s.Txs[last].Pool = []string{}
		for _, id := range all {
			s.Txs[last].Block[id] = block.Hash
		}
	}
	s.Blocks = append(s.Blocks, block)
	s.Txs = append(s.Txs, txState{ID: uuid.NewString(), From: "issuer", To: "ann", Amount: 5, Pool: all, Block: map[string]ledger.Hash{}})
}

// cut cuts all links between two halves, or heals them.
func (s *state) cut(cut bool) {
	for i := range s.Links {
		l := &s.Links[i]
		if (l.A < "K") != (l.B < "K") {
			l.Cut, l.Up = cut, !cut
		}
	}
}

// twentyNodes checks that the page of twenty nodes is smooth. The page changes
// only what has changed, and draws one part in a frame. No task takes 100 ms of the processor.
func twentyNodes(t *testing.T) {
	p := openPlay(t)
	p.Run(`window.changes = 0;
		new MutationObserver(list => { window.changes += list.length; }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true })`)
	s := crowd()
	p.show(s)
	longest := p.LongestTask(func() {
		for range 3 {
			for name, do := range map[string]func(){"a block": s.step, "a cut": func() { s.cut(true) }, "healed": func() { s.cut(false) }} {
				p.Run(`window.changes = 0`)
				do()
				p.show(s)
				if changes := webtest.Eval[int](p.Page, `window.changes`); changes > 500 {
					t.Errorf("%s: %d changes of the document", name, changes)
				}
			}
		}
	})
	t.Logf("the longest task took %.0f ms of the processor", longest)
	if longest > 100 {
		t.Errorf("20 nodes: a task of %.0f ms", longest)
	}
	p.Shot("lab-twenty")
	p.check()
}
