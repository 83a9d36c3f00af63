package rpc

import (
	"compress/gzip"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/rpc/api"
)

// branches lists what lost against the chain.
func TestBranches(t *testing.T) {
	l := newLab(t).start()
	c := l.client()
	c.wants(`{"op":"branches"}`, `{"status":200,"error":"OK","response":{"headers":[]}}`)
	l.submit(mint(1, 1))
	first := l.build()
	l.submit(mint(2, 1))
	lost := l.build()
	side := l.extend(l.header(first, mint(3, 1)), []*ledger.Transaction{mint(3, 1)})
	l.extend(l.header(side, mint(4, 1)), []*ledger.Transaction{mint(4, 1)})

	hashes := func(args string) (out []string) {
		for _, h := range response[struct {
			Headers []blockJSON `json:"headers"`
		}](c, `{"op":"branches","args":`+args+`}`).Headers {
			out = append(out, h.Hash)
		}
		return out
	}
	want := []string{lost.Hash().String()}
	for args, want := range map[string][]string{`{}`: want, `{"start":1}`: want, `{"start":-2,"limit":1}`: want, `{"start":2}`: nil, `{"start":-1}`: nil} {
		if got := hashes(args); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", args, got, want)
		}
	}
	if in := response[api.Info](c, `{"op":"info"}`); in.Side != 1 {
		t.Errorf("info has %d side headers", in.Side)
	}
	c.wants(`{"op":"branches","args":{"limit":1001}}`,
		`{"status":500,"error":"args.limit: must be an integer from 1 to 1000","response":null}`)
}

// blocks returns headers where the transactions are not wanted.
func TestBlocksWithoutItems(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 1), mint(2, 1))
	b := l.build()
	got := response[struct {
		Blocks []blockJSON `json:"blocks"`
	}](l.client(), `{"op":"blocks","args":{"items":false}}`).Blocks
	if len(got) != 1 || got[0].Hash != b.Hash().String() || got[0].Count != 2 || got[0].Items != nil {
		t.Errorf("%+v", got)
	}
}

// samples follow the chain, also where a branch is left.
func TestSamples(t *testing.T) {
	l := newLab(t)
	l.submit(mint(1, 1))
	first := l.build() // before the server started, so not counted
	l.s.sampler.at = chain.Cursor{Next: 1, Last: first.Hash()}
	hour := &l.s.sampler.hour
	want := func(blocks uint64, txs int64, pool, peers int) {
		t.Helper()
		if err := l.s.sampler.take(); err != nil {
			t.Fatal(err)
		}
		i := len(hour.Time) - 1
		if hour.Blocks[i] != blocks || hour.Txs[i] != txs || hour.Pool[i] != pool || hour.Peers[i] != peers {
			t.Errorf("sample %d of %+v", i, hour)
		}
	}
	l.submit(mint(2, 1), mint(3, 1))
	l.build()
	l.net.set(api.Peer{ID: "a", Connected: true}, api.Peer{ID: "b"})
	want(2, 2, 0, 1)
	side := l.extend(l.header(first, mint(4, 1)), []*ledger.Transaction{mint(4, 1)})
	l.extend(l.header(side, mint(5, 1), mint(6, 1)), []*ledger.Transaction{mint(5, 1), mint(6, 1)})
	want(3, 3, 2, 1) // after a reorg
	for range maxSamples {
		want(3, 3, 2, 1)
	}
	if len(hour.Time) != maxSamples || len(hour.Bytes) != maxSamples || !slices.IsSorted(hour.Time) {
		t.Errorf("%d samples, or not in order", len(hour.Time))
	}
	l.start(func(lim *limits) { lim.sample = time.Hour })
	r := response[api.Samples](l.client(), `{"op":"samples"}`)
	if len(r.Time) != maxSamples || len(r.Txs) != maxSamples || r.Txs[0] != 3 || r.Bytes[0] != 5 {
		t.Errorf("the reply: %d times, %d counts", len(r.Time), len(r.Txs))
	}
}

// TestLinks checks that a link is there when both ends are, and report it.
func TestLinks(t *testing.T) {
	nodes := []api.Peer{
		{ID: "a", Connected: true, Links: []string{"self", "b", "c", "unknown"}},
		{ID: "b", Connected: true, Links: []string{"a", "c", "b"}},     // it does not report us
		{ID: "c", State: "heard of", Links: []string{"b", "self"}},     // of its link to us we know better
		{ID: "d", State: "missing", Links: []string{"self", "a", "e"}}, // what it reported is past
		{ID: "e", Connected: true},                                     // its peers are not known yet
		{Registered: []string{"ws://x/ws"}},
	}
	want := [][2]int{{0, 1}, {0, 5}, {1, 2}, {2, 3}}
	if got := links("self", nodes); !slices.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	var crowd []api.Peer
	var all []string
	for n := range 200 {
		all = append(all, numbered(n).String())
	}
	for _, id := range all {
		crowd = append(crowd, api.Peer{ID: id, State: "heard of", Links: all})
	}
	if got := len(links("self", crowd)); got != maxLinks {
		t.Errorf("%d links of a crowd", got)
	}
}

// The page's files come compressed to clients that can read that, and none but them are served.
func TestPageFiles(t *testing.T) {
	l := newLab(t).start()
	res := l.get("/app.js", "", http.Header{"Accept-Encoding": {"gzip"}})
	if res.Header.Get("Content-Encoding") != "gzip" || res.Header.Get("Content-Security-Policy") != "default-src 'self'" {
		t.Errorf("headers: %v", res.Header)
	}
	z, err := gzip.NewReader(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil || !strings.Contains(string(text), "import") {
		t.Errorf("app.js: %d bytes, %v", len(text), err)
	}
	for accepted, want := range map[string]string{"gzip;q=0": "", "br, GZIP ; Q=0.5": "gzip", "gzip; q=0.000, *": "", "deflate,gzip;q=1": "gzip", "x-gzip": ""} {
		if got := l.get("/app.js", "", http.Header{"Accept-Encoding": {accepted}}).Header.Get("Content-Encoding"); got != want {
			t.Errorf("to a client that accepts %q it comes in %q", accepted, got)
		}
	}
	plain := l.get("/app.js", "", http.Header{"Accept-Encoding": {"identity"}})
	if b, err := io.ReadAll(plain.Body); err != nil || string(b) != string(text) {
		t.Errorf("uncompressed it is another file: %d bytes, %v", len(b), err)
	}
	for _, path := range []string{"/testdata/home.png", "/web/app.js", "/views", "/nothing"} {
		if res := l.get(path, "", nil); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}
