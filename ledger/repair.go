package ledger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
}

// A Repaired says what a repair kept and what it did not find whole.
type Repaired struct {
	Old      string // where the old files are now, as they were
	Had      uint64 // blocks of the chain, as the old info record said; 0 when it could not be read
	Blocks   uint64 // of the new chain
	Broken   int    // blocks that were not whole
	Apart    int    // blocks that were whole and do not hang together with the first block
	Pool     int    // transactions in the new pool
	Receipts int
	Book     int // entries of the address book
	Parts    int // damaged files, of which a part was read
	Unread   int // records of the pool, the receipts and the address book that could not be read
}

// Repair moves the directory of a store aside and makes a new one from all that
// is whole in it: blocks through AddBlock, transactions of the pool and of blocks
// that could not be kept through the pool, receipts and address book as they
// are. The old files are read and never written. It is for what Open cannot
// mend; a running node is ErrInUse. After an error the old directory is back in
// its place.
func Repair(ctx context.Context, cfg RepairConfig) (_ *Repaired, err error) {
	if err := tryLock(cfg.Dir); err != nil {
		return nil, err
	}
	r := &repair{ctx: ctx, cfg: cfg}
	r.out.Old = cfg.Dir + cfg.Now.Format(".damaged-2006-01-02T150405")
	if err := os.Rename(cfg.Dir, r.out.Old); err != nil {
		return nil, fmt.Errorf("move the old files aside: %w", err)
	}
	scratch := cfg.Dir + ".repairing"
	defer func() {
		err = errors.Join(err, r.close(), os.RemoveAll(scratch))
		if err != nil {
			err = errors.Join(err, os.RemoveAll(cfg.Dir), os.Rename(r.out.Old, cfg.Dir))
		}
	}()
	if err := os.RemoveAll(scratch); err != nil { // of a repair that was killed
		return nil, err
	}
	if err := r.open(scratch); err != nil {
		return nil, err
	}
	if err := r.copy(); err != nil {
		return nil, err
	}
	if err := syncDir(filepath.Dir(cfg.Dir)); err != nil {
		return nil, err
	}
	return &r.out, nil
}

// tryLock sees to it that nobody has the store open.
func tryLock(dir string) error {
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("there is no ledger in %s: %w", dir, err)
	}
	files, err := storage.OpenFile(dir, false)
	if err != nil {
		return openError(dir, err)
	}
	return files.Close()
}

type repair struct {
	ctx  context.Context
	cfg  RepairConfig
	old  *database
	new  *Chain
	lost []*Transaction // of blocks that the new chain does not have
	out  Repaired
}

// open reads the old files into a scratch database, and opens a new store.
func (r *repair) open(scratch string) error {
	db, err := leveldb.OpenFile(scratch, options(opt.DefaultStrict, 0))
	if err != nil {
		return fmt.Errorf("make a scratch database: %w", err)
	}
	r.old = &database{DB: db}
	if r.out.Parts, err = salvageFiles(r.out.Old, db); err != nil {
		return err
	}
	net := r.cfg.Network
	if net == nil {
		if net, err = storedNetwork(r.old); err != nil {
			return fmt.Errorf("which network the ledger is of cannot be read: give it with --network: %w", err)
		}
	}
	r.new, err = Open(Config{Network: net, Dir: r.cfg.Dir, Log: r.cfg.Log})
	if err != nil {
		return err
	}
	return nil
}

func (r *repair) close() error {
	var errs []error
	if r.new != nil {
		errs = append(errs, r.new.Close())
	}
	if r.old != nil {
		errs = append(errs, r.old.Close())
	}
	return errors.Join(errs...)
}

func (r *repair) copy() error {
	old, err := r.oldInfo()
	if err != nil {
		return err
	}
	r.out.Had = old.Blocks
	if err := eachBody(r.old, r.block); err != nil {
		return err
	}
	if err := r.rest(old); err != nil {
		return err
	}
	st := r.new.Status()
	r.out.Blocks, r.out.Pool = st.Tip.Blocks, st.Pool
	return nil
}

// oldInfo reads the old info record; an empty one where it is damaged. That of
// another network ends the repair: nothing of it would be kept.
func (r *repair) oldInfo() (info, error) {
	var in info
	b, err := get(r.old, []byte{keyInfo})
	if err != nil {
		return info{}, passOver(err)
	}
	if err := Unmarshal(b, &in); err != nil {
		return info{}, nil
	}
	if in.Network != r.new.net.ID() {
		return in, fmt.Errorf("%w: it is %q (%s), not %q (%s)", ErrForeign, in.Name, in.Network.Short(), r.new.net.Name, r.new.net.ID().Short())
	}
	return in, nil
}

// block offers one old block to the new chain. The transactions of one that is
// not taken go to the pool, as far as they can be read.
func (r *repair) block(ref BlockRef) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	b, err := readBlock(r.old, ref.Hash)
	if err != nil {
		r.out.Broken++
		r.lost = append(r.lost, r.readable(ref)...)
		return passOver(err)
	}
	_, err = r.new.AddBlock(r.ctx, b)
	var rule *BlockError
	switch {
	case err == nil:
	case errors.Is(err, ErrUnknownParent):
		r.out.Apart++
		r.lost = append(r.lost, b.Txs...)
	case errors.As(err, &rule):
		r.out.Broken++
		r.lost = append(r.lost, b.Txs...)
	default:
		return err
	}
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.new.Tip().Blocks)
	}
	return nil
}

// readable gives the transactions of a body of which a part is missing.
func (r *repair) readable(ref BlockRef) []*Transaction {
	var txs []*Transaction
	for n := uint32(0); n*chunkTxs < MaxBlockTxs; n++ {
		ch, err := readChunk(r.old, ref, n)
		if err != nil {
			continue
		}
		for i := range ch.len() {
			if it, err := ch.item(i); err == nil {
				txs = append(txs, it.tx)
			}
		}
	}
	return txs
}
