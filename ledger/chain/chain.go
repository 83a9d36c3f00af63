package chain

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// Config configures how to open a chain.
type Config struct {
	Network *ledger.Network
	Dir     string          // the LevelDB directory; made when absent
	Storage storage.Storage // when set, used in place of Dir: memory in tests
	Log     *slog.Logger    // nil to log nothing
	Expiry  time.Duration   // running time after which a waiting transaction expires; 0 for 24 h

	// Now is the clock for the times in new blocks and receipts; nil for time.Now.
	// Elapsed time is measured by the system's clock.
	Now func() time.Time

	// Tests make these small, so that files change often and a filter errs.
	writeBuffer int              // LevelDB's, in bytes; 0 for 8 MiB
	filter      store.FilterSize // of the filter of keys

	syncLast bool // only Close syncs, for a store that is not used before
}

// A Chain is the ledger of one node: blocks, balances and pool on LevelDB. All
// methods may be called from any goroutine.
//
// One lock covers tip and pool. Every change of them holds the lock until it is on disk,
// so what a reader finds in the pool is durable. Readers of the chain do not take it.
// They read a snapshot of the last published tip (View), so they see a reorg only once it
// has ended.
type Chain struct {
	net    *ledger.Network
	log    *slog.Logger
	now    func() time.Time // Config's
	began  time.Time        // when Open returned
	ranFor time.Duration    // running time of earlier runs on this store

	expiry   time.Duration // Config's
	syncLast bool          // Config's

	queue submissions // its own lock, taken before mu

	mu      sync.Mutex
	store   *store.Store
	pool    *pool.Pool   // what is in no block yet
	records *poolRecords // of the pool, in the store
	forks   *forks
	votes   *Votes // obeys the builders' votes
	stats   Status // counters; published as a copy
	closed  bool

	seen published // its own lock, taken under mu

	failOnce sync.Once
	failed   chan struct{}
	err      error // set before failed is closed
}

// DeepReorg is how many blocks a reorg may revert without a warning in the log. Deeper
// reorgs are done too, since a limit on depth would split networks for good.
const DeepReorg = 10

// Open opens or makes the store, checks it, and finishes a reorg that a crash
// interrupted. It drops a torn end, as a power cut leaves it, and continues from the last
// whole step. Any other damage is ErrDamaged. Repair then keeps what is whole.
func Open(cfg Config) (*Chain, error) {
	if cfg.Storage == nil {
		if err := repairPending(cfg.Dir); err != nil {
			return nil, err
		}
	}
	s, how, err := store.Open(store.Config{Dir: cfg.Dir, Storage: cfg.Storage, WriteBuffer: cfg.writeBuffer, Filter: cfg.filter})
	if err != nil {
		return nil, err
	}
	c := &Chain{
		net: cfg.Network, log: cfg.Log, now: cfg.Now, began: time.Now(), syncLast: cfg.syncLast,
		expiry: cmp.Or(cfg.Expiry, defaultExpiry), queue: submissions{turn: make(chan struct{}, 1)},
		store: s, pool: pool.New(cfg.Network), records: newPoolRecords(), forks: newForks(cfg.Network, s),
		failed: make(chan struct{}),
	}
	c.votes = &Votes{c: c}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if err := c.start(how); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return c, nil
}

// start reads what the store holds.
func (c *Chain) start(how store.Opened) error {
	if err := readInfo(c.store, c.net); err != nil {
		return err
	}
	c.ranFor = time.Duration(c.store.Info.Running) * time.Millisecond
	if err := checkCommits(c.store, how, c.log); err != nil {
		return err
	}
	entries, err := c.records.load(c.store)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c.pool.Now = e.FirstSeen // from when it may have waited
		if err := c.pool.Insert(e, c.store.Balance); err != nil {
			return err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.forks.load(); err != nil {
		return err
	}
	if err := c.votes.load(); err != nil {
		return err
	}
	if t := c.store.Info.Target; t != (ledger.Hash{}) {
		c.log.Info("going on with a reorg that was interrupted", "to", t.Short())
		if err := c.resume(t); err != nil {
			return err
		}
	}
	// After this the journal is not empty, so an empty one is suspect at the next start.
	if err := c.commit(c.store.Begin(), true); err != nil {
		return err
	}
	c.store.OnDamage(func(err error) { _ = c.fail(err) }) // any reader may call it
	c.publish()
	return nil
}

// Network returns the network given to Open.
func (c *Chain) Network() *ledger.Network { return c.net }

// Failed returns a channel that is closed when a write failed or a read met damage.
// The node must then end, with the error that Err returns. Nothing is written any
// more.
func (c *Chain) Failed() <-chan struct{} { return c.failed }

// Err is the error that stopped the chain, or nil.
func (c *Chain) Err() error {
	select {
	case <-c.failed:
		return c.err
	default:
		return nil
	}
}

// Changed returns a channel that is closed at the next change of tip, pool or final
// block. Take it, read the state, then wait.
func (c *Chain) Changed() <-chan struct{} { return c.seen.changes() }

// Status is cheap and never waits for a write.
func (c *Chain) Status() Status { return c.seen.current() }

// View opens a view of the current tip. After Close the error is ErrStopped.
func (c *Chain) View() (*store.View, error) { return c.seen.view(c.net) }

// Copy takes a snapshot of the whole store, pool included. It does not wait for a write.
func (c *Chain) Copy() (*store.Copy, error) { return c.store.Copy() }

// Tip is the current tip.
func (c *Chain) Tip() store.Tip { return c.Status().Tip }

// ready returns why the chain takes no writes, or nil. The caller holds mu.
func (c *Chain) ready() error {
	if err := c.Err(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrStopped, err)
	}
	if c.closed {
		return ledger.ErrStopped
	}
	return nil
}

// fail stops the chain for good. Memory may be ahead of the disk, so nothing is published
// any more.
func (c *Chain) fail(err error) error {
	c.failOnce.Do(func() {
		c.err = err
		close(c.failed)
		c.log.Error("the ledger stops", "error", err)
	})
	return fmt.Errorf("%w: %w", ledger.ErrStopped, err)
}

// commit writes one atomic step, or stops the chain. The caller holds mu.
func (c *Chain) commit(w *store.Batch, sync bool) error {
	w.Info.Running = c.running().Milliseconds()
	if err := w.Write(sync && !c.syncLast); err != nil {
		return c.fail(err)
	}
	return nil
}

// running is the node's running time on this store. It stands still while the node is
// off, so that transactions do not expire meanwhile.
func (c *Chain) running() time.Duration { return c.ranFor + time.Since(c.began) }

// publish shows readers the state as of the last commit, unless the chain has failed,
// since then memory may be ahead of the disk. The caller holds mu.
func (c *Chain) publish() {
	if c.Err() != nil {
		return
	}
	in, s := &c.store.Info, c.stats
	s.Tip, s.Final = store.Tip{Blocks: in.Blocks, Hash: in.Tip}, c.seen.current().Final
	if last := c.votes.cert; last != s.Final {
		if on, err := onChain(c.store, last.Block); on && err == nil {
			s.Final = last
		}
	}
	s.Lacks = ledger.Hash{}
	if list := c.forks.preferred(nil); len(list) > 0 {
		s.Lacks = list[0]
	}
	s.Pool, s.Waiting, s.Payable = c.pool.Len(), c.pool.WaitingCount(), c.pool.PayableCount()
	s.NextArrival, s.PoolDigest = in.Arrival, c.pool.Digest()
	if e := c.pool.OldestPayable(); e != nil {
		s.OldestPayable = time.Now().Add(e.FirstSeen - c.running())
	}
	s.Rivals, s.SideDropped = c.forks.rivals, c.forks.dropped
	s.SideHeaders, s.FailedBlocks = len(c.forks.nodes), c.forks.failed.Len()
	c.seen.set(s, c.store)
}

// Run fills the filter of keys. Then, once a minute, it writes the running time and
// lets waiting transactions expire, until ctx ends or the chain fails. It returns nil
// when ctx ended.
func (c *Chain) Run(ctx context.Context) error {
	if err := c.store.FillFilter(ctx, &c.mu, c.ready); err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrStopped) {
		c.log.Warn("the filter of known keys could not be read; the ledger is slower without it", "error", err)
	}
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.failed:
			return c.err
		case <-tick.C:
			if err := c.expire(); err != nil {
				return err
			}
		}
	}
}

// Close writes the running time and closes the store.
func (c *Chain) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	var err error
	c.syncLast = false
	if c.ready() == nil {
		err = c.commit(c.store.Begin(), true)
	}
	c.closed = true
	c.seen.close()
	return errors.Join(err, c.store.Close())
}

// Receipts returns the receipts for an ID, at most limit. If sender is not nil, it returns
// only that sender's.
func (c *Chain) Receipts(id uuid.UUID, sender *uuid.UUID, limit int) ([]store.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	return c.store.Receipts(id, sender, limit)
}

// Book returns the address book inside the chain's store.
func (c *Chain) Book() *Book { return &Book{c} }

// Votes returns the part that makes the chain obey the builders' votes.
func (c *Chain) Votes() *Votes { return c.votes }

// Pool returns the chain's pool, to read it.
func (c *Chain) Pool() Pool { return Pool{c} }

// HeaderByHash returns a header of the chain, or of a side branch that is known down to
// the chain. Otherwise the error is ErrUnknown, even if the store still has the header.
func (c *Chain) HeaderByHash(h ledger.Hash) (*ledger.SealedHeader, error) {
	v, err := c.View()
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if height, err := v.Height(h); err == nil { // the usual case, without the lock
		return v.Header(height)
	} else if !errors.Is(err, ledger.ErrUnknown) {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	n, on, err := c.forks.find(h)
	switch {
	case err != nil:
		return nil, err
	case n != nil:
		return n.header, nil
	case on:
		return c.store.Header(h)
	}
	return nil, ledger.ErrUnknown
}

// SideHeaders returns at most limit headers that are not on the chain, from a height on,
// lowest first. They are of branches that lost, or whose bodies are still missing. It
// reads all side headers, at most 100,000.
func (c *Chain) SideHeaders(from uint64, limit int) []*ledger.SealedHeader {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sides []*sideHeader
	for _, n := range c.forks.nodes {
		if n.header.Height >= from {
			sides = append(sides, n)
		}
	}
	slices.SortFunc(sides, func(x, y *sideHeader) int {
		return cmp.Or(cmp.Compare(x.header.Height, y.header.Height), bytes.Compare(x.hash[:], y.hash[:]))
	})
	headers := make([]*ledger.SealedHeader, min(limit, len(sides)))
	for i := range headers {
		headers[i] = sides[i].header
	}
	return headers
}

// BlockByHash returns any block whose body is here, on the chain or off it. Otherwise
// the error is ErrUnknown.
func (c *Chain) BlockByHash(h ledger.Hash) (*ledger.Block, error) {
	return c.store.Block(h) // a view lacks side blocks that came after the tip
}

// FailedBlock returns the mark of a block that broke a rule, or nil. It does not wait for
// a write.
func (c *Chain) FailedBlock(h ledger.Hash) *ledger.BlockError { return c.forks.mark(h) }

// A Template is a block to be built on the tip from the payable transactions, without
// builder, nonce and signature. Header.Count is 0 if none is payable.
type Template struct {
	Header ledger.Header
	Txs    []*ledger.Transaction
}

// Template packs at most limit payable transactions (and at most MaxBlockTxs), in
// an order in which all can be paid.
func (c *Chain) Template(limit int) Template {
	c.mu.Lock()
	in := c.store.Info
	list := c.pool.Payable(min(limit, ledger.MaxBlockTxs))
	c.mu.Unlock()
	t := Template{Txs: make([]*ledger.Transaction, len(list))}
	for i, e := range list {
		t.Txs[i] = e.Tx
	}
	t.Header = c.newHeader(in.Blocks, in.Tip, t.Txs)
	return t
}

// newHeader returns the header of a block to be sealed.
func (c *Chain) newHeader(height uint64, parent ledger.Hash, txs []*ledger.Transaction) ledger.Header {
	return ledger.Header{
		Version: 1, Height: height, Parent: parent, Root: ledger.Root(txs), Count: uint32(len(txs)),
		Time: uint64(max(0, c.now().UnixMilli())), Bits: c.net.Bits,
	}
}
