package lab

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A page is the page of a lab in a real browser.
type page struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string // exceptions, errors and warnings on the browser's console
}

// TestPage does on the page, in one browser, what people do there.
func TestPage(t *testing.T) {
	browser := newBrowser(t)
	for name, f := range map[string]func(*testing.T, context.Context){"Four": fourNodes, "Lesson": oneLesson} {
		t.Run(name, func(t *testing.T) { f(t, browser) })
	}
}

// newBrowser starts a Chromium. Without one the test is skipped, but in CI it fails. With
// -short there is none.
func newBrowser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser: not with -short")
	}
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	switch {
	case path != "":
	case os.Getenv("CI") == "true":
		t.Fatal("CI must run this: there is no Chromium (apt-get install chromium)")
	default:
		t.Skip("there is no Chromium")
	}
	options := []chromedp.ExecAllocatorOption{chromedp.ExecPath(path), chromedp.DisableGPU}
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // which Chromium refuses to use as root
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, closeBrowser := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(options...))
	t.Cleanup(closeBrowser)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return ctx
}

// openLab starts a lab, and shows its page.
func openLab(t *testing.T, browser context.Context, nodes int, voters bool) *page {
	t.Helper()
	l, err := New(t.Context(), Config{Dir: t.TempDir(), Nodes: nodes, Voters: voters})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve(t.Context(), on) }()
	t.Cleanup(func() {
		if err := errors.Join(<-served, l.Close()); err != nil {
			t.Error(err)
		}
	})
	p := &page{t: t}
	ctx, closeTab := chromedp.NewContext(browser, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.listen))
	t.Cleanup(closeTab)
	p.ctx = ctx
	p.do(chromedp.EmulateViewport(1280, 720), chromedp.Navigate("http://"+on.Addr().String()+"/"))
	p.run(`window.tasks = []; new PerformanceObserver(l => l.getEntries().forEach(e => tasks.push(e.duration))).observe({ type: "longtask", buffered: true })`)
	p.until(fmt.Sprintf(`document.querySelectorAll("[data-link].up").length === %d`, nodes*(nodes-1)/2))
	return p
}

func (p *page) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		p.troubles = append(p.troubles, text)
	case *runtime.EventConsoleAPICalled:
		p.troubles = append(p.troubles, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		p.troubles = append(p.troubles, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	}
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("Chromium: %v\n%s", err, strings.Join(p.troubles, "\n"))
	}
}

func (p *page) run(script string) {
	p.t.Helper()
	p.do(chromedp.Evaluate[chromedp.Void](script))
}

// until waits until a JavaScript expression holds. One that throws, since an element is
// not there yet, does not hold.
func (p *page) until(expression string) {
	p.t.Helper()
	err := chromedp.Do(p.ctx, chromedp.Poll[chromedp.Void]("(() => { try { return "+expression+" } catch { return false } })()", chromedp.WithPollingTimeout(30*time.Second)))
	if err != nil {
		text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.body.innerText"))
		p.mu.Lock()
		defer p.mu.Unlock()
		p.t.Fatalf("the page never came to %s: %v\n%s\n%s", expression, err, strings.Join(p.troubles, "\n"), text)
	}
}

func (p *page) keys(keys string) {
	p.t.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// press clicks an element.
func (p *page) press(selector string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector(%q) !== null`, selector))
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// at returns where a part of the way between two nodes is on the screen.
func (p *page) at(a, b string, part float64) (x, y float64) {
	p.t.Helper()
	p.run(`document.getElementById("drawing").scrollIntoView({ block: "center" })`)
	where, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`[%q, %q].flatMap(id => {
		const r = document.querySelector("[data-node=" + id + "] .body").getBoundingClientRect();
		return [r.x + r.width / 2, r.y + r.height / 2];
	})`, a, b)))
	if err != nil {
		p.t.Fatal(err)
	}
	return where[0] + part*(where[2]-where[0]), where[1] + part*(where[3]-where[1])
}

// draws draws a line with the mouse.
func (p *page) draws(x1, y1, x2, y2 float64) {
	p.t.Helper()
	left := chromedp.ButtonType(input.MouseButtonLeft)
	p.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x1, y1, left, chromedp.ClickCount(1)),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, (x1+x2)/2, (y1+y2)/2, left), chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x2, y2, left),
		chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, x2, y2, left, chromedp.ClickCount(1)))
}

// axe is the script of axe-core, which finds what people who cannot see, or use no mouse,
// stumble over.
var axe = sync.OnceValues(func() (string, error) {
	f, err := os.Open("../../../../rpc/web/webtest/axe.min.js.gz")
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(z)
	return string(b), err
})

const violations = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target + ": " + n.failureSummary)).join("\n"))`

// look fails the test where axe finds a fault in what the page shows, or where that is
// wider than the screen: in English on a light screen and in Chinese on a dark phone. With
// a directory FOXCHAIN_SHOTS it keeps pictures of all looks. Each begins with a script.
func (p *page) look(name, script string) {
	p.t.Helper()
	source, err := axe()
	if err != nil {
		p.t.Fatal(err)
	}
	dir := os.Getenv("FOXCHAIN_SHOTS")
	p.run(`if (!window.axe) {` + source + `}`)
	for i, language := range []string{"en", "zh"} {
		for j, theme := range []string{"light", "dark"} {
			for k, width := range []int64{1280, 390} {
				if checked := i == j && j == k; !checked && dir == "" {
					continue
				}
				p.do(chromedp.EmulateViewport(width, 720))
				p.run(fmt.Sprintf(`document.documentElement.dataset.theme = %q;
					if (document.documentElement.lang.slice(0, 2) !== %q) document.getElementById("language").click()`, theme, language))
				p.until(fmt.Sprintf(`document.documentElement.lang.slice(0, 2) === %q && innerWidth === %d && document.documentElement.scrollWidth <= innerWidth`, language, width))
				p.until(`document.querySelectorAll("#strips .strip-row").length > 3 && !document.querySelector("#drawing .dot")`)
				p.run(script)
				wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[string](violations, chromedp.EvalAwaitPromise))
				if err != nil || wrong != "" {
					p.t.Errorf("%s, %s, %s, %d: %s %v", name, language, theme, width, wrong, err)
				}
				if dir == "" {
					continue
				}
				shot, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
				if err == nil {
					err = os.WriteFile(fmt.Sprintf("%s/lab-%s-%s-%s-%d.png", dir, name, language, theme, width), shot, 0o600)
				}
				if err != nil {
					p.t.Fatal(err)
				}
			}
		}
	}
	p.do(chromedp.EmulateViewport(1280, 720))
	p.run(`document.getElementById("language").click()`)
	p.until(`document.documentElement.lang === "en"`)
}

// check fails the test when the browser complained, or the page shows what no one wrote.
func (p *page) check() {
	p.t.Helper()
	p.until(`!/\[object|undefined|NaN/.test(document.body.innerText)`)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, trouble := range p.troubles {
		if strings.Contains(trouble, "400 (Bad Request)") {
			continue // a command that was refused
		}
		p.t.Errorf("on the browser's console: %s", trouble)
	}
}

// says waits until the page shows that a command was done.
func (p *page) says(line string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.getElementById("outcome").textContent === "› " + %q`, line))
	p.until(fmt.Sprintf(`[...document.querySelectorAll("#log-lines [data-kind=command]")].some(l => l.textContent.endsWith(%q))`, line))
}

// link waits until a link is as a class says: up, cut, down or apart.
func (p *page) link(name, class string) {
	p.t.Helper()
	p.until(fmt.Sprintf(`document.querySelector('[data-link="%s"]').classList.contains(%q)`, name, class))
}

const places = `JSON.stringify([..."ABCD"].map(id => { const c = document.querySelector("[data-node=" + id + "] .body"); return [c.getAttribute("cx"), c.getAttribute("cy")] }))`

// fourNodes are cut and healed, with the mouse and with keys.
func fourNodes(t *testing.T, browser context.Context) {
	p := openLab(t, browser, 4, false)
	p.run(`window.before = ` + places)

	// A click cuts and heals a link.
	x, y := p.at("A", "B", 0.25)
	p.do(chromedp.MouseClickXY(x, y))
	p.says("cut A B")
	p.link("A-B", "cut")
	p.do(chromedp.MouseClickXY(x, y))
	p.says("heal A B")
	p.link("A-B", "up")

	// Keys do: on a node the letter of another one, and Enter on a link, which keeps the focus.
	p.run(`document.querySelector("[data-node=A]").focus()`)
	p.keys("c")
	p.says("cut A C")
	p.link("A-C", "cut")
	p.keys(kb.ArrowRight + kb.ArrowRight)
	p.until(`document.activeElement.dataset.link === "A-C"`)
	p.keys("\r")
	p.says("heal A C")
	p.link("A-C", "up")
	p.until(`document.activeElement.dataset.link === "A-C"`)
	p.keys("s")
	p.until(`document.activeElement.name === "delay"`)
	p.run(`document.activeElement.select()`)
	p.keys("200ms\r")
	p.says("slow A C 200ms")
	p.until(`document.querySelector('[data-link="A-C"] .fault').textContent === "200ms"`)
	p.keys(kb.Escape)
	p.until(`!document.querySelector("#menu:popover-open")`)

	// A transaction that is sent at a node reaches the others, and a block.
	p.look("menu", `document.querySelector("[data-node=C]").dispatchEvent(new MouseEvent("click", { bubbles: true }))`)
	p.press("[data-node=C] .body")
	p.press(`#menu form[data-key="send"] button`)
	p.says("send C 5")
	p.until(`document.querySelectorAll("#txs tbody td.block").length === 4`)
	p.keys(kb.Escape)

	// A line through the network splits it, and each side builds a block of its own.
	x, y = p.at("A", "B", 0.5)
	x2, y2 := p.at("C", "D", 0.5)
	p.draws(x+(x-x2)*0.1, y+(y-y2)*0.1, x2-(x-x2)*0.1, y2-(y-y2)*0.1)
	p.says("split A D | B C")
	for _, name := range []string{"A-B", "A-C", "B-D", "C-D"} {
		p.link(name, "cut")
	}
	p.types("send A 6")
	p.types("send B 7")
	p.until(`document.querySelectorAll(".tree .forks").length === 1 && document.querySelector("#summary.warn")`)
	p.until(`document.querySelector("[data-node=A] .body").style.fill !== document.querySelector("[data-node=B] .body").style.fill`)
	p.look("split", "")

	// One that is added moves no other. Healed, all have one chain again.
	p.press("[data-tool=add]")
	p.says("add")
	p.press("[data-tool=heal]")
	p.says("heal")
	p.until(`document.querySelectorAll("[data-node].running").length === 5 && !document.querySelector("#summary.warn")`)
	p.until(`document.querySelectorAll("[data-link].up").length === 10 && before === ` + places)
	p.press("[data-node=E] .body")
	p.press(`#menu [data-line="kill E"]`)
	p.says("kill E")
	p.until(`document.querySelector("[data-node=E].killed") && document.querySelectorAll("[data-link].down").length === 4`)
	p.check()
}

// types gives a command in the field for one.
func (p *page) types(line string) {
	p.t.Helper()
	p.run(`document.getElementById("command-field").focus()`)
	p.keys(line + "\r")
	p.says(line)
}

// oneLesson is taken from its first step to its last one.
func oneLesson(t *testing.T, browser context.Context) {
	p := openLab(t, browser, 3, true)
	p.press(`#lesson [data-do="lesson transaction"]`)
	for step := 1; ; step++ {
		p.until(fmt.Sprintf(`document.querySelector("#lesson progress").value === %d && document.querySelector("#lesson .good, #lesson .bad")`, step))
		if step == 1 {
			p.look("lesson", "")
		}
		more, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](`document.querySelector("#lesson [data-do=next]") !== null`))
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		p.press("#lesson [data-do=next]")
	}
	p.until(`document.querySelector("#lesson .good").textContent.includes("ended as written")`)
	p.press(`#lesson [data-do="lesson stop"]`)
	p.until(`document.querySelectorAll("#lesson .lessons button").length === 6`)
	p.check()
}
