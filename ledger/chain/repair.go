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
	"foxchain/ledger/store"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// ErrRepairing reports that a repair moved the old store away and was interrupted
// before the new one was in its place. Another repair completes it. Match it
// with errors.Is.
var ErrRepairing = errors.New("a repair of this ledger is not complete: run it again")

// RepairConfig configures Repair.
type RepairConfig struct {
	Network  *ledger.Network     // nil as in VerifyConfig
	Dir      string              // the LevelDB directory
	Log      *slog.Logger        // nil to log nothing
	Now      time.Time           // the date in the name of the old directory
	Progress func(blocks uint64) // called after each block that was read; may be nil

	step func(name string) error // set by tests: called at each step; its error stands for a failure there
}

// Repaired reports what a repair kept, and what was not whole.
type Repaired struct {
	Old      string // where the old files are now, unchanged
	Had      uint64 // blocks of the old chain, by its info record; 0 if that could not be read
	Blocks   uint64 // of the new chain
	Unused   int    // blocks that were not whole, or do not lead down to the first block
	Pool     int    // transactions in the new pool, which may exceed MaxPool
	Receipts int
	Book     int // entries of the address book
	store.Lost
	Unread  int  // records of the pool, the receipts and the votes that could not be read
	Resumed bool // an earlier repair, which was killed, made the new store; what it left out is not known
}

// Whole reports whether nothing was lost, as far as the files show. A missing journal
// leaves no trace.
func (r *Repaired) Whole() bool {
	return !r.Resumed && r.Had <= r.Blocks && r.Unused+r.Damaged+r.Missing+r.Unread == 0
}

// The directories of a repair stand beside the store in DIR.
const (
	newSuffix     = ".new"      // the new store, complete once DIR is moved aside
	readingSuffix = ".reading"  // the whole files of the old store, as links
	oldSuffix     = ".damaged-" // the old store; a date follows
)

// Repair makes a new store from everything that is whole in an old one. It copies
// certificates and evidence first, so that no branch replaces a final one. Blocks then go
// through AddBlock and transactions through Submit. Receipts and the address book are
// copied. Transactions of blocks that cannot be kept return to the pool. A damaged table is
// left out as a whole. The old files are only read, and are moved aside at the end.
//
// The new store is made in DIR.new and synced, and then replaces DIR by two renames. If
// the repair is killed before the first, DIR is unchanged and the next repair begins
// again. If it is killed between the two, DIR is missing, Open returns ErrRepairing, and
// the next repair does the second rename. After an error DIR is unchanged.
//
// Memory grows with the transactions that go to the pool. The errors are ErrInUse,
// ErrForeign, ErrNewer, ErrFinal, ctx's, and the disk's.
func Repair(ctx context.Context, cfg RepairConfig) (*Repaired, error) {
	cfg.Dir = filepath.Clean(cfg.Dir)
	if cfg.step == nil {
		cfg.step = func(string) error { return nil }
	}
	r := &repair{cfg: cfg}
	there, err := holdsStore(cfg.Dir)
	if err != nil {
		return nil, store.OpenError(cfg.Dir, err)
	}
	if !there {
		return r.resume()
	}
	if r.files, err = storage.OpenFile(cfg.Dir, false); err != nil { // its lock keeps out nodes
		return nil, store.OpenError(cfg.Dir, err)
	}
	if err := errors.Join(r.build(ctx), r.clean(readingSuffix)); err != nil {
		return nil, errors.Join(err, r.files.Close(), r.clean(newSuffix))
	}
	if err := r.swap(); err != nil {
		return nil, err
	}
	return &r.out, nil
}

// A repair moves directories. A rebuild fills the new store.
type repair struct {
	cfg   RepairConfig
	files storage.Storage // the old store's, for its lock
	out   Repaired
}

// build makes the new store, and puts it on disk.
func (r *repair) build(ctx context.Context) (err error) {
	if err := r.cfg.step("begun"); err != nil {
		return err
	}
	if err := errors.Join(r.clean(newSuffix), r.clean(readingSuffix)); err != nil {
		return fmt.Errorf("remove what an interrupted repair left: %w", err)
	}
	old, lost, err := store.Salvage(ctx, r.files, r.cfg.Dir, r.cfg.Dir+readingSuffix)
	if err != nil {
		return fmt.Errorf("read the old files: %w", err)
	}
	defer func() { err = errors.Join(err, old.Close()) }()
	r.out.Lost = lost
	net := r.cfg.Network
	if net == nil {
		if net, err = readStored(old, nil); errors.Is(err, store.ErrDamaged) {
			return fmt.Errorf("which network the ledger is of cannot be read: give it with --network: %w", err)
		} else if err != nil {
			return err
		}
	}
	c, err := Open(Config{Network: net, Dir: r.cfg.Dir + newSuffix, Log: r.cfg.Log, syncLast: true})
	if err != nil {
		return err
	}
	err = (&rebuild{ctx: ctx, cfg: &r.cfg, old: old, new: c, out: &r.out}).run()
	return errors.Join(err, c.Close(), c.Err()) // a failed chain is not on disk
}

// swap moves the old store aside and the new one into its place.
func (r *repair) swap() error {
	if runtime.GOOS == "windows" { // which does not rename a directory with an open file
		if err := r.files.Close(); err != nil {
			return err
		}
	} else {
		defer r.files.Close()
	}
	if err := r.cfg.step("built"); err != nil {
		return errors.Join(err, r.clean(newSuffix))
	}
	r.out.Old = r.cfg.Dir + oldSuffix + r.cfg.Now.Format("2006-01-02T150405")
	if err := durable.Rename(r.cfg.Dir, r.out.Old); err != nil {
		return errors.Join(fmt.Errorf("move the old files aside: %w", err), r.clean(newSuffix))
	}
	err := errors.Join(durable.SyncDir(filepath.Dir(r.cfg.Dir)), r.cfg.step("moved aside"))
	if err == nil {
		err = r.install()
	}
	if err != nil { // move the old store back
		return errors.Join(err, durable.Rename(r.out.Old, r.cfg.Dir), r.clean(newSuffix))
	}
	return r.cfg.step("swapped")
}

// install moves the new store to its place, which is empty.
func (r *repair) install() error {
	// A node that was about to start may have made an empty directory.
	err := os.RemoveAll(r.cfg.Dir)
	if err == nil {
		err = durable.Rename(r.cfg.Dir+newSuffix, r.cfg.Dir)
	}
	if err == nil {
		err = durable.SyncDir(filepath.Dir(r.cfg.Dir))
	}
	if err != nil {
		return fmt.Errorf("put the new ledger into its place: %w", err)
	}
	return nil
}

// resume does the second rename of a repair that was killed before it.
func (r *repair) resume() (*Repaired, error) {
	if !exists(r.cfg.Dir + newSuffix) {
		return nil, fmt.Errorf("there is no ledger in %s: %w", r.cfg.Dir, os.ErrNotExist)
	}
	if err := errors.Join(r.install(), r.clean(readingSuffix)); err != nil {
		return nil, err
	}
	parent, base := filepath.Split(r.cfg.Dir)
	beside, _ := os.ReadDir(filepath.Clean(parent)) // only to name the old files
	for _, n := range beside {
		if strings.HasPrefix(n.Name(), base+oldSuffix) {
			r.out.Old = parent + n.Name() // the newest is last
		}
	}
	s, err := openReadOnly(r.cfg.Dir, nil)
	if err != nil {
		return nil, err
	}
	in, err := s.ReadInfo()
	pooled, err2 := newPoolRecords().load(s)
	r.out.Blocks, r.out.Pool, r.out.Resumed = in.Blocks, len(pooled), true
	return &r.out, errors.Join(err, err2, s.Close())
}

// clean removes a directory of this repair or of a killed one.
func (r *repair) clean(suffix string) error { return os.RemoveAll(r.cfg.Dir + suffix) }

// repairPending returns ErrRepairing if a repair of dir was killed between its two
// renames.
func repairPending(dir string) error {
	there, err := holdsStore(dir)
	if err == nil && !there && exists(filepath.Clean(dir)+newSuffix) {
		return fmt.Errorf("%w (%s)", ErrRepairing, dir)
	}
	return nil
}

// holdsStore reports whether files of a store are in dir. LOCK and LOG do not count,
// since opening a directory makes them.
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
