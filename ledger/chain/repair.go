package chain

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/durable"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// ErrRepairing reports that a repair moved the old store away and was interrupted
// before the new one was in its place. Another repair completes it. Match it
// with errors.Is.
var ErrRepairing = errors.New("a repair of this ledger is not complete: run it again")

// RepairConfig configures Repair.
type RepairConfig struct {
	Network  *ledger.Network     // nil: as for Verify
	Dir      string              // the LevelDB directory
	Log      *slog.Logger        // nil: nothing is logged
	Now      time.Time           // the date in the name of the old directory
	Progress func(blocks uint64) // called after each block that was read; nil: not called

	step func(name string) error // set by tests: called at each step; its error stands for a failure there
}

// Repaired reports what a repair kept, and what it did not find whole.
type Repaired struct {
	Old      string // where the old files are now, unchanged
	Had      uint64 // blocks of the old chain, by its info record; 0 when that could not be read
	Blocks   uint64 // of the new chain
	Unused   int    // blocks that were not whole, or do not lead down to the first block
	Pool     int    // transactions in the new pool; may be above MaxPool, then the pool takes no new ones
	Receipts int
	Book     int // entries of the address book
	store.Lost
	Unread  int  // records of the pool and the receipts that could not be read
	Resumed bool // an earlier repair made the new store and was killed before its end; what it left out is not known
}

// Whole reports whether nothing was lost, as far as the files show. A whole journal
// that is gone leaves no trace.
func (r *Repaired) Whole() bool {
	return !r.Resumed && r.Had <= r.Blocks && r.Unused+r.Damaged+r.Missing+r.Unread == 0
}

// The directories of a repair stand beside the store in DIR.
const (
	newSuffix     = ".new"      // the new store, complete once DIR is moved aside
	readingSuffix = ".reading"  // the whole files of the old store, as links
	oldSuffix     = ".damaged-" // the old store; a date follows
)

// Repair makes a new store from all that is whole in an old one. It takes blocks
// through AddBlock, transactions through Submit, and receipts and address book as
// they are. Transactions of blocks that cannot be kept return to the pool. A damaged
// table is left out as a whole. The old files are only read, and are moved aside at
// the end.
//
// The new store is made in DIR.new, synced, and then takes the place of DIR by two
// renames. If the repair is killed before the first, DIR is as it was and the next
// repair begins again. If it is killed between the two, DIR is missing, Open returns
// ErrRepairing, and the next repair does the second rename. After an error DIR is as
// it was.
//
// Memory grows with the transactions that go to the pool. Errors: ErrInUse,
// ErrForeign, ErrNewer, ctx's, or the disk's.
func Repair(ctx context.Context, cfg RepairConfig) (*Repaired, error) {
	cfg.Dir = filepath.Clean(cfg.Dir)
	if cfg.step == nil {
		cfg.step = func(string) error { return nil }
	}
	r := &repair{ctx: ctx, cfg: cfg}
	there, err := holdsStore(cfg.Dir)
	if err != nil {
		return nil, store.OpenError(cfg.Dir, err)
	}
	if !there {
		return r.resume()
	}
	if r.files, err = storage.OpenFile(cfg.Dir, false); err != nil { // its lock keeps nodes away
		return nil, store.OpenError(cfg.Dir, err)
	}
	if r.out.Old, err = unusedName(cfg.Dir + oldSuffix + cfg.Now.Format("2006-01-02T150405")); err == nil {
		err = r.build()
	}
	if err := errors.Join(err, r.closeStores()); err != nil {
		return nil, errors.Join(err, r.files.Close(), r.clean(newSuffix))
	}
	if err := r.swap(); err != nil {
		return nil, err
	}
	return &r.out, nil
}

type repair struct {
	ctx   context.Context
	cfg   RepairConfig
	files storage.Storage // the old store's, for its lock
	old   *store.Store    // what can be read of it
	new   *Chain
	read  uint64 // blocks so far
	out   Repaired
}

// resume does the second rename of a repair that was killed before it.
func (r *repair) resume() (*Repaired, error) {
	if !exists(r.cfg.Dir + newSuffix) {
		return nil, fmt.Errorf("there is no ledger in %s: %w", r.cfg.Dir, os.ErrNotExist)
	}
	if err := r.install(); err != nil {
		return nil, err
	}
	old, err := filepath.Glob(r.cfg.Dir + oldSuffix + "*")
	if err == nil && len(old) > 0 {
		r.out.Old = old[len(old)-1]
	}
	net := r.cfg.Network
	if net == nil {
		if net, err = networkIn(r.cfg.Dir); err != nil {
			return nil, err
		}
	}
	c, err := Open(Config{Network: net, Dir: r.cfg.Dir, Log: r.cfg.Log})
	if err != nil {
		return nil, err
	}
	st := c.Status()
	r.out.Blocks, r.out.Pool, r.out.Resumed = st.Tip.Blocks, st.Pool, true
	return &r.out, errors.Join(c.Close(), r.clean(readingSuffix))
}

// networkIn returns the network that the store in dir names.
func networkIn(dir string) (*ledger.Network, error) {
	s, err := openReadOnly(dir, nil)
	if err != nil {
		return nil, err
	}
	net, err := storedNetwork(s)
	return net, errors.Join(err, s.Close())
}

// swap moves the old store aside and the new one into its place.
func (r *repair) swap() error {
	if runtime.GOOS == "windows" { // it renames no directory in which a file is open
		if err := r.files.Close(); err != nil {
			return err
		}
	} else {
		defer r.files.Close()
	}
	if err := r.cfg.step("built"); err != nil {
		return errors.Join(err, r.clean(newSuffix))
	}
	if err := os.Rename(r.cfg.Dir, r.out.Old); err != nil {
		return fmt.Errorf("move the old files aside: %w", err)
	}
	err := errors.Join(durable.SyncDir(filepath.Dir(r.cfg.Dir)), r.cfg.step("moved aside"))
	if err == nil {
		err = r.install()
	}
	if err != nil { // back to what was there
		return errors.Join(err, os.Rename(r.out.Old, r.cfg.Dir), r.clean(newSuffix))
	}
	return r.cfg.step("swapped")
}

// install puts the new store into its place, where there is none.
func (r *repair) install() error {
	// A node that began to start before may have made an empty directory.
	err := os.RemoveAll(r.cfg.Dir)
	if err == nil {
		err = os.Rename(r.cfg.Dir+newSuffix, r.cfg.Dir)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(r.cfg.Dir))
	}
	if err != nil {
		return fmt.Errorf("put the new ledger into its place: %w", err)
	}
	return nil
}

// clean removes a directory of this repair or of a killed one.
func (r *repair) clean(suffix string) error { return os.RemoveAll(r.cfg.Dir + suffix) }

// closeStores also puts the new store on disk.
func (r *repair) closeStores() error {
	var errs []error
	if r.new != nil {
		errs = append(errs, r.new.Close(), r.new.Err()) // one that failed is not on disk
	}
	if r.old != nil {
		errs = append(errs, r.old.Close())
	}
	return errors.Join(append(errs, r.clean(readingSuffix))...)
}

// build makes the new store.
func (r *repair) build() error {
	if err := r.cfg.step("begun"); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	old, err := r.oldInfo()
	if err != nil {
		return err
	}
	r.out.Had = old.Blocks
	startFrom(r.new, old)
	// Receipts come before the pool, since what is gone for good stays out of it.
	for _, part := range []func() error{r.blocks, r.receipts, r.pool, r.book} {
		if err := part(); err != nil {
			return err
		}
	}
	st := r.new.Status()
	r.out.Blocks, r.out.Pool = st.Tip.Blocks, st.Pool
	return r.cfg.step("copied")
}

// startFrom continues the running time and the arrival numbers of an old store.
func startFrom(c *Chain, old store.Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ranFor += time.Duration(old.Running) * time.Millisecond
	c.store.Info.Arrival = max(c.store.Info.Arrival, old.Arrival)
}

// open reads what is whole of the old files, and opens a new store.
func (r *repair) open() error {
	if err := errors.Join(r.clean(newSuffix), r.clean(readingSuffix)); err != nil {
		return fmt.Errorf("remove what an interrupted repair left: %w", err)
	}
	var err error
	if r.old, r.out.Lost, err = store.Salvage(r.ctx, r.files, r.cfg.Dir, r.cfg.Dir+readingSuffix); err != nil {
		return fmt.Errorf("read the old files: %w", err)
	}
	net := r.cfg.Network
	if net == nil {
		if net, err = storedNetwork(r.old); errors.Is(err, store.ErrDamaged) {
			return fmt.Errorf("which network the ledger is of cannot be read: give it with --network: %w", err)
		} else if err != nil {
			return err
		}
	}
	r.new, err = Open(Config{Network: net, Dir: r.cfg.Dir + newSuffix, Log: r.cfg.Log, syncLast: true})
	return err
}

// oldInfo reads the old info record, and returns an empty one when it is damaged. That
// of another network or of a newer version ends the repair, since nothing would be
// kept.
func (r *repair) oldInfo() (store.Info, error) {
	in, err := r.old.ReadInfo()
	if err != nil {
		return store.Info{}, passOver(err)
	}
	return in, in.CheckNetwork(r.new.net)
}

// passOver drops the errors of a record that is not there or cannot be read.
func passOver(err error) error {
	if errors.Is(err, ledger.ErrUnknown) || errors.Is(err, store.ErrDamaged) {
		return nil
	}
	return err
}

// blocks offers the old blocks to the new chain. The old chain comes first, up to its
// first block that is not whole, so that the new chain takes no side branch before
// it. Then come all others.
func (r *repair) blocks() error {
	for height, taken := uint64(0), true; taken; height++ {
		hash, err := r.old.Hash(height)
		if err != nil {
			if err := passOver(err); err != nil {
				return err
			}
			break
		}
		if taken, err = r.offer(hash); err != nil {
			return err
		}
	}
	return r.old.EachBody(func(ref ledger.BlockRef) error {
		taken, err := r.taken(ref)
		if err == nil && !taken {
			if taken, err = r.offer(ref.Hash); !taken {
				r.out.Unused++
			}
		}
		return err
	})
}

// taken reports whether the new store has a block, on the chain or beside it.
func (r *repair) taken(ref ledger.BlockRef) (bool, error) {
	return r.new.store.HasHeader(ref.Hash)
}

// offer adds one old block to the new chain.
func (r *repair) offer(hash ledger.Hash) (taken bool, err error) {
	if err := errors.Join(r.ctx.Err(), r.cfg.step("block")); err != nil {
		return false, err
	}
	b, err := r.old.Block(hash)
	if err != nil {
		return false, passOver(err)
	}
	r.read++
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.read)
	}
	_, err = r.new.AddBlock(r.ctx, b)
	var rule *ledger.BlockError
	if errors.Is(err, ledger.ErrUnknownParent) || errors.As(err, &rule) {
		return false, nil
	}
	return err == nil, err
}

// receipts copies the receipts that can be read, at most MaxBlockTxs in a commit, so
// that no batch grows with the store.
func (r *repair) receipts() error {
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.store.Begin()
	err := r.old.EachReceipt(func(_ uuid.UUID, receipt *store.Receipt, err error) error {
		if err != nil {
			r.out.Unread++
			return nil
		}
		if err := w.PutReceipt(receipt); err != nil {
			return err
		}
		if r.out.Receipts++; r.out.Receipts%ledger.MaxBlockTxs > 0 {
			return nil
		}
		err = errors.Join(r.ctx.Err(), c.commit(w, false))
		w = c.store.Begin()
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(c.commit(w, false), r.cfg.step("records"))
}

// book copies the address book.
func (r *repair) book() error {
	book, err := r.old.Book()
	for name, value := range book {
		err = errors.Join(err, r.new.Book().Put(name, value))
	}
	r.out.Book = len(book)
	return errors.Join(err, r.cfg.step("records"))
}

// pool submits to the new pool the transactions of the old pool, and those of blocks
// that are not on the new chain. A transaction that is refused gets a receipt.
func (r *repair) pool() error {
	var txs []*ledger.Transaction
	add := func(tx *ledger.Transaction) error {
		if tx.CheckFields(r.new.net) != nil {
			r.out.Unread++
			return nil
		}
		if txs = append(txs, tx); len(txs) < ledger.MaxBlockTxs {
			return nil
		}
		batch := txs
		txs = nil
		return r.submit(batch)
	}
	err := r.old.EachPool(func(_ uint64, items []store.PoolItem, err error) error {
		if err != nil {
			r.out.Unread++
			return nil
		}
		for _, it := range items {
			if len(it.Tx) == 0 {
				continue
			}
			tx, err := ledger.DecodeTransaction(it.Tx)
			if err != nil {
				r.out.Unread++
			} else if err := add(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = r.eachLoose(add)
	}
	if err == nil {
		err = r.submit(txs)
	}
	return err
}

// submit adds transactions to the new pool. The pool's caps do not hold for
// what was accepted before.
func (r *repair) submit(txs []*ledger.Transaction) error {
	outs, err := r.new.Submit(r.ctx, txs, pool.FromReorg)
	if err != nil {
		return err
	}
	c := r.new
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.store.Begin()
	for i, out := range outs {
		if out.Refused == "" {
			continue
		}
		gone, err := c.store.GoneForGood(txs[i].Key())
		if err != nil {
			return err
		}
		if gone != nil && gone.Tx.Same(txs[i]) {
			continue // it has its receipt
		}
		if err := w.PutReceipt(&store.Receipt{Tx: txs[i], Reason: out.Refused, Time: time.Now(), Final: out.Final}); err != nil {
			return err
		}
	}
	return errors.Join(c.commit(w, false), r.cfg.step("submitted"))
}

// eachLoose calls f with each readable transaction of the old blocks that are not on
// the new chain. Blocks of the old chain come first, so that of two transactions with
// one ID the one that was in the chain is kept.
func (r *repair) eachLoose(f func(*ledger.Transaction) error) error {
	for _, ofChain := range []bool{true, false} {
		err := r.old.EachChunk(func(ref ledger.BlockRef, txs []*ledger.Transaction) error {
			hash, err := r.old.Hash(ref.Height)
			if err := passOver(err); err != nil || (err == nil && hash == ref.Hash) != ofChain {
				return err
			}
			if on, err := onChain(r.new.store, ref); err != nil || on {
				return err
			}
			for _, tx := range txs {
				if err := f(tx); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// repairPending returns ErrRepairing where a repair of dir was killed between
// its two renames.
func repairPending(dir string) error {
	there, err := holdsStore(dir)
	if err == nil && !there && exists(filepath.Clean(dir)+newSuffix) {
		return fmt.Errorf("%w (%s)", ErrRepairing, dir)
	}
	return nil
}

// holdsStore reports whether files of a store are in dir. LOCK and LOG are not
// enough, since opening a directory makes them.
func holdsStore(dir string) (bool, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	for _, n := range names {
		if n.Name() != "LOCK" && !strings.HasPrefix(n.Name(), "LOG") {
			return true, nil
		}
	}
	return false, nil
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// unusedName returns name, with a number behind it when it is taken.
func unusedName(name string) (string, error) {
	for n, try := 2, name; ; n++ {
		if _, err := os.Lstat(try); errors.Is(err, os.ErrNotExist) {
			return try, nil
		} else if err != nil {
			return "", fmt.Errorf("name a place for the old files: %w", err)
		}
		try = fmt.Sprintf("%s-%d", name, n)
	}
}
