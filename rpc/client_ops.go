package rpc

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"foxchain/ledger"
)

// Get is Do that reads the response into a value.
func (c *Client) Get(ctx context.Context, op string, args, into any) error {
	response, err := c.Do(ctx, op, args)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(response, into); err != nil {
		return fmt.Errorf("the node's answer to %q is not what this program expects (%w): %w", op, ErrStrange, err)
	}
	return nil
}

// Info asks the node about itself.
func (c *Client) Info(ctx context.Context) (in Info, err error) {
	return in, c.Get(ctx, "info", nil, &in)
}

// Peers asks for the other nodes.
func (c *Client) Peers(ctx context.Context) (p Peers, err error) {
	return p, c.Get(ctx, "peers", nil, &p)
}

// Register gives the node addresses of others: ws URLs or multiaddrs.
func (c *Client) Register(ctx context.Context, addrs ...string) error {
	_, err := c.Do(ctx, "register", map[string][]string{"addr": addrs})
	return err
}

// A Page is where to begin, and how many items to give at most: 0 is as many as
// fit a reply.
type Page struct {
	Start int64 `json:"start"`
	Limit int   `json:"limit,omitzero"`
}

// A Tx is a transaction as nodes show and take it. ID and T may be left out of
// one that is sent: the node then makes them.
type Tx struct {
	ID        uuid.UUID         `json:"id,omitzero"`
	Sender    uuid.UUID         `json:"sender"`
	Receiver  uuid.UUID         `json:"receiver"`
	Amount    uint64            `json:"amount"`
	T         *float64          `json:"t,omitempty"` // Unix seconds
	PrevHash  *string           `json:"prev_hash"`
	PublicKey *ledger.PublicKey `json:"public_key,omitempty"` // of keyed senders, as Signature
	Signature *ledger.Signature `json:"signature,omitempty"`
}

// A Block is a block as nodes show it.
type Block struct {
	Items     []Tx             `json:"items,omitempty"` // none in block events, unless asked for
	Count     int              `json:"count,omitzero"`  // only where there are no items
	PrevHash  *ledger.Hash     `json:"prev_hash"`
	Hash      ledger.Hash      `json:"hash"`
	Version   uint8            `json:"version"`
	Height    uint64           `json:"height"`
	Time      uint64           `json:"time"` // Unix milliseconds: the builder's claim
	Bits      uint8            `json:"bits"`
	Nonce     string           `json:"nonce"`
	Builder   ledger.PublicKey `json:"builder"`
	Root      ledger.Hash      `json:"root"`
	Signature ledger.Signature `json:"signature"`
}

// A PoolPage is a part of the pool, in order of arrival.
type PoolPage struct {
	Pool []Tx   `json:"pool"`
	Next *int64 `json:"next"` // start of the rest; nil: there is none
}

// Pool lists the pool from an arrival number on.
func (c *Client) Pool(ctx context.Context, p Page) (page PoolPage, err error) {
	return page, c.Get(ctx, "pool", p, &page)
}

// A BlocksPage is a part of the chain.
type BlocksPage struct {
	Blocks []Block `json:"blocks"`
	Next   *int64  `json:"next"` // start of the rest; nil: there is none
}

// Blocks lists the chain from a height on, a negative one counts from the end.
func (c *Client) Blocks(ctx context.Context, p Page) (page BlocksPage, err error) {
	return page, c.Get(ctx, "blocks", p, &page)
}

// MergePool gives the node transactions, anything that is a JSON list of them.
// It returns those that were refused while others were taken. When none was,
// the error is a *ReplyError, whose Reply names each.
func (c *Client) MergePool(ctx context.Context, txs any) ([]Refused, error) {
	r, err := c.Ask(ctx, "merge", map[string]any{"pool": txs})
	if err == nil && r.Status != 202 {
		err = &ReplyError{Op: "merge", Reply: r}
	}
	return r.Refused, err
}

// MergeBlocks gives the node blocks, anything that is a JSON list of them.
func (c *Client) MergeBlocks(ctx context.Context, blocks any) error {
	_, err := c.Do(ctx, "merge", map[string]any{"blocks": blocks})
	return err
}
