package rpc

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/rest"
)

// access decides which requests are admitted. A web page that a user visits
// can reach 127.0.0.1 too, so a local address alone proves nothing:
//
//  1. The Host header must be localhost, an IP literal or a configured name. It defeats
//     DNS rebinding, where a foreign name points at this machine. Browsers always send a
//     Host. HTTP/1.0 health checks may not, so /healthz and /readyz answer without one.
//  2. Off loopback every client needs the token. So does a request that a proxy forwards,
//     since it comes from loopback and may have been sent from anywhere.
//  3. A web origin that is not the node's own needs the token, or to be configured. Most
//     programs send no Origin, and web pages cannot leave it out. Some libraries send
//     their own URL, so host and port of the request itself are admitted in http, https,
//     ws and wss, and with the path / or /ws. Two Origin headers are refused. A request
//     that another site's page makes without an Origin is refused too, except for files
//     of the page and health checks.
//  4. A token that a client gives must be known, also on loopback, and its scope bounds
//     what the client may do. Without a token a local client may do all.
type access struct {
	token   string                                      // the node's own; empty if it has none
	find    func(given string, used bool) (Token, bool) // as Config.Tokens
	hosts   map[string]bool
	origins map[string]bool
}

func newAccess(token string, find func(string, bool) (Token, bool), hosts, origins []string) (*access, error) {
	a := &access{token: token, find: find, hosts: make(map[string]bool), origins: make(map[string]bool)}
	for _, h := range hosts {
		if err := CheckHost(h); err != nil {
			return nil, fmt.Errorf("host %q: %w", h, err)
		}
		a.hosts[plainHost(h)] = true
	}
	for _, o := range origins {
		if err := CheckOrigin(o); err != nil {
			return nil, fmt.Errorf("origin %q: %w", o, err)
		}
		form, _ := parseOrigin(o)
		a.origins[form.text()] = true
	}
	return a, nil
}

// CheckHost returns what a host of Config must be, nil if h is that.
func CheckHost(h string) error {
	if !isHostName(h) {
		return errors.New("must be a name like node.lan, without port")
	}
	return nil
}

// CheckOrigin returns what an origin of Config must be, nil if o is that.
func CheckOrigin(o string) error {
	if !isOrigin(o) {
		return errors.New("must be as browsers send it, like http://wiki.lan:8080 or null")
	}
	return nil
}

func isHostName(h string) bool { return h != "" && !strings.ContainsAny(h, ":/@*") }

func isOrigin(o string) bool {
	form, ok := parseOrigin(o)
	return ok && len(form.path) <= 1
}

// A refusal is why a request may not pass, and how it could.
type refusal struct {
	status    int    // 421 for the Host, 401 for the token, 403 for origin and scope
	kind      string // for the metric: host, token, origin, scope
	wayOut    string
	challenge string // the WWW-Authenticate of a 401
	at        time.Time
	api.Refusal
}

// pathScopes are the scopes that a token needs for routes other than ops.
var pathScopes = map[string]Scope{"/metrics": Read, "/backup": manage}

// check returns what the client of a request may do, or why the request is refused.
func (a *access) check(r *http.Request) (*grant, *refusal) {
	host, port := splitHost(r.Host)
	if !a.knowsHost(host) && !(r.Host == "" && isHealthCheck(r)) {
		return nil, refuse(http.StatusMisdirectedRequest, "host", api.Why("host", "name", strconv.Quote(ledger.Shorten(r.Host, 100))),
			"Use localhost or its IP address in the URL (IPv6 in brackets: [::1]), or start the node with --ws-host "+nameOr(host, "NAME", isHostName)+".")
	}
	given := tokens(r)
	given = given[:min(len(given), maxGiven)]
	if g := a.grantFor(given); g != nil {
		return g, lacksScope(g, pathScopes[r.URL.Path], r.URL.Path)
	}
	origins := r.Header.Values("Origin")
	switch {
	case len(origins) > 1, len(origins) == 1 && !a.mayAsk(origins[0], host, port):
		from := ledger.Shorten(strings.Join(origins, ", "), 100)
		ref := refuse(http.StatusForbidden, "origin", api.Why("origin", "origin", strconv.Quote(from)),
			"Start the node with --ws-origin "+nameOr(from, "ORIGIN", isOrigin)+", or "+wayOfToken)
		ref.Origin = from
		return nil, ref
	case isPageFile(r), isPreflight(r):
		return new(grant), nil
	case ofAnotherSite(r):
		return nil, refuse(http.StatusForbidden, "origin", api.Why("site"), "Open the address yourself, or "+wayOfToken)
	case isForwarded(r):
		return nil, needsToken("proxy", given)
	case !isLocal(r):
		return nil, needsToken("remote", given)
	case len(given) > 0:
		return nil, needsToken("wrong-token", given)
	}
	return &grant{Token: Token{Scope: All}}, nil
}

func refuse(status int, kind string, why api.Reason, wayOut string) *refusal {
	return &refusal{status: status, kind: kind, wayOut: wayOut, Refusal: api.Refusal{Reason: why.String(), Why: why}}
}

// needsToken refuses a request as in RFC 6750, section 3.
func needsToken(code string, given []string) *refusal {
	challenge := `Bearer realm="foxchain"`
	if len(given) > 0 {
		code = "wrong-token"
		challenge += `, error="invalid_token"`
	}
	ref := refuse(http.StatusUnauthorized, "token", api.Why(code), strings.ToUpper(wayOfToken[:1])+wayOfToken[1:])
	ref.challenge = challenge
	return ref
}

const wayOfToken = "give the node's token: ?token=… in the URL, an \"Authorization: Bearer …\" header, or #token=… for " +
	"its page. It stands in the file \"token\" of the node's data directory. For one that may do less: foxchain token add."

func (a *access) knowsHost(host string) bool {
	if isIP(host) || host == "localhost" {
		return true
	}
	return a.hosts[host]
}

// maxGiven is how many tokens of one request are looked up, since that may read from
// disk.
const maxGiven = 4

// tokens returns the tokens that a request gives, in its URL or by the scheme Bearer.
func tokens(r *http.Request) []string {
	given := r.URL.Query()["token"]
	for _, credentials := range r.Header.Values("Authorization") {
		if scheme, value, _ := strings.Cut(credentials, " "); strings.EqualFold(scheme, "Bearer") {
			given = append(given, strings.TrimSpace(value))
		}
	}
	return slices.DeleteFunc(given, func(token string) bool { return token == "" })
}

// mayAsk reports whether an origin is admitted. It compares parts, never the beginning of
// the text.
func (a *access) mayAsk(text, host, port string) bool {
	o, ok := parseOrigin(text)
	if !ok {
		return false
	}
	switch o.scheme {
	case "chrome-extension", "moz-extension", "safari-web-extension":
		return o.host != "" // set by browsers; a page cannot send it
	case "http", "https", "ws", "wss":
		if o.path == "/ws" {
			o.path = ""
		}
		if port == "" {
			port = defaultPort(o.scheme) // an https origin: the node is behind a TLS proxy
		}
		if o.port == port && sameHost(o.host, host) && len(o.path) <= 1 {
			return true
		}
	}
	return len(o.path) <= 1 && a.origins[o.text()]
}

// An origin is a web origin by its parts (RFC 6454 section 7). "null" and
// "file://" have a scheme only. No browser sends a path.
type origin struct{ scheme, host, port, path string }

func parseOrigin(text string) (origin, bool) {
	if text == "null" {
		return origin{scheme: "null"}, true
	}
	u, err := url.Parse(zone.ReplaceAllString(text, "$1]"))
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.User != nil ||
		u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(text, "#") {
		return origin{}, false
	}
	o := origin{scheme: u.Scheme, host: plainHost(u.Hostname()), port: u.Port(), path: u.Path}
	if o.host == "" && o.scheme != "file" {
		return origin{}, false
	}
	if o.port == "" {
		o.port = defaultPort(o.scheme)
	}
	return o, true
}

func (o origin) text() string { return o.scheme + "://" + net.JoinHostPort(o.host, o.port) }

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	}
	return ""
}

// splitHost divides a Host header into the host in its plain form, and the port or
// nothing.
func splitHost(hostport string) (host, port string) {
	u, err := url.Parse("//" + zone.ReplaceAllString(hostport, "$1]"))
	if err != nil || strings.ContainsAny(hostport, `/\@?#`) {
		return "", ""
	}
	return plainHost(u.Hostname()), u.Port()
}

// zone matches the zone of an IPv6 literal. It is valid on one machine only, and clients
// write it in a Host with % or %25.
var zone = regexp.MustCompile(`^((?:[a-z]+://)?\[[0-9a-fA-F:.]+)%[0-9A-Za-z._~-]+\]`)

// plainHost returns the plain form of a host: a name in lower case without a final dot,
// or an IP address without zone and brackets.
func plainHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

// sameHost reports whether hosts are equal, or both names of this machine's loopback.
func sameHost(a, b string) bool { return a == b || isLoopbackName(a) && isLoopbackName(b) }

func isLoopbackName(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1"
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// isLocal reports whether both ends of the connection are loopback addresses.
func isLocal(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && isLoopbackAddr(local.String()) && isLoopbackAddr(r.RemoteAddr)
}

// isForwarded reports whether a header shows that a proxy forwards the request for
// another client (RFC 7239, RFC 9110 section 7.6.3, and older headers).
func isForwarded(r *http.Request) bool {
	for name := range r.Header {
		switch {
		case name == "Forwarded", name == "Via", name == "X-Real-Ip", strings.HasPrefix(name, "X-Forwarded-"),
			name == "X-Client-Ip", name == "True-Client-Ip", name == "Cf-Connecting-Ip":
			return true
		}
	}
	return false
}

func isLoopbackAddr(addr string) bool {
	ap, err := netip.ParseAddrPort(addr)
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// isPageFile reports whether a request asks for a file of the page. These hold nothing of
// the node. They need no token, since a browser does not send "#token=" to a server, and
// only the loaded page can read it.
func isPageFile(r *http.Request) bool {
	if isHealthCheck(r) || r.URL.Path == "/ws" || r.URL.Path == "/metrics" || r.URL.Path == "/backup" || rest.Has(r) {
		return false
	}
	return r.Method == http.MethodGet || r.Method == http.MethodHead
}

// isPreflight reports whether a request is a browser's preflight for a request with a
// token. The answer holds nothing of the node.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && rest.Has(r) && r.Header.Get("Access-Control-Request-Method") != ""
}

// ofAnotherSite reports whether another site's page makes the request without an Origin,
// as for an image or a frame (W3C Fetch Metadata). That page cannot read the answer, but
// could make the node work. Health checks are open to all.
func ofAnotherSite(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return (site == "cross-site" || site == "same-site") && r.Header.Get("Origin") == "" && !isHealthCheck(r)
}

func isHealthCheck(r *http.Request) bool { return r.URL.Path == "/healthz" || r.URL.Path == "/readyz" }

// nameOr returns text if it can be copied into a command line and the flag there takes
// it, else other.
func nameOr(text, other string, takes func(string) bool) string {
	for _, c := range text {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/[]", c) {
			return other
		}
	}
	if len(text) > 200 || !takes(text) {
		return other
	}
	return text
}

// refusalLog keeps the last refusal for status events, and keeps clients from filling the
// log. The same refusal is logged once in 10 s, and at most 16 different ones in that
// time.
type refusalLog struct {
	mu      sync.Mutex
	changed chan struct{}
	total   uint64
	last    *refusal
	logged  map[string]time.Time // by kind and reason, at most maxLogged
}

const (
	maxLogged = 16               // different refusals that are logged in this time
	logAgain  = 10 * time.Second // until the same refusal is logged again
)

func newRefusalLog() *refusalLog {
	return &refusalLog{changed: make(chan struct{}), logged: make(map[string]time.Time)}
}

// add records a refusal and reports whether it is worth a log line.
func (n *refusalLog) add(ref *refusal, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.total++
	n.last = ref
	close(n.changed)
	n.changed = make(chan struct{})

	key := ref.kind + " " + ref.Reason
	if t, ok := n.logged[key]; ok && now.Sub(t) < logAgain {
		return false
	}
	maps.DeleteFunc(n.logged, func(_ string, t time.Time) bool { return now.Sub(t) >= logAgain })
	if len(n.logged) >= maxLogged {
		return false
	}
	n.logged[key] = now
	return true
}

func (n *refusalLog) read() (total uint64, last *refusal, changed <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.total, n.last, n.changed
}
