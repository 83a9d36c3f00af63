package rpc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// An asked is a response over HTTP, read whole.
type asked struct {
	*http.Response
	body string
}

// http makes a request. A body is sent as JSON. Headers are "Name: value".
func (l *lab) http(method, path, body string, headers ...string) asked {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, "http://"+l.addr()+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return asked{res, string(text)}
}

// document returns the OpenAPI document as another program reads it, which finds no fault
// in it. Keys that it does not name are made an error.
func (l *lab) document() *openapi3.T {
	l.t.Helper()
	text := []byte(l.http(http.MethodGet, "/v1/openapi.json", "").body)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := doc.Validate(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	for _, s := range doc.Components.Schemas {
		s.Value.AdditionalProperties = openapi3.BoolSchema{Has: new(false)}
	}
	return doc
}

// conforms checks a request and its response by the document.
func (l *lab) conforms(doc *openapi3.T, method, route, path, body string, status int) asked {
	l.t.Helper()
	got := l.http(method, path, body)
	item := doc.Paths.Value(route)
	if item == nil || item.GetOperation(method) == nil {
		l.t.Fatalf("%s %s is not in the document", method, route)
	}
	got.Request.Body = io.NopCloser(strings.NewReader(body))
	params := map[string]string{}
	for i, part := range strings.Split(route, "/") {
		if strings.HasPrefix(part, "{") {
			params[strings.Trim(part, "{}")] = strings.Split(got.Request.URL.Path, "/")[i]
		}
	}
	in := &openapi3filter.RequestValidationInput{Request: got.Request, PathParams: params, Route: &routers.Route{
		Spec: doc, Path: route, PathItem: item, Method: method, Operation: item.GetOperation(method)},
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateRequest(l.t.Context(), in); err != nil && status < 400 {
		l.t.Errorf("%s: the request is not as the document has it: %v", path, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: got.StatusCode, Header: got.Header, Options: in.Options}
	if err := openapi3filter.ValidateResponse(l.t.Context(), out.SetBodyBytes([]byte(got.body))); err != nil {
		l.t.Errorf("%s: the response is not as the document has it: %v", path, err)
	}
	if got.StatusCode != status {
		l.t.Errorf("%s %s: %s, want %d: %s", method, path, got.Status, status, got.body)
	}
	return got
}

// TestOpenAPI compares responses with the document by a validator that did not make it.
func TestOpenAPI(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 5), mint(2, 7))
	l.build()
	doc := l.document()
	l.conforms(doc, http.MethodGet, "/v1/proof/{id}", "/v1/proof/"+numbered(1).String(), "", 200)
	l.submit(mint(3, 5))
	side := l.header(nil, mint(4, 1))
	l.extend(side, []*ledger.Transaction{mint(4, 1)})
	l.net.set(api.Peer{ID: "12D3KooWOther", Name: "other", Connected: true, State: "connected", Addrs: []string{"/ip4/127.0.0.1/tcp/1"}, Tip: l.chain.Tip().Hash.String()},
		api.Peer{ID: "12D3KooWGone", State: "missing", Missing: 5})
	l.s.refusals.add(&refusal{kind: "host", Refusal: api.Refusal{Reason: "no"}}, l.s.cfg.Now())
	id := func(n int) string { return numbered(n).String() }
	get := func(route, path string, status int) {
		t.Helper()
		l.conforms(doc, http.MethodGet, route, path, "", status)
	}
	post := func(body string, status int) {
		t.Helper()
		l.conforms(doc, http.MethodPost, "/v1/submit", "/v1/submit", body, status)
	}
	get("/v1/info", "/v1/info", 200)
	get("/v1/peers", "/v1/peers", 200)
	get("/v1/pool", "/v1/pool?limit=1", 200)
	get("/v1/blocks", "/v1/blocks", 200)
	get("/v1/blocks", "/v1/blocks?start=-1&limit=1&items=false", 200)
	get("/v1/blocks", "/v1/blocks?items=perhaps", 400)
	get("/v1/block/{block}", "/v1/block/0", 200)
	get("/v1/block/{block}", "/v1/block/-1", 200)
	get("/v1/block/{block}", "/v1/block/"+l.chain.Tip().Hash.String(), 200)
	get("/v1/block/{block}", "/v1/block/7", 404)
	get("/v1/tx/{id}", "/v1/tx/"+id(1), 200)
	get("/v1/tx/{id}", "/v1/tx/"+id(3), 200)
	get("/v1/tx/{id}", "/v1/tx/"+id(99), 404)
	get("/v1/account/{account}", "/v1/account/"+id(1), 200)
	get("/v1/account/{account}", "/v1/account/"+id(0)+"?limit=1", 200)
	get("/v1/account/{account}", "/v1/account/x", 400)
	get("/v1/accounts", "/v1/accounts?by=balance&limit=1", 200)
	get("/v1/accounts", "/v1/accounts?prefix=00", 200)
	get("/v1/accounts", "/v1/accounts?by=name", 400)
	get("/v1/statement/{account}", "/v1/statement/"+id(1)+"?limit=1", 200)
	get("/v1/account/{account}", "/v1/account/"+id(0)+"?limit=9999", 400)
	post(`{"pool":[`+txJSON(mint(5, 3))+`]}`, 202)
	post(`{"pool":[{"sender":"`+id(0)+`","receiver":"`+id(1)+`","amount":1}]}`, 202)
	post(`{"pool":[`+txJSON(mint(5, 4))+`]}`, 409)
	post(`{"pool":[`+txJSON(mint(5, 4))+`,`+txJSON(mint(6, 4))+`]}`, 202)
	post(`{"pool":[{"sender":"x"}]}`, 422)
	post(`{}`, 400)
	post(`[`, 400)
	for _, n := range []string{"BlockEvent", "Problem"} {
		if doc.Components.Schemas[n] == nil {
			t.Errorf("the document has no %s", n)
		}
	}
}

// TestOpenAPIFinal does so on a network with finality.
func TestOpenAPIFinal(t *testing.T) {
	l := newOffice(t)
	l.start()
	doc := l.document()
	l.conforms(doc, http.MethodGet, "/v1/info", "/v1/info", "", 200)
	l.conforms(doc, http.MethodGet, "/v1/blocks", "/v1/blocks", "", 200)
	l.grow(1)
	l.finalize(1)
	l.grow(1)
	l.accuse(1, 9)
	for _, path := range []string{"/v1/info", "/v1/blocks"} {
		l.conforms(doc, http.MethodGet, path, path, "", 200)
	}
	l.conforms(doc, http.MethodGet, "/v1/block/{block}", "/v1/block/0", "", 200)
	l.conforms(doc, http.MethodGet, "/v1/block/{block}", "/v1/block/-1", "", 200)
	for n := range 2 { // final, and not
		l.conforms(doc, http.MethodGet, "/v1/proof/{id}", "/v1/proof/"+numbered(n+1).String(), "", 200)
	}
	l.conforms(doc, http.MethodGet, "/v1/proof/{id}", "/v1/proof/"+numbered(77).String(), "", 404)
}

// TestSameAsOps compares responses with those of the ops.
func TestSameAsOps(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 5), mint(2, 7))
	l.build()
	l.submit(mint(3, 5), mint(4, 5))
	c := l.client()
	for path, msg := range map[string]string{
		"peers":                       `{"op":"peers"}`,
		"pool":                        `{"op":"pool"}`,
		"pool?limit=1":                `{"op":"pool","args":{"limit":1}}`,
		"pool?cursor=3":               `{"op":"pool","args":{"start":3}}`,
		"blocks":                      `{"op":"blocks"}`,
		"blocks?start=5":              `{"op":"blocks","args":{"start":5}}`,
		"blocks?items=false&start=-1": `{"op":"blocks","args":{"items":false,"start":-1}}`,
		"block/0":                     `{"op":"block","args":{"height":0}}`,
		"block/" + l.chain.Tip().Hash.String()[:12]:                          `{"op":"block","args":{"height":0}}`,
		"tx/" + numbered(1).String():                                         `{"op":"tx","args":{"id":"` + numbered(1).String() + `"}}`,
		"proof/" + numbered(1).String():                                      `{"op":"proof","args":{"id":"` + numbered(1).String() + `"}}`,
		"account/" + numbered(0).String():                                    `{"op":"account","args":{"account":"` + numbered(0).String() + `"}}`,
		"account/" + numbered(0).String() + "?limit=1":                       `{"op":"account","args":{"account":"` + numbered(0).String() + `","limit":1}}`,
		"account/" + numbered(0).String() + `?cursor={"height":0,"index":0}`: `{"op":"account","args":{"account":"` + numbered(0).String() + `","from":{"height":0,"index":0}}}`,
	} {
		got := l.http(http.MethodGet, "/v1/"+strings.NewReplacer("{", "%7B", "}", "%7D", `"`, "%22").Replace(path), "")
		if want := c.ask(msg); `{"status":200,"error":"OK","response":`+got.body+`}` != want {
			t.Errorf("%s\n got %s\nwant %s", path, got.body, want)
		}
	}
	// An error has the same words, without the name of the op's arguments.
	for path, msg := range map[string]string{
		"block/9": `{"op":"block","args":{"height":9}}`, "tx/zz": `{"op":"tx","args":{"id":"zz"}}`, "pool?limit=0": `{"op":"pool","args":{"limit":0}}`,
	} {
		var op api.Reply
		var p api.Problem
		if err := json.Unmarshal([]byte(c.ask(msg)), &op); err != nil {
			t.Fatal(err)
		}
		got := l.http(http.MethodGet, "/v1/"+path, "")
		if err := json.Unmarshal([]byte(got.body), &p); err != nil {
			t.Fatal(err)
		}
		if p.Detail != strings.TrimPrefix(op.Error, "args.") || p.Status != got.StatusCode || got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s, of the op: %s", path, got.body, op.Error)
		}
	}
}

// TestHTTPPages follows the links of a list to its end.
func TestHTTPPages(t *testing.T) {
	l := newLab(t).start()
	for n := range 5 {
		l.submit(mint(n+1, 1))
		l.build()
	}
	l.submit(mint(6, 1), mint(7, 1), mint(8, 1))
	for path, want := range map[string]int{"pool?limit=2": 2, "blocks?limit=2&start=1&items=false": 2, "account/" + numbered(0).String() + "?limit=2&token=secret": 3, "statement/" + numbered(0).String() + "?limit=4": 2,
		"accounts?limit=3": 2, "accounts?by=balance&limit=2": 3} {
		pages := 0
		for next := "/v1/" + path; next != ""; pages++ {
			got := l.http(http.MethodGet, next, "")
			if got.StatusCode != 200 || pages > want {
				t.Fatalf("%s: %s %s", next, got.Status, got.body)
			}
			next = strings.TrimSuffix(strings.TrimPrefix(got.Header.Get("Link"), "<"), `>; rel="next"`)
			if strings.Contains(next, "secret") {
				t.Errorf("the link %s has the token", next)
			}
			if (next != "") != strings.Contains(got.body, `"next":`) {
				t.Errorf("%s has the link %q", got.body, next)
			}
		}
		if pages != want {
			t.Errorf("%s: %d pages, want %d", path, pages, want)
		}
	}
}

// TestHTTPRefusals has requests that are refused before an op is asked.
func TestHTTPRefusals(t *testing.T) {
	l, _ := scopedLab(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
		words              string
		headers            []string
	}{
		{"GET", "/v1/", "", 404, "GET /v1/openapi.json", nil},
		{"GET", "/v1/nix", "", 404, "There is nothing at /v1/nix.", nil},
		{"GET", "/v1/pool?limt=1", "", 400, `"field":"limt","rule":"is no parameter of this path: it has start, limit, cursor"`, nil},
		{"GET", "/v1/pool?limit=1&limit=2", "", 400, "must be given once", nil},
		{"GET", "/v1/pool?start=1&cursor=2", "", 400, "must be given once", nil},
		{"GET", "/v1/pool?cursor=-1", "", 400, `"field":"cursor","rule":"must be an integer, 0 or more"`, nil},
		{"GET", "/v1/accounts?cursor=zz", "", 400, `"field":"cursor","rule":"must be what \"next\" was"`, nil},
		{"GET", "/v1/pool?%zz", "", 400, "must be name=value", nil},
		{"GET", "/v1/info?x=1", "", 400, "which has none", nil},
		{"GET", "/v1/openapi.json?x=1", "", 400, "which has none", nil},
		{"GET", "/v1/submit", "", 405, "Use POST.", nil},
		{"DELETE", "/v1/info", "", 405, "Use GET.", nil},
		{"POST", "/v1/submit", `{"pool":[]}`, 415, "application/x-www-form-urlencoded", []string{"Content-Type: application/x-www-form-urlencoded"}},
		{"POST", "/v1/submit", `{"pool":[]} x`, 400, "one JSON object", nil},
		{"POST", "/v1/submit", `{"pool":[],"pool":[]}`, 400, "no key twice", nil},
		{"POST", "/v1/submit", `{"blocks":[]}`, 400, "pool: is missing", nil},
		{"POST", "/v1/submit", `{"pool":7}`, 422, "pool", nil},
		{"POST", "/v1/submit", `{"pool":[` + strings.Repeat(" ", 16<<20) + `]}`, 413, "several requests", nil},
		{"GET", "/v1/info", "", 401, "is not that of this node", []string{"Authorization: Bearer wrong"}},
		{"GET", "/v1/info", "", 401, "through a proxy the node needs its token", []string{"X-Forwarded-For: 192.168.1.9"}},
		{"GET", "/v1/info", "", 403, "may not use this node", []string{"Origin: http://evil.example"}},
		{"POST", "/v1/submit", `{"pool":[]}`, 403, "may not use this node", []string{"Origin: http://evil.example"}},
		{"GET", "/v1/info", "", 403, `"scope":"read"`, []string{"Authorization: Bearer submit"}},
		{"GET", "/v1/events", "", 403, `"scope":"read"`, []string{"Authorization: Bearer submit"}},
		{"POST", "/v1/submit", `{"pool":[]}`, 403, `"scope":"submit"`, []string{"Authorization: Bearer read"}},
		{"POST", "/v1/submit", `{"pool":[` + txJSON(mint(1, 1)) + `]}`, 202, "{}", []string{"Authorization: Bearer submit"}},
		{"GET", "/v1/events?from=x", "", 400, "from: must be an integer", nil},
		{"GET", "/v1/events", "", 400, "Last-Event-ID: must be", []string{"Last-Event-ID: x"}},
		{"GET", "/v1/events", "", 400, `"field":"Last-Event-ID","rule":"must be 64 hex digits`, []string{"Last-Event-ID: 0-" + strings.Repeat("x", 64)}},
		{"GET", "/v1/events", "", 404, "is not known here", []string{"Last-Event-ID: 0-" + strings.Repeat("0", 64)}},
	} {
		got := l.http(tt.method, tt.path, tt.body, tt.headers...)
		if got.StatusCode != tt.status || !strings.Contains(got.body, tt.words) {
			t.Errorf("%s %.80s %v: %s %s, want %d %s", tt.method, tt.path, tt.headers, got.Status, got.body, tt.status, tt.words)
		}
		if tt.status >= 400 && (got.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(got.body, `"status":`+strconv.Itoa(tt.status))) {
			t.Errorf("%s %.80s: no problem details: %v %s", tt.method, tt.path, got.Header, got.body)
		}
		if challenge := got.Header.Get("WWW-Authenticate"); strings.Contains(tt.words, "scope") && !strings.Contains(challenge, "insufficient_scope") {
			t.Errorf("%s %.80s: %v", tt.method, tt.path, got.Header)
		}
	}
	if got := l.http(http.MethodGet, "/metrics", ""); !strings.Contains(got.body, `foxchain_rpc_requests_total{op="merge",status="202"} 1`) ||
		!strings.Contains(got.body, `foxchain_rpc_requests_total{op="merge",status="422"} 1`) {
		t.Error("requests are not counted by their status")
	}
	if got := l.http(http.MethodHead, "/v1/info", ""); got.StatusCode != 200 || got.body != "" {
		t.Errorf("HEAD: %s %q", got.Status, got.body)
	}
	pre := []string{"Origin: http://wiki.lan:8080", "Access-Control-Request-Method: POST", "X-Forwarded-For: 192.168.1.9"}
	got := l.http(http.MethodOptions, "/v1/submit", "", pre...)
	if got.StatusCode != 204 || got.Header.Get("Access-Control-Allow-Origin") != "http://wiki.lan:8080" || !strings.Contains(got.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("a preflight: %s %v", got.Status, got.Header)
	}
	pre[0] = "Origin: http://evil.example"
	if got := l.http(http.MethodOptions, "/v1/submit", "", pre...); got.StatusCode != 403 || got.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight of another site: %s %v", got.Status, got.Header)
	}
}

// An eventSource follows events as a browser does.
type eventSource struct {
	t    testing.TB
	body io.Closer
	r    *bufio.Reader
	last string // Last-Event-ID
}

func (l *lab) eventSource(path, last string) *eventSource {
	l.t.Helper()
	res := l.get(path, "", http.Header{"Last-Event-Id": {last}})
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		l.t.Fatalf("%s: %s %v", path, res.Status, res.Header)
	}
	return &eventSource{t: l.t, body: res.Body, r: bufio.NewReader(res.Body), last: last}
}

// next reads to the next event that has data. Its kind is empty at the end.
func (e *eventSource) next() (kind, data string) {
	e.t.Helper()
	for {
		line, err := e.r.ReadString('\n')
		if err != nil {
			return "", ""
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case name == "id":
			e.last = value
		case name == "event":
			kind = value
		case name == "data":
			data = value
		case line == "\n" && data != "":
			return kind, data
		}
	}
}

// block reads a block event, and returns its change and height.
func (e *eventSource) block() string {
	e.t.Helper()
	kind, data := e.next()
	var b api.BlockEvent
	if err := json.Unmarshal([]byte(data), &b); err != nil || kind != "block" {
		e.t.Fatalf("%s %s: %v", kind, data, err)
	}
	return fmt.Sprintf("%s %d", b.Change, b.Block.Height)
}

// TestEventStream follows blocks, comes back with Last-Event-ID after a reorg, and
// receives the reason when the node ends it.
func TestEventStream(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 1))
	first := l.build()
	e := l.eventSource("/v1/events?from=0", "")
	if got := e.block(); got != "in 0" {
		t.Fatal(got)
	}
	txs := []*ledger.Transaction{mint(2, 1)}
	l.extend(l.header(first, txs...), txs)
	if got := e.block(); got != "in 1" {
		t.Fatal(got)
	}
	last := e.last
	_ = e.body.Close()
	// Another branch wins while no client follows.
	parent := first
	for n := range 2 {
		txs := []*ledger.Transaction{mint(10+n, 1)}
		parent = l.extend(l.header(parent, txs...), txs)
	}
	e = l.eventSource("/v1/events?from=0&items=true", last)
	var got []string
	for range 3 {
		got = append(got, e.block())
	}
	if !slices.Equal(got, []string{"out 1", "in 1", "in 2"}) {
		t.Errorf("after a reorg: %v", got)
	}
	// One that has seen nothing yet comes back to where it was.
	quiet := l.eventSource("/v1/events", "")
	for quiet.last == "" {
		if line, err := quiet.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		} else if id, ok := strings.CutPrefix(line, "id: "); ok {
			quiet.last = strings.TrimSpace(id)
		}
	}
	if quiet.last != e.last {
		t.Errorf("begins at %s, want %s", quiet.last, e.last)
	}
	l.stop()
	if kind, data := e.next(); kind != "closed" || data != `{"reason":"the node is stopping"}` {
		t.Errorf("at the end: %s %s", kind, data)
	}
}

// TestEventStreamFromNothing begins before the first block.
func TestEventStreamFromNothing(t *testing.T) {
	l := newLab(t).start()
	e := l.eventSource("/v1/events", "-1")
	l.submit(mint(1, 1))
	l.build()
	if got := e.block(); got != "in 0" {
		t.Fatal(got)
	}
}

// TestEventStreamPlaces has streams take the places of WebSockets, and make room.
func TestEventStreamPlaces(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.conns = 2 })
	silent := l.eventSource("/v1/events", "")
	c := l.client()
	c.ask(`{"op":"time"}`)
	l.eventSource("/v1/events", "")
	if kind, data := silent.next(); kind != "closed" || !strings.Contains(data, "silent the longest") {
		t.Errorf("crowded out: %s %s", kind, data)
	}
	l.wantDropped("crowded", 1)
	c.ask(`{"op":"time"}`)
}

// TestEventStreamRevoked ends a stream whose token is revoked.
func TestEventStreamRevoked(t *testing.T) {
	l, tokens := scopedLab(t)
	e := l.eventSource("/v1/events?token=read", "")
	tokens.Delete("read")
	if kind, data := e.next(); kind != "closed" || !strings.Contains(data, "revoked") {
		t.Errorf("got %s %s", kind, data)
	}
}

// postFirst submits a body, and reads the answer only when all is sent, as many clients do.
func (l *lab) postFirst(body string) string {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.addr())
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST /v1/submit HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		l.addr(), len(body), body); err != nil {
		l.t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(answer)
}

// TestHTTPPlaces has more requests than are answered at a time.
func TestHTTPPlaces(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.asked, lim.slow = 1, 500*time.Millisecond })
	if err := l.s.asked.Acquire(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if got := l.http(http.MethodGet, "/v1/pool", ""); got.StatusCode != 503 || got.Header.Get("Retry-After") == "" || !strings.Contains(got.body, "no place became free for 500ms") {
		t.Errorf("without a place: %s %s", got.Status, got.body)
	}
	l.s.asked.Release(1)
	if err := l.s.large.Acquire(t.Context(), l.s.limits.large); err != nil {
		t.Fatal(err)
	}
	if answer := l.postFirst(strings.Repeat(" ", 15<<20)); !strings.Contains(answer, "HTTP/1.1 503") || !strings.Contains(answer, "reads 7 large bodies") {
		t.Errorf("without a place for its body: %s", answer)
	}
	l.s.large.Release(l.s.limits.large)
	for range 3 { // each gives it back
		for _, path := range []string{"/v1/pool", "/v1/pool?limit=x"} {
			if got := l.http(http.MethodGet, path, ""); got.StatusCode == 503 {
				t.Errorf("%s: %s %s", path, got.Status, got.body)
			}
		}
	}
}

// TestLateBody checks that a client whose body does not arrive in time receives the reason.
func TestLateBody(t *testing.T) {
	l := newLab(t).start(func(lim *limits) { lim.arrive = 100 * time.Millisecond })
	body, never := io.Pipe()
	defer never.Close()
	res, err := http.Post("http://"+l.addr()+"/v1/submit", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != 400 || !strings.Contains(string(text), "did not arrive whole") {
		t.Errorf("%s %s %v", res.Status, text, err)
	}
}

// TestSlowEventStream drops a client that does not read its events.
func TestSlowEventStream(t *testing.T) {
	l := slowLab(t, func(lim *limits) { lim.slow, lim.goodbye = 100*time.Millisecond, 10*time.Millisecond })
	slow, err := net.Dial("tcp", l.addr())
	if err == nil {
		defer slow.Close()
		err = slow.(*net.TCPConn).SetReadBuffer(4 << 10)
	}
	if err == nil {
		_, err = fmt.Fprintf(slow, "GET /v1/events?from=0&items=true HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	l.wantDropped("slow", 1)
}

// TestSubmitRefused checks that the answer names what was not taken.
func TestSubmitRefused(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 1))
	other := mint(1, 2)
	got := l.http(http.MethodPost, "/v1/submit", `{"pool":[`+txJSON(other)+`]}`)
	var p api.Problem
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || len(p.Refused) != 1 || p.Refused[0].ID != other.ID.String() || p.Refused[0].Reason == "" {
		t.Errorf("%s: %v", got.body, err)
	}
	got = l.http(http.MethodPost, "/v1/submit", `{"pool":[`+txJSON(other)+","+txJSON(mint(2, 2))+`]}`)
	var s api.Submitted
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.StatusCode != 202 || len(s.Refused) != 1 || s.Refused[0].Index != 0 {
		t.Errorf("%s: %v", got.body, err)
	}
	if st := l.chain.Status(); st.Pool != 2 {
		t.Errorf("%d in the pool", st.Pool)
	}
}

// TestHTTPPageSize ends a reply before 1 MiB.
func TestHTTPPageSize(t *testing.T) {
	l := newLab(t).start()
	var txs []*ledger.Transaction
	for n := range 8000 {
		txs = append(txs, mint(n+1, 1))
	}
	l.submit(txs...)
	got := l.http(http.MethodGet, "/v1/pool", "")
	if n := len(got.body); n > 1<<20 || n < 1<<19 || !strings.Contains(got.body, `"next":`) {
		t.Errorf("%d bytes", n)
	}
}
