package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"foxchain/ledger/store"
)

// A rawRate is what a raw part alone does, in transactions a second.
type rawRate struct {
	figure float64
	note   string // empty, or that it was unsteady
}

// beside measures a raw part before and after what it bounds. On a busy machine one of the
// two could mislead.
func (r *run) beside(raw func() (float64, error), bounded func() error) (rawRate, error) {
	before, err := raw()
	if err != nil {
		return rawRate{}, err
	}
	if err := bounded(); err != nil {
		return rawRate{}, err
	}
	after, err := raw()
	both := rawRate{figure: 2 / (1/before + 1/after)}
	if max(before, after) > 1.5*min(before, after) {
		both.note = fmt.Sprintf("unsteady: raw %.0f before, %.0f after", before, after)
	}
	return both, err
}

// rawLevelDB writes to LevelDB alone the least that txs transactions need: for each a
// record in the index and one or two accounts, under random keys like UUIDs.
func (r *run) rawLevelDB(ctx context.Context, txs int) (rate float64, err error) {
	r.Say("LevelDB alone")
	err = r.withLevelDB(func(db *leveldb.DB) error {
		begin := time.Now()
		for left := txs; left > 0; left -= batchTxs {
			if err := errors.Join(ctx.Err(), writeRaw(db, min(left, batchTxs))); err != nil {
				return err
			}
		}
		rate = float64(txs) / time.Since(begin).Seconds()
		return nil
	})
	return rate, err
}

// rawSync returns the milliseconds of one synced batch of a burst, the median.
func (r *run) rawSync(txs int) (ms float64, err error) {
	err = r.withLevelDB(func(db *leveldb.DB) error {
		var each []time.Duration
		for range burstsMost {
			begin := time.Now()
			if err := writeRaw(db, txs); err != nil {
				return err
			}
			each = append(each, time.Since(begin))
		}
		ms = *newTimings(0, each).at(0.5)
		return nil
	})
	return ms, err
}

func writeRaw(db *leveldb.DB, txs int) error {
	keys := make([]byte, 2*16*txs)
	if _, err := rand.Read(keys); err != nil {
		return err
	}
	batch, value := new(leveldb.Batch), make([]byte, 100)
	for ; len(keys) > 0; keys = keys[16:] {
		batch.Put(keys[:16], value)
	}
	return db.Write(batch, &opt.WriteOptions{Sync: true})
}

// withLevelDB calls f with a database that has the options of a node's.
func (r *run) withLevelDB(f func(*leveldb.DB) error) (err error) {
	dir := filepath.Join(r.dir, "raw")
	s, _, err := store.Open(store.Config{Dir: dir})
	if err == nil {
		err = errors.Join(f(s.DB), s.Close(), os.RemoveAll(dir))
	}
	if err != nil {
		return fmt.Errorf("measure LevelDB alone: %w", err)
	}
	return nil
}
