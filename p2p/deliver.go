package p2p

import (
	"context"
	"errors"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// A delivery is a body, and who it came from.
type delivery struct {
	block  *ledger.Block
	from   *remote
	weight int64
	err    error
}

// nextRun waits for the first of bodies, and takes those after it that are there
// too: the chain writes them at once. The error is that of the delivery behind
// the run.
func nextRun(ctx context.Context, bodies []chan delivery) (run []delivery, err error) {
	for _, body := range bodies {
		var d delivery
		if len(run) == 0 {
			select {
			case d = <-body:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		} else {
			select {
			case d = <-body:
			default:
				return run, nil
			}
		}
		if d.err != nil {
			return run, d.err
		}
		run = append(run, d)
	}
	return run, nil
}

// addBodies gives fetched blocks to the chain, in order. A block that breaks a
// rule marks its branch there and blames nobody here: its sender need not have
// known: what a peer can be blamed for, a body that does not fit its header, was
// found when the body came.
func (s *syncer) addBodies(ctx context.Context, run []delivery) (took bool, err error) {
	if len(run) == 0 {
		return false, nil
	}
	blocks := make([]*ledger.Block, len(run))
	for i, d := range run {
		blocks[i] = d.block
	}
	added, change, err := s.chain.AddBlocks(ctx, blocks)
	txs := 0
	for _, b := range blocks[:added] {
		txs += len(b.Txs)
	}
	s.fetched.add(time.Now(), added, txs)
	if be := new(ledger.BlockError); errors.As(err, &be) {
		s.log.Warn("a block breaks the rules, its branch is not followed", "height", be.Height, "hash", be.Hash.Short(), "err", be)
	}
	return change != chain.Held, err
}
