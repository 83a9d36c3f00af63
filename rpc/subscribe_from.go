package rpc

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"foxchain/ledger"
)

// startAt sets where block events begin: behind the block "after", which the
// client saw last; else at the height "from", which may count from the end;
// else with the next new block.
func (sub *subscription) startAt(a args) error {
	if v := a.get("after"); v != nil {
		return sub.startAfter(v)
	}
	v, err := sub.c.s.cfg.Chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	blocks := v.Tip().Blocks
	sub.next = blocks
	if a.get("from") != nil {
		from, err := a.integer("from", 0)
		if err != nil {
			return err
		}
		sub.next = min(fromEnd(from, blocks), blocks)
	}
	if sub.next > 0 {
		sub.last, err = v.Hash(sub.next - 1)
	}
	return err
}

// startAfter takes up where the client's last subscription ended, here or at
// another node. The block may have left the chain meanwhile: then the events
// begin with what else left it.
func (sub *subscription) startAfter(v jsontext.Value) error {
	at, err := readPlace(v)
	if err != nil || at.Hash == nil {
		return err // without a block: from the first one on
	}
	h, err := sub.c.s.cfg.Chain.HeaderByHash(*at.Hash)
	switch {
	case errors.Is(err, ledger.ErrUnknown):
		return &opError{status: 404, text: fmt.Sprintf("Block %s is not known here: give the one before it as after, or a height as from", at.Hash)}
	case err != nil:
		return err
	case at.Height != int64(h.Height):
		return badArg("args.after.height", fmt.Sprintf("the block with this hash has height %d", h.Height))
	}
	sub.next, sub.last = h.Height+1, *at.Hash
	return nil
}

// readPlace reads the value of "after". Other keys than its own are ignored, so
// that a block as an event had it will do.
func readPlace(v jsontext.Value) (at Place, err error) {
	if v.Kind() != '{' {
		return at, badArg("args.after", `must be {"height": …, "hash": …} of the last block seen`)
	}
	a, err := newReader(v).args()
	if err != nil {
		return at, err
	}
	if at.Height, err = a.integer("height", -1); err != nil {
		return at, badArg("args.after.height", "must be an integer")
	}
	text, given, err := a.text("hash")
	switch {
	case err != nil:
		return at, badArg("args.after.hash", "must be text")
	case !given && at.Height >= 0:
		return at, badArg("args.after.hash", fmt.Sprintf("must be the hash of block %d; only before the first block, height -1, it is null", at.Height))
	case !given:
		return at, nil
	}
	hash, err := ledger.ParseHash(text)
	if err != nil {
		return at, badArg("args.after.hash", err.Error())
	}
	at.Hash = &hash
	return at, nil
}
