package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// Root is what all paths begin with. The number changes when a shape loses a key or gives
// it another meaning. New keys and routes do not change it.
const Root = "/v1/"

// Bounds of a body.
const (
	maxBody   = 16 << 20
	smallBody = 64 << 10
)

// A Node answers ops. Its errors are *api.Problem.
type Node interface {
	// May returns an error when the client may not use an op.
	May(r *http.Request, op string) error
	// Ask answers an op with the arguments args, a JSON object.
	Ask(r *http.Request, op string, args []byte) (*Answer, error)
	// Follow sends events until the client or the node ends it. It returns an error only
	// when it has sent nothing.
	Follow(r *http.Request, args []byte, to *Stream) error
	// Large waits for a place to read a body that is not small.
	Large(ctx context.Context) (release func(), err error)
}

// An Answer is what an op returned.
type Answer struct {
	Status int
	Body   []byte // JSON
	Next   []byte // the start of the rest, in JSON; nil: there is none
	Done   func() // to be called when Body is written
}

// Has reports whether a request is one of this interface.
func Has(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, Root) }

// New returns the handler of all paths that begin with Root.
func New(node Node, version string) http.Handler {
	mux := http.NewServeMux()
	doc := strings.Replace(document, "VERSION", version, 1)
	handle := func(path, method string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(Root+path, func(w http.ResponseWriter, r *http.Request) { serve(w, r, method, h) })
	}
	for _, rt := range routes {
		if rt.body {
			handle(rt.path, http.MethodPost, func(w http.ResponseWriter, r *http.Request) error { return rt.post(node, w, r) })
			continue
		}
		handle(rt.path, http.MethodGet, func(w http.ResponseWriter, r *http.Request) error { return rt.get(node, w, r) })
	}
	handle("events", http.MethodGet, func(w http.ResponseWriter, r *http.Request) error { return follow(node, w, r) })
	handle("openapi.json", http.MethodGet, func(w http.ResponseWriter, r *http.Request) error {
		if _, err := arguments(r, new(route), ""); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, doc)
		return nil
	})
	mux.HandleFunc(Root, func(w http.ResponseWriter, r *http.Request) {
		Fail(w, &api.Problem{Status: http.StatusNotFound, Detail: "There is nothing at " + ledger.Shorten(r.URL.Path, 100) + ".",
			WayOut: "To list the routes: GET " + Root + "openapi.json"})
	})
	return mux
}

// serve answers the method of a route by h, and HEAD and OPTIONS where they apply.
func serve(w http.ResponseWriter, r *http.Request, method string, h func(http.ResponseWriter, *http.Request) error) {
	head := w.Header()
	allow := method + ", OPTIONS"
	if method == http.MethodGet {
		allow = "GET, HEAD, OPTIONS"
	}
	if origin := r.Header.Get("Origin"); origin != "" { // the node has admitted it
		head.Set("Access-Control-Allow-Origin", origin)
		head.Set("Access-Control-Expose-Headers", "Link, WWW-Authenticate")
		head.Add("Vary", "Origin")
	}
	switch {
	case r.Method == http.MethodOptions:
		head.Set("Allow", allow)
		head.Set("Access-Control-Allow-Methods", allow)
		head.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
		w.WriteHeader(http.StatusNoContent)
		return
	case r.Method != method && !(method == http.MethodGet && r.Method == http.MethodHead):
		head.Set("Allow", allow)
		Fail(w, &api.Problem{Status: http.StatusMethodNotAllowed, Detail: fmt.Sprintf("%s does not go with %s.", ledger.Shorten(r.Method, 100), ledger.Shorten(r.URL.Path, 100)), WayOut: "Use " + method + "."})
		return
	}
	if err := h(w, r); err != nil {
		Fail(w, err)
	}
}

// Fail answers with problem details.
func Fail(w http.ResponseWriter, err error) {
	var p *api.Problem
	if !errors.As(err, &p) {
		p = &api.Problem{Status: http.StatusInternalServerError, Detail: err.Error()}
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	text, err := json.Marshal(p, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		text = []byte("{}") // cannot be: it is of text and numbers
	}
	head := w.Header()
	head.Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		head.Set("Retry-After", "1")
	}
	if p.Scope != "" { // RFC 6750 section 3.1
		head.Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="foxchain", error="insufficient_scope", scope=%q`, p.Scope))
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(text) // an error means that the client has gone
}

func (rt *route) get(node Node, w http.ResponseWriter, r *http.Request) error {
	args, err := arguments(r, rt, "")
	if err != nil {
		return err
	}
	err = rt.answer(node, w, r, args)
	var p *api.Problem
	if errors.As(err, &p) && (p.Field == "start" || p.Field == "from") && r.URL.Query().Has("cursor") {
		return badParam("cursor", p.Rule) // that is what the client called it
	}
	return err
}

// post takes the transactions of a body.
func (rt *route) post(node Node, w http.ResponseWriter, r *http.Request) error {
	if _, err := arguments(r, new(route), ""); err != nil {
		return err
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return &api.Problem{Status: http.StatusUnsupportedMediaType, Detail: fmt.Sprintf("The body is of the type %q.", ledger.Shorten(r.Header.Get("Content-Type"), 100)),
			WayOut: "Send JSON, and the header Content-Type: application/json (curl does with --json)."}
	}
	if err := node.May(r, rt.op); err != nil {
		return err // before the body costs anything
	}
	body, release, err := readBody(node, r)
	if err != nil {
		return err
	}
	defer release()
	return rt.answer(node, w, r, body)
}

func (rt *route) answer(node Node, w http.ResponseWriter, r *http.Request, args []byte) error {
	a, err := node.Ask(r, rt.op, args)
	if err != nil {
		return err
	}
	defer a.Done()
	if a.Next != nil {
		u := *r.URL
		q := u.Query()
		for _, name := range []string{"token", "start"} {
			q.Del(name) // a link may be kept and shown
		}
		q.Set("cursor", string(a.Next))
		u.RawQuery = q.Encode()
		w.Header().Set("Link", "<"+u.RequestURI()+`>; rel="next"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body) // an error means that the client has gone
	return nil
}

// arguments returns what a request's path and query say, as a JSON object, with the
// members of more, each with a comma before it.
func arguments(r *http.Request, rt *route, more string) ([]byte, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, badParam("query", "must be name=value, with & between two")
	}
	query.Del("token") // the guard's
	var out bytes.Buffer
	given := make(map[string]bool) // arguments
	var known []string
	for _, p := range rt.params {
		values := query[p.name]
		query.Del(p.name)
		if p.inPath(rt) {
			values = []string{r.PathValue(p.name)}
		} else {
			known = append(known, p.name)
		}
		if len(values) == 0 {
			continue
		}
		value := jsontext.Value(values[0])
		if !p.json || !value.IsValid() {
			value = quoted(values[0])
		}
		if len(values) > 1 || given[p.arg] {
			return nil, badParam(p.name, "must be given once, and start not beside cursor")
		}
		given[p.arg] = true
		fmt.Fprintf(&out, ",%q:%s", p.arg, value)
	}
	for name := range query {
		rule := "is no parameter of this path, which has none"
		if len(known) > 0 {
			rule = "is no parameter of this path: it has " + strings.Join(known, ", ")
		}
		return nil, badParam(ledger.Shorten(name, 100), rule)
	}
	out.WriteString(more)
	return slices.Concat([]byte{'{'}, bytes.TrimPrefix(out.Bytes(), []byte{','}), []byte{'}'}), nil
}

func badParam(name, rule string) error {
	return &api.Problem{Status: http.StatusBadRequest, Detail: name + ": " + rule, Field: name, Rule: rule}
}

// readBody reads a body whole. One that is not small waits for a place among the large.
func readBody(node Node, r *http.Request) (body []byte, release func(), err error) {
	release = func() {}
	var buf bytes.Buffer
	if r.ContentLength <= maxBody {
		_, err = buf.ReadFrom(io.LimitReader(r.Body, smallBody))
	}
	if err == nil && buf.Len() == smallBody {
		if release, err = node.Large(r.Context()); err != nil {
			readOn(r)
			return nil, nil, err
		}
		_, err = buf.ReadFrom(io.LimitReader(r.Body, maxBody-smallBody+1))
	}
	switch {
	case err != nil:
		err = &api.Problem{Status: http.StatusBadRequest, Detail: "The body did not arrive whole: " + err.Error()}
	case max(r.ContentLength, int64(buf.Len())) > maxBody:
		err = tooLarge(r)
	case !hasPool(buf.Bytes()):
		err = badParam("pool", `is missing: the body must be one JSON object like {"pool": [{"sender": …, "receiver": …, "amount": …}]} (RFC 7493: no key twice, UTF-8 only)`)
	default:
		return buf.Bytes(), release, nil
	}
	release()
	return nil, nil, err
}

// readOn throws a refused body away, up to a bound, unless its client still waits to be told
// to send it. Closing while it sends would reset the connection, and the answer with it.
func readOn(r *http.Request) {
	if r.ContentLength <= maxBody || r.Header.Get("Expect") == "" {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 4*maxBody))
	}
}

func tooLarge(r *http.Request) error {
	readOn(r)
	return &api.Problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("The body has over %d bytes.", maxBody),
		WayOut: "Send the transactions in several requests."}
}

// hasPool reports whether a body is an object with transactions.
func hasPool(body []byte) bool {
	var v struct {
		Pool jsontext.Value `json:"pool"`
	}
	return json.Unmarshal(body, &v) == nil && len(v.Pool) > 0 && v.Pool.Kind() != 'n'
}
