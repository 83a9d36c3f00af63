package sync

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/dchest/siphash"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
	"foxchain/p2p/internal/wait"
)

// Compact relay: the receiver of a header asks for the short IDs of the transactions,
// fills the block from its pool, and asks for those that it lacks by their index.
//
// As in BIP 152, a short ID is the low 48 bits of SipHash-2-4 of the transaction's
// 32-byte digest, 6 bytes little-endian on the wire. The key is the block hash's first 16
// bytes, k0 the first eight and k1 the next, each read little-endian. So two transactions
// cannot be made to collide before the block is known.

// shortIDs returns the short IDs of txs under the hash of the block.
func shortIDs(block ledger.Hash, txs []*ledger.Transaction) []uint64 {
	ids := make([]uint64, len(txs))
	for i, tx := range txs {
		ids[i] = shortID(block, tx)
	}
	return ids
}

func shortID(block ledger.Hash, tx *ledger.Transaction) uint64 {
	k0, k1, digest := binary.LittleEndian.Uint64(block[:8]), binary.LittleEndian.Uint64(block[8:16]), tx.Digest()
	return siphash.Hash(k0, k1, digest[:]) & (1<<(8*shortIDBytes) - 1)
}

// relayBody makes the body of h from this node's pool and the transactions that r adds.
// If two transactions share a short ID, the root may differ from the header's, and the
// whole body is fetched.
func (f *bodyFetcher) relayBody(ctx context.Context, r *remotePeer, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	ans, began := new(shortIDsAnswer), time.Now()
	if err := f.ask(ctx, r.id, &shortIDsRequest{Hash: hash}, ans); err != nil {
		return nil, err
	}
	ids := unpackShortIDs(ans.IDs)
	if len(ids) != int(h.Count) {
		return nil, misbehaved("sent %d short IDs for block %d (%s), which has %d transactions",
			len(ids), h.Height, hash.Short(), h.Count)
	}
	r.noteRelay(time.Since(began), len(ids))
	txs := f.fromPool(hash, ids)
	var missing []uint16
	for i, tx := range txs {
		if tx == nil {
			missing = append(missing, uint16(i))
		}
	}
	if 2*len(missing) > len(txs) && len(missing) > r.partSize() {
		return f.wholeBody(ctx, r, h) // it keeps the parts that came
	}
	if err := f.fillMissing(ctx, r, h, ids, missing, txs); err != nil {
		return nil, err
	}
	if ledger.Root(txs) != h.Root {
		f.Stats.RelayWhole.Add(1)
		return f.wholeBody(ctx, r, h)
	}
	f.Stats.RelayBlocks.Add(1)
	return txs, nil
}

// fromPool returns the pool's transaction for each short ID, or nil. Of several with one
// short ID it takes the first, and the root shows whether it was the right one. Blocks
// take the oldest first, so it stops when it has all.
func (f *bodyFetcher) fromPool(block ledger.Hash, ids []uint64) []*ledger.Transaction {
	pool := make([]*ledger.Transaction, 0, f.Chain.Status().Pool)
	f.Chain.Pool().Each(func(tx *ledger.Transaction) bool {
		pool = append(pool, tx)
		return true
	})
	place := make(map[uint64]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	txs := make([]*ledger.Transaction, len(ids))
	for i := 0; i < len(pool) && len(place) > 0; i++ {
		id := shortID(block, pool[i])
		if at, ok := place[id]; ok {
			txs[at] = pool[i]
			delete(place, id)
		}
	}
	return txs
}

// fillMissing asks r for the transactions of h with these numbers, and puts them into txs.
func (f *bodyFetcher) fillMissing(ctx context.Context, r *remotePeer, h *ledger.SealedHeader, ids []uint64, missing []uint16, txs []*ledger.Transaction) error {
	hash := h.Hash()
	for len(missing) > 0 {
		ask := missing[:min(len(missing), r.partSize())]
		got, err := f.askPart(ctx, r, &blockTxsRequest{Hash: hash, Indexes: ask}, len(ask))
		if err != nil {
			return err
		}
		if len(got) == 0 {
			return misbehaved("sent none of the %d transactions asked for of block %d", len(missing), h.Height)
		}
		for i, id := range shortIDs(hash, got) {
			if id != ids[missing[i]] {
				return misbehaved("sent another transaction %d of block %d than that of its short ID", missing[i], h.Height)
			}
			txs[missing[i]] = got[i]
		}
		f.Stats.RelayAsked.Add(uint64(len(got)))
		missing = missing[len(got):]
	}
	return nil
}

// A partKey names a body that a peer has sent in part.
type partKey struct {
	peer  peer.ID
	block ledger.Hash
}

// askPart asks r for at most limit transactions of a block, and notes how long r took.
func (f *bodyFetcher) askPart(ctx context.Context, r *remotePeer, req syncRequest, limit int) ([]*ledger.Transaction, error) {
	began := time.Now()
	txs, err := f.askTxs(ctx, r, req, limit)
	switch {
	case err == nil: // an answer ends at its limit of bytes
		r.notePart(time.Since(began), len(txs))
	case silent(err):
		r.notePart(time.Since(began), limit)
	}
	return txs, err
}

// wholeBody fetches the body of h from r, in parts. If that fails, the parts that came
// are kept for the next time that r is asked, of maxParts bodies in all.
func (f *bodyFetcher) wholeBody(ctx context.Context, r *remotePeer, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	key := partKey{r.id, hash}
	txs, _ := f.parts.Get(key)
	defer func() {
		switch len(txs) {
		case 0:
		case int(h.Count):
			f.parts.Remove(key)
		default:
			f.parts.Add(key, txs)
		}
	}()
	for count := int(h.Count); len(txs) < count; {
		ask := min(count-len(txs), r.partSize())
		part, err := f.askPart(ctx, r, partRequest(h, len(txs), ask), ask)
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
	f.Stats.BodiesFetched.Add(1)
	return txs, nil
}

// partRequest returns a request for n transactions of h, beginning with number from.
func partRequest(h *ledger.SealedHeader, from, n int) syncRequest {
	if from+n == int(h.Count) {
		return &bodyRequest{Hash: h.Hash(), From: uint32(from)}
	}
	req := &blockTxsRequest{Hash: h.Hash(), Indexes: make([]uint16, n)}
	for i := range req.Indexes {
		req.Indexes[i] = uint16(from + i)
	}
	return req
}

// awaitTime is how long a question for short IDs waits for the body. It is less than
// answerTime, so that the asker receives "unknown" in time to ask another peer.
const awaitTime = 2 * time.Second

// awaitBody waits for the body of a block that this node is about to take, since a peer
// may ask while it is still being fetched. Only the question for short IDs waits. If
// others did, headers without bodies could make all nodes wait for each other. A waiting
// request holds no slot, and maxServedPeer bounds how many wait.
func (v *server) awaitBody(ctx context.Context, hash ledger.Hash) {
	ctx, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	for {
		changed, put := v.Chain.Changed(), v.recent.changed.Next()
		h, err := v.Chain.HeaderByHash(hash)
		if err != nil || v.recent.has(hash) != nil || !v.ahead(h.Height+1, hash) || v.Chain.FailedBlock(hash) != nil {
			return
		}
		select {
		case <-changed:
		case <-put:
		case <-ctx.Done():
			return
		}
	}
}

// maxUntaken is how many blocks are served that the chain may not have yet. The longest
// branch that is filled from the pool has as many.
const maxUntaken = relayStretch

// recentBlocks keeps the last maxUntaken blocks that were built or fetched here, for
// which every peer asks at once. The chain has the oldest in most cases when it is
// evicted. If it does not, an asker receives "unknown" and asks another peer.
type recentBlocks struct {
	untaken *lru.Cache[ledger.Hash, *ledger.Block]
	changed wait.Change // made by put
}

func newRecentBlocks() *recentBlocks {
	return &recentBlocks{untaken: newLRU[ledger.Hash, *ledger.Block](maxUntaken)}
}

// has returns a held block, or nil.
func (l *recentBlocks) has(hash ledger.Hash) *ledger.Block {
	b, _ := l.untaken.Peek(hash)
	return b
}

// put makes a block served that the chain may not have yet. Its header is valid and its
// root matches. If its transactions break a rule, every node finds that itself.
func (l *recentBlocks) put(b *ledger.Block) {
	l.untaken.Add(b.Hash(), b)
	l.changed.Made()
}

// incoming holds the blocks that will probably be the tip soon. Their headers are here,
// and their bodies are being fetched or written. This node's builder holds back
// meanwhile, since its block would be their rival. A block is removed when the tip is it
// or better, or when no peer delivers it. Above maxIncoming the oldest is forgotten.
type incoming struct {
	*core
	*lru.Cache[ledger.Hash, uint64] // height
}

const maxIncoming = 64

// any reports whether one of the blocks would win over the tip.
func (c *incoming) any() bool {
	for _, hash := range c.Keys() {
		if height, ok := c.Peek(hash); ok && c.ahead(height+1, hash) {
			return true
		}
		c.Remove(hash) // the tip is that block or a better one
	}
	return false
}

// expect adds a gossiped header if its block would win.
func (c *incoming) expect(h *ledger.SealedHeader) {
	if hash := h.Hash(); c.ahead(h.Height+1, hash) {
		c.Add(hash, h.Height)
	}
}
