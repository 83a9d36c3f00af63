package ledger

import (
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

const (
	zeroUUID = `"00000000-0000-0000-0000-000000000000"`
	oneUUID  = `"00000000-0000-0000-0000-000000000001"`
	minimal  = `{"sender":` + zeroUUID + `,"receiver":` + oneUUID + `,"amount":3}`
)

// withField returns a good transaction with one more field.
func withField(field string) string {
	return strings.TrimSuffix(minimal, "}") + "," + field + "}"
}

func TestParsePoolFillsIn(t *testing.T) {
	stamp := func() float64 { return 77.5 }
	for _, list := range []string{
		minimal,
		withField(`"id":null,"t":null,"prev_hash":null,"public_key":null,"signature":null`),
		withField(`"prev_hash":"` + strings.Repeat("aB", 20) + `"`),
	} {
		txs, err := ParsePool(jsontext.Value(" [ "+list+","+list+" ] \n"), stamp, 2)
		if err != nil {
			t.Fatalf("%s: %v", list, err)
		}
		for _, tx := range txs {
			want := Transaction{ID: tx.ID, Receiver: uuid.UUID{15: 1}, Amount: 3, T: 77.5}
			if *tx != want || tx.ID.Version() != 4 {
				t.Errorf("%s gave %+v", list, tx)
			}
		}
		if txs[0].ID == txs[1].ID {
			t.Errorf("%s: two got one ID", list)
		}
	}
	if txs, err := ParsePool(jsontext.Value("[]"), stamp, 0); err != nil || len(txs) != 0 {
		t.Errorf("an empty list: %v, %v", txs, err)
	}
}

func TestParsePoolReadsT(t *testing.T) {
	for literal, want := range map[string]float64{
		"0": 0, "0.0": 0, "0e5": 0, "1": 1, "1620811776": 1620811776, "1.62081176e9": 1620811760, "1E-05": 1e-05,
		"99999999999.99998": 99999999999.99998, "1e-999": 0, "0.1" + strings.Repeat("0", 400): 0.1,
	} {
		tx := parseOne(t, withField(`"id":`+oneUUID+`,"t":`+literal))
		if math.Float64bits(tx.T) != math.Float64bits(want) {
			t.Errorf("t %.40s read as %v, want %v", literal, tx.T, want)
		}
	}
}

func TestParsePoolRefuses(t *testing.T) {
	const (
		amount = "pool[0].amount: must be an integer from 1 to 9007199254740991"
		at     = "pool[0].t: must be a number of seconds, 0 <= t < 10^11"
		keyed  = `{"sender":"00000000-0000-8000-8000-000000000001","receiver":` + oneUUID + `,"amount":3`
	)
	hex64, hex128 := strings.Repeat("0", 64), strings.Repeat("0", 128)
	withAmount := func(literal string) string { return strings.Replace(minimal, "3}", literal+"}", 1) }

	cases := map[string]string{
		`7`:              "pool[0]: must be a transaction: an object",
		`null`:           "pool[0]: must be a transaction",
		`[]`:             "pool[0]: must be a transaction",
		`{}`:             "pool[0].sender: must be given",
		minimal + `,7`:   "pool[1]: must be a transaction",
		withAmount("{}"): amount,
		`{"sender":` + zeroUUID + `,"receiver":` + oneUUID + `}`: "pool[0].amount: must be given",
		`{"sender":` + zeroUUID + `,"amount":1}`:                 "pool[0].receiver: must be given",
		`{"sender":null}`:                                        "pool[0].sender: must be a UUID",
		`{"sender":7}`:                                           "pool[0].sender: must be a UUID",
		`{"sender":"x"}`:                                         "pool[0].sender: must be a UUID as 8-4-4-4-12 hex digits, not 1 character",
		`{"receiver":""}`:                                        "pool[0].receiver: must be a UUID",
		withField(`"id":"7"`):                                    "pool[0].id: must be a UUID",
		withField(`"id":7`):                                      "pool[0].id: must be a UUID",
		withField(`"prev_hash":"00"`):                            "pool[0].prev_hash: must be 40 hex digits, not 2 characters",
		withField(`"prev_hash":0`):                               "pool[0].prev_hash: must be text",
		withField(`"hash":null`):                                 "pool[0].hash: is not a key of a transaction",
		withField(`"7":3`):                                       "pool[0].7: is not a key of a transaction",
		withField(`"":3`):                                        `pool[0]."": is not a key of a transaction`,
		withField(`"Amount":3`):                                  "pool[0].Amount: is not a key of a transaction",
		withField(`"amount":3`):                                  "pool[0].amount: must not be given twice",
		withField(`"\u0061mount":3`):                             "pool[0].amount: must not be given twice",
		withField(`"t":{"a":1,"a":2}`):                           "pool[0].t.a: must not be given twice",
		withField(`"t":1}x`):                                     "pool: is not valid JSON",
		withField(`"` + hex128 + `":1`):                          "pool[0]." + hex128[:40] + "…: is not a key",
		withField(`"id":"` + "\xff" + `"`):                       "pool[0].id: is not valid JSON",

		withField(`"public_key":"` + hex64 + `"`): "pool[0].public_key: must not be given: the sender is an open account",
		withField(`"signature":"` + hex128 + `"`): "pool[0].signature: must not be given: the sender is an open account",
		withField(`"signature":"` + hex64 + `"`):  "pool[0].signature: must be 128 hex digits",
		keyed + `}`:                               "pool[0].public_key: must be given: the sender is a keyed account",
		keyed + `,"public_key":"` + hex64 + `"}`:  "pool[0].signature: must be given: the sender is a keyed account",
		keyed + `,"id":` + oneUUID + `,"public_key":"` + hex64 + `","signature":"` + hex128 + `"}`:          "pool[0].t: must be given: the sender is a keyed account",
		keyed + `,"id":` + oneUUID + `,"t":null,"public_key":"` + hex64 + `","signature":"` + hex128 + `"}`: "pool[0].t: must be given: the sender is a keyed account",
		keyed + `,"t":1,"public_key":"` + hex64 + `","signature":"` + hex128 + `"}`:                         "pool[0].id: must be given: the sender is a keyed account",
	}
	for _, literal := range []string{"0", "-1", "-0", "3.0", "1e3", "3.5", `"3"`, "true", "null", "9007199254740992", "99999999999999999999", "[3]"} {
		cases[withAmount(literal)] = amount
	}
	for _, literal := range []string{"-0", "-0.0", "-1e-999", "-1", "1e11", "100000000000", "1e999", `"1"`, "true", "[1]", "{}"} {
		cases[withField(`"t":`+literal)] = at
	}
	for _, literal := range []string{"NaN", "Infinity", "+1", ".5", "1."} {
		cases[withField(`"t":`+literal)] = "pool[0].t: is not valid JSON"
	}
	for items, want := range cases {
		wantFieldError(t, "["+items+"]", want)
	}
	for list, want := range map[string]string{
		``:                                "pool: is not valid JSON",
		`{}`:                              "pool: must be a list of transactions",
		`null`:                            "pool: must be a list of transactions",
		`"[]"`:                            "pool: must be a list of transactions",
		`[`:                               "pool: is not valid JSON",
		`[,]`:                             "pool: is not valid JSON",
		`[}`:                              "pool[0]: is not valid JSON",
		`[` + minimal + `,]`:              "pool",
		`[` + minimal:                     "pool: is not valid JSON",
		`[] []`:                           "pool: must be one JSON value",
		`[]x`:                             "pool: must be one JSON value",
		"[]\x00":                          "pool: must be one JSON value",
		strings.Repeat("[", 200_000):      "pool[0]",
		strings.Repeat(`[{"t":`, 100_000): "pool[0].t",
	} {
		wantFieldError(t, list, want)
	}
	_, err := ParsePool(jsontext.Value("["+minimal+","+minimal+"]"), func() float64 { return 0 }, 1)
	if err == nil || err.Error() != "pool: must hold at most 1 transactions" {
		t.Errorf("over the limit: %v", err)
	}
}

func wantFieldError(t *testing.T, list, want string) {
	t.Helper()
	txs, err := ParsePool(jsontext.Value(list), func() float64 { return 0 }, 10)
	var broken *FieldError
	if !errors.As(err, &broken) || !strings.HasPrefix(err.Error(), want) || len(err.Error()) > 400 {
		t.Errorf("%.200s:\n got %d items, %.500v\nwant %s", list, len(txs), err, want)
	}
}

// validTx draws a transaction that every check of fields but the signature
// takes.
func validTx(t *rapid.T) *Transaction {
	tx := anyTx(t)
	tx.Amount = 1 + tx.Amount%MaxAmount
	tx.T = rapid.OneOf(rapid.Float64Range(0, math.Nextafter(MaxT, 0)), rapid.SampledFrom([]float64{0, 5e-324, 1e-4, 1, 1620811776})).Draw(t, "valid t")
	tx.Sender[6] &^= 0x80 // open
	if tx.Auth != nil {
		tx.Sender = AccountOf(tx.Auth.PublicKey)
	}
	return tx
}

func TestPoolJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		txs := rapid.SliceOfN(rapid.Custom(validTx), 0, 10).Draw(t, "txs")
		list := poolJSON(txs)
		got, err := ParsePool(list, noStamp, len(txs))
		if err != nil || len(got) != len(txs) {
			t.Fatalf("%s: %d of %d, %v", list, len(got), len(txs), err)
		}
		for i := range txs {
			if !equalTx(got[i], txs[i]) {
				t.Fatalf("%s read as %+v, want %+v", list, got[i], txs[i])
			}
		}
	})
}

func TestFloatsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := math.Abs(finite().Draw(t, "f"))
		shown := AppendFloat(nil, f)
		if !jsontext.Value(shown).IsValid() || !strings.ContainsAny(string(shown), ".e") {
			t.Fatalf("%s is not a JSON number with a fraction or exponent", shown)
		}
		if f >= MaxT {
			return
		}
		if got, err := parseT(shown); err != nil || math.Float64bits(got) != math.Float64bits(f) {
			t.Fatalf("%s reads back as %v, %v", shown, got, err)
		}
	})
}

func FuzzParsePool(f *testing.F) {
	for _, v := range readVectors(f).Transactions {
		f.Add([]byte("[" + v.JSON + "]"))
	}
	f.Add([]byte("[" + minimal + "]"))
	f.Add([]byte(withField(`"t":-0`)))
	f.Add([]byte(strings.Repeat("[", 200_000)))
	f.Add([]byte(strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000)))
	f.Add([]byte(strings.Repeat(`{"a":`, 200_000)))
	f.Fuzz(func(t *testing.T, list []byte) {
		txs, err := ParsePool(list, func() float64 { return 1 }, 100)
		if err != nil {
			var broken *FieldError
			if !errors.As(err, &broken) || !strings.HasPrefix(broken.Item, "pool") {
				t.Fatalf("%T %v", err, err)
			}
			return
		}
		again, err := ParsePool(poolJSON(txs), noStamp, 100)
		if err != nil {
			t.Fatal(err)
		}
		for i, tx := range txs {
			if !goodAmount(tx.Amount) || !goodT(tx.T) || (tx.Auth != nil) != IsKeyed(tx.Sender) || !equalTx(again[i], tx) {
				t.Fatalf("item %d is %+v (%s)", i, tx, hex.EncodeToString(tx.Encode()))
			}
		}
	})
}
