package proof

import (
	"cmp"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
)

// An Evidence proves that a builder broke the rules of voting. It signed two votes of
// which an honest builder signs at most one. An Evidence is the data of an evidence
// event.
type Evidence struct {
	Builder ledger.PublicKey `json:"builder"`
	Name    string           `json:"name"` // of the builder, as a node shows it
	Kind    string           `json:"kind"` // of both votes: notarize, finalize, or "nullify and finalize"
	View    uint64           `json:"view"` // of both votes
	Votes   [2]Vote          `json:"votes"`
}

// Words returns, in words for people, what is proven.
func (e *Evidence) Words() string {
	did := map[string]string{"notarize": "voted for two blocks in one view", "finalize": "made two blocks final in one view"}[e.Kind]
	return fmt.Sprintf("%s %s (view %d), as two votes with its signature prove: do not trust what it builds. The proof: foxchain proof evidence",
		e.Name, cmp.Or(did, "gave a view up and made a block final in it"), e.View)
}

// A Vote is one of the two votes of an Evidence. Signature is the builder's Ed25519 signature of
// the bytes of Signed, which are "foxchain vote 1", the network's ID, and in CBOR the list [kind,
// view, parent, height, hash].
type Vote struct {
	Kind      string           `json:"kind"`
	View      uint64           `json:"view"`
	Parent    uint64           `json:"parent"` // the view that it continues
	Height    uint64           `json:"height"` // of the block, as Hash; 0 in a nullify
	Hash      ledger.Hash      `json:"hash"`
	Signed    string           `json:"signed"` // hex
	Signature ledger.Signature `json:"signature"`
}

// An EvidenceList is the answer to "evidence".
type EvidenceList struct {
	Evidence []Evidence `json:"evidence"`
}

func (l *EvidenceList) check(own *ledger.Network) (*Finding, error) {
	if len(l.Evidence) == 0 {
		return nil, fault("/evidence", "must have a proof: the node that was asked knows of no builder that broke the rules of voting")
	}
	f := new(Finding)
	for i := range l.Evidence {
		e, at := &l.Evidence[i], jsontext.Pointer(fmt.Sprintf("/evidence/%d", i))
		if slices.Contains(l.Evidence[:i], *e) {
			return nil, fault(at, "must not be given twice")
		}
		net, err := e.check(at, own)
		if err != nil {
			return nil, err
		}
		if i > 0 && net != f.Network {
			return nil, fault(at+"/votes/0/signed", fmt.Sprintf("must be of the network of evidence[0], %s", f.Network))
		}
		f.Network = net
		v := values{"builder": e.Builder.String(), "name": e.Name, "view": fmt.Sprint(e.View), "network_id": net.String(), "a": e.Votes[0].words(), "b": e.Votes[1].words()}
		f.prove("lie", v)
		if own == nil {
			f.doubt("member", v)
		}
		f.doubt("intent", v)
		f.doubt("name", v)
		f.stranger(own != nil, v)
	}
	f.Proven, f.NotProven = unique(f.Proven), unique(f.NotProven)
	return f, nil
}

func unique(list []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// check checks both votes, and returns their network.
func (e *Evidence) check(at jsontext.Pointer, own *ledger.Network) (net ledger.Hash, err error) {
	for i := range e.Votes {
		v, at := &e.Votes[i], at+jsontext.Pointer(fmt.Sprintf("/votes/%d", i))
		if v.View != e.View {
			return net, fault(at+"/view", fmt.Sprintf("must be %d, the view of the evidence", e.View))
		}
		id, err := v.check(at, e.Builder)
		if err != nil {
			return net, err
		}
		if i > 0 && id != net {
			return net, fault(at+"/signed", fmt.Sprintf("must be of the network of the other vote, %s", net))
		}
		net = id
	}
	a, b := e.Votes[0], e.Votes[1]
	kind := a.Kind
	if a.Kind != b.Kind {
		kind = "nullify and finalize"
	}
	switch {
	case e.Kind != kind:
		return net, fault(at+"/kind", "must be the kind of the votes, "+kind)
	case a.Kind == b.Kind && a.Parent == b.Parent && a.Height == b.Height && a.Hash == b.Hash:
		return net, fault(at+"/votes/1", "must differ from the other vote: a builder may vote the same again")
	case a.Kind != b.Kind && (a.Kind == finality.Notarize.String() || b.Kind == finality.Notarize.String()):
		return net, fault(at+"/votes/1/kind", "must be that of the other vote, or nullify beside finalize: an honest builder may sign both of these")
	}
	if err := sameNetwork(at+"/votes/0/signed", net, own); err != nil {
		return net, err
	}
	if own != nil && !slices.Contains(own.Builders, e.Builder) {
		return net, fault(at+"/builder", "must be one of your network's builders")
	}
	return net, nil
}

// check checks the form and the signature of a vote, and returns its network.
func (v *Vote) check(at jsontext.Pointer, builder ledger.PublicKey) (net ledger.Hash, err error) {
	kind := slices.IndexFunc([]finality.Kind{finality.Notarize, finality.Nullify, finality.Finalize}, func(k finality.Kind) bool { return k.String() == v.Kind })
	if kind < 0 {
		return net, fault(at+"/kind", "must be notarize, nullify or finalize")
	}
	s := finality.Statement{Kind: finality.Kind(kind), View: v.View, Parent: v.Parent, Block: ledger.BlockRef{Height: v.Height, Hash: v.Hash}}
	if err := s.Check(); err != nil {
		return net, fault(at, "must be a vote that a builder can cast: "+err.Error())
	}
	signed, err := hex.DecodeString(v.Signed)
	if err != nil || len(signed) < len(committee.Label)+len(net) {
		return net, fault(at+"/signed", "must be hex digits")
	}
	net = ledger.Hash(signed[len(committee.Label):])
	if text := hex.EncodeToString(slices.Concat([]byte(committee.Label), net[:], s.Encode())); v.Signed != text {
		return net, fault(at+"/signed", "must be what a vote of this kind, view, parent, height and hash signs, which is "+text)
	}
	if !ed25519.Verify(builder[:], signed, v.Signature[:]) {
		return net, fault(at+"/signature", "must be that of the builder")
	}
	return net, nil
}

// words returns a vote in words.
func (v *Vote) words() string {
	return say("vote_"+v.Kind, values{"height": fmt.Sprint(v.Height), "hash": v.Hash.String(), "parent": fmt.Sprint(v.Parent)})
}
