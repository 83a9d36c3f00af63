package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	merkle "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// A maker makes a chain and proofs of it.
type maker struct {
	t      *testing.T
	net    *ledger.Network
	keys   []ed25519.PrivateKey // in the order of the builders
	blocks []*ledger.Block
}

func newMaker(t *testing.T, rules ledger.Network) *maker {
	m := &maker{t: t}
	for i := range 4 {
		m.keys = append(m.keys, ledgertest.Key(i+1))
	}
	slices.SortFunc(m.keys, func(a, b ed25519.PrivateKey) int { return bytes.Compare(a[32:], b[32:]) })
	if rules.MaxUnfinal > 0 {
		for _, k := range m.keys {
			rules.Builders = append(rules.Builders, ledgertest.Public(k))
		}
	}
	m.net = ledgertest.Network(t, rules)
	return m
}

// block builds a block of these transactions.
func (m *maker) block(txs []*ledger.Transaction) *ledger.Block {
	h := ledger.Header{Version: 1, Height: uint64(len(m.blocks)), Parent: m.net.ID(), Time: 1620811776000, Bits: m.net.Bits}
	if h.Height > 0 {
		h.Parent = m.blocks[h.Height-1].Hash()
	}
	b := ledgertest.Seal(m.net, m.keys[int(h.Height)%len(m.keys)], h, txs)
	m.blocks = append(m.blocks, b)
	return b
}

// certificate makes a block final, by these builders.
func (m *maker) certificate(b *ledger.Block, builders ...int) *finality.Certificate {
	s := finality.Statement{Kind: finality.Finalize, View: 9, Parent: 7, Block: ledger.BlockRef{Height: b.Height, Hash: b.Hash()}}
	c := &finality.Certificate{Statement: s, Signers: []byte{0}}
	for _, i := range builders {
		v := committee.New(m.net).Sign(s, i, m.keys[i])
		c.Signers[0] |= 1 << i
		c.Signatures = append(c.Signatures, v.Signature[:]...)
	}
	return c
}

// proof makes the file of a proof of a transaction, up to the last block.
func (m *maker) proof(height, index int, cert *finality.Certificate) []byte {
	var above []*ledger.SealedHeader
	for _, b := range m.blocks[height+1:] {
		above = append(above, &b.SealedHeader)
	}
	return m.file(Make(m.net, m.blocks[height], uint32(index), above, cert))
}

func (m *maker) file(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

// keyed makes transactions of a key's account.
func (m *maker) keyed(n int) (txs []*ledger.Transaction) {
	for _, tx := range ledgertest.Mint(100, n) {
		tx.T += 0.25
		tx.Sign(m.net, ledgertest.Key(50))
		txs = append(txs, tx)
	}
	return txs
}

func (m *maker) evidence(a, b finality.Statement) *Evidence {
	builders := committee.New(m.net)
	e := &Evidence{Builder: builders.Key(2), Name: "cy", View: a.View, Kind: a.Kind.String()}
	if a.Kind != b.Kind {
		e.Kind = "nullify and finalize"
	}
	for i, s := range []finality.Statement{a, b} {
		v := builders.Sign(s, 2, m.keys[2])
		e.Votes[i] = Vote{s.Kind.String(), s.View, s.Parent, s.Block.Height, s.Block.Hash, hex.EncodeToString(builders.Signed(s)), v.Signature}
	}
	return e
}

// A sample is a right file.
type sample struct {
	name string
	file []byte
	own  *ledger.Network
	says []string // what its finding has
}

// samples makes one of each kind.
func samples(t *testing.T) []sample {
	issuer := ledger.AccountOf(ledgertest.Public(ledgertest.Key(50)))
	office := newMaker(t, ledger.Network{
		Name: "büro", Bits: 4, Issuers: []uuid.UUID{issuer}, KeyedOnly: true, NoSelfPay: true, MaxUnfinal: 10,
		Credit: map[uuid.UUID]uint64{ledgertest.Account(7): 500, ledgertest.Account(8): 3}, CreditDefault: 2,
	})
	first := office.block(office.keyed(1))
	atOnce := office.proof(0, 0, office.certificate(first, 0, 1, 2, 3))
	office.block(office.keyed(5))
	waits := office.proof(1, 4, nil)
	last := office.block(office.keyed(2))
	final := office.proof(1, 3, office.certificate(last, 0, 1, 3))
	open := newMaker(t, ledger.Network{Name: "open", Bits: 8})
	open.block(ledgertest.Mint(1, 7))
	open.block(ledgertest.Mint(8, 1))
	ref := func(n byte) ledger.BlockRef { return ledger.BlockRef{Height: 3, Hash: ledger.Hash{n}} }
	twice := office.evidence(finality.Statement{Kind: finality.Notarize, View: 7, Parent: 4, Block: ref(1)}, finality.Statement{Kind: finality.Notarize, View: 7, Parent: 4, Block: ref(2)})
	both := office.evidence(finality.Statement{Kind: finality.Nullify, View: 7}, finality.Statement{Kind: finality.Finalize, View: 7, Parent: 4, Block: ref(2)})
	return []sample{
		{"final", final, office.net, []string{"(an issuer) pays 5 to 00000000-0000-0000-0000-000000000007", "number 4 of 5 in block 1", "FINAL: 3 of 4 builders signed block 2", "3 have to", "if 2 or more of the 4"}},
		{"final at once", atOnce, office.net, []string{"number 1 of 1 in block 0", "FINAL: 4 of 4 builders signed block 0"}},
		{"not final yet", waits, office.net, []string{"That nobody can take it back, or that the block is on the chain", "it is NOT FINAL"}},
		{"open network", open.proof(0, 5, nil), open.net, []string{"That nobody can take it back: this network has no finality", "2 stand in a row up to block 1", "some 512 tries", "That the sender had"}},
		{"evidence", office.file(EvidenceList{[]Evidence{*twice}}), office.net, []string{"signed two votes in view 7", "to notarize block 3 (01000000"}},
		{"evidence alone", office.file(both), office.net, []string{"to give the view up, and to make block 3 (02000000"}},
	}
}

func TestCheck(t *testing.T) {
	for _, s := range samples(t) {
		f, err := Check(s.file, s.own)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		text := strings.Join(append(f.Proven, f.NotProven...), "\n")
		for _, want := range append(s.says, "It is of your network: its ID is that of your network file, "+s.own.ID().String()) {
			if !strings.Contains(text, want) {
				t.Errorf("%s: it does not say %q:\n%s", s.name, want, text)
			}
		}
		if f, err = Check(s.file, nil); err != nil || !slices.ContainsFunc(f.NotProven, func(s string) bool { return strings.HasPrefix(s, "That this is your network") }) {
			t.Errorf("%s without a network: %+v, %v", s.name, f, err)
		}
		if member := strings.Contains(strings.Join(f.NotProven, "\n"), "is a builder of your network: the file does not have its list"); member != strings.HasPrefix(s.name, "evidence") {
			t.Errorf("%s without a network says that nothing shows a builder of it: %v", s.name, member)
		}
		if strings.ContainsAny(text, "{}") {
			t.Errorf("%s: a value is missing:\n%s", s.name, text)
		}
		other := ledgertest.Network(t, ledger.Network{Name: "other"})
		if _, err := Check(s.file, other); err == nil || !strings.Contains(err.Error(), "must be that of your network") {
			t.Errorf("%s on another network: %v", s.name, err)
		}
		start := time.Now()
		if _, err := Check(s.file, nil); err != nil || time.Since(start) > time.Second {
			t.Errorf("%s took %s: %v", s.name, time.Since(start), err)
		}
	}
}

// TestLied refuses evidence of two votes that an honest builder may sign.
func TestLied(t *testing.T) {
	m := newMaker(t, ledger.Network{Name: "office", MaxUnfinal: 1})
	block := ledger.BlockRef{Height: 3, Hash: ledger.Hash{1}}
	vote := func(k finality.Kind, view uint64) finality.Statement {
		s := finality.Statement{Kind: k, View: view, Parent: view - 1, Block: block}
		if k == finality.Nullify {
			s.Parent, s.Block = 0, ledger.BlockRef{}
		}
		return s
	}
	var files [][]byte
	for want, votes := range map[string][2]finality.Statement{
		"votes[1]: must differ":                            {vote(finality.Notarize, 7), vote(finality.Notarize, 7)},
		"votes[1].view: must be 7":                         {vote(finality.Notarize, 7), vote(finality.Notarize, 8)},
		"votes[1].kind: must be that of the other vote":    {vote(finality.Notarize, 7), vote(finality.Finalize, 7)},
		"votes[1].kind: must be that of the other vote,":   {vote(finality.Notarize, 7), vote(finality.Nullify, 7)},
		"votes[1]: must be a vote that a builder can cast": {vote(finality.Nullify, 7), {Kind: finality.Nullify, View: 7, Parent: 3}},
	} {
		files = append(files, m.file(m.evidence(votes[0], votes[1])))
		if _, err := Check(files[len(files)-1], nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
	}
	for i, said := range python(t, files) {
		if !strings.HasPrefix(said, "wrong: ") {
			t.Errorf("%s: Python: %s", files[i], said)
		}
	}
}

// TestQuorum refuses a certificate of too few builders, and of a builder that counts twice.
func TestQuorum(t *testing.T) {
	m := newMaker(t, ledger.Network{Name: "office", MaxUnfinal: 1})
	b := m.block(ledgertest.Mint(1, 3))
	few := m.proof(0, 1, m.certificate(b, 0, 3))
	p := Make(m.net, b, 1, nil, m.certificate(b, 0, 1, 3))
	p.Certificate.Signers[1], p.Certificate.Signatures[1] = p.Certificate.Signers[0], p.Certificate.Signatures[0]
	for want, file := range map[string][]byte{
		"certificate.signers: must be 3 of the 4 builders or more, not 2": few, "certificate.signers[1]: must be a builder": m.file(p),
	} {
		if _, err := Check(file, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
	}
}

// TestTampered changes each field of each kind of file, drops each key, adds one, and
// makes each list longer and shorter. Both checkers find it, and name a field.
func TestTampered(t *testing.T) {
	var files [][]byte
	var what []string
	for _, s := range samples(t) {
		files, what = append(files, s.file), append(what, "")
		for _, bad := range tampered(t, s.file) {
			var field *ledger.FieldError
			if _, err := Check(bad.file, nil); !errors.As(err, &field) || field.Rule == "" || field.Item+field.Field == "" {
				t.Errorf("%s, %s: %v", s.name, bad.what, err)
			}
			files, what = append(files, bad.file), append(what, s.name+", "+bad.what)
		}
	}
	t.Logf("%d files", len(files))
	if len(files) < 1000 {
		t.Errorf("only %d files", len(files))
	}
	for i, said := range python(t, files) {
		if right := strings.HasPrefix(said, "right: "); right != (what[i] == "") || !right && !strings.HasPrefix(said, "wrong: ") {
			t.Errorf("Python: %s: %s", what[i], said)
		}
	}
}

// TestNetworkForms refuses the network of a proof in second forms with its ID, and
// networks that there cannot be, with the ID that they would have.
func TestNetworkForms(t *testing.T) {
	m := newMaker(t, ledger.Network{Name: "é", Bits: 0})
	m.block(ledgertest.Mint(1, 1))
	right := m.proof(0, 0, nil)
	issuer, key := uuid.UUID{}, strings.Repeat("ab", 32)
	var files [][]byte
	var what []string
	for network, rules := range map[string]map[string]any{
		`{"name":"é","bits":0,"keyed_only":false}`:            {"name": "é", "bits": 0},
		`{"name":"é","bits":0,"builders":[]}`:                 {"name": "é", "bits": 0},
		`{"name":"é","bits":0,"credit":{}}`:                   {"name": "é", "bits": 0},
		`{"name":"é","bits":0,"max_unfinal":0}`:               {"name": "é", "bits": 0},
		`{"name":"é","bits":16}`:                              {"name": "é"},
		`{"name":"é","issuers":["` + issuer.String() + `"]}`:  {"name": "é"},
		`{"name":"e\u0301"}`:                                  {"name": "é"},
		`{"name":"é","bits":41}`:                              {"name": "é", "bits": 41},
		`{"name":""}`:                                         {"name": ""},
		`{"name":" a"}`:                                       {"name": " a"},
		`{"name":"a\u0007"}`:                                  {"name": "a\a"},
		`{"name":"a\u00a0b"}`:                                 {"name": "a\u00a0b"},
		`{"name":"` + strings.Repeat("é", 33) + `"}`:          {"name": strings.Repeat("é", 33)},
		`{"name":"é","issuers":[]}`:                           {"name": "é", "issuers": []uuid.UUID{}},
		`{"name":"é","max_unfinal":1}`:                        {"name": "é", "max_unfinal": 1},
		`{"name":"é","credit":{"` + issuer.String() + `":1}}`: {"name": "é", "credit": map[uuid.UUID]uint64{issuer: 1}},
		`{"name":"é","builders":["` + key + `","` + strings.Repeat("aa", 32) + `"]}`: {"name": "é", "builders": []ledger.PublicKey{
			ledger.PublicKey(bytes.Repeat([]byte{0xaa}, 32)), ledger.PublicKey(bytes.Repeat([]byte{0xab}, 32))}},
	} {
		id, err := ledger.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		file := bytes.Replace(right, m.file(m.net.File()), []byte(network), 1)
		file = bytes.Replace(file, []byte(`"network_id":"`+m.net.ID().String()), fmt.Appendf(nil, `"network_id":"%x`, sha256.Sum256(id)), 1)
		files, what = append(files, file), append(what, network)
		if _, err := Check(file, nil); err == nil || !strings.HasPrefix(err.Error(), "network") {
			t.Errorf("%s: %v", network, err)
		}
	}
	files, what = append(files, right), append(what, "the right one")
	for i, said := range python(t, files) {
		if want := "wrong: network"; i == len(files)-1 && !strings.HasPrefix(said, "right") || i < len(files)-1 && (!strings.HasPrefix(said, want) || strings.HasPrefix(said, want+"_id")) {
			t.Errorf("Python: %s: %s", what[i], said)
		}
	}
}

// python runs the independent checker over files.
func python(t *testing.T, files [][]byte) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "python3", "../testdata/proof.py", "-")
	cmd.Stdin = bytes.NewReader(bytes.Join(files, []byte("\n")))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, _ := cmd.Output() // it ends with 1 when a file is wrong
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(files) {
		t.Fatalf("Python said %d lines of %d files:\n%s", len(lines), len(files), errs.String())
	}
	return lines
}

// A change is a file with one thing changed.
type change struct {
	what string
	file []byte
}

// tampered returns a file with each value changed, in ways that fit its kind.
func tampered(t *testing.T, file []byte) (list []change) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(file))
	dec.UseNumber()
	var root any
	if err := dec.Decode(&root); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, v any, set func(any))
	walk = func(path string, v any, set func(any)) {
		try := func(what string, changed any) {
			set(changed)
			b, err := json.Marshal(root)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, change{path + " " + what, b})
			set(v)
		}
		for i, other := range others(v) {
			if !strings.HasSuffix(path, ".name") || strings.HasPrefix(path, ".network") || i == 0 { // of a builder, which nothing proves
				try(fmt.Sprintf("as %.80v", other), other)
			}
		}
		switch v := v.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(v)) {
				without := maps.Clone(v)
				delete(without, key)
				try("without "+key, without)
				walk(path+"."+key, v[key], func(x any) { v[key] = x })
			}
			with := maps.Clone(v)
			with["prev_hash_"] = nil
			try("with another key", with)
		case []any:
			if len(v) == 0 {
				try("with a hash", []any{strings.Repeat("ab", 32)})
				return
			}
			try("without its first", v[1:])
			try("without its last", v[:len(v)-1])
			try("with its last twice", append(slices.Clone(v), v[len(v)-1]))
			try("reversed and longer", append([]any{v[len(v)-1]}, v...))
			for i := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), v[i], func(x any) { v[i] = x })
			}
		}
	}
	walk("", root, func(v any) { root = v })
	return list
}

// others returns values to put in place of v. The first is of no kind that fits.
func others(v any) []any {
	switch v := v.(type) {
	case string:
		list := []any{json.Number("1"), v + "0", "0" + v, v[:len(v)-1], nil, ""}
		for i := range 3 {
			at := i * (len(v) - 1) / 2
			b := []byte(v)
			b[at] = "1023456789abcdef"[(bytes.IndexByte([]byte("0123456789abcdef"), b[at])+16)%16]
			if string(b) != v {
				list = append(list, string(b))
			}
		}
		if up := strings.ToUpper(v); up != v {
			list = append(list, up)
		}
		return list
	case json.Number:
		f, _ := v.Float64()
		return []any{"x", json.Number(fmt.Sprint(f + 1)), json.Number(fmt.Sprint(f + 100)), json.Number("-1"), json.Number("9007199254740992"), json.Number("0.5"), nil, true}
	case bool:
		return []any{"x", !v, nil}
	case nil:
		return []any{false, strings.Repeat("00", 32), "", json.Number("0")}
	}
	return []any{json.Number("0"), nil, "x"}
}

// TestPaths compares the paths of trees of all sizes with those of an independent library.
func TestPaths(t *testing.T) {
	txs := ledgertest.Mint(1, 40)
	for n := 1; n <= len(txs); n++ {
		root := ledger.Root(txs[:n])
		for i := range n {
			path := ledger.Path(txs[:n], i)
			var hashes [][]byte
			for _, h := range path {
				hashes = append(hashes, h[:])
			}
			digest := txs[i].Digest()
			if err := merkle.VerifyInclusion(rfc6962.DefaultHasher, uint64(i), uint64(n), rfc6962.DefaultHasher.HashLeaf(digest[:]), hashes, root[:]); err != nil {
				t.Fatalf("%d of %d: %v", i, n, err)
			}
			if got, ok := ledger.RootFrom(digest, i, n, path); !ok || got != root {
				t.Fatalf("%d of %d: %s, %v", i, n, got, ok)
			}
		}
	}
}

// TestAbove bounds the headers.
func TestAbove(t *testing.T) {
	at := func(height uint64) *finality.Certificate {
		return &finality.Certificate{Statement: finality.Statement{Block: ledger.BlockRef{Height: height}}}
	}
	for _, tt := range []struct {
		height, blocks uint64
		cert           *finality.Certificate
		end            uint64
	}{{3, 10, nil, 9}, {3, 10_000, nil, 3 + MaxAbove}, {3, 10, at(3), 3}, {3, 10_000, at(3 + MaxHeaders - 1), 3 + MaxHeaders - 1}} {
		if end, err := Above(tt.height, tt.blocks, tt.cert); end != tt.end || err != nil {
			t.Errorf("%+v: %d, %v", tt, end, err)
		}
	}
	if _, err := Above(3, 10_000, at(3+MaxHeaders)); err == nil {
		t.Error("a proof without bound")
	}
}

// TestSaysWhat checks that the error of a value that cannot be read names what it must be.
func TestSaysWhat(t *testing.T) {
	m := newMaker(t, ledger.Network{Name: "open", Bits: 1})
	m.block(ledgertest.Mint(1, 1))
	file := string(m.proof(0, 0, nil))
	receiver := ledgertest.Account(7).String()
	for _, tt := range [][3]string{
		{`"receiver":"` + receiver, `"receiver":"urn:uuid:` + receiver, "transaction.receiver: must be a UUID as 8-4-4-4-12 hex digits"},
		{`"amount":5`, `"amount":-5`, "transaction.amount: must be an integer from 1 to 9007199254740991"},
		{`"t":1`, `"t":"1"`, "transaction.t: must be a number of seconds, 0 <= t < 10^11"},
		{`"index":0`, `"index":5000000000`, "index: must be below the count of headers[0]"},
		{`"count":1`, `"count":5000000000`, "headers[0].count: must be 1 to 10000 transactions"},
		{`"bits":1`, `"bits":300`, "network.bits: must be an integer from 0 to 40"},
		{`"amount":5`, `"amount":5,"Amount":5`, "transaction.Amount: is not a key here: the keys are id, sender"},
		{`"headers":[`, `"headers":[7,`, "headers[0]: must be a JSON object"},
		{`"path":[]`, `"path":["x"]`, "path[0]: must be 64 hex digits"},
		{`"tip":{`, `"tip":{"height":0,`, "tip.height: must not be given twice"},
		{`"path":[],`, ``, "path: must be given"},
	} {
		bad := strings.Replace(file, tt[0], tt[1], 1)
		if _, err := Check([]byte(bad), nil); bad == file || err == nil || !strings.HasPrefix(err.Error(), tt[2]) {
			t.Errorf("%s: %v, want %s", tt[1], err, tt[2])
		}
	}
}
