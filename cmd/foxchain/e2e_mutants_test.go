package main_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestMutants sends a real node thousands of right and wrong messages with a
// few characters changed, cut out, doubled or swapped. Every one is answered, on the
// same connection, and what the node accepted is what it reports as accepted.
func TestMutants(t *testing.T) {
	onLoopback(t, func(t *testing.T, h *host) {
		n := startNode(t, h, t.TempDir(), "-p", strconv.Itoa(h.base), "--mdns=false", "-k", "3", "-t", "10ms")
		c := n.connect()
		seeds := []string{
			`{"op":"pool","args":{"start":0,"limit":3},"id":{"a":[1,2.5,null,"\u00e9"]}}`,
			`{"op":"blocks","args":{"start":"-2","limit":1}}`,
			`{"op":"merge","args":{"pool":[` + issue(1, 3000) + `,` + issue(2, 2000) + `]}}`,
			`{"op":"merge","args":{"blocks":[{"items":[` + issue(3, 1) + `],"prev_hash":null}]}}`,
			`{"op":"tx","args":{"id":"` + numbered(1) + `"}}`,
			`{"op":"account","args":{"id":"` + numbered(1) + `"}}`,
			`{"op":"block","args":{"height":0}}`,
			`{"op":"submit","args":{"number":1,"nonce":"0000000000000000"}}`,
			`{"op":"template"}`, `{"op":"peers"}`, `{"op":"info"}`, `{"op":"time"}`,
			``, `not JSON`, `{"op":"pool"`, `{"op":"pool"} {"op":"pool"}`, `{'op': 'pool'}`, `{"op":"pool","args":{"start":NaN}}`,
			`{"op":"pool","op":"blocks"}`, `{}`, `{"args":{}}`, `{"op":7}`, `{"op":"x","id":7}`, `{"op":"merge","args":{}}`, `{"op":"register"}`,
		}
		const seed = 1
		random := rand.New(rand.NewPCG(seed, seed))
		for range 5000 {
			// Text that is not UTF-8 ends a connection (RFC 6455 section 8.1).
			message := strings.ToValidUTF8(mutate(random, seeds), "\ufffd")
			if r := c.ask(message); !slices.Contains([]int{200, 202, 404, 500}, r.Status) || r.Error == "" {
				t.Errorf("%q\nanswered %.500s", message, r.text)
			}
		}
		all := append(chained(c.blocks()), ids(c.pool())...)
		slices.Sort(all)
		if len(all) == 0 || len(slices.Compact(all)) != len(all) {
			t.Errorf("in blocks and pool there are %v: none, or one twice", all)
		}
	})
}

// mutate changes a seed in one to three places.
func mutate(random *rand.Rand, seeds []string) string {
	message := []byte(seeds[random.IntN(len(seeds))])
	for range 1 + random.IntN(3) {
		at := random.IntN(len(message) + 1)
		end := min(len(message), at+random.IntN(8))
		other := seeds[random.IntN(len(seeds))]
		var insert string
		switch random.IntN(6) {
		case 0: // cut out
		case 1: // double
			insert = strings.Repeat(string(message[at:end]), 2)
		case 2: // any byte
			insert = string([]byte{byte(random.IntN(256))})
		case 3: // a piece of another
			from := random.IntN(len(other) + 1)
			insert = other[from:min(len(other), from+random.IntN(20))]
		case 4: // what parsers stumble over
			hard := []string{`\u0000`, `\ud800`, "\x00", "1e999", "-0", "[[[[", "}}", `"`, "9007199254740993", "null", "\xc0\xaf"}
			insert = hard[random.IntN(len(hard))]
		case 5: // a digit
			insert = strconv.Itoa(random.IntN(10))
		}
		message = slices.Concat(message[:at], []byte(insert), message[end:])
	}
	return string(message)
}
