package rpc

import (
	"context"
	"encoding/hex"
	"math"
	"strconv"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

var errNoSealer = &opError{status: 500, text: "This node has no desk for builders: ask another node"}

// opTemplate answers whether it is time to build, with a block to search a
// nonce for.
func (s *ops) opTemplate(ctx context.Context, q *request, out *reply) error {
	if s.cfg.Sealer == nil {
		return errNoSealer
	}
	limit, err := q.args.within("max", ledger.MaxBlockTxs, 1, ledger.MaxBlockTxs)
	if err != nil {
		return err
	}
	withItems, err := q.args.boolean("items", true)
	if err != nil {
		return err
	}
	onlyState, err := q.args.boolean("only_state", false)
	if err != nil {
		return err
	}
	st, err := s.cfg.Sealer.State(ctx)
	if err != nil {
		return err
	}
	out.ok()
	out.raw(`{"state":`)
	err = out.value(api.BuildStateJSON{
		Blocks: st.Blocks, Tip: st.Tip, Payable: st.Payable, Rank: st.Rank, Allowed: st.Allowed, Coming: st.Coming,
		Oldest: seconds(st.Oldest), SinceTip: seconds(st.SinceTip),
	})
	if err != nil {
		return err
	}
	if !onlyState {
		t, err := s.cfg.Sealer.Template(ctx, int(limit))
		if err != nil {
			return &opError{status: 500, text: err.Error()}
		}
		if err := appendTemplate(out, &t, withItems); err != nil {
			return err
		}
	}
	out.raw(`}`)
	return nil
}

func appendTemplate(out *reply, t *api.Template, withItems bool) error {
	if t.Number == 0 {
		out.raw(`,"number":0,"header":null,"header_cbor":null,"items":[]`)
		return nil
	}
	out.raw(`,"number":`)
	out.buf = strconv.AppendUint(out.buf, t.Number, 10)
	if err := appendHeader(out, t.Header); err != nil {
		return err
	}
	out.raw(`,"items":[`)
	if withItems {
		links := ledger.Links(t.Txs)
		for i, tx := range t.Txs {
			var prev *ledger.Link
			if i > 0 {
				prev = &links[i-1]
			}
			if _, err := out.item(func(dst []byte) []byte { return tx.AppendJSON(dst, prev) }); err != nil {
				return err
			}
		}
	}
	out.raw(`]`)
	return nil
}

// appendHeader appends a header that is not sealed yet, as JSON and as the
// bytes that are hashed: the nonce is their last eight.
func appendHeader(out *reply, h ledger.Header) error {
	h.Nonce = ledger.Nonce{}
	b, err := ledger.Marshal(&h)
	if err != nil {
		return err
	}
	parent := "null"
	if h.Height > 0 {
		parent = `"` + h.Parent.String() + `"`
	}
	out.raw(`,"header":{"version":`)
	out.int(int64(h.Version))
	out.raw(`,"height":`)
	out.buf = strconv.AppendUint(out.buf, h.Height, 10)
	out.raw(`,"prev_hash":` + parent + `,"root":"` + h.Root.String() + `","count":`)
	out.int(int64(h.Count))
	out.raw(`,"time":`)
	out.buf = strconv.AppendUint(out.buf, h.Time, 10)
	out.raw(`,"bits":`)
	out.int(int64(h.Bits))
	out.raw(`,"builder":"` + h.Builder.String() + `"},"header_cbor":"` + hex.EncodeToString(b) + `"`)
	return nil
}

// opSubmit takes the nonce that was found for a template.
func (s *ops) opSubmit(ctx context.Context, q *request, out *reply) error {
	if s.cfg.Sealer == nil {
		return errNoSealer
	}
	if q.args.get("number") == nil || q.args.get("nonce") == nil {
		return &opError{status: 500, text: `Operation "submit" requires the following "args": "number" and "nonce"`}
	}
	number, err := q.args.within("number", 0, 1, math.MaxInt64)
	if err != nil {
		return err
	}
	text, _, err := q.args.text("nonce")
	if err != nil {
		return err
	}
	var nonce ledger.Nonce
	if len(text) != 2*len(nonce) {
		return badArg("args.nonce", "must be 16 hex digits")
	}
	if _, err := hex.Decode(nonce[:], []byte(text)); err != nil {
		return badArg("args.nonce", "must be 16 hex digits")
	}
	ref, err := s.cfg.Sealer.Submit(ctx, uint64(number), nonce)
	if err != nil {
		return &opError{status: 500, text: "The block was not taken: " + err.Error()}
	}
	out.accepted()
	out.raw(`,"response":{"height":`)
	out.buf = strconv.AppendUint(out.buf, ref.Height, 10)
	out.raw(`,"hash":"` + ref.Hash.String() + `"}`)
	return nil
}
