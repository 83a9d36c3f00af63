package rpc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/sync/semaphore"

	"foxchain/ledger"
	"foxchain/ledger/store"
	"foxchain/rpc/api"
)

// A chainOps answers from the chain and its pool.
type chainOps struct {
	finder
	node    *nodeOps
	ranking *semaphore.Weighted // one place, for ordering accounts by balance
}

// poolPage is how many pool entries are taken from the chain at a time, each
// time under its lock.
const poolPage = 1000

// pool lists the pool from an arrival number on.
func (s *chainOps) pool(_ context.Context, q *request, out *reply) error {
	start, limit := q.args.within("start", 0, 0, math.MaxInt64), q.args.limit()
	if q.args.err != nil {
		return q.args.err
	}
	out.ok()
	out.raw(`{"pool":[`)
	next, more := s.listPool(uint64(start), limit, out)
	out.raw(`]`)
	closePage(out, next, more)
	return nil
}

// listPool appends up to limit entries, and reports where the rest begins.
func (s *chainOps) listPool(next uint64, limit int, out *reply) (uint64, bool) {
	for limit > 0 {
		page := s.chain.Pool().List(next, min(limit, poolPage))
		for _, e := range page {
			if !out.item(func(dst []byte) []byte { return e.Tx.AppendJSON(dst, nil) }) {
				return e.Arrival, true
			}
			next = e.Arrival + 1
		}
		if limit -= len(page); len(page) == 0 {
			return next, false
		}
	}
	for _, e := range s.chain.Pool().List(next, 1) {
		return e.Arrival, true
	}
	return next, false
}

// closePage ends a page of a response, with next if there is more.
func closePage(out *reply, next uint64, more bool) {
	if more {
		out.next = strconv.AppendUint(nil, next, 10)
		out.raw(`,"next":` + string(out.next))
	}
	out.raw(`}`)
}

// blocks lists the chain from a height on. A negative one counts from the end, as an
// index of a Python list. Without items it lists headers.
func (s *chainOps) blocks(_ context.Context, q *request, out *reply) error {
	start, limit, whole := q.args.integer("start", 0), q.args.limit(), q.args.boolean("items", true)
	if q.args.err != nil {
		return q.args.err
	}
	v, err := s.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	blocks := v.Tip().Blocks
	out.ok()
	out.raw(`{"blocks":[`)
	next := fromEnd(start, blocks)
	for ; next < blocks && limit > 0; limit-- {
		write, err := blockWriter(v, next, whole)
		if err != nil {
			return err
		}
		if !out.item(write) {
			break
		}
		next++
	}
	out.raw(`]`)
	if s.node.committee != nil {
		out.raw(`,"final":`)
		if f := s.chain.Status().Final; f != nil {
			out.int(int64(f.Block.Height))
		} else {
			out.raw(`null`)
		}
	}
	closePage(out, next, next < blocks)
	return nil
}

// blockWriter returns a function that appends the chain's block at a height, or its
// header.
func blockWriter(v *store.View, height uint64, whole bool) (func(dst []byte) []byte, error) {
	if !whole {
		h, err := v.Header(height)
		if err != nil {
			return nil, err
		}
		return h.AppendJSON, nil
	}
	b, err := v.Block(height)
	if err != nil {
		return nil, err
	}
	return b.AppendJSON, nil
}

// fromEnd turns a height that may count from the end into one that does not.
func fromEnd(start int64, blocks uint64) uint64 {
	if start >= 0 {
		return uint64(start)
	}
	if back := -uint64(start); back < blocks {
		return blocks - back
	}
	return 0
}

// block returns one block, by hash (of any known branch) or by height.
func (s *chainOps) block(_ context.Context, q *request, out *reply) error {
	v, err := s.chain.View()
	if err != nil {
		return err
	}
	defer v.Close()
	b, err := s.findBlock(v, &q.args)
	if err != nil {
		return err
	}
	at := api.Standing{}
	height, err := v.Height(b.Hash())
	if err == nil {
		at.OnChain, at.Confirmations = true, v.Tip().Blocks-height
	} else if !errors.Is(err, ledger.ErrUnknown) {
		return err
	}
	if at.Settled, err = s.node.settled(v, at.OnChain, ledger.BlockRef{Height: b.Height, Hash: b.Hash()}); err != nil {
		return err
	}
	out.ok()
	out.raw(`{"block":`)
	if b.Count >= largeBlock {
		out.large()
	}
	out.buf = b.AppendJSON(out.buf)
	err = out.members(at)
	out.raw(`}`)
	return err
}

func (s *chainOps) findBlock(v *store.View, a *args) (*ledger.Block, error) {
	if text, given := a.text("hash"); given && a.err == nil {
		return s.blockByHash(v, "hash", text)
	}
	if text, given := a.text("block"); given && a.err == nil {
		return s.blockAsWritten(v, text)
	}
	height := a.integer("height", 0)
	switch {
	case a.err != nil:
		return nil, a.err
	case a.get("height") == nil:
		return nil, missing("block", `"hash" or "height"`)
	}
	return s.blockAt(v, height)
}

// blockAsWritten finds a block by a text that may be a height or a hash. Digits are a
// height, unless they begin with a zero, as hashes do. Digits that are no height may be a
// hash too, since one hash in 300 has no letter in its first twelve digits.
func (s *chainOps) blockAsWritten(v *store.View, text string) (*ledger.Block, error) {
	height, err := strconv.ParseInt(text, 10, 54)
	begins, short := parseShort(text, 2*len(ledger.Hash{}))
	if err != nil || short && strings.HasPrefix(text, "0") {
		return s.blockByHash(v, "block", text)
	}
	b, err := s.blockAt(v, height)
	if err == nil || !short {
		return b, err
	}
	var unknown *opError
	if b, beginErr := s.blockBeginning(v, "block", begins); !errors.As(beginErr, &unknown) || unknown.status != 404 {
		return b, beginErr
	}
	return nil, err
}

// blockAt returns the chain's block at a height. -1 is its last.
func (s *chainOps) blockAt(v *store.View, height int64) (*ledger.Block, error) {
	blocks := v.Tip().Blocks
	if height < 0 && -uint64(height) > blocks {
		return nil, notKnown(fmt.Sprintf("Block %d", height))
	}
	b, err := v.Block(fromEnd(height, blocks))
	if errors.Is(err, ledger.ErrUnknown) {
		return nil, notKnown(fmt.Sprintf("Block %d", height))
	}
	return b, err
}

// blockByHash finds a block by an argument with its whole hash or a short one.
func (s *chainOps) blockByHash(v *store.View, arg, text string) (*ledger.Block, error) {
	h, err := ledger.ParseHash(text)
	if begins, ok := parseShort(text, 2*len(h)); ok && err != nil {
		return s.blockBeginning(v, arg, begins)
	}
	if err != nil {
		return nil, badArg("args."+arg, err.Error())
	}
	b, err := s.chain.BlockByHash(h)
	if !errors.Is(err, ledger.ErrUnknown) {
		return b, err
	}
	if mark := s.chain.FailedBlock(h); mark != nil {
		return nil, &opError{status: 404, text: "Block " + h.String() + " was refused: " + mark.Error()}
	}
	if _, err := s.chain.HeaderByHash(h); err == nil {
		return nil, &opError{status: 404, text: "Of block " + h.String() + " only the header is known here: its branch has less work than the chain"}
	}
	return nil, notKnown("Block " + h.String())
}

// blockBeginning returns the one block that has a short hash, given as an argument.
func (s *chainOps) blockBeginning(v *store.View, arg string, given short) (*ledger.Block, error) {
	found, err := v.HashesFrom(given.begin, maxAlike)
	if err != nil {
		return nil, err
	}
	hash, err := given.only("args."+arg, "A block", found)
	if err != nil {
		return nil, err
	}
	return s.blockByHash(v, arg, hash)
}

// maxBranches is how many headers one reply of branches has.
const maxBranches = 1000

// branches lists the known headers that are not on the chain, from a height on. Their
// branches lost against the chain, or are being fetched.
func (s *chainOps) branches(_ context.Context, q *request, out *reply) error {
	start, limit := q.args.integer("start", 0), q.args.within("limit", maxBranches, 1, maxBranches)
	if q.args.err != nil {
		return q.args.err
	}
	from := fromEnd(start, s.chain.Status().Tip.Blocks)
	out.ok()
	out.raw(`{"headers":[`)
	for _, h := range s.chain.SideHeaders(from, int(limit)) {
		if !out.item(h.AppendJSON) {
			break
		}
	}
	out.raw(`]}`)
	return nil
}
