package store

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// A Copy is the whole store as of one commit. Close it, since it keeps old records from
// being compacted away.
type Copy struct {
	Info Info
	snap *leveldb.Snapshot
	r    Reader
}

// Close releases the copy.
func (c *Copy) Close() { c.snap.Release() }

// Each calls f with the key and value of every record, in order, until f fails. Both
// slices are valid only until f returns. It does not fill LevelDB's cache.
func (c *Copy) Each(f func(key, value []byte) error) error {
	return c.r.scanRange(nil, &opt.ReadOptions{DontFillCache: true}, f)
}

// loadBatch is how many bytes of records Load writes at once.
const loadBatch = 1 << 20

// Load makes a new store in dir of the records that next returns, until it returns done.
// After an error the store is not whole.
func Load(dir string, next func() (key, value []byte, done bool, err error)) (err error) {
	s, _, err := Open(Config{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var batch leveldb.Batch
	size := 0
	for done := false; !done; {
		var key, value []byte
		if key, value, done, err = next(); err != nil {
			return err
		}
		if !done {
			batch.Put(key, value)
			size += len(key) + len(value)
		}
		if done || size > loadBatch {
			if err := s.DB.Write(&batch, &opt.WriteOptions{Sync: done}); err != nil {
				return fmt.Errorf("write to the ledger's database: %w", markDamage(err))
			}
			batch.Reset()
			size = 0
		}
	}
	return nil
}
