package p2p

import (
	"context"
	"encoding/binary"

	"github.com/dchest/siphash"

	"foxchain/ledger"
)

// Compact relay. A new block mostly holds transactions that every pool has, so
// the receiver of a header asks for their short IDs, fills the block from its
// pool and asks for the others by their index.
//
// As in BIP 152, a short ID is the low 48 bits of SipHash-2-4 of the
// transaction's 32-byte digest, 6 bytes little-endian on the wire. The key is
// the block hash's first 16 bytes: k0 the first eight, k1 the next, each read
// little-endian. So the IDs of one block say nothing of another's, and who
// wants two transactions to collide must know the block first.

// A shortKey is what the short IDs of one block's transactions are keyed by.
type shortKey struct{ k0, k1 uint64 }

func newShortKey(block ledger.Hash) shortKey {
	return shortKey{binary.LittleEndian.Uint64(block[:8]), binary.LittleEndian.Uint64(block[8:16])}
}

func (k shortKey) id(tx *ledger.Transaction) uint64 {
	digest := tx.Digest()
	return siphash.Hash(k.k0, k.k1, digest[:]) & (1<<(8*shortIDBytes) - 1)
}

// shortIDs gives the short IDs of txs under the hash of the block.
func shortIDs(block ledger.Hash, txs []*ledger.Transaction) []uint64 {
	key := newShortKey(block)
	ids := make([]uint64, len(txs))
	for i, tx := range txs {
		ids[i] = key.id(tx)
	}
	return ids
}

// relayBody makes the body of h from this node's pool and what r adds to it. If
// the result is not what the header commits to, which takes two transactions
// with one short ID, the whole body is fetched.
func (s *syncer) relayBody(ctx context.Context, r *remote, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	ans := new(shortIDsAnswer)
	if err := s.ask(ctx, r.id, &shortIDsRequest{Hash: hash}, ans); err != nil {
		return nil, err
	}
	ids := unpackShortIDs(ans.IDs)
	if len(ids) != int(h.Count) {
		return nil, misbehaved("sent %d short IDs for block %d (%s), which has %d transactions",
			len(ids), h.Height, hash.Short(), h.Count)
	}
	txs := s.fromPool(hash, ids)
	if err := s.fillMissing(ctx, r, h, ids, txs); err != nil {
		return nil, err
	}
	if ledger.Root(txs) != h.Root {
		s.stats.RelayWhole.Add(1)
		return s.wholeBody(ctx, r, h)
	}
	s.stats.RelayBlocks.Add(1)
	return txs, nil
}

// fromPool gives the pool's transaction for each short ID, nil for those that
// it has none or more than one for, or that stand twice in the block. Blocks
// take the oldest first, so it looks only as far as the last one that it lacks.
// What it does not see then, another transaction with a short ID of the block,
// shows in the root, if the first was the wrong one.
func (s *syncer) fromPool(block ledger.Hash, ids []uint64) []*ledger.Transaction {
	var pool []*ledger.Transaction
	s.chain.EachPooled(func(tx *ledger.Transaction) bool {
		pool = append(pool, tx)
		return true
	})
	const ambiguous = -1
	place := make(map[uint64]int, len(ids))
	for i, id := range ids {
		if _, twice := place[id]; twice {
			i = ambiguous
		}
		place[id] = i
	}
	lack := 0
	for _, at := range place {
		if at != ambiguous {
			lack++
		}
	}
	txs, key := make([]*ledger.Transaction, len(ids)), newShortKey(block)
	for i := 0; i < len(pool) && lack > 0; i++ {
		id := key.id(pool[i])
		at, ok := place[id]
		switch {
		case !ok || at == ambiguous:
		case txs[at] != nil:
			txs[at], place[id] = nil, ambiguous
		default:
			txs[at] = pool[i]
			lack--
		}
	}
	return txs
}

// fillMissing asks r for the transactions of h that are nil in txs.
func (s *syncer) fillMissing(ctx context.Context, r *remote, h *ledger.SealedHeader, ids []uint64, txs []*ledger.Transaction) error {
	hash := h.Hash()
	var missing []uint16
	for i, tx := range txs {
		if tx == nil {
			missing = append(missing, uint16(i))
		}
	}
	for len(missing) > 0 {
		got, err := s.askTxs(ctx, r, &blockTxsRequest{Hash: hash, Indexes: missing}, len(missing))
		if err != nil {
			return err
		}
		if len(got) == 0 {
			return misbehaved("sent none of the %d transactions asked for of block %d", len(missing), h.Height)
		}
		for i, id := range shortIDs(hash, got) {
			if id != ids[missing[i]] {
				return misbehaved("sent another transaction %d of block %d than its short ID says", missing[i], h.Height)
			}
			txs[missing[i]] = got[i]
		}
		s.stats.RelayAsked.Add(uint64(len(got)))
		missing = missing[len(got):]
	}
	return nil
}

// wholeBody fetches the body of h from r, in as many parts as it takes.
func (s *syncer) wholeBody(ctx context.Context, r *remote, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	var txs []*ledger.Transaction
	for count := int(h.Count); len(txs) < count; {
		part, err := s.askTxs(ctx, r, &bodyRequest{Hash: hash, From: uint32(len(txs))}, count-len(txs))
		if err != nil {
			return nil, err
		}
		if len(part) == 0 {
			return nil, misbehaved("sent %d transactions of block %d, which has %d", len(txs), h.Height, count)
		}
		txs = append(txs, part...)
	}
	if ledger.Root(txs) != h.Root {
		return nil, misbehaved("sent a body that is not block %d's (%s): its root is another", h.Height, hash.Short())
	}
	s.stats.BodiesFetched.Add(1)
	return txs, nil
}

// askTxs asks r for at most limit transactions.
func (s *syncer) askTxs(ctx context.Context, r *remote, req syncRequest, limit int) ([]*ledger.Transaction, error) {
	ans := new(txsAnswer)
	if err := s.ask(ctx, r.id, req, ans); err != nil {
		return nil, err
	}
	txs, err := ledger.DecodeTransactions(ans.Txs, limit)
	if err != nil {
		return nil, misbehaved("sent malformed transactions: %v", err)
	}
	return txs, nil
}
