package client

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

// AnswerTime is how long a node may take to answer a Get or a Subscribe.
const AnswerTime = 30 * time.Second

// ErrSlow is the error of a Get that was not answered in time. It is an ErrEnded, since
// such a node counts as lost.
var ErrSlow = fmt.Errorf("%w: the node did not answer within %s", ErrEnded, AnswerTime)

// Get is Do within AnswerTime, and reads the response into a value.
func (c *Client) Get(ctx context.Context, op string, args, into any) error {
	ctx, cancel := context.WithTimeoutCause(ctx, AnswerTime, ErrSlow)
	defer cancel()
	response, err := c.Do(ctx, op, args)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(response, into); err != nil {
		return fmt.Errorf("the node's answer to %q is not as this program expects it (%w): %w", op, ErrStrange, err)
	}
	return nil
}

// Info returns the node's own state.
func (c *Client) Info(ctx context.Context) (in api.Info, err error) {
	return in, c.Get(ctx, "info", nil, &in)
}

// Peers returns the other nodes.
func (c *Client) Peers(ctx context.Context) (p api.Peers, err error) {
	return p, c.Get(ctx, "peers", nil, &p)
}

// Register sends the node addresses of others: ws URLs or multiaddrs.
func (c *Client) Register(ctx context.Context, addrs ...string) error {
	_, err := c.Do(ctx, "register", map[string][]string{"addr": addrs})
	return err
}

// Forget makes the node drop another one that is not connected, given by its peer
// ID, name or registered address.
func (c *Client) Forget(ctx context.Context, node string) error {
	_, err := c.Do(ctx, "forget", map[string]string{"node": node})
	return err
}

// MergePool sends the node transactions, anything that is a JSON list of them.
// It returns those that were refused while others were taken. When none was,
// the error is a *ReplyError, whose Reply names each.
func (c *Client) MergePool(ctx context.Context, txs any) ([]api.Refused, error) {
	return c.mergePool(ctx, map[string]any{"pool": txs})
}

// MergeCarried is MergePool of transactions that another node accepted before. What is gone
// for good on the node is refused.
func (c *Client) MergeCarried(ctx context.Context, txs any) ([]api.Refused, error) {
	return c.mergePool(ctx, map[string]any{"pool": txs, "carried": true})
}

func (c *Client) mergePool(ctx context.Context, args map[string]any) ([]api.Refused, error) {
	r, err := c.Ask(ctx, "merge", args)
	if err == nil && r.Status != 202 {
		err = &ReplyError{Op: "merge", Reply: r}
	}
	return r.Refused, err
}

// MergeBlocks sends the node blocks, anything that is a JSON list of them.
func (c *Client) MergeBlocks(ctx context.Context, blocks any) error {
	_, err := c.Do(ctx, "merge", map[string]any{"blocks": blocks})
	return err
}

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
	var at api.BlockRef
	err := c.Get(ctx, "submit", map[string]any{"number": number, "nonce": hex.EncodeToString(nonce[:])}, &at)
	if err != nil || at.Hash == nil {
		return ledger.BlockRef{}, err
	}
	return ledger.BlockRef{Height: uint64(at.Height), Hash: *at.Hash}, nil
}
