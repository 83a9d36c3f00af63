package sync

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"time"

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

// ShortIDs gives the short IDs of txs under the hash of the block.
func ShortIDs(block ledger.Hash, txs []*ledger.Transaction) []uint64 {
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
func (f *bodyFetcher) relayBody(ctx context.Context, r *remotePeer, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	ans := new(ShortIDsAnswer)
	if err := f.ask(ctx, r.id, &ShortIDsRequest{Hash: hash}, ans); err != nil {
		return nil, err
	}
	ids := unpackShortIDs(ans.IDs)
	if len(ids) != int(h.Count) {
		return nil, misbehaved("sent %d short IDs for block %d (%s), which has %d transactions",
			len(ids), h.Height, hash.Short(), h.Count)
	}
	txs := f.fromPool(hash, ids)
	if err := f.fillMissing(ctx, r, h, ids, txs); err != nil {
		return nil, err
	}
	if ledger.Root(txs) != h.Root {
		f.Stats.RelayWhole.Add(1)
		return f.wholeBody(ctx, r, h)
	}
	f.Stats.RelayBlocks.Add(1)
	return txs, nil
}

// fromPool gives the pool's transaction for each short ID, nil for those that
// it has none or more than one for, or that stand twice in the block. Blocks
// take the oldest first, so it looks only as far as the last one that it lacks.
// What it does not see then, another transaction with a short ID of the block,
// shows in the root, if the first was the wrong one.
func (f *bodyFetcher) fromPool(block ledger.Hash, ids []uint64) []*ledger.Transaction {
	var pool []*ledger.Transaction
	f.Chain.EachPooled(func(tx *ledger.Transaction) bool {
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
func (f *bodyFetcher) fillMissing(ctx context.Context, r *remotePeer, h *ledger.SealedHeader, ids []uint64, txs []*ledger.Transaction) error {
	hash := h.Hash()
	var missing []uint16
	for i, tx := range txs {
		if tx == nil {
			missing = append(missing, uint16(i))
		}
	}
	for len(missing) > 0 {
		got, err := f.askTxs(ctx, r, &BlockTxsRequest{Hash: hash, Indexes: missing}, len(missing))
		if err != nil {
			return err
		}
		if len(got) == 0 {
			return misbehaved("sent none of the %d transactions asked for of block %d", len(missing), h.Height)
		}
		for i, id := range ShortIDs(hash, got) {
			if id != ids[missing[i]] {
				return misbehaved("sent another transaction %d of block %d than its short ID says", missing[i], h.Height)
			}
			txs[missing[i]] = got[i]
		}
		f.Stats.RelayAsked.Add(uint64(len(got)))
		missing = missing[len(got):]
	}
	return nil
}

// wholeBody fetches the body of h from r, in as many parts as it takes.
func (f *bodyFetcher) wholeBody(ctx context.Context, r *remotePeer, h *ledger.SealedHeader) ([]*ledger.Transaction, error) {
	hash := h.Hash()
	var txs []*ledger.Transaction
	for count := int(h.Count); len(txs) < count; {
		part, err := f.askTxs(ctx, r, &BodyRequest{Hash: hash, From: uint32(len(txs))}, count-len(txs))
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

// awaitTime is how long a question about a block waits for its body. It is less
// than answerTime, so that who asks hears "unknown" and can ask another.
const awaitTime = 2 * time.Second

// awaitBody holds up a question about a block that this node is about to take:
// the header, which gossip passes on at once, told the asker of it, and the body
// is being fetched. So a block needs one round trip for each hop, and not some
// rounds of asking again. Who waits holds no slot; maxServedPeer bounds it.
//
// Only the question for short IDs waits, and that is put only to who told the
// asker of this header: by gossip, and then it heard of it first, so that no two
// wait for each other; or by its status, and then it has the block. All others
// that may have it are asked for the whole body (see branch.fetch). Were they to
// wait too, headers without bodies would have all nodes wait for each other.
func (v *server) awaitBody(ctx context.Context, hash ledger.Hash) {
	ctx, cancel := context.WithTimeout(ctx, awaitTime)
	defer cancel()
	chain := v.Chain
	for {
		changed, put := chain.Changed(), v.recent.changed()
		h, err := chain.HeaderByHash(hash)
		if err != nil || v.recent.has(hash) != nil || !v.ahead(h.Height+1, hash) || chain.FailedBlock(hash) != nil {
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

// maxUntaken is how many blocks are served that the chain may not have yet: as
// many as a branch has that is filled from the pool.
const maxUntaken = relayStretch

// A recentBlocks keeps blocks that are asked for by every peer at once, and large
// ones in several requests: the last one that was read from the chain, and the
// last maxUntaken that were built or fetched here. Over that the oldest goes,
// which the chain then mostly has; if it has not, who asks hears "unknown" and
// asks another.
type recentBlocks struct {
	mu      sync.Mutex
	untaken []*ledger.Block // the newest comes last
	read    *ledger.Block   // nil: none yet
	moved   chan struct{}
}

func newRecentBlocks() *recentBlocks { return &recentBlocks{moved: make(chan struct{})} }

// changed gives a channel that is closed when the next block is put.
func (l *recentBlocks) changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved
}

// has gives a block that is held here, or nil.
func (l *recentBlocks) has(hash ledger.Hash) *ledger.Block {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range l.untaken {
		if b.Hash() == hash {
			return b
		}
	}
	if l.read != nil && l.read.Hash() == hash {
		return l.read
	}
	return nil
}

// put has a block served that the chain does not have yet. Its header holds, and
// the root in it is that of the transactions: if they break a rule, that is the
// fault of its builder, and all who get it see that.
func (l *recentBlocks) put(b *ledger.Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.untaken) == maxUntaken {
		l.untaken = slices.Delete(l.untaken, 0, 1)
	}
	l.untaken = append(l.untaken, b)
	close(l.moved)
	l.moved = make(chan struct{})
}

// get gives a block, by read from the chain if it is not held here. Who fetches
// a block does not wait for that read.
func (l *recentBlocks) get(hash ledger.Hash, read func(ledger.Hash) (*ledger.Block, error)) (*ledger.Block, error) {
	if b := l.has(hash); b != nil {
		return b, nil
	}
	b, err := read(hash)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = b
	return b, nil
}

// A incoming holds the blocks that will probably be the tip soon: their headers
// are here, and their bodies are asked for or being written. It says so to this
// node's builder, whose block would be a rival of theirs. At most maxComings;
// over it all are forgotten, and a rival may be built.
type incoming struct {
	*core
	mu     sync.Mutex
	blocks map[ledger.Hash]uint64 // height
}

const maxIncoming = 64

// add notes a block that is on its way.
func (c *incoming) add(b ledger.BlockRef) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blocks == nil || len(c.blocks) >= maxIncoming {
		c.blocks = make(map[ledger.Hash]uint64)
	}
	c.blocks[b.Hash] = b.Height
}

// remove notes that a block is here, or that nobody delivers it.
func (c *incoming) remove(h ledger.Hash) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.blocks, h)
}

// all gives a copy.
func (c *incoming) all() []ledger.BlockRef {
	c.mu.Lock()
	defer c.mu.Unlock()
	refs := make([]ledger.BlockRef, 0, len(c.blocks))
	for hash, height := range c.blocks {
		refs = append(refs, ledger.BlockRef{Height: height, Hash: hash})
	}
	return refs
}

func (c *incoming) any() bool {
	for _, ref := range c.all() {
		if c.ahead(ref.Height+1, ref.Hash) {
			return true
		}
		c.remove(ref.Hash) // the tip is that block or a better one by now
	}
	return false
}

// expect notes a gossiped header as on its way if it would win: until it is the
// tip, is not taken, or nobody delivers its body.
func (c *incoming) expect(h *ledger.SealedHeader) {
	if hash := h.Hash(); c.ahead(h.Height+1, hash) {
		c.add(ledger.BlockRef{Height: h.Height, Hash: hash})
	}
}
