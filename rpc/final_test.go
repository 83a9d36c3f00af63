package rpc

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/chain/chaintest"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/proof"
	"foxchain/rpc/api"
)

// voters are the builders of a network, whose votes a test casts.
type voters struct {
	t         testing.TB
	on        *chain.Chain
	keys      []ed25519.PrivateKey // in the order of the builders
	committee *committee.Committee
}

func newVoters(t testing.TB, n int, rules ledger.Network) voters {
	v := voters{t: t}
	for i := range n {
		v.keys = append(v.keys, ledgertest.Key(i))
		rules.Builders = append(rules.Builders, ledgertest.Public(v.keys[i]))
	}
	slices.SortFunc(v.keys, func(a, b ed25519.PrivateKey) int {
		x, y := ledgertest.Public(a), ledgertest.Public(b)
		return bytes.Compare(x[:], y[:])
	})
	v.on = chaintest.Open(t, chain.Config{Network: ledgertest.Network(t, rules)})
	v.committee = committee.New(v.on.Network())
	return v
}

// certificate makes the tip final in a view, signed by three builders.
func (v *voters) certificate(view uint64) *finality.Certificate {
	tip := v.on.Tip()
	s := finality.Statement{Kind: finality.Finalize, View: view, Parent: view - 1, Block: ledger.BlockRef{Height: tip.Blocks - 1, Hash: tip.Hash}}
	c := &finality.Certificate{Statement: s, Signers: []byte{0b0111}}
	for i, k := range v.keys[:3] {
		sig := v.committee.Sign(s, i, k).Signature
		c.Signatures = append(c.Signatures, sig[:]...)
	}
	return c
}

// lie makes two votes of a builder that exclude each other.
func (v *voters) lie(builder int, view uint64) finality.Evidence {
	vote := func(hash byte) finality.Vote {
		return v.committee.Sign(finality.Statement{Kind: finality.Notarize, View: view, Block: ledger.BlockRef{Height: 3, Hash: ledger.Hash{hash}}}, builder, v.keys[builder])
	}
	return finality.Evidence{A: vote(1), B: vote(2)}
}

func (v *voters) finalize(view uint64) {
	v.t.Helper()
	c := v.certificate(view)
	if err := v.on.Votes().Apply(c, nil, []*finality.Certificate{c}, nil); err != nil {
		v.t.Fatal(err)
	}
}

func (v *voters) accuse(builder int, view uint64) {
	v.t.Helper()
	if err := v.on.Votes().Apply(nil, nil, nil, []finality.Evidence{v.lie(builder, view)}); err != nil {
		v.t.Fatal(err)
	}
}

// An office is a lab on a network of four builders.
type office struct {
	*lab
	voters
	voting *api.Voting
}

func newOffice(t *testing.T) *office {
	o := &office{voters: newVoters(t, 4, ledger.Network{Name: "office", Bits: 0})}
	c := o.on
	o.voting = &api.Voting{Need: finality.Quorum(o.committee.Size()), Builders: c.Network().Builders}
	for _, k := range o.voting.Builders {
		o.voting.Members = append(o.voting.Members, api.Member{Key: k})
	}
	o.lab = newLab(t, func(cfg *Config) {
		cfg.Chain, cfg.Key = c, o.committee.Key(0)
		cfg.Voting = func() *api.Voting { return o.voting }
	})
	o.chain, o.sealer.chain, o.sealer.key = c, c, o.keys[0]
	o.net.set(
		api.Peer{ID: "1", Key: o.committee.Key(1).String(), Name: "bo", State: "connected", Connected: true},
		api.Peer{ID: "2", Key: o.committee.Key(2).String(), Name: "cy", State: "connected", Connected: true},
		api.Peer{ID: "3", Key: o.committee.Key(3).String(), Name: "cy", State: "missing"},
	)
	return o
}

// grow builds n blocks.
func (o *office) grow(n int) {
	o.lab.t.Helper()
	for range n {
		o.submit(mint(int(o.chain.Tip().Blocks)+1, 5))
		o.build()
	}
}

// eventOf reads the next event, which must be of a kind.
func eventOf[T any](c *client, kind string) (data T) {
	c.t.Helper()
	msg := c.next()
	var e struct {
		Event string `json:"event"`
		Data  T      `json:"data"`
	}
	if err := json.Unmarshal([]byte(msg), &e); err != nil || e.Event != kind {
		c.t.Fatalf("not %s but %.300s (%v)", kind, msg, err)
	}
	return e.Data
}

// TestFinalEvents replays what became final while a client was away, in order, and holds
// back what is final until its block was sent.
func TestFinalEvents(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.grow(2)
	o.finalize(1)
	c := o.client()
	if r := response[api.Subscribed](c, `{"op":"subscribe","args":{"events":["final","block"]}}`); r.FromFinal == nil || *r.FromFinal != 2 {
		t.Fatalf("final events begin at %v", r.FromFinal)
	}
	o.grow(1)
	o.finalize(2)
	if b := eventOf[api.BlockEvent](c, "block"); b.Block.Height != 2 {
		t.Errorf("block %d", b.Block.Height)
	}
	f := eventOf[api.Final](c, "final")
	if f.Height != 2 || f.Hash != o.chain.Tip().Hash || f.View != 2 || f.Time == 0 || f.Need != 3 || f.Builders != 4 {
		t.Errorf("%+v", f)
	}
	if key := o.committee.Key(2).String(); !slices.Equal(f.Names, []string{"fox", "bo", "cy (" + key[:8] + ")"}) || f.Signers[2].String() != key {
		t.Errorf("signed by %v, %v", f.Names, f.Signers)
	}
	o.grow(3)
	o.finalize(3)
	o.grow(1)
	o.finalize(4)

	again := o.client()
	again.wants(`{"op":"subscribe","args":{"events":["final"],"from_final":3}}`, `{"status":200,"error":"OK","response":{"events":["final"],"from":7,"from_final":3}}`)
	for _, want := range []uint64{5, 6} {
		if f := eventOf[api.Final](again, "final"); f.Height != want {
			t.Errorf("block %d is final, not %d", f.Height, want)
		}
	}
	back := o.client()
	back.ask(`{"op":"subscribe","args":{"events":["final"],"from_final":-1}}`)
	if f := eventOf[api.Final](back, "final"); f.Height != 6 {
		t.Errorf("block %d is final", f.Height)
	}
	back.wants(`{"op":"subscribe","args":{"from_final":"x"}}`, `{"status":500,"error":"args.from_final: must be an integer, or text that is one","response":null}`)
}

// TestEvidenceEvents sends kept evidence at once and new evidence when it comes. Both
// votes verify with what they carry alone.
func TestEvidenceEvents(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.accuse(2, 7)
	c := o.client()
	c.ask(`{"op":"subscribe","args":{"events":["evidence"]}}`)
	first := eventOf[api.Evidence](c, "evidence")
	if first.Builder != o.committee.Key(2) || !strings.HasPrefix(first.Name, "cy (") || first.Kind != "notarize" || first.View != 7 {
		t.Errorf("%+v", first)
	}
	id := o.chain.Network().ID()
	for _, v := range first.Votes {
		signed, err := hex.DecodeString(v.Signed)
		if err != nil || !bytes.HasPrefix(signed, fmt.Appendf(nil, "foxchain vote 1%s", id[:])) || !ed25519.Verify(first.Builder[:], signed, v.Signature[:]) {
			t.Errorf("%+v does not verify (%v)", v, err)
		}
	}
	o.accuse(1, 8)
	if e := eventOf[api.Evidence](c, "evidence"); e.Name != "bo" || e.View != 8 {
		t.Errorf("%+v", e)
	}
	if list := response[api.EvidenceList](o.client(), `{"op":"evidence"}`).Evidence; len(list) != 2 {
		t.Errorf("%d proofs are listed", len(list))
	}
}

// TestNoFinality checks that an open network has neither kind of event.
func TestNoFinality(t *testing.T) {
	c := newLab(t).start().client()
	c.wants(`{"op":"subscribe","args":{"events":["final","evidence"],"from_final":0}}`, `{"status":200,"error":"OK","response":{"events":["final","evidence"],"from":0}}`)
	c.wants(`{"op":"evidence"}`, `{"status":200,"error":"OK","response":{"evidence":[]}}`)
}

// TestReceiptsSayHowFinal asks for the receipt of a transaction while its block is final,
// while it may become so, and while too few builders are there.
func TestReceiptsSayHowFinal(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.grow(1)
	o.finalize(1)
	o.grow(1)
	c := o.client()
	words := func(n int) string {
		r := response[api.Receipt](c, fmt.Sprintf(`{"op":"tx","args":{"id":"%s"}}`, numbered(n)))
		b := response[api.BlockReply](c, fmt.Sprintf(`{"op":"block","args":{"height":%d}}`, n-1))
		if got := b.Settled.Words(); got != r.Settled.Words() || *r.Final != *b.Final {
			t.Errorf("the block is %q, the transaction %q", got, r.Settled.Words())
		}
		return r.Settled.Words()
	}
	names := "bo, cy (" + o.committee.Key(2).String()[:8] + "), fox (3 of 4)"
	if got := words(1); !strings.HasPrefix(got, "FINAL since ") || !strings.HasSuffix(got, ", signed by "+names) {
		t.Error(got)
	}
	if got := words(2); got != "not final yet: the builders vote on it; may still be taken back" {
		t.Error(got)
	}
	day := time.Date(2026, 1, 2, 10, 31, 7, 0, time.Local)
	for i, m := range []float64{0, 90, 5, 10} {
		if m > 0 {
			o.voting.Members[i].Away = float64(day.Unix()) + m
		}
	}
	o.net.set(api.Peer{Key: o.committee.Key(1).String(), Name: "bo"}, api.Peer{Key: o.committee.Key(2).String(), Name: "di"}, api.Peer{Key: o.committee.Key(3).String(), Name: "cy"})
	const want = "not final: 1 of 4 builders are reachable (missing: cy, di since 2026-01-02 10:31, bo since 2026-01-02 10:32), 3 are needed; may still be taken back"
	if got := words(2); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	c.send(`{"op":"blocks","args":{"start":1,"items":false}}`)
	if got := c.next(); !strings.HasSuffix(got, `],"final":0}}`) {
		t.Errorf("blocks: …%s", got[len(got)-40:])
	}
	acc := response[api.Account](c, fmt.Sprintf(`{"op":"account","args":{"account":"%s"}}`, numbered(0)))
	if h := acc.History; len(h) != 2 || *h[0].Final || !*h[1].Final {
		t.Errorf("%+v", h)
	}
}

// TestFinalNames checks that a replay looks the builders' names up once in many events,
// since that goes through all known nodes.
func TestFinalNames(t *testing.T) {
	o := newOffice(t)
	o.start()
	const blocks = 20
	for view := range uint64(blocks) {
		o.grow(1)
		o.finalize(view + 1)
	}
	c := o.client()
	asked := func() int {
		o.net.mu.Lock()
		defer o.net.mu.Unlock()
		return o.net.asked
	}
	before := asked()
	c.ask(`{"op":"subscribe","args":{"events":["final"],"from_final":0}}`)
	for height := range uint64(blocks) {
		if f := eventOf[api.Final](c, "final"); f.Height != height || f.Names[1] != "bo" {
			t.Fatalf("%+v", f)
		}
	}
	if n := asked() - before; n >= blocks/2 {
		t.Errorf("the nodes were gone through %d times", n)
	}
}

// TestSeenOn counts the nodes of an open network that have a block, by their tips.
func TestSeenOn(t *testing.T) {
	l := newLab(t).start()
	l.submit(mint(1, 5))
	first := l.build()
	l.submit(mint(2, 5))
	second := l.build()
	rival := l.extend(l.header(nil, mint(3, 5)), []*ledger.Transaction{mint(3, 5)})
	tip := func(hash ledger.Hash) api.Peer {
		return api.Peer{State: "connected", Connected: true, Tip: hash.String()}
	}
	gone := tip(rival.Hash())
	gone.State, gone.Connected = "missing", false
	heard := tip(second.Hash())
	heard.State, heard.Connected = "heard of", false
	l.net.set(tip(first.Hash()), heard, tip(rival.Hash()), gone, tip(ledger.Hash{1}), tip(l.chain.Network().ID()), api.Peer{Connected: true})
	c := l.client()
	for n, want := range []string{
		"on 3 of 7 nodes seen, 2 unknown; this network has no finality",
		"on 2 of 7 nodes seen, 2 unknown; this network has no finality",
	} {
		r := response[api.Receipt](c, fmt.Sprintf(`{"op":"tx","args":{"id":"%s"}}`, numbered(n+1)))
		if got := r.Settled.Words(); got != want || r.Final != nil {
			t.Errorf("block %d: %s", n, got)
		}
	}
	l.net.set(tip(second.Hash()))
	r := response[api.BlockReply](c, `{"op":"block","args":{"height":1}}`)
	if got := r.Settled.Words(); got != "on 2 of 2 nodes seen; this network has no finality" {
		t.Error(got)
	}
}

// TestProof checks the proof of a transaction, final or not, and the reason why there is none.
func TestProof(t *testing.T) {
	o := newOffice(t)
	o.start()
	o.grow(2)
	o.finalize(1)
	o.grow(2)
	c := o.client()
	prove := func(n int) string {
		p := response[jsontext.Value](c, fmt.Sprintf(`{"op":"proof","args":{"id":"%s"}}`, mint(n, 5).ID))
		f, err := proof.Check(p, o.chain.Network())
		if err != nil {
			t.Fatalf("transaction %d: %v\n%s", n, err, p)
		}
		return strings.Join(append(f.Proven, f.NotProven...), "\n")
	}
	for n, want := range map[int]string{
		1: "FINAL: 3 of 4 builders signed block 1", 2: "FINAL: 3 of 4 builders signed block 1", 3: "NOT FINAL", 4: "1 stand in a row up to block 3",
	} {
		if said := prove(n); !strings.Contains(said, want) {
			t.Errorf("transaction %d: not %q:\n%s", n, want, said)
		}
	}
	o.submit(mint(77, 5))
	c.wants(fmt.Sprintf(`{"op":"proof","args":{"id":"%s"}}`, mint(77, 5).ID),
		fmt.Sprintf(`{"status":404,"error":"Transaction %s is in no block yet, so there is nothing to prove it by","response":null}`, mint(77, 5).ID))
	c.wants(fmt.Sprintf(`{"op":"proof","args":{"id":"%s"}}`, mint(78, 5).ID),
		fmt.Sprintf(`{"status":404,"error":"A block with transaction %s is not known here","response":null}`, mint(78, 5).ID))
	o.accuse(1, 7)
	list := response[jsontext.Value](c, `{"op":"evidence"}`)
	if f, err := proof.Check(list, o.chain.Network()); err != nil || !strings.Contains(f.Proven[0], o.committee.Key(1).String()+" signed two votes in view 7") {
		t.Errorf("%+v, %v", f, err)
	}
}
