package client

import (
	"context"
	"encoding/hex"
	"fmt"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// BuildState asks the node whether it is time to build.
func (c *Client) BuildState(ctx context.Context) (api.BuildState, error) {
	var r api.TemplateReply
	err := c.Get(ctx, "template", map[string]bool{"only_state": true}, &r)
	return r.State, err
}

// Template asks for a block of at most limit transactions to search a nonce
// for. It comes without them: the header commits to them. Its Number is 0 when
// there is nothing to build.
func (c *Client) Template(ctx context.Context, limit int) (t api.Template, err error) {
	var r api.TemplateReply
	err = c.Get(ctx, "template", map[string]any{"max": limit, "items": false}, &r)
	if err != nil || r.TemplateJSON == nil || r.CBOR == nil {
		return t, err
	}
	b, err := hex.DecodeString(*r.CBOR)
	if err == nil {
		err = ledger.Unmarshal(b, &t.Header)
	}
	if err != nil {
		return api.Template{}, fmt.Errorf("the node's template has a header that this program cannot read (%w): %w", ErrStrange, err)
	}
	t.Number = r.Number
	return t, nil
}

// Submit hands in the nonce of a numbered template, and returns the block that it
// made.
func (c *Client) Submit(ctx context.Context, number uint64, nonce ledger.Nonce) (ledger.BlockRef, error) {
	var at api.Place
	err := c.Get(ctx, "submit", map[string]any{"number": number, "nonce": hex.EncodeToString(nonce[:])}, &at)
	if err != nil || at.Hash == nil {
		return ledger.BlockRef{}, err
	}
	return ledger.BlockRef{Height: uint64(at.Height), Hash: *at.Hash}, nil
}
