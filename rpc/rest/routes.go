package rest

import (
	_ "embed"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// document describes all routes and what they give, for generators of clients. A test
// compares it with the table of routes and with the shapes of package api.
//
//go:embed openapi.json
var document string

// A route is one path under Root: an op over HTTP.
type route struct {
	path   string // behind Root
	op     string
	params []param
	body   bool // it takes one, as a POST, and else it is a GET
}

// A param is a parameter of a route: of its query, unless the path has it.
type param struct {
	name string
	arg  string // of the op
	json bool   // its text is JSON where it is valid: a number, a boolean or an object
}

func (p *param) inPath(rt *route) bool { return strings.Contains(rt.path, "{"+p.name+"}") }

// as returns parameters that are called as their arguments are.
func as(names ...string) (list []param) {
	for _, name := range names {
		list = append(list, param{name, name, name == "items"})
	}
	return list
}

// paged returns the parameters of a list that goes on at the argument from.
func paged(from string, others ...string) []param {
	return append(as(append(others, "limit")...), param{"cursor", from, true})
}

func quoted(text string) jsontext.Value {
	v, _ := jsontext.AppendQuote(nil, text) // bytes that are not UTF-8 are replaced
	return v
}

// routes are all routes but those of events and of the document itself.
var routes = []route{
	{path: "info", op: "info"},
	{path: "peers", op: "peers"},
	{path: "pool", op: "pool", params: paged("start", "start")},
	{path: "blocks", op: "blocks", params: paged("start", "start", "items")},
	{path: "block/{block}", op: "block", params: as("block")},
	{path: "tx/{id}", op: "tx", params: as("id", "sender")},
	{path: "account/{account}", op: "account", params: paged("from", "account")},
	{path: "accounts", op: "accounts", params: paged("from", "by", "prefix")},
	{path: "statement/{account}", op: "statement", params: paged("from", "account")},
	{path: "proof/{id}", op: "proof", params: as("id", "sender")},
	{path: "submit", op: "merge", body: true},
}
