package ledger

import (
	"errors"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
)

func TestNetworkRules(t *testing.T) {
	a, b := PublicKey{1}, PublicKey{2}
	issuers := []uuid.UUID{{15: 2}, {15: 1}}
	net := mustNetwork(t, Network{Name: "test", Bits: 3, Issuers: issuers, Builders: []PublicKey{b, a}})
	if !net.IsIssuer(issuers[0]) || !net.IsIssuer(issuers[1]) || net.IsIssuer(uuid.UUID{}) {
		t.Error("the issuers are not those given")
	}
	if issuers[0] != (uuid.UUID{15: 2}) {
		t.Error("the caller's list was sorted")
	}
	if !net.MayBuild(a) || !net.MayBuild(b) || net.MayBuild(PublicKey{3}) {
		t.Error("the builders are not those given")
	}
	if got := net.Work(math.MaxUint64).String(); got != "147573952589676412920" {
		t.Errorf("work of 2^64-1 blocks of 3 bits: %s", got)
	}
	open := mustNetwork(t, Network{Name: "test"})
	if !open.IsIssuer(uuid.UUID{}) || !open.MayBuild(a) {
		t.Error("by default the zero account issues and every key may build")
	}
	if composed, typed := mustNetwork(t, Network{Name: "caf\u00e9"}), mustNetwork(t, Network{Name: "cafe\u0301"}); composed.ID() != typed.ID() || typed.Name != "caf\u00e9" {
		t.Error("two forms of one name make two networks")
	}
	for caution, n := range map[bool]*Network{
		false: mustNetwork(t, Network{Name: "a", KeyedOnly: true, Issuers: []uuid.UUID{AccountOf(a)}}),
		true:  mustNetwork(t, Network{Name: "a", KeyedOnly: true, Issuers: []uuid.UUID{AccountOf(a), {15: 1}}}),
	} {
		if got := n.Caution(); (got != "") != caution {
			t.Errorf("%v: caution %q", n.Issuers, got)
		}
	}
	ids := make(map[Hash]bool)
	for _, n := range []Network{ // each rule at its least
		{Name: "a"}, {Name: "b"}, {Name: "a", Bits: DefaultBits + 1}, {Name: "a", Issuers: []uuid.UUID{{1}}},
		{Name: "a", Builders: []PublicKey{a}}, {Name: "a", Builders: []PublicKey{a}, MaxUnfinal: 1}, {Name: "a", KeyedOnly: true},
		{Name: "a", NoSelfPay: true}, {Name: "a", Credit: map[uuid.UUID]uint64{{1}: 1}}, {Name: "a", CreditDefault: 1},
	} {
		id := mustNetwork(t, n).ID()
		if ids[id] {
			t.Errorf("%+v has the ID of another network", n)
		}
		ids[id] = true
	}
	if mustNetwork(t, Network{Name: "a", CreditDefault: 1}).Caution() == "" {
		t.Error("no caution where everybody may owe 1")
	}
	floorsGiven := map[uuid.UUID]uint64{{1}: 5, {2}: 0, {3}: 9}
	credit := mustNetwork(t, Network{Name: "a", Credit: floorsGiven, CreditDefault: 9})
	if len(floorsGiven) != 3 {
		t.Error("the caller's credit was changed")
	}
	for id, want := range map[uuid.UUID]uint64{{}: 0, {1}: 5, {2}: 0, {3}: 9, {4}: 9} {
		if got := credit.MayOwe(id); got != want {
			t.Errorf("%s may owe %d, want %d", id, got, want)
		}
	}
	if len(credit.Credit) != 2 || credit.Caution() == "" {
		t.Errorf("%v is named apart from the default, caution %q", credit.Credit, credit.Caution())
	}
	accounts, floors, voters := make([]uuid.UUID, maxNetworkList), make(map[uuid.UUID]uint64), make([]PublicKey, MaxVoters)
	for i := range accounts {
		accounts[i] = uuid.UUID{1, byte(i >> 8), byte(i)}
		floors[accounts[i]] = MaxAmount
	}
	for i := range voters {
		voters[i][0] = byte(i)
	}
	for _, n := range []Network{ // at the bounds
		{Name: strings.Repeat("x", 64), Issuers: accounts},
		{Name: "a", Credit: floors},
		{Name: "a", CreditDefault: MaxAmount},
		{Name: "a", MaxUnfinal: MaxAmount, Builders: voters},
	} {
		mustNetwork(t, n)
	}
	over := maps.Clone(floors)
	over[uuid.UUID{2}] = 1
	for _, n := range []Network{
		{Name: "a", Credit: over},
		{Name: ""},
		{Name: strings.Repeat("x", 65)},
		{Name: "a\nb"},
		{Name: "a\xff"},
		{Name: " a"},
		{Name: "a", Bits: 41},
		{Name: "a", Issuers: []uuid.UUID{{1}, {2}, {1}}},
		{Name: "a", Builders: []PublicKey{a, a}},
		{Name: "a", Builders: make([]PublicKey, 4097)},
		{Name: "a", Credit: map[uuid.UUID]uint64{{}: 1}},
		{Name: "a", Credit: map[uuid.UUID]uint64{{1}: MaxAmount + 1}},
		{Name: "a", CreditDefault: MaxAmount + 1},
		{Name: "a", MaxUnfinal: MaxAmount + 1, Builders: []PublicKey{a}},
		{Name: "a", MaxUnfinal: 1},
	} {
		var broken *FieldError
		if _, err := NewNetwork(n); !errors.As(err, &broken) {
			t.Errorf("%.80v: %v", n, err)
		}
	}
}

func TestParseNetworkRefuses(t *testing.T) {
	const one = "credit.00000000-0000-0000-0000-000000000001"
	for file, want := range map[string]string{
		``:                                 "the file: is not valid JSON",
		`[]`:                               "the file: must be a JSON object",
		`{"name":"a"} {}`:                  "the file: is not valid JSON: invalid character",
		`{"name":"a"`:                      "the file: is not valid JSON",
		`{}`:                               "name: must be 1 to 64 bytes long, not 0",
		`{"name":7}`:                       "name: must be text",
		`{"name":null}`:                    "name: must not be null",
		`{"name":"a\u0000b"}`:              "name: must be printable",
		`{"Name":"a"}`:                     "Name: is not a key here: the keys are name, bits, issuers",
		`{"7":1}`:                          "7: is not a key here: the keys are name, bits, issuers",
		`{"":1}`:                           `"": is not a key here`,
		`{"name":"a","name":"b"}`:          "name: must not be given twice",
		`{"name":"a","bits":41}`:           "bits: must be an integer from 0 to 40",
		`{"name":"a","bits":300}`:          "bits: must be an integer from 0 to 40",
		`{"name":"a","bits":-1}`:           "bits: must be an integer from 0 to 40",
		`{"name":"a","bits":1.0}`:          "bits: must be an integer from 0 to 40",
		`{"name":"a","bits":null}`:         "bits: must not be null",
		`{"name":"a","issuers":[]}`:        "issuers: must not be empty",
		`{"name":"a","issuers":null}`:      "issuers: must not be null",
		`{"name":"a","issuers":["x"]}`:     "issuers[0]: must be a UUID",
		`{"name":"a","issuers":[{},{}]}`:   "issuers[0]: must be a UUID",
		`{"name":"a","issuers":[`:          "issuers: is not valid JSON",
		`{"name":"a","builders":["00"]}`:   "builders[0]: must be 64 hex digits, not 2 characters",
		`{"name":"a","builders":[7]}`:      "builders[0]: must be text",
		`{"name":"a","builders":{}}`:       "builders: must be a list",
		`{"name":"a","keyed_only":1}`:      "keyed_only: must be true or false",
		`{"name":"a","keyed_only":"true"}`: "keyed_only: must be true or false",
		`{"name":"a","no_self_pay":null}`:  "no_self_pay: must not be null",
		`{"name":"a","credit":[]}`:         "credit: must be a JSON object",
		`{"name":"a","credit":null}`:       "credit: must not be null",
		`{"name":"a","credit":{"x":1}}`:    "credit.x: must be a UUID",
		`{"name":"a","credit":{"7":1}}`:    "credit.7: must be a UUID",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000001":-1}}`:                                                   one + ": must be an integer from 0",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000001":1e3}}`:                                                  one + ": must be an integer from 0",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000001":"7"}}`:                                                  one + ": must be an integer from 0",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000001":9007199254740992}}`:                                     one + ": must be an integer from 0",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000001":1,"00000000-0000-0000-0000-000000000001":2}}`:           one + ": must not be given twice",
		`{"name":"a","credit":{"0000000a-0000-0000-0000-000000000001":1,"0000000A-0000-0000-0000-000000000001":2}}`:           "credit.0000000A-0000-0000-0000-000000000001: must not be given twice",
		`{"name":"a","credit":{"00000000-0000-0000-0000-000000000000":5}}`:                                                    "credit.00000000-0000-0000-0000-000000000000: must not be an issuer's",
		`{"name":"a","issuers":["00000000-0000-0000-0000-000000000001"],"credit":{"00000000-0000-0000-0000-000000000001":0}}`: one + ": must not be an issuer's",
		`{"name":"a","credit_default":-1}`:                                                                                    "credit_default: must be an integer from 0",
		`{"name":"a","credit_default":"7"}`:                                                                                   "credit_default: must be an integer from 0",
		`{"name":"a","max_unfinal":1.5}`:                                                                                      "max_unfinal: must be an integer from 0",
		`{"name":"a","max_unfinal":5}`:                                                                                        "max_unfinal: needs 1 to 100 builders, not 0",
		`{"name":"a","issuers":["00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000001"]}`:              "issuers: must not name 00000000-0000-0000-0000-000000000001 twice",
	} {
		net, err := ParseNetwork([]byte(file))
		var broken *FieldError
		if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", file, net, err, want)
		}
	}
	if _, err := ParseNetwork([]byte("\ufeff\u00a0{\"name\":\"a\"}\u00a0\n")); err != nil {
		t.Errorf("with a byte order mark and other spaces: %v", err)
	}
}

// FuzzParseNetwork checks that a network is the one that its file describes.
func FuzzParseNetwork(f *testing.F) {
	for _, v := range readVectors(f).Networks {
		f.Add([]byte(v.File))
	}
	for _, v := range readVectors(f).Credit {
		f.Add([]byte(v.File))
	}
	for _, file := range []string{
		"\ufeff{\"name\":\"cafe\u0301\"} \n", `{"name":"a","bits":300}`, `{"name":"a","issuers":[]}`, `{"name":"a","issuers":["00000000-0000-0000-0000-000000000000"]}`,
		`{"name":"a","credit":{"7":1}}`, `{"name":"a","credit":{"0000000A-0000-0000-0000-000000000001":3},"credit_default":3}`,
		`{"name":"a","builders":["` + strings.Repeat("0A", 32) + `"],"max_unfinal":9007199254740991}`,
		strings.Repeat("[", 200_000), strings.Repeat(`{"name":`, 100_000),
	} {
		f.Add([]byte(file))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		net, err := ParseNetwork(file)
		if err != nil {
			var broken *FieldError
			if !errors.As(err, &broken) || broken.Rule == "" {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		text, err := json.Marshal(net.File(), json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseNetwork(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if second, err := json.Marshal(again.File(), json.Deterministic(true)); again.ID() != net.ID() || string(second) != string(text) {
			t.Fatalf("%s came back as %s (%v), ID %s as %s", text, second, err, net.ID(), again.ID())
		}
	})
}
