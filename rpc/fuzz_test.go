package rpc

import (
	"context"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// FuzzMessage throws messages at the ops. Whatever comes, the reply is one
// JSON object with a status, and of a bounded size.
func FuzzMessage(f *testing.F) {
	l := newLab(f)
	l.submit(mint(1, 3000), mint(2, 2000))
	block := l.build()
	l.submit(mint(3, 1000))
	for _, seed := range []string{
		``, `{}`, `[]`, `{"op":"time"}`, `{"op":"pool","args":{"start":"0","limit":1},"id":[1]}`,
		`{"op":"blocks","args":{"start":-1}}`, `{"op":"peers"}`, `{"op":"info","args":null}`,
		`{"op":"register","args":{"addr":["ws://localhost:9001/ws"]}}`, mergePool(mint(4, 1)),
		`{"op":"merge","args":{"blocks":[` + string(block.AppendJSON(nil)) + `]}}`,
		`{"op":"merge","args":{"blocks":[{"items":[` + txJSON(mint(5, 1)) + `],"prev_hash":null}]}}`,
		`{"op":"tx","args":{"id":"00000000-0000-0000-0000-000000000001","sender":null}}`,
		`{"op":"block","args":{"height":0}}`, `{"op":"block","args":{"hash":"` + block.Hash().String() + `"}}`,
		`{"op":"account","args":{"account":"00000000-0000-0000-0000-000000000001","limit":1,"from":{"height":0,"index":0}}}`,
		`{"op":"template","args":{"items":false}}`, `{"op":"submit","args":{"number":1,"nonce":"0000000000000000"}}`,
		`{"op":"subscribe","args":{"events":["block"],"from":-1}}`,
		strings.Repeat(`{"op":`, 20_000), strings.Repeat("[", 20_000), "{\"op\":\"\xff\xfe\"}", `{"op":"\ud800"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		out := &reply{limit: l.s.limits.reply}
		l.s.ops.answer(context.Background(), &request{host: "localhost:9000", grant: &grant{Token: Token{Scope: All}}, json: new(reader)}, msg, out)
		var r struct {
			Status int     `json:"status"`
			Error  *string `json:"error"`
		}
		if err := json.Unmarshal(out.buf, &r); err != nil {
			t.Fatalf("%q: %v in %.300s", msg, err, out.buf)
		}
		switch r.Status {
		case 200, 202, 404, 500:
		default:
			t.Errorf("%q: status %d", msg, r.Status)
		}
		if r.Error == nil || len(out.buf) > l.s.limits.reply {
			t.Errorf("%q: reply %.300s", msg, out.buf)
		}
	})
}
