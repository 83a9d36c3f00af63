package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// RepairConfig says what to repair.
type RepairConfig struct {
	Network  *Network            // nil: as for Verify
	Dir      string              // the LevelDB directory
	Log      *slog.Logger        // nil: nothing is logged
	Now      time.Time           // the date in the name of the old directory
	Progress func(blocks uint64) // called after each block that was read; nil: nobody looks

	// Tell is called with what Repair then returns, before the last trace of it
	// is removed: a repair that is killed has told, or the next one will. Nil:
	// nobody is told.
	Tell func(*Repaired) error

	step func(name string) error // set by tests only: asked at each step; its error stands for a failure there
}

// A Repaired says what a repair kept and what it did not find whole.
type Repaired struct {
	Old      string // where the old files are now, as they were
	Resumed  bool   // an earlier repair did the work and was interrupted before it told; this one told it
	Had      uint64 // blocks of the chain, as the old info record said; 0 when it could not be read
	Blocks   uint64 // of the new chain
	Broken   int    // blocks that were not whole
	Apart    int    // blocks that were whole and do not hang together with the first block
	Pool     int    // transactions in the new pool; may be above MaxPool, then the pool takes no new ones
	Receipts int
	Book     int // entries of the address book
	Parts    int // damaged files, of which a part was read
	Missing  int // files that the store's own list names and that are not there
	Unread   int // records of the pool, the receipts and the address book that could not be read
}

// Whole reports whether nothing was lost, as far as the files tell: a journal
// that is gone whole leaves no trace.
func (r *Repaired) Whole() bool {
	return r.Had <= r.Blocks && r.Broken+r.Apart+r.Parts+r.Missing+r.Unread == 0
}

// Repair makes a new store from all that is whole in one: blocks through
// AddBlock, transactions of the pool and of blocks that could not be kept
// through the pool, receipts and address book as they are. It is for what Open
// cannot mend. The new store is made beside the old one, and takes its place
// when it is complete and on disk; the old files are moved aside as they were.
// Killed at any moment, the old store is in its place, or the new one is, or
// the next Open or Repair puts it there (workplace). After an error the old one
// is in its place.
//
// Memory does not grow with the store. Errors: ErrInUse (a node runs on it),
// ErrRepairing, ErrForeign, ErrNewer, ctx's, or the disk's.
func Repair(ctx context.Context, cfg RepairConfig) (*Repaired, error) {
	place, err := enterWorkplace(cfg.Dir)
	if err != nil {
		return nil, err
	}
	out, err := place.settle()
	if err == nil && out == nil {
		out, err = repairIn(ctx, cfg, place)
	}
	if err == nil && cfg.Tell != nil {
		if err = cfg.Tell(out); err != nil {
			place.keep = true
		}
	}
	if err := errors.Join(err, place.leave()); err != nil {
		return nil, err
	}
	return out, nil
}

func repairIn(ctx context.Context, cfg RepairConfig, place *workplace) (*Repaired, error) {
	r := &repair{ctx: ctx, cfg: cfg, place: place}
	var err error
	if r.files, err = storage.OpenFile(cfg.Dir, false); err != nil { // its lock keeps nodes away
		return nil, openError(cfg.Dir, err)
	}
	place.step = r.at
	if r.out.Old, err = unusedName(place.dir + cfg.Now.Format(".damaged-2006-01-02T150405")); err == nil {
		err = r.build()
	}
	// From here on the place's lock alone keeps nodes away: Windows renames no
	// directory in which a file is open.
	if err := errors.Join(err, r.close()); err != nil {
		return nil, err
	}
	if err := place.finish(&r.out); err != nil {
		return nil, err
	}
	return &r.out, place.swap(r.out.Old)
}

// unusedName gives name, or where that is taken one that begins with it.
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

type repair struct {
	ctx   context.Context
	cfg   RepairConfig
	place *workplace
	files storage.Storage // the old store, for its lock
	old   *database       // what could be read of it
	new   *Chain
	read  uint64 // blocks so far
	out   Repaired
}

// at tells a test where the repair is.
func (r *repair) at(step string) error {
	if r.cfg.step == nil {
		return nil
	}
	return r.cfg.step(step)
}

// build makes the new store.
func (r *repair) build() error {
	if err := r.at("begun"); err != nil {
		return err
	}
	if err := r.open(); err != nil {
		return err
	}
	if err := r.at("salvaged"); err != nil {
		return err
	}
	old, err := r.oldInfo()
	if err != nil {
		return err
	}
	r.out.Had = old.Blocks
	if err := r.blocks(); err != nil {
		return err
	}
	if err := r.rest(old); err != nil {
		return err
	}
	r.out.Blocks = r.new.Tip().Blocks
	return r.at("copied")
}

// open reads the old files into a scratch database, and opens a new store.
func (r *repair) open() error {
	db, err := leveldb.OpenFile(r.place.file(placeSalvage), options(opt.DefaultStrict, 0))
	if err != nil {
		return fmt.Errorf("make a scratch database: %w", err)
	}
	r.old = &database{DB: db}
	if r.out.Missing, err = missingFiles(r.files); err != nil {
		return fmt.Errorf("list the old files: %w", err)
	}
	if r.out.Parts, err = salvageFiles(r.ctx, r.cfg.Dir, db); err != nil {
		return err
	}
	net := r.cfg.Network
	if net == nil {
		if net, err = storedNetwork(r.old); errors.Is(err, ErrDamaged) {
			return fmt.Errorf("which network the ledger is of cannot be read: give it with --network: %w", err)
		} else if err != nil {
			return err
		}
	}
	r.new, err = Open(Config{Network: net, Dir: r.place.file(placeNew), Log: r.cfg.Log, syncLast: true})
	return err
}

// close also puts the new store on disk.
func (r *repair) close() error {
	var errs []error
	if r.new != nil {
		errs = append(errs, r.new.Close(), r.new.Err()) // one that failed is not on disk
	}
	if r.old != nil {
		errs = append(errs, r.old.Close())
	}
	return errors.Join(append(errs, r.files.Close())...)
}

// oldInfo reads the old info record; an empty one where it is damaged. That of
// another network or of a newer version ends the repair: nothing of it would be
// kept.
func (r *repair) oldInfo() (info, error) {
	b, err := get(r.old, []byte{keyInfo})
	if err != nil {
		return info{}, passOver(err)
	}
	in, err := decodeInfo(b, r.new.net)
	if errors.Is(err, ErrDamaged) {
		return info{}, nil
	}
	return in, err
}
