package ledger

import (
	"encoding/binary"
	"errors"
)

// blocks offers the old blocks to the new chain: first the old chain, up to the
// first block that is not whole, so that what stood beside it only waits there
// again; then all others.
func (r *repair) blocks() error {
	for height := uint64(0); ; height++ {
		hash, err := readHash(r.old, height)
		if err != nil {
			if err := passOver(err); err != nil {
				return err
			}
			break
		}
		taken, err := r.offer(hash, false)
		if err != nil {
			return err
		}
		if !taken {
			break
		}
	}
	return eachBody(r.old, func(ref BlockRef) error {
		taken, err := r.taken(ref)
		if err == nil && !taken {
			_, err = r.offer(ref.Hash, true)
		}
		return err
	})
}

// taken reports whether the new store has a block, on the chain or beside it.
func (r *repair) taken(ref BlockRef) (bool, error) {
	return has(r.new.store.db, headerKey(ref.Hash))
}

// offer gives one old block to the new chain. With count, the report says why
// one is not taken; what it held goes to the pool (lost).
func (r *repair) offer(hash Hash, count bool) (taken bool, err error) {
	if err := errors.Join(r.ctx.Err(), r.at("block")); err != nil {
		return false, err
	}
	why := &r.out.Broken
	b, err := readBlock(r.old, hash)
	if err != nil {
		err = passOver(err)
	} else {
		_, err = r.new.AddBlock(r.ctx, b)
		var rule *BlockError
		switch {
		case err == nil:
			taken = true
		case errors.Is(err, ErrUnknownParent):
			why, err = &r.out.Apart, nil
		case errors.As(err, &rule):
			if rule.Hash != hash || rule.Field == "parent" { // another block on its branch
				why = &r.out.Apart
			}
			err = nil
		}
	}
	if err != nil {
		return false, err
	}
	if !taken && !count {
		return false, nil
	}
	if !taken {
		*why++
	}
	r.read++
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.read)
	}
	return taken, nil
}

// lost calls f with each transaction that can be read of the blocks that the
// new store does not have.
func (r *repair) lost(f func(*Transaction) error) error {
	return eachLoose(r.old, r.taken, f)
}

// eachLoose calls f with each transaction of the bodies that skip does not want
// to be passed over, as far as they can be read: chunk by chunk. Those of the
// blocks that the heights name come first: what was in the chain goes before what
// a block beside it has under the same ID.
func eachLoose(g getter, skip func(BlockRef) (bool, error), f func(*Transaction) error) error {
	for _, ofChain := range []bool{true, false} {
		err := eachLooseOf(g, func(ref BlockRef) (bool, error) {
			if pass, err := skip(ref); err != nil || pass {
				return pass, err
			}
			hash, err := readHash(g, ref.Height)
			return (err == nil && hash == ref.Hash) != ofChain, passOver(err)
		}, f)
		if err != nil {
			return err
		}
	}
	return nil
}

func eachLooseOf(g getter, skip func(BlockRef) (bool, error), f func(*Transaction) error) error {
	return eachChunk(g, func(ref BlockRef, value []byte) error {
		if pass, err := skip(ref); err != nil || pass {
			return err
		}
		ch, err := decodeChunk(value)
		if err != nil {
			return nil
		}
		for i := range ch.len() {
			it, err := ch.item(i)
			if err != nil {
				continue
			}
			if err := f(it.tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachBody calls f with each block of which a part of the body is in the store,
// by height.
func eachBody(g getter, f func(BlockRef) error) error {
	var last *BlockRef
	return eachChunk(g, func(ref BlockRef, _ []byte) error {
		if last != nil && *last == ref {
			return nil
		}
		last = &ref
		return f(ref)
	})
}

// eachChunk calls f with each chunk of a body, by height, hash and number.
func eachChunk(g getter, f func(ref BlockRef, value []byte) error) error {
	return scanIn(g, []byte{keyBody}, func(key, value []byte) error {
		if len(key) != len(bodyKey(0, Hash{}, 0)) {
			return nil
		}
		return f(BlockRef{Height: binary.BigEndian.Uint64(key[1:]), Hash: Hash(key[9:41])}, value)
	})
}
