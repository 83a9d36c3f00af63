package client

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// BuildState asks the node whether it is time to build.
func (c *Client) BuildState(ctx context.Context) (api.BuildState, error) {
	var r struct {
		State api.BuildStateJSON `json:"state"`
	}
	err := c.Get(ctx, "template", map[string]bool{"only_state": true}, &r)
	return api.BuildState{
		Blocks: r.State.Blocks, Tip: r.State.Tip, Payable: r.State.Payable, Rank: r.State.Rank, Allowed: r.State.Allowed, Coming: r.State.Coming,
		Oldest: duration(r.State.Oldest), SinceTip: duration(r.State.SinceTip),
	}, err
}

// Template asks for a block of at most limit transactions to search a nonce
// for. It comes without them: the header commits to them. Its Number is 0 when
// there is nothing to build.
func (c *Client) Template(ctx context.Context, limit int) (api.Template, error) {
	var r struct {
		Number uint64 `json:"number"`
		Header string `json:"header_cbor"` // hex
	}
	if err := c.Get(ctx, "template", map[string]any{"max": limit, "items": false}, &r); err != nil || r.Number == 0 {
		return api.Template{}, err
	}
	t := api.Template{Number: r.Number}
	b, err := hex.DecodeString(r.Header)
	if err == nil {
		err = ledger.Unmarshal(b, &t.Header)
	}
	if err != nil {
		return api.Template{}, fmt.Errorf("the node's template has a header that this program cannot read (%w): %w", ErrStrange, err)
	}
	return t, nil
}

// Submit hands in the nonce of a numbered template, and gives the block that it
// made.
func (c *Client) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	var at struct {
		Height uint64      `json:"height"`
		Hash   ledger.Hash `json:"hash"`
	}
	err := c.Get(ctx, "submit", map[string]any{"number": number, "nonce": hex.EncodeToString(nonce[:])}, &at)
	return ledger.BlockRef{Height: at.Height, Hash: at.Hash}, err
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
