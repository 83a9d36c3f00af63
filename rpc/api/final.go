package api

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
)

// A Final is a block that the builders made final: it and all below it are never taken
// back. It is the data of a final event. Of the last one it stands in the info of nodes
// whose network has finality, as null while nothing is final.
type Final struct {
	Height   uint64             `json:"height"`
	Hash     ledger.Hash        `json:"hash"`
	View     uint64             `json:"view"`     // the round of votes that made it final
	Time     float64            `json:"time"`     // Unix seconds: when it was final here; 0: not known
	Signers  []ledger.PublicKey `json:"signers"`  // the builders that signed for it
	Names    []string           `json:"names"`    // of the signers, as people know them
	Need     int                `json:"need"`     // how many have to
	Builders int                `json:"builders"` // how many there are
}

// Words returns, in words for people, that a block is final, since when and by whom.
func (f *Final) Words() string {
	since := ""
	if f.Time > 0 {
		since = " since " + clock(f.Time)
	}
	return fmt.Sprintf("FINAL%s, signed by %s (%d of %d)", since, strings.Join(f.Names, ", "), len(f.Signers), f.Builders)
}

// A MaybeFinal is a Final that is null while nothing is final.
type MaybeFinal struct{ *Final }

// MarshalJSONTo implements json.MarshalerTo.
func (m *MaybeFinal) MarshalJSONTo(e *jsontext.Encoder) error { return json.MarshalEncode(e, m.Final) }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *MaybeFinal) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return json.UnmarshalDecode(d, &m.Final)
}

// An Evidence proves that a builder broke the rules of voting: it signed two votes of
// which an honest builder signs one at most. It is the data of an evidence event.
type Evidence struct {
	Builder ledger.PublicKey `json:"builder"`
	Name    string           `json:"name"` // as people know it
	Kind    string           `json:"kind"` // of both votes: notarize, finalize, or "nullify and finalize"
	View    uint64           `json:"view"` // of both votes
	Votes   [2]Vote          `json:"votes"`
}

// Words returns, in words for people, what is proven.
func (e *Evidence) Words() string {
	did := map[string]string{"notarize": "voted for two blocks in one view", "finalize": "made two blocks final in one view"}[e.Kind]
	return fmt.Sprintf("%s %s (view %d), as two votes with its signature prove: do not trust what it builds. The proof: foxchain watch --events evidence --json",
		e.Name, cmp.Or(did, "gave a view up and made a block final in it"), e.View)
}

// A Vote is one of them. Anybody can verify it: Signature is the builder's Ed25519
// signature of the bytes of Signed, which are "foxchain vote 1", the network's ID, and in
// CBOR the list [kind, view, parent, height, hash].
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

// A Voting is how the votes of a network with finality stand at a node.
type Voting struct {
	View      uint64             `json:"view"`           // the current round of votes
	Need      int                `json:"need"`           // builders that make a block final
	Builders  []ledger.PublicKey `json:"builders"`       // in the order of their numbers
	Away      []ledger.PublicKey `json:"away"`           // of which were not heard of for 12 s
	Evidence  []ledger.PublicKey `json:"evidence"`       // of which broke the rules, as two votes of theirs prove
	Mute      bool               `json:"mute,omitzero"`  // this builder lost the record of its votes, and must not vote yet
	KeyTwice  bool               `json:"twice,omitzero"` // another node votes with this one's key, so this one does not
	VoteCount map[string]uint64  `json:"votes"`          // seen since start, by kind
}

// Words returns, in words for people, how final the chain is. name returns what people
// call a builder.
func (v *Voting) Words(f *Final, blocks uint64, name func(ledger.PublicKey) string) string {
	n, up := len(v.Builders), len(v.Builders)-len(v.Away)
	var words string
	switch {
	case blocks == 0:
		return fmt.Sprintf("%d of %d builders make a block final", v.Need, n)
	case f != nil && f.Height+1 == blocks:
		words = fmt.Sprintf("all blocks, since %s, signed by %s (%d of %d)", clock(f.Time), names(f.Signers, name), len(f.Signers), n)
	case f != nil:
		words = fmt.Sprintf("up to block %d, since %s; %d above it may still be taken back", f.Height, clock(f.Time), blocks-f.Height-1)
	default:
		words = "no block yet; all may still be taken back"
	}
	if up < v.Need {
		words += fmt.Sprintf(". %d of %d builders are reachable (missing: %s), %d are needed", up, n, names(v.Away, name), v.Need)
	}
	if v.Mute {
		words += ". This node lost the record of its votes, and votes again when a block became final without it"
	}
	if v.KeyTwice {
		words += ". Another node votes with this node's key, so this one does not until it is restarted: stop the other one first"
	}
	if len(v.Evidence) > 0 {
		words += fmt.Sprintf(". %s broke the rules of voting, which is proven: do not trust what %s builds", names(v.Evidence, name), cmp.Or(map[bool]string{true: "it"}[len(v.Evidence) == 1], "they"))
	}
	return words
}

func names(keys []ledger.PublicKey, name func(ledger.PublicKey) string) string {
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = name(k)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func clock(unix float64) string { return time.UnixMilli(int64(unix * 1000)).Format(time.TimeOnly) }
