package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
)

// askInfo is a page's script that sends a request to the node's WebSocket and returns the
// outcome.
const askInfo = `new Promise(resolve => {
	const ws = new WebSocket(%q);
	ws.onopen = () => ws.send('{"op": "info"}');
	ws.onmessage = message => resolve("answered " + JSON.parse(message.data).status);
	ws.onerror = () => resolve("refused");
})`

// origins has pages in a real Chromium connect to a default node. Its own page may, but
// another site's and a page without an origin may not.
func origins(t *testing.T, c *client, v *visit) {
	browser, closeTab := chromedp.NewContext(v.Ctx, chromedp.WithNewBrowserContext())
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
