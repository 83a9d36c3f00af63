package rest

import (
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger/proof"
	"foxchain/rpc/api"
)

// A route is one path under Root: an op over HTTP.
type route struct {
	path    string // behind Root
	op      string // and the operation's ID
	summary string
	params  []param
	takes   reflect.Type // what a POST has as its body; nil: it is a GET
	gives   reflect.Type // what the op's response is
	scope   string       // that a token needs
}

// A param is a parameter of a route, and how its text becomes an argument of the op.
type param struct {
	name  string
	doc   string
	shape string // the schema's type: string, integer or boolean
	// arg returns the argument's name and its JSON. nil: it is the parameter's name and
	// text.
	arg func(text string) (name string, value jsontext.Value)
}

func (p *param) inPath(rt *route) bool { return strings.Contains(rt.path, "{"+p.name+"}") }

// as returns an argument as its text is: a number, a boolean, or an object.
func as(name string) func(string) (string, jsontext.Value) {
	return func(text string) (string, jsontext.Value) {
		if v := jsontext.Value(text); v.IsValid() {
			return name, v
		}
		return name, quoted(text)
	}
}

func quoted(text string) jsontext.Value {
	v, _ := jsontext.AppendQuote(nil, text) // bytes that are not UTF-8 are replaced
	return v
}

var (
	limit = param{name: "limit", shape: "integer", doc: "How many items at most; as many as fit when absent"}
	start = func(doc string) param { return param{name: "start", shape: "integer", doc: doc} }
	items = func(doc string) param {
		return param{name: "items", shape: "boolean", doc: doc, arg: as("items")}
	}
	cursor = func(arg string) param {
		return param{name: "cursor", shape: "string", arg: as(arg),
			doc: "Where the rest begins: the next of the reply before, as it was, in JSON. The Link header of that reply has the whole URL"}
	}
)

// routes are all routes but those of events and of the document itself.
var routes = []route{
	{path: "info", op: "info", scope: "read", summary: "The node, its network, tip, pool and work", gives: reflect.TypeFor[api.Info]()},
	{path: "peers", op: "peers", scope: "read", summary: "The other nodes", gives: reflect.TypeFor[api.Peers]()},
	{path: "pool", op: "pool", scope: "read", summary: "Transactions that are in no block yet", gives: reflect.TypeFor[api.Pool](),
		params: []param{start("An arrival number"), limit, cursor("start")}},
	{path: "blocks", op: "blocks", scope: "read", summary: "Blocks of the chain, the lowest first", gives: reflect.TypeFor[api.Blocks](),
		params: []param{start("A height, negative: from the end"), limit, items("false: headers, with count in place of the items"), cursor("start")}},
	{path: "block/{block}", op: "block", scope: "read", summary: "One block, and how safe it is", gives: reflect.TypeFor[api.BlockReply](),
		params: []param{{name: "block", shape: "string", doc: "A height, negative: from the end, or a hash or its first digits"}}},
	{path: "tx/{id}", op: "tx", scope: "read", summary: "A transaction, and what became of it", gives: reflect.TypeFor[api.Receipt](),
		params: []param{{name: "id", shape: "string", doc: "A UUID or its first digits"}, {name: "sender", shape: "string", doc: "Only of this sender"}}},
	{path: "account/{account}", op: "account", scope: "read", summary: "An account's balance and history, newest first", gives: reflect.TypeFor[api.Account](),
		params: []param{{name: "account", shape: "string", doc: "A UUID or its first digits"}, limit, cursor("from")}},
	{path: "accounts", op: "accounts", scope: "read", summary: "The accounts of the chain and what they hold", gives: reflect.TypeFor[api.Accounts](),
		params: []param{{name: "by", shape: "string", doc: "account, or balance: the richest first"}, {name: "prefix", shape: "string", doc: "The first hex digits of accounts"}, limit, cursor("from")}},
	{path: "statement/{account}", op: "statement", scope: "read", summary: "An account's transactions as a statement needs them, newest first", gives: reflect.TypeFor[api.Statement](),
		params: []param{{name: "account", shape: "string", doc: "A UUID or its first digits"}, limit, cursor("from")}},
	{path: "proof/{id}", op: "proof", scope: "read", summary: "A file that proves offline that a transaction is in a block, and final if it is", gives: reflect.TypeFor[proof.Proof](),
		params: []param{{name: "id", shape: "string", doc: "A UUID or its first digits"}, {name: "sender", shape: "string", doc: "Only of this sender"}}},
	{path: "submit", op: "merge", scope: "submit", summary: "Submit transactions: those that are not named in the response are on disk",
		takes: reflect.TypeFor[api.Submit](), gives: reflect.TypeFor[api.Submitted]()},
}
