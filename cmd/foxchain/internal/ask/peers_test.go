package ask

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/rpc/api"
)

// TestPeersIsShort checks that a node is one line of at most 100 columns. Its reason is
// below, and the error behind that only with --full.
func TestPeersIsShort(t *testing.T) {
	id, long := "12D3KooW"+strings.Repeat("x", 44), strings.Repeat("a-long-name", 5)
	nodes := []api.Peer{
		{ID: id, Name: long, Connected: true, State: "connected", Direction: "in", LatencyMS: 123.4, Seen: 1e9, Blocks: 123456, Tip: strings.Repeat("ab", 32), Pool: 10000, Peers: 31,
			Addrs: []string{"/ip6/2001:db8:1234:5678:9abc:def0:1234:5678/tcp/19000/p2p/" + id}},
		{ID: id, Name: "fox", State: "missing", Missing: float64(time.Now().Unix() - 90), Reason: "does not answer: switched off", Detail: "dial tcp: i/o timeout"},
		{ID: id, Name: "new", State: "connected", Seen: 1e9, Tip: strings.Repeat("cd", 32)}, // without a block, so that it is the network's ID
		{State: "unresolved", Registered: []string{"ws://fox.example:9000/ws"}, Reason: "cannot be found"},
		{State: "stranger", Addrs: []string{"10.1.2.3"}, Reason: "it breaks off"},
	}
	var list []jsontext.Value
	for _, n := range nodes {
		raw, err := json.Marshal(n)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, raw)
	}
	print := func(full bool) string {
		var out strings.Builder
		if err := printPeers(&Flags{Labels: Labels{full: full}}, &out, list); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	short := print(false)
	for line := range strings.Lines(short) {
		if utf8.RuneCountInString(line) > 101 {
			t.Errorf("%d columns: %s", utf8.RuneCountInString(line)-1, line)
		}
	}
	for _, part := range []string{"missing 1m", "\n\nfox (…xxxxxxxx): does not answer: switched off\nws://fox.example:9000/ws: cannot be found\n10.1.2.3: it breaks off\n"} {
		if !strings.Contains(short, part) {
			t.Errorf("%q is missing in\n%s", part, short)
		}
	}
	if strings.Contains(short, "cdcd") {
		t.Errorf("a node without blocks has a tip:\n%s", short)
	}
	if strings.Contains(short, "i/o timeout") {
		t.Errorf("the raw error is shown:\n%s", short)
	}
	if whole := print(true); !strings.Contains(whole, "  dial tcp: i/o timeout\n") {
		t.Errorf("the raw error is missing in\n%s", whole)
	}
}
