package rpc

import (
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// A Scope is what a token lets its client do.
type Scope uint8

const (
	// Read lets a client read all state, and follow events.
	Read Scope = 1 << iota
	// Submit lets it submit transactions.
	Submit
	manage // all else: known nodes, blocks, and building
	// All is all of these, the scope of the node's own token.
	All = Read | Submit | manage
)

// ParseScope reads "read", "submit", "all", or the first two with a comma.
func ParseScope(text string) (Scope, error) {
	for _, s := range []Scope{Read, Submit, Read | Submit, All} {
		if text == s.String() {
			return s, nil
		}
	}
	return 0, fmt.Errorf("%q is no scope: it must be read, submit, read,submit or all", ledger.Shorten(text, 100))
}

func (s Scope) String() string {
	if s == All {
		return "all"
	}
	var names []string
	if s&Read != 0 {
		names = append(names, "read")
	}
	if s&Submit != 0 {
		names = append(names, "submit")
	}
	return strings.Join(names, ",")
}

// A Token is what a node knows of a token beside its own.
type Token struct {
	Name  string
	Scope Scope
}

// A grant is what a client may do.
type grant struct {
	Token
	given string // the scoped token, to be looked up again; empty for none
}

type grantKey struct{}

func withGrant(ctx context.Context, g *grant) context.Context {
	return context.WithValue(ctx, grantKey{}, g)
}

// grantOf returns the grant that the guard attached to a request.
func grantOf(r *http.Request) *grant { return r.Context().Value(grantKey{}).(*grant) }

// grantFor returns the grant of the first given token that is known, nil if none is.
func (a *access) grantFor(given []string) *grant {
	for _, token := range given {
		// In constant time, so that timing shows nothing of the token.
		if a.token != "" && subtle.ConstantTimeCompare([]byte(token), []byte(a.token)) == 1 {
			return &grant{Token: Token{Scope: All}}
		}
	}
	for _, token := range given {
		if known, ok := a.find(token, true); ok {
			return &grant{known, token}
		}
	}
	return nil
}

// revoked reports whether the token of a grant is no longer known. used is whether this
// counts as a use.
func (a *access) revoked(g *grant, used bool) bool {
	if g.given == "" {
		return false
	}
	_, ok := a.find(g.given, used)
	return !ok
}

const wordsRevoked = "the token was revoked"

// lacks returns why a grant does not have a scope that what needs, and what to do, or "".
func (g *grant) lacks(needs Scope, what string) (why api.Reason, wayOut string) {
	if g.Scope&needs == needs {
		return why, ""
	}
	if needs == manage {
		needs = All
	}
	return api.Why("scope", "name", strconv.Quote(g.Name), "has", g.Scope.String(), "what", what, "needs", needs.String()),
		fmt.Sprintf("Use a token that has it. To make one, on the node's machine: foxchain token add NAME --scope %s -r DIRECTORY.", needs)
}

// mayUse returns the error for a client whose token lacks the scope that an op needs.
func (g *grant) mayUse(needs Scope, what string) error {
	if why, wayOut := g.lacks(needs, what); wayOut != "" {
		reason := why.String()
		return &opError{status: http.StatusForbidden, lacks: needs, text: strings.ToUpper(reason[:1]) + reason[1:] + ". " + wayOut}
	}
	return nil
}

// lacksScope refuses a request as in RFC 6750, section 3.1.
func lacksScope(g *grant, needs Scope, what string) *refusal {
	why, wayOut := g.lacks(needs, what)
	if wayOut == "" {
		return nil
	}
	ref := refuse(http.StatusForbidden, "scope", why, wayOut)
	ref.challenge = fmt.Sprintf(`Bearer realm="foxchain", error="insufficient_scope", scope=%q`, why.Args["needs"])
	return ref
}
