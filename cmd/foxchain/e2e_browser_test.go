package main_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// askInfo is a page's script: it requests from the node's WebSocket and returns what came
// of it.
const askInfo = `new Promise(resolve => {
	const ws = new WebSocket(%q);
	ws.onopen = () => ws.send('{"op": "info"}');
	ws.onmessage = message => resolve("answered " + JSON.parse(message.data).status);
	ws.onerror = () => resolve("refused");
})`

// origins lets pages in a real Chromium speak to a default node: its own page may,
// another site's and a page without an origin may not.
func origins(t *testing.T, c *client, v *visit) {
	browser, closeTab := chromedp.NewContext(v.ctx, chromedp.WithNewBrowserContext())
	defer closeTab()
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<p>another site")
	}))
	defer other.Close()
	for _, page := range []struct{ url, outcome string }{
		{"http://" + v.own + "/", "answered 200"},
		{other.URL, "refused"},
		{"data:text/html,<p>no origin", "refused"},
	} {
		if err := chromedp.Do(browser, chromedp.Navigate(page.url)); err != nil {
			t.Fatalf("the page %s: %v", page.url, err)
		}
		ask := chromedp.Evaluate[string](fmt.Sprintf(askInfo, c.n.url()), chromedp.EvalAwaitPromise)
		outcome, err := chromedp.Run(browser, ask)
		if err != nil || outcome != page.outcome {
			t.Errorf("the page %s: %q %v, not %q", page.url, outcome, err, page.outcome)
		}
	}
}

// newBrowser starts a Chromium that the test ends, after five minutes at the latest.
func newBrowser(t *testing.T, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	return browserFor(ctx, t, options...)
}

// browserFor starts a Chromium that ends with the test or the context.
func browserFor(ctx context.Context, t *testing.T, options ...chromedp.ContextOption) context.Context {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		unable(t, "no Chromium: apt-get install chromium")
	}
	ctx, closeTab := chromedp.NewContext(ctx, append(options, chromedp.WithAllocatorOptions(chromedp.ExecPath(path)))...)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("Chromium: %v", err)
	}
	return ctx
}
