package rpc

import (
	"context"
	"encoding/hex"
	"math"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// A buildOps serves builders outside the node.
type buildOps struct{ sealer Sealer }

// template returns the state that a builder decides by, and a block to search a nonce
// for.
func (s *buildOps) template(ctx context.Context, q *request, out *reply) error {
	limit := q.args.within("max", ledger.MaxBlockTxs, 1, ledger.MaxBlockTxs)
	withItems, onlyState := q.args.boolean("items", true), q.args.boolean("only_state", false)
	if q.args.err != nil {
		return q.args.err
	}
	var r api.TemplateReply
	var err error
	if r.State, err = s.sealer.State(ctx); err != nil {
		return err
	}
	if !onlyState {
		t, err := s.sealer.Template(ctx, int(limit))
		if err != nil {
			return &opError{status: 500, text: err.Error()}
		}
		if r.TemplateJSON, err = newTemplate(&t, withItems); err != nil {
			return err
		}
	}
	return out.respond(r)
}

func newTemplate(t *api.Template, withItems bool) (*api.TemplateJSON, error) {
	if t.Number == 0 {
		return new(api.TemplateJSON), nil
	}
	h := t.Header
	h.Nonce = ledger.Nonce{}
	hashed, err := ledger.Marshal(&h)
	if err != nil {
		return nil, err
	}
	text := hex.EncodeToString(hashed)
	out := &api.TemplateJSON{Number: t.Number, CBOR: &text, Header: &api.Header{
		Version: h.Version, Height: h.Height, Root: h.Root, Count: h.Count, Time: h.Time, Bits: h.Bits, Builder: h.Builder,
	}}
	if h.Height > 0 {
		out.Header.PrevHash = &h.Parent
	}
	if withItems {
		links := ledger.Links(t.Txs)
		out.Items = append(out.Items, api.NewTx(t.Txs[0], nil))
		for i, tx := range t.Txs[1:] {
			out.Items = append(out.Items, api.NewTx(tx, &links[i]))
		}
	}
	return out, nil
}

// submit takes the nonce found for a template.
func (s *buildOps) submit(ctx context.Context, q *request, out *reply) error {
	if q.args.get("number") == nil || q.args.get("nonce") == nil {
		return missing("submit", `"number" and "nonce"`)
	}
	number := q.args.within("number", 0, 1, math.MaxInt64)
	text, _ := q.args.text("nonce")
	if q.args.err != nil {
		return q.args.err
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(ledger.Nonce{}) {
		return badArg("args.nonce", "must be 16 hex digits")
	}
	ref, err := s.sealer.Submit(ctx, uint64(number), ledger.Nonce(b))
	if err != nil {
		return &opError{status: 500, text: "The block was not taken: " + err.Error()}
	}
	out.accepted()
	return out.members(struct {
		Response api.BlockRef `json:"response"`
	}{api.BlockRef{Height: int64(ref.Height), Hash: &ref.Hash}})
}
