package rpc

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/rpc/api"
)

// TestCertificatesTravel takes blocks and certificates of one network to another that it
// never meets. What is final wins there against more work. A certificate that contradicts
// it is refused, and so is a forged one.
func TestCertificatesTravel(t *testing.T) {
	from, to := newVotingLab(t, 4), newVotingLab(t, 4)
	var taken []finality.Vote // as evidence
	to.s.cfg.Certify = func(_ context.Context, votes []finality.Vote, certs []*finality.Certificate) {
		taken = append(taken, votes...)
		if len(certs) == 0 {
			return
		}
		if err := to.chain.Votes().Apply(certs[0], nil, certs, nil); err != nil {
			t.Error(err)
		}
	}
	from.start()
	to.start()
	c, d := from.client(), to.client()
	from.submit(mint(1, 5))
	final := from.build()
	cert := from.certificate(7)
	if err := from.chain.Votes().Apply(cert, nil, []*finality.Certificate{cert}, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		to.submit(mint(n+2, 5))
		to.build()
	}
	other := to.certificate(8)
	d.wants(`{"op":"merge","args":{"blocks":[`+string(final.AppendJSON(nil))+`]}}`, `{"status":202,"error":"Accepted"}`)
	if to.chain.Tip().Blocks != 2 {
		t.Fatal("a block of less work won")
	}
	kept := response[struct {
		Certificates []string `json:"certificates"`
	}](c, `{"op":"certificates"}`)
	if len(kept.Certificates) != 1 || kept.Certificates[0] != hex.EncodeToString(cert.Encode()) {
		t.Fatalf("%v", kept)
	}
	certify := func(text string) string {
		return d.ask(fmt.Sprintf(`{"op":"certify","args":{"certificates":[%q]}}`, text))
	}
	forged := from.certificate(9)
	forged.Signatures[5]++
	if got := certify(hex.EncodeToString(forged.Encode())); !strings.Contains(got, "is no certificate of this network's builders") {
		t.Errorf("forged: %s", got)
	}
	if got := certify(kept.Certificates[0]); got != `{"status":202,"error":"Accepted"}` {
		t.Fatal(got)
	}
	if f := to.chain.Status().Final; f == nil || f.Block.Hash != final.Hash() || to.chain.Tip().Hash != final.Hash() {
		t.Fatalf("final is %+v, the tip %+v", f, to.chain.Tip())
	}
	for _, id := range []int{2, 3} {
		if r := response[api.Receipt](d, fmt.Sprintf(`{"op":"tx","args":{"id":"%s"}}`, numbered(id))); r.State != api.StatePooled {
			t.Errorf("transaction %d is %s", id, r.State)
		}
	}
	if got := certify(hex.EncodeToString(other.Encode())); !strings.Contains(got, "which is on another branch") || to.chain.Err() != nil {
		t.Errorf("a contradiction: %s (%v)", got, to.chain.Err())
	}
	lie := from.lie(0, 8)
	if err := from.chain.Votes().Apply(cert, nil, nil, []finality.Evidence{lie}); err != nil {
		t.Fatal(err)
	}
	list := response[jsontext.Value](c, `{"op":"certificates"}`)
	if got := d.ask(`{"op":"certify","args":` + string(list) + `}`); got != `{"status":202,"error":"Accepted"}` || !slices.Equal(taken, []finality.Vote{lie.A, lie.B}) {
		t.Errorf("evidence: %s, %v", got, taken)
	}
	same, wrong := hex.EncodeToString(lie.A.Encode()), lie.B
	wrong.Signature[0] ^= 1
	for pair, want := range map[string]string{
		fmt.Sprintf("%q,%q", same, same):                               "must be two votes of one builder",
		fmt.Sprintf("%q,%q", same, hex.EncodeToString(wrong.Encode())): "is not of this network's builders",
		`"xy","xy"`: "pairs of texts of hex",
		`"00"`:      "must be a list of at most 1000 pairs",
	} {
		if got := d.ask(`{"op":"certify","args":{"certificates":[],"evidence":[[` + pair + `]]}}`); !strings.Contains(got, want) || len(taken) != 2 {
			t.Errorf("not %q: %s", want, got)
		}
	}
	if got := newLab(t).start().client().ask(`{"op":"certificates"}`); !strings.Contains(got, "This network has no finality") {
		t.Errorf("without finality: %s", got)
	}
}

// TestCertificatePages checks that certificates of many views come in pages, each at most
// as large as a reply may be, and the evidence with the last.
func TestCertificatePages(t *testing.T) {
	l := newVotingLab(t, 4)
	l.start(func(lim *limits) { lim.reply = 20_000 })
	var certs []*finality.Certificate
	want := make(map[string]bool)
	for v := range uint64(100) {
		for _, kind := range []finality.Kind{finality.Notarize, finality.Nullify} {
			s := finality.Statement{Kind: kind, View: v + 1}
			if kind == finality.Notarize {
				s.Block = ledger.BlockRef{Height: 3, Hash: ledger.Hash{9}}
			}
			c := &finality.Certificate{Statement: s, Signers: []byte{0b111}, Signatures: make([]byte, 3*64)}
			certs, want[hex.EncodeToString(c.Encode())] = append(certs, c), true
		}
	}
	evidence := []finality.Evidence{l.lie(0, 3)}
	if err := l.chain.Votes().Apply(nil, nil, certs, evidence); err != nil {
		t.Fatal(err)
	}
	c := l.client()
	start, pages := uint64(0), 0
	for {
		answer := c.ask(fmt.Sprintf(`{"op":"certificates","args":{"start":%d}}`, start))
		if pages++; len(answer) > 20_000 || pages > 20 {
			t.Fatalf("page %d has %d bytes", pages, len(answer))
		}
		page := response[api.Certificates](c, fmt.Sprintf(`{"op":"certificates","args":{"start":%d}}`, start))
		for _, text := range page.Certificates {
			delete(want, text)
		}
		if (page.Next == nil) != (len(page.Evidence) == 1) {
			t.Errorf("page %d: next %v, evidence %v", pages, page.Next, page.Evidence)
		}
		if page.Next == nil {
			break
		}
		start = *page.Next
	}
	if len(want) > 0 || pages < 4 {
		t.Errorf("%d are missing in %d pages", len(want), pages)
	}
}
