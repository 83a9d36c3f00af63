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
	"foxchain/ledger/proof"
)

// A Final is a block that the builders made final. It and all below it are never taken
// back. A Final is the data of a final event. Info has the last one, null while nothing
// is final, if the network has finality.
type Final struct {
	Height   uint64             `json:"height"`
	Hash     ledger.Hash        `json:"hash"`
	View     uint64             `json:"view"`     // the round of votes that made it final
	Time     float64            `json:"time"`     // when its certificate came here, Unix seconds; 0 if not known
	Signers  []ledger.PublicKey `json:"signers"`  // the builders that signed for it
	Names    []string           `json:"names"`    // of the signers
	Need     int                `json:"need"`     // how many must sign
	Builders int                `json:"builders"` // how many there are
}

// Words returns, in words for people, that a block is final, since when and by which
// builders.
func (f *Final) Words() string {
	since := ""
	if f.Time > 0 {
		since = " since " + at(f.Time, time.TimeOnly)
	}
	return fmt.Sprintf("FINAL%s, signed by %s (%d of %d)", since, strings.Join(slices.Sorted(slices.Values(f.Names)), ", "), len(f.Signers), f.Builders)
}

// A MaybeFinal is a Final that is null while nothing is final.
type MaybeFinal struct{ *Final }

// MarshalJSONTo implements json.MarshalerTo.
func (m *MaybeFinal) MarshalJSONTo(e *jsontext.Encoder) error { return json.MarshalEncode(e, m.Final) }

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *MaybeFinal) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return json.UnmarshalDecode(d, &m.Final)
}

// Evidence that a builder broke the rules of voting is in package proof, since it can be
// checked without a node.
type (
	Evidence     = proof.Evidence
	EvidenceList = proof.EvidenceList
	Vote         = proof.Vote
)

// A Voting is a node's state of the votes, on a network with finality.
type Voting struct {
	View      uint64             `json:"view"`           // the current round of votes
	Need      int                `json:"need"`           // how many builders make a block final
	Builders  []ledger.PublicKey `json:"builders"`       // in the order of their numbers
	Away      []ledger.PublicKey `json:"away"`           // those not heard of for 12 s
	Members   []Member           `json:"members"`        // all builders, with their names
	Evidence  []ledger.PublicKey `json:"evidence"`       // those that two of their votes prove to have broken the rules
	Mute      bool               `json:"mute,omitzero"`  // this builder lost the record of its votes, and must not vote yet
	KeyTwice  bool               `json:"twice,omitzero"` // another node votes with this one's key, so this one does not
	VoteCount map[string]uint64  `json:"votes"`          // votes seen since start, by kind
}

// A Member is a builder as a node sees it.
type Member struct {
	Key  ledger.PublicKey `json:"key"`
	Name string           `json:"name"`                // shown to people
	Away float64          `json:"away_since,omitzero"` // when one that is away was last heard of, or the node started, Unix seconds
}

// A Settled reports how safe a block of the chain is from being taken back.
type Settled struct {
	Final    *bool     `json:"final,omitzero"`     // it is never taken back; nil if the network has no finality
	FinalBy  *Final    `json:"final_by,omitzero"`  // what made it final
	NotFinal *NotFinal `json:"not_final,omitzero"` // why it is not
	Seen     *Seen     `json:"seen_on,omitzero"`   // on a network without finality
}

// A NotFinal reports how many builders a block needs to become final, and which are away.
type NotFinal struct {
	Need     int      `json:"need"`     // how many builders make a block final
	Builders int      `json:"builders"` // how many there are
	Away     []Member `json:"away"`     // those not heard of for 12 s
}

// A Seen is on how many nodes a block is, by the tips that they report: a node has a block
// when its tip is that block or descends from it.
type Seen struct {
	On      int `json:"on"`      // nodes that have the block, the one that was asked among them
	Of      int `json:"of"`      // nodes that are connected or heard of, and the one that was asked
	Unknown int `json:"unknown"` // of these, nodes whose tip is not known here, or over 100 blocks beside the chain
}

// Words returns, in words for people, how safe a block is.
func (s *Settled) Words() string {
	switch {
	case s.FinalBy != nil:
		return s.FinalBy.Words()
	case s.NotFinal != nil && s.NotFinal.lacking() != "":
		return "not final: " + s.NotFinal.lacking() + "; may still be taken back"
	case s.NotFinal != nil:
		return "not final yet: the builders vote on it; may still be taken back"
	case s.Seen != nil && s.Seen.Unknown > 0:
		return fmt.Sprintf("on %d of %d nodes seen, %d unknown; this network has no finality", s.Seen.On, s.Seen.Of, s.Seen.Unknown)
	case s.Seen != nil:
		return fmt.Sprintf("on %d of %d nodes seen; this network has no finality", s.Seen.On, s.Seen.Of)
	}
	return "may still be taken back"
}

// lacking names the builders that are away if too few are left, else it returns "".
func (n *NotFinal) lacking() string {
	up := n.Builders - len(n.Away)
	if up >= n.Need {
		return ""
	}
	return fmt.Sprintf("%d of %d builders are reachable (missing: %s), %d are needed", up, n.Builders, missing(n.Away), n.Need)
}

// missing names builders and since when they are away, grouped by minute.
func missing(away []Member) string {
	away = slices.Clone(away)
	slices.SortFunc(away, func(a, b Member) int {
		return cmp.Or(cmp.Compare(int64(a.Away)/60, int64(b.Away)/60), cmp.Compare(a.Name, b.Name))
	})
	var words []string
	for i, m := range away {
		minute := at(m.Away, "15:04")
		if i+1 < len(away) && at(away[i+1].Away, "15:04") == minute {
			words = append(words, m.Name)
		} else {
			words = append(words, m.Name+" since "+minute)
		}
	}
	return strings.Join(words, ", ")
}

// Lacks returns which builders are needed for a block to become final.
func (v *Voting) Lacks() *NotFinal {
	n := &NotFinal{Need: v.Need, Builders: len(v.Builders), Away: []Member{}}
	for _, m := range v.Members {
		if m.Away > 0 {
			n.Away = append(n.Away, m)
		}
	}
	return n
}

// Words returns, in words for people, how final the chain is.
func (v *Voting) Words(f *Final, blocks uint64) string {
	var words string
	switch {
	case blocks == 0:
		return fmt.Sprintf("%d of %d builders make a block final", v.Need, len(v.Builders))
	case f != nil && f.Height+1 == blocks:
		words = "all blocks are " + f.Words()
	case f != nil:
		words = fmt.Sprintf("up to block %d, %s; %d above it may still be taken back", f.Height, f.Words(), blocks-f.Height-1)
	default:
		words = "no block yet; all may still be taken back"
	}
	if lacking := v.Lacks().lacking(); lacking != "" {
		words += ". " + lacking
	}
	if v.Mute {
		words += ". This node lost the record of its votes, and votes again when a block became final without it"
	}
	if v.KeyTwice {
		words += ". There are votes of this node's key that it did not cast, so it does not vote until it is restarted: stop the other node that uses the key. " +
			"If there is none, since the key was put into a new or an old directory, start once with --keep-identity"
	}
	for _, m := range v.Members {
		if slices.Contains(v.Evidence, m.Key) {
			words += fmt.Sprintf(". %s broke the rules of voting, which is proven: do not trust what it builds", m.Name)
		}
	}
	return words
}

// at formats a time in Unix seconds for people, with the day unless that is today.
func at(unix float64, layout string) string {
	t := time.UnixMilli(int64(unix * 1000))
	if t.Format(time.DateOnly) != time.Now().Format(time.DateOnly) {
		layout = time.DateOnly + " " + layout
	}
	return t.Format(layout)
}
