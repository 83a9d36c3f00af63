package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	Log     *slog.Logger    // nil: nothing is logged
	Expiry  time.Duration   // running time after which a waiting transaction expires; 0: 24 h

	// Tests make them small, so that files change often and a filter errs.
	writeBuffer int  // LevelDB's, in bytes; 0: 8 MiB
	filterBits  uint // of the filter of keys; 0: filterBits

	syncLast bool // only Close makes durable what was written: for a store that is not used before
}

// Bounds of the pool, for new submissions; what a reorg returns is taken
// beyond them. See Submit for what happens there.
const (
	MaxPool    = 100_000
	MaxWaiting = 10_000
)

const defaultExpiry = 24 * time.Hour

// A Chain is the ledger of one node: blocks, balances and pool on LevelDB. All
// methods may be called from any goroutine.
//
// One lock covers tip and pool. Whoever changes them holds it until the change
// is on disk, so what a reader finds in the pool is durable. Readers of the
// chain do not take it: they read a snapshot of the last published tip (View),
// so a switch between branches that takes long shows only when it ended.
type Chain struct {
	net    *ledger.Network
	log    *slog.Logger
	expiry time.Duration
	began  time.Time     // when Open returned
	ranFor time.Duration // running time of earlier runs on this store

	syncLast bool // Config's

	mu       sync.Mutex
	store    *store.Store
	pool     *pool.Pool
	records  *poolRecords
	forks    *forks
	tipSince time.Time
	stats    Status // counters; published as a copy
	closed   bool

	queue      submissions
	filterBits uint

	pubMu   sync.Mutex // innermost: guards what readers see; no I/O under it but opening a snapshot
	status  Status
	snap    *store.Snapshot
	changed chan struct{}

	failOnce sync.Once
	failed   chan struct{}
	err      error // why failed was closed
}

// Status is a consistent summary of tip and pool.
type Status struct {
	Tip           store.Tip
	Pool          int       // transactions in the pool, waiting ones included
	Waiting       int       // of which cannot be paid yet
	Payable       int       // of which can
	NextArrival   uint64    // the number that the next transaction will get
	OldestPayable time.Time // when the oldest payable one was first seen, counted back in running time; zero: none
	Reorgs        uint64    // switches to another branch, since start
	DeepReorgs    uint64    // of which went back more than DeepReorg blocks
	Rivals        uint64    // blocks that competed with another for a height, since start
	SideHeaders   int       // known headers that are not on the chain
	SideDropped   uint64    // such headers that made room for others, since start
	FailedBlocks  int       // marks of blocks that break a rule
	Expired       uint64    // transactions that expired, since start
	Refused       uint64    // submitted transactions that were not taken, since start
}

// DeepReorg is how many blocks a reorg may take back before it is reported
// loudly. It is taken all the same: limits on depth split networks for good.
const DeepReorg = 10

// Network is what Open was given.
func (c *Chain) Network() *ledger.Network { return c.net }

// Failed is closed when a write failed, or a read met damage: the node must end,
// with Err's reason. Nothing is written any more.
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

// Changed returns a channel that is closed at the next change of tip or pool.
// Take it, read the state, then wait.
func (c *Chain) Changed() <-chan struct{} {
	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	return c.changed
}

// Tip is the current tip.
func (c *Chain) Tip() store.Tip { return c.Status().Tip }

// Status is cheap and never waits for a write.
func (c *Chain) Status() Status {
	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	return c.status
}

// ready reports why the chain takes no writes. The caller holds mu.
func (c *Chain) ready() error {
	if err := c.Err(); err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrStopped, err)
	}
	if c.closed {
		return ledger.ErrStopped
	}
	return nil
}

// fail stops the chain for good: what is in memory may be ahead of the disk, so
// nothing may be read as accepted from now on.
func (c *Chain) fail(err error) error {
	c.failOnce.Do(func() {
		c.err = err
		close(c.failed)
		c.log.Error("the ledger stops", "error", err)
	})
	return fmt.Errorf("%w: %w", ledger.ErrStopped, err)
}

// damage stops the chain, as fail does, when a read meets damage. It takes no
// lock: any reader may call it.
func (c *Chain) damage(err error) { _ = c.fail(err) }

// commit writes one atomic step, or stops the chain. The caller holds mu.
func (c *Chain) commit(w *store.Batch, sync bool) error {
	w.Info.Running = c.running().Milliseconds()
	if err := w.Write(sync && !c.syncLast); err != nil {
		return c.fail(err)
	}
	return nil
}

// running is the node's running time on this store: it stands still while the
// node is off, so that transactions do not expire meanwhile.
func (c *Chain) running() time.Duration { return c.ranFor + time.Since(c.began) }

// tip is the end of the chain as of the last commit. The caller holds mu.
func (c *Chain) tip() ledger.BlockRef {
	return ledger.BlockRef{Height: c.store.Info.Blocks - 1, Hash: c.store.Info.Tip}
}

// wins reports whether a chain that ends with ref beats the tip.
func (c *Chain) wins(ref ledger.BlockRef) bool {
	return c.store.Info.Blocks == 0 || ledger.CompareTips(ref, c.tip()) < 0
}

// publish shows readers the state as of the last commit. The caller holds mu.
func (c *Chain) publish() {
	in := &c.store.Info
	if c.snap != nil && c.snap.Tip.Hash != in.Tip {
		c.tipSince = time.Now()
	}
	s := c.stats
	s.Tip = store.Tip{Blocks: in.Blocks, Hash: in.Tip, Since: c.tipSince}
	s.Pool, s.Waiting, s.Payable = c.pool.Len(), c.pool.WaitingCount(), c.pool.PayableCount()
	s.NextArrival = in.Arrival
	if e := c.pool.OldestPayable(); e != nil {
		s.OldestPayable = time.Now().Add(e.FirstSeen - c.running())
	}
	s.SideHeaders, s.FailedBlocks = len(c.forks.nodes), len(c.forks.failed)

	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	if c.snap == nil || c.snap.Tip.Hash != in.Tip {
		c.snap.Release()
		c.snap = store.OpenSnapshot(c.store.DB, s.Tip)
	}
	c.status = s
	close(c.changed)
	c.changed = make(chan struct{})
}

// balance is what the pool asks of the chain. The caller holds mu.
func (c *Chain) balances() pool.Balances {
	return func(id uuid.UUID) (uint64, error) {
		a, err := c.store.Account(id)
		if err != nil {
			return 0, err
		}
		return a.Balance, nil
	}
}

// Run fills the filter of keys, keeps the running time and lets waiting
// transactions expire, until ctx ends or the chain fails. It returns nil when
// ctx ended.
func (c *Chain) Run(ctx context.Context) error {
	if err := c.store.FillFilter(ctx, &c.mu, c.filterBits, c.ready); err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrStopped) {
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

// Close keeps the running time and closes the store.
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
	c.pubMu.Lock()
	c.snap.Release()
	c.snap = nil
	c.pubMu.Unlock()
	return errors.Join(err, c.store.Close())
}

// View opens a view of the current tip. ErrStopped after Close.
func (c *Chain) View() (*store.View, error) {
	c.pubMu.Lock()
	defer c.pubMu.Unlock()
	return c.snap.View(c.net)
}

// Receipts returns the receipts for an ID, at most limit.
func (c *Chain) Receipts(id uuid.UUID, limit int) ([]store.Receipt, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.ready(); err != nil {
		return nil, err
	}
	return c.store.ReceiptsFor(id, limit)
}
