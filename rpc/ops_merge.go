package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/pool"
	"foxchain/rpc/api"
)

// Most items of one merge. About as many of the smallest fit a message, so a client meets
// the message's limit first.
const (
	maxMergeTxs    = 110_000
	maxMergeBlocks = 50_000
)

// A mergeOps takes transactions and blocks into the chain.
type mergeOps struct {
	chain *chain.Chain
	seal  chain.Seal
	now   func() time.Time
}

// merge takes transactions or blocks. If both are given, the pool wins, as in the
// original.
func (s *mergeOps) merge(ctx context.Context, q *request, out *reply) error {
	if pool := q.args.get("pool"); pool != nil {
		return s.mergePool(ctx, q, pool, out)
	}
	if blocks := q.args.get("blocks"); blocks != nil {
		if err := q.mayUse(manage, "merge of blocks"); err != nil {
			return err
		}
		return s.mergeBlocks(ctx, blocks, out)
	}
	return &opError{status: 500, text: `Operation "merge" requires following "args": "pool" or "blocks"`}
}

// mergePool takes transactions from a client. Those with carried were accepted by another node
// before, and are treated as a peer's: one that is gone here for good stays gone.
func (s *mergeOps) mergePool(ctx context.Context, q *request, list jsontext.Value, out *reply) error {
	origin := pool.FromClient
	if q.args.boolean("carried", false) {
		origin = pool.FromPeer
	}
	if q.args.err != nil {
		return q.args.err
	}
	stamp := func() float64 { return max(0, ledger.UnixSeconds(s.now())) } // the clock may be before 1970
	txs, err := ledger.ParsePool(list, stamp, maxMergeTxs)
	if err != nil {
		return badContents(err)
	}
	outcomes, err := s.chain.Submit(ctx, txs, origin)
	var bad *ledger.FieldError
	if errors.As(err, &bad) {
		return badContents(&ledger.FieldError{Item: "pool" + bad.Item, Field: bad.Field, Rule: bad.Rule})
	} else if err != nil {
		return err
	}
	refused, n := refusals(txs, outcomes, out.limit)
	switch {
	case n == 0:
		out.accepted()
		return nil
	case n < len(txs):
		out.accepted()
		return out.members(refused)
	}
	text := fmt.Sprintf("pool[0]: %s", outcomes[0].Refused)
	if len(txs) > 1 {
		text += fmt.Sprintf(" (none of %d was taken)", len(txs))
	}
	return &opError{status: 500, http: http.StatusConflict, text: text, beside: refused}
}

// refusals returns the refused transactions with the reasons, and their number. It only
// counts those that would make a reply of most bytes too large.
func refusals(txs []*ledger.Transaction, outcomes []chain.Outcome, most int) (refused api.Submitted, n int) {
	room := most - 16<<10
	for i, o := range outcomes {
		if o.Taken || o.Held {
			continue
		}
		n++
		reason := ledger.Shorten(o.Refused, 4<<10)
		if room -= len(reason) + 128; room < 0 { // 128 for its keys, number and ID
			refused.LeftOut++
			continue
		}
		refused.Refused = append(refused.Refused, api.Refused{Index: i, ID: txs[i].ID.String(), Reason: reason})
	}
	return refused, n
}

// badContents is the answer to malformed contents. A *FieldError names item, field and
// rule.
func badContents(err error) error {
	var bad *ledger.FieldError
	if errors.As(err, &bad) {
		return &opError{status: 500, http: http.StatusUnprocessableEntity, item: bad.Item, field: bad.Field, rule: bad.Rule, text: bad.Error()}
	}
	return err
}

func (s *mergeOps) mergeBlocks(ctx context.Context, list jsontext.Value, out *reply) error {
	blocks, err := ledger.ParseBlocks(s.chain.Network(), list, maxMergeBlocks)
	if err == nil {
		err = s.chain.MergeBlocks(ctx, blocks, s.seal)
	}
	if err != nil {
		return badBlocks(err)
	}
	out.accepted()
	return nil
}

// badBlocks is the original's answer to blocks that cannot be taken, with the reason
// added. A failure of this node is returned as it is.
func badBlocks(err error) error {
	at := "blocks"
	var merge *chain.MergeError
	if errors.As(err, &merge) {
		at = fmt.Sprintf("blocks[%d]", merge.Index)
	}
	var dup *ledger.DuplicateError
	var block *ledger.BlockError
	var field *ledger.FieldError
	switch {
	case errors.As(err, &dup):
		return &opError{status: 500, bare: true, text: "Duplicate transaction in blockchain: " + string(dup.Tx.AppendJSON(nil, nil))}
	case errors.As(err, &block):
		return malicious(fmt.Sprintf("%s.%s: %s", at, block.Field, block.Rule))
	case errors.As(err, &field):
		return malicious(field.Error())
	case errors.Is(err, ledger.ErrUnknownParent):
		return malicious(at + ".prev_hash: " + ledger.ErrUnknownParent.Error())
	}
	return err
}

func malicious(reason string) error {
	return &opError{status: 500, bare: true, text: "Malicious block is detected.", beside: struct {
		Reason string `json:"reason"`
	}{reason}}
}
