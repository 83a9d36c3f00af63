package ledger

import (
	"errors"
	"fmt"
	"os"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
)

// ErrDamaged says that the files of the store are not what was written to them. Match it
// with errors.Is. Nothing that is read under it may be passed on; a repair
// keeps what is whole.
var ErrDamaged = errors.New("the ledger's database is damaged")

// damaged names the record that cannot be read.
func damaged(what string, err error) error {
	return fmt.Errorf("%w at %s: %w", ErrDamaged, what, err)
}

// readError says what went wrong with a read, and tells of damage.
func readError(err error, tell func(error)) error {
	if !ldberrors.IsCorrupted(err) && !errors.Is(err, os.ErrNotExist) { // a table that is gone
		return fmt.Errorf("read the ledger's database: %w", err)
	}
	err = fmt.Errorf("%w: %w", ErrDamaged, err)
	if tell != nil {
		tell(err)
	}
	return err
}

// A database is LevelDB whose reads tell of damage when they meet it, wherever
// that is: a node that has a damaged store stops at once.
type database struct {
	*leveldb.DB
	tell func(error) // nil while the store opens
}

func (d *database) failedRead(err error) error { return readError(err, d.tell) }

// A reading is a snapshot of a database, with the same.
type reading struct {
	*leveldb.Snapshot
	tell func(error)
}

func (r *reading) failedRead(err error) error { return readError(err, r.tell) }

func (d *database) snapshot() (*reading, error) {
	s, err := d.GetSnapshot()
	if err != nil {
		return nil, err
	}
	return &reading{s, d.tell}, nil
}

// has reports whether there is a record.
func has(g getter, key []byte) (bool, error) {
	ok, err := g.Has(key, nil)
	if err != nil {
		return false, g.failedRead(err)
	}
	return ok, nil
}
