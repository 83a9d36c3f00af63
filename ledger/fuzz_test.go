package ledger

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"testing"
)

// allocated measures what f allocates, garbage included. Tests that use it do
// not run in parallel.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzAllocations gives one input to every decoder of what comes from outside:
// none may allocate more than a multiple of it, whatever it announces.
func FuzzAllocations(f *testing.F) {
	v := readVectors(f)
	for _, tx := range v.Transactions {
		b, err := hex.DecodeString(tx.CBOR)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add([]byte("[" + tx.JSON + "]"))
	}
	for _, lie := range []string{
		"9bffffffffffffffff", "5b7fffffffffffffff", "9a00ffffff", "bb7fffffffffffffff", "c074", "9fff", "5f40ff",
	} {
		b, err := hex.DecodeString(lie)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`[{"items":[` + minimal + `],"prev_hash":null}]`))
	f.Add([]byte(`{"name":"x","issuers":["00000000-0000-0000-0000-000000000000"]}`))
	f.Add(bytes.Repeat([]byte("["), 50_000))
	f.Add(bytes.Repeat([]byte{0x81}, 50_000))
	net, err := NamedNetwork("fuzz")
	if err != nil {
		f.Fatal(err)
	}
	decoders := map[string]func([]byte){
		"transaction":  func(b []byte) { _, _ = DecodeTransaction(b) },
		"transactions": func(b []byte) { _, _ = DecodeTransactions(b, 100_000) },
		"header":       func(b []byte) { _, _ = DecodeHeader(b) },
		"pool":         func(b []byte) { _, _ = ParsePool(b, noStamp, 100) },
		"blocks":       func(b []byte) { _, _ = ParseBlocks(net, b, 100) },
		"network":      func(b []byte) { _, _ = ParseNetwork(b) },
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, decode := range decoders {
			if got, most := allocated(func() { decode(b) }), uint64(64<<10+200*len(b)); got > most {
				t.Errorf("%s: %d bytes allocated for %d", name, got, len(b))
			}
		}
	})
}
