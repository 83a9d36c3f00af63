package p2p

import (
	"bytes"
	"runtime"
	"testing"

	"foxchain/ledger"
	"foxchain/ledger/ledgertest"
)

// FuzzHellos gives one input to the decoders of hellos and status lines. They encode what
// they accept to the same bytes, and allocate no more than a multiple of the input.
func FuzzHellos(f *testing.F) {
	net, err := ledger.NamedNetwork("fuzz")
	if err != nil {
		f.Fatal(err)
	}
	key := ledgertest.Key(1)
	line := statusLine{Key: ledger.PublicKey(key[32:]), Name: "fox", Peers: [][]byte{{1}}}
	signed, err := encodeStatus(net, &line, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	if b, err := ledger.Marshal(&line); err == nil {
		f.Add(b)
	}
	h := hello{Network: net.ID(), NetworkName: "fuzz", Name: "fox", Status: signed}
	for _, m := range []any{&h, &helloReply{Hello: h, Refused: "no", Copy: signed}} {
		var b bytes.Buffer
		if err := writeHello(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, reply := new(hello), new(helloReply)
		var errs [2]error
		line := new(statusLine)
		var decoded *statusLine
		got := allocatedBy(func() {
			if ledger.Unmarshal(b, line) != nil {
				line = nil
			}
			errs = [2]error{readHello(bytes.NewReader(b), first), readHello(bytes.NewReader(b), reply)}
			decoded, _ = decodeStatus(net, b)
		})
		if limit := uint64(32<<10 + 64*len(b)); got > limit {
			t.Errorf("%d bytes allocated for %d", got, len(b))
		}
		for i, m := range []any{first, reply} {
			if errs[i] != nil {
				continue
			}
			var again bytes.Buffer
			if err := writeHello(&again, m); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
				t.Errorf("%T: %x is written as %x, %v", m, b, again.Bytes(), err)
			}
		}
		for _, l := range []*statusLine{line, decoded} {
			if l == nil {
				continue
			}
			if again, err := ledger.Marshal(l); err != nil || !bytes.Contains(b, again) {
				t.Errorf("%x holds a line that is written as %x, %v", b, again, err)
			}
		}
	})
}

func allocatedBy(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
