package ledger

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// originalForm returns a block as the original wrote it, with items and prev_hash only.
func originalForm(block string) string {
	items, _, found := strings.Cut(block, `,"hash":`)
	if !found {
		panic("not a sealed block: " + block)
	}
	return items + "}"
}

func TestParseBlocksForms(t *testing.T) {
	net := defaultNetwork(t)
	v := readVectors(t).Blocks
	list := "[" + v[0].JSON + "," + v[1].JSON + "," + originalForm(v[0].JSON) + "," + originalForm(v[1].JSON) + "]"
	blocks, err := ParseBlocks(net, jsontext.Value(list), 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if (b.Sealed != nil) != (i < 2) {
			t.Errorf("block %d sealed: %t", i, b.Sealed != nil)
		}
		want := net.ID()
		if i%2 > 0 {
			want = v[0].Hash
		}
		if b.Parent == nil || *b.Parent != want {
			t.Errorf("block %d has parent %v", i, b.Parent)
		}
		if want := len(v[i%2].Links); len(b.Txs) != want {
			t.Errorf("block %d holds %d transactions, want %d", i, len(b.Txs), want)
		}
	}
	// prev_hash may be absent, keys come in any order, hex in either case.
	reordered := `[{"prev_hash":null,` + strings.TrimPrefix(strings.Replace(v[0].JSON, `"prev_hash":null,"hash"`, `"hash"`, 1), "{") + "]"
	reordered = strings.Replace(reordered, v[0].Hash.String(), strings.ToUpper(v[0].Hash.String()), 1)
	if _, err := ParseBlocks(net, jsontext.Value(reordered), 1); err != nil {
		t.Error(err)
	}
	foreign := strings.Replace(originalForm(v[1].JSON), v[0].Hash.String(), strings.Repeat("0a", 20), 1)
	if got, err := ParseBlocks(net, jsontext.Value("["+foreign+"]"), 1); err != nil || got[0].Parent != nil {
		t.Errorf("the original's prev_hash: %+v, %v", got, err)
	}
	absent := strings.Replace(originalForm(v[0].JSON), `],"prev_hash":null}`, "]}", 1)
	if _, err := ParseBlocks(net, jsontext.Value("["+absent+"]"), 1); err != nil {
		t.Error(err)
	}
}

func TestParseBlocksRefuses(t *testing.T) {
	net := defaultNetwork(t)
	v := readVectors(t).Blocks
	first, second := v[0].JSON, v[1].JSON
	hash, link := v[0].Hash.String(), v[0].Links[0].String()
	swap := func(block, old, new string) string {
		t.Helper()
		if !strings.Contains(block, old) {
			t.Fatalf("%s does not contain %s", block, old)
		}
		return strings.Replace(block, old, new, 1)
	}
	cut := func(key string) string { // the first block without a key
		_, rest, found := strings.Cut(first, `,"`+key+`":`)
		if !found {
			t.Fatalf("no %s", key)
		}
		value := rest[:strings.IndexAny(rest, ",}")]
		return swap(first, `,"`+key+`":`+value, "")
	}
	zeros := strings.Repeat("0", 128)

	cases := map[string]string{
		`7`:                           "blocks[0]: must be a block: an object with items and prev_hash",
		`{}`:                          "blocks[0].items: must be given",
		`{"items":[]}`:                "blocks[0].items: must be 1 to 10000 transactions",
		`{"items":7}`:                 "blocks[0].items: must be a list of transactions",
		`{"items":[7]}`:               "blocks[0].items[0]: must be a transaction",
		`{"items":[` + minimal + `]}`: "blocks[0].items[0].id: must be given inside a block",
		`{"items":[` + withField(`"id":`+oneUUID) + `]}`:                      "blocks[0].items[0].t: must be given inside a block",
		first + "," + swap(second, `"amount":`, `"amount":0`):                 "blocks[1]",
		first + "," + swap(second, `"amount":9`, `"amount":-9`):               "blocks[1].items[0].amount: must be an integer",
		swap(first, `"items"`, `"Items"`):                                     "blocks[0].Items: is not a key here: the keys are items, prev_hash, hash",
		swap(first, `"version"`, `"count":4,"version"`):                       "blocks[0].count: is not a key here",
		swap(first, `"version":1`, `"version":1,"version":1`):                 "blocks[0].version: must not be given twice",
		swap(first, `"version":1`, `"version":2`):                             "blocks[0].hash: must be the SHA-256 of this block's header",
		swap(first, `"version":1`, `"version":256`):                           "blocks[0].version: must be 1",
		swap(first, `"version":1`, `"version":null`):                          "blocks[0].version: must not be null",
		swap(first, `"height":0`, `"height":1`):                               "blocks[0].prev_hash: must be the hash of the block below",
		swap(first, `"height":0`, `"height":0.0`):                             "blocks[0].height: must be an integer",
		swap(second, `"height":1`, `"height":0`):                              "blocks[0].prev_hash: must be null at height 0",
		swap(second, `"prev_hash":"`+hash, `"prev_hash":"`+zeros[:64]):        "blocks[0].hash: must be the SHA-256",
		swap(second, `"prev_hash":"`+hash, `"prev_hash":"`+hash[2:]):          "blocks[0].prev_hash: must be 64 hex digits, not 62",
		swap(first, `"hash":"`+hash, `"hash":"`+zeros[:64]):                   "blocks[0].hash: must be the SHA-256 of this block's header on this network, which is " + hash,
		swap(first, `"time":1620811776000`, `"time":1620811776001`):           "blocks[0].hash: must be the SHA-256",
		swap(first, `"time":1620811776000`, `"time":9007199254740992`):        "blocks[0].hash: must be the SHA-256",
		swap(first, `"prev_hash":"`+link, `"prev_hash":"`+zeros[:40]):         "blocks[0].items[1].prev_hash: must be " + link,
		swap(first, `"prev_hash":"`+link+`"`, `"prev_hash":null`):             "blocks[0].items[1].prev_hash: must be " + link,
		swap(first, `"prev_hash":null`, `"prev_hash":"`+link+`"`):             "blocks[0].items[0].prev_hash: must be null in the first item of a block",
		swap(originalForm(second), `"prev_hash":"`+hash+`"`, `"prev_hash":7`): "blocks[0].prev_hash: must be text",
		swap(originalForm(first), `"amount":1,`, `"amount":2,`):               "blocks[0].items[1].prev_hash: must be ",
		first + "]": "blocks: must be one JSON value",
		swap(first, `"version"`, `"7":1,"version"`):     "blocks[0].7: is not a key here",
		swap(first, `{"items":[{`, `{"items":[{"7":1,`): "blocks[0].items[0].7: is not a key of a transaction",
	}
	cases[swap(originalForm(first), `{"items"`, `{"hash":"`+hash+`","items"`)] = "blocks[0].signature: must be given: a sealed block (this one has hash)"
	nulls := `{"` + strings.Join(sealKeys, `":null,"`) + `":null,"items"` // a seal of which no key has a value
	cases[swap(originalForm(first), `{"items"`, nulls)] = "blocks[0].hash: must not be null"
	for _, key := range sealKeys {
		cases[swap(originalForm(first), `{"items"`, `{"`+key+`":null,"items"`)] = "blocks[0]." + key + ": must not be null"
		cases[cut(key)] = "blocks[0]." + key + ": must be given: a sealed block"
		if key != "hash" {
			cases[swap(originalForm(first), `{"items"`, `{"`+key+`":[],"items"`)] = "blocks[0]." + key + ": must be"
		}
	}
	for blocks, want := range cases {
		wantBlocksError(t, net, "["+blocks+"]", want)
	}
	wantBlocksError(t, net, `{"items":[]}`, "blocks: must be a list of blocks")
	wantBlocksError(t, net, strings.Repeat("[", 200_000), "blocks[0]")
	wantBlocksError(t, net, "["+strings.Repeat(originalForm(first)+",", 4)+first+"]", "blocks: must hold at most 4 blocks")
	wantBlocksError(t, mustNetwork(t, Network{Name: "other", Bits: 16}), "["+first+"]", "blocks[0].hash: must be the SHA-256 of this block's header on this network")

	tooMany := `{"items":[` + strings.Repeat(withField(`"t":1,"id":`+oneUUID)+",", MaxBlockTxs) + withField(`"t":1,"id":`+oneUUID) + "]}"
	wantBlocksError(t, net, "["+tooMany+"]", "blocks[0].items: must be 1 to 10000 transactions")
}

// TestGivenBlockCheck checks that a block with the right hash is checked as any other.
func TestGivenBlockCheck(t *testing.T) {
	key, stranger := seedKey(t, seedA), seedKey(t, seedB)
	net := mustNetwork(t, Network{Name: "test", Bits: 6, Builders: []PublicKey{publicKey(key)}})
	good := sealedBlock(t, net, key, someTxs(2))
	for _, c := range []struct {
		name string
		edit func(b *Block)
		want string // empty: valid
	}{
		{"valid", func(*Block) {}, ""},
		{"version", func(b *Block) { b.Version = 2 }, "version: must be 1, not 2"},
		{"bits", func(b *Block) { b.Bits = 5 }, "bits: must be 6 on this network, not 5"},
		{"builder", func(b *Block) { b.Builder = publicKey(stranger) }, "builder: must be one of this network's builders"},
		{"root", func(b *Block) { b.Root[0]++; b.SealedHeader = searched(b, key, net) }, "root: must be the Merkle root of the transactions"},
		{"signature", func(b *Block) { b.Signature[3]++ }, "signature: must be the builder's"},
		{"proof", func(b *Block) {
			for hash := b.Hash(); hash.ZeroBits() >= 6; hash = b.Hash() {
				b.Nonce[0]++
			}
		}, "hash: must begin with 6 zero bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := *good
			c.edit(&b)
			given, err := ParseBlocks(net, append(b.AppendJSON([]byte{'['}), ']'), 1)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			var broken *BlockError
			if errors.As(given[0].Check(net), &broken) {
				got = broken.Field + ": " + broken.Rule
			}
			if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// searched returns the header of b with a new proof of work and signature.
func searched(b *Block, key ed25519.PrivateKey, net *Network) SealedHeader {
	b.Search(0, func() bool { return false })
	return b.Header.Sign(net, key)
}

func wantBlocksError(t *testing.T, net *Network, list, want string) {
	t.Helper()
	blocks, err := ParseBlocks(net, jsontext.Value(list), 4)
	var broken *FieldError
	if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 400 {
		t.Errorf("%.300s:\n got %d blocks, %.500v\nwant %s", list, len(blocks), err, want)
	}
}

func TestBlockJSONRoundTrip(t *testing.T) {
	key := seedKey(t, seedB)
	net := mustNetwork(t, Network{Name: "test", Bits: 2})
	rapid.Check(t, func(t *rapid.T) {
		txs := rapid.SliceOfN(rapid.Custom(validTx), 1, 5).Draw(t, "txs")
		h := Header{
			Version: 1, Parent: net.ID(), Root: Root(txs), Count: uint32(len(txs)),
			Time: integers(maxJSONInteger).Draw(t, "time"), Bits: net.Bits, Builder: publicKey(key),
		}
		if rapid.Bool().Draw(t, "higher") {
			h.Height = 1 + rapid.Uint64Range(0, maxJSONInteger-1).Draw(t, "height")
			fill(t, "parent", h.Parent[:])
		}
		if !h.Search(0, func() bool { return false }) {
			t.Fatal("no nonce")
		}
		b := &Block{SealedHeader: h.Sign(net, key), Txs: txs}
		list := append(b.AppendJSON([]byte{'['}), ']')
		got, err := ParseBlocks(net, list, 1)
		if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		if got[0].Sealed.SealedHeader != b.SealedHeader || len(got[0].Txs) != len(txs) {
			t.Fatalf("%s came back as %+v", list, got[0].Sealed)
		}
		for i, tx := range txs {
			if !equalTx(got[0].Txs[i], tx) {
				t.Fatalf("item %d came back as %+v, want %+v", i, got[0].Txs[i], tx)
			}
		}
	})
}

func TestHeaderJSON(t *testing.T) {
	v := readVectors(t).Blocks
	for i, count := range []string{"4", "1"} {
		given, err := ParseBlocks(defaultNetwork(t), jsontext.Value("["+v[i].JSON+"]"), 1)
		if err != nil {
			t.Fatal(err)
		}
		_, keys, _ := strings.Cut(v[i].JSON, "}],")
		if got, want := string(given[0].Sealed.SealedHeader.AppendJSON(nil)), `{"count":`+count+","+keys; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func FuzzParseBlocks(f *testing.F) {
	net := defaultNetwork(f)
	for _, v := range readVectors(f).Blocks {
		f.Add([]byte("[" + v.JSON + "]"))
		f.Add([]byte("[" + originalForm(v.JSON) + "]"))
	}
	f.Add([]byte(strings.Repeat("[", 200_000)))
	f.Add([]byte(strings.Repeat(`[{"items":`, 100_000)))
	f.Fuzz(func(t *testing.T, list []byte) {
		blocks, err := ParseBlocks(net, list, 100)
		if err != nil {
			var broken *FieldError
			if !errors.As(err, &broken) || !strings.HasPrefix(broken.Item, "blocks") {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		for _, b := range blocks {
			if len(b.Txs) == 0 || len(b.Txs) > MaxBlockTxs {
				t.Fatalf("%d transactions", len(b.Txs))
			}
			if b.Sealed == nil {
				continue
			}
			_ = b.Check(net)
			if _, err := ParseBlocks(net, append(b.Sealed.AppendJSON([]byte{'['}), ']'), 1); err != nil {
				t.Fatal(err)
			}
		}
	})
}
