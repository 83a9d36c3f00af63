package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// ErrRepairing says that a repair works on the store. Match it with errors.Is.
var ErrRepairing = errors.New("a repair of this ledger is under way")

// A workplace is the directory beside a store in which Repair makes the new one:
//
//	chain                     the store
//	chain.repairing/LOCK      held while a repair runs: no node starts meanwhile
//	chain.repairing/salvage   what could be read of the old files
//	chain.repairing/new       the new store, until it is complete and on disk
//	chain.repairing/report    what the repair found; written before new is renamed
//	chain.repairing/finished  the new store, complete
//	chain.damaged-…           the old files
//
// The renames new → finished, chain → chain.damaged-…, finished → chain follow
// one another, each on disk before the next. So after a kill, with a store in
// chain: it is the old one as it was, and the rest is rubbish; or, when only
// report is left, it is the new one, and nobody was told. Without one: finished
// belongs there. A directory new is never used.
type workplace struct {
	dir  string // of the store
	path string
	lock storage.Storage
	keep bool // what is there is to stay: finished could not be put into its place, or nobody could be told
	step func(name string) error
}

const (
	placeSalvage  = "salvage"
	placeNew      = "new"
	placeReport   = "report"
	placeFinished = "finished"
)

func workplacePath(dir string) string { return filepath.Clean(dir) + ".repairing" }

func (p *workplace) file(name string) string { return filepath.Join(p.path, name) }

// enterWorkplace locks the workplace of the store in dir, and makes it.
func enterWorkplace(dir string) (*workplace, error) {
	p := &workplace{dir: filepath.Clean(dir), path: workplacePath(dir), step: func(string) error { return nil }}
	if there, err := holdsStore(dir); err != nil {
		return nil, openError(dir, err)
	} else if !there && !exists(p.path) {
		return nil, fmt.Errorf("there is no ledger in %s: %w", dir, os.ErrNotExist)
	}
	var err error
	if p.lock, err = storage.OpenFile(p.path, false); err != nil {
		if isLocked(err) {
			return nil, fmt.Errorf("%w (%s)", ErrRepairing, dir)
		}
		return nil, fmt.Errorf("make a place for the repair: %w", err)
	}
	// The one before may have removed the file that is locked now.
	if again, err := storage.OpenFile(p.path, false); err == nil {
		return nil, errors.Join(fmt.Errorf("%w (%s)", ErrRepairing, dir), again.Close(), p.lock.Close())
	}
	return p, nil
}

// leave removes the workplace.
func (p *workplace) leave() error {
	if p.keep {
		return p.lock.Close()
	}
	// Windows removes no file that is open: there a node may come in between, and
	// finds an empty workplace.
	err := p.clear()
	if err == nil && runtime.GOOS != "windows" {
		err = os.RemoveAll(p.path)
	}
	err = errors.Join(err, p.lock.Close())
	if err == nil && runtime.GOOS == "windows" {
		err = os.RemoveAll(p.path)
	}
	if err != nil {
		return fmt.Errorf("remove what the repair left: %w", err)
	}
	return nil
}

// clear empties the workplace, in an order in which a kill leaves nothing that
// looks finished, or told of.
func (p *workplace) clear() error {
	if exists(p.file(placeFinished)) {
		if err := os.RemoveAll(p.file(placeNew)); err != nil {
			return err
		}
		if err := os.Rename(p.file(placeFinished), p.file(placeNew)); err != nil {
			return err
		}
	}
	for _, name := range []string{placeReport, placeNew, placeSalvage} {
		if err := errors.Join(os.RemoveAll(p.file(name)), syncDir(p.path)); err != nil {
			return err
		}
	}
	return nil
}

// settle looks at what a killed repair left. Where the new store was complete
// and the old one moved aside, it sees to it that the new one is in its place,
// and gives the report that nobody was told; everything else is removed.
func (p *workplace) settle() (*Repaired, error) {
	there, err := holdsStore(p.dir)
	if err != nil {
		p.keep = true
		return nil, openError(p.dir, err)
	}
	finished := exists(p.file(placeFinished))
	switch {
	case there && (finished || exists(p.file(placeNew)) || !exists(p.file(placeReport))):
		return nil, p.clear()
	case !there && !finished:
		return nil, fmt.Errorf("there is no ledger in %s: %w", p.dir, os.ErrNotExist)
	case !there:
		if err := p.install(); err != nil {
			p.keep = true // the next start tries again
			return nil, err
		}
	}
	out := &Repaired{}
	b, err := os.ReadFile(p.file(placeReport))
	if err == nil {
		err = Unmarshal(b, out)
	}
	if err != nil {
		return nil, fmt.Errorf("a repair that was interrupted is complete now, but its report cannot be read: %w", err)
	}
	out.Old, out.Resumed = filepath.Join(filepath.Dir(p.dir), out.Old), true
	return out, nil
}

// finish says that the new store is complete: it is closed and on disk.
func (p *workplace) finish(report *Repaired) error {
	told := *report
	told.Old = filepath.Base(told.Old) // the data directory may be moved
	b, err := Marshal(told)
	if err != nil {
		return err
	}
	if err := writeSynced(p.file(placeReport), b); err != nil {
		return fmt.Errorf("write the repair's report: %w", err)
	}
	if err := errors.Join(syncDir(p.path), syncDir(filepath.Dir(p.path)), p.step("reported")); err != nil {
		return err
	}
	if err := os.Rename(p.file(placeNew), p.file(placeFinished)); err != nil {
		return fmt.Errorf("finish the new ledger: %w", err)
	}
	return errors.Join(syncDir(p.path), p.step("finished"))
}

// swap moves the old store aside and puts the finished one into its place, or
// leaves the old one there.
func (p *workplace) swap(aside string) error {
	if err := os.Rename(p.dir, aside); err != nil {
		return fmt.Errorf("move the old files aside: %w", err)
	}
	err := errors.Join(syncDir(filepath.Dir(p.dir)), p.step("moved aside"))
	if err == nil {
		if err = p.install(); err == nil {
			return nil
		}
	}
	back := os.Rename(aside, p.dir)
	if back == nil {
		back = syncDir(filepath.Dir(p.dir))
	}
	if back != nil {
		p.keep = true
		return errors.Join(fmt.Errorf("the new ledger is complete, and the next start of the node or of the repair puts it into its place; the old files are in %s: %w", aside, err), back)
	}
	return err
}

// install puts the finished store into its place.
func (p *workplace) install() error {
	// A node that began to start before the repair did may have made an empty
	// directory; it went away when it saw the repair (openStore).
	if there, err := holdsStore(p.dir); err != nil || there {
		return errors.Join(err, fmt.Errorf("put the new ledger into its place: something is in %s", p.dir))
	}
	if err := os.RemoveAll(p.dir); err != nil {
		return fmt.Errorf("put the new ledger into its place: %w", err)
	}
	if err := os.Rename(p.file(placeFinished), p.dir); err != nil {
		return fmt.Errorf("put the new ledger into its place: %w", err)
	}
	return errors.Join(syncDir(filepath.Dir(p.dir)), syncDir(p.path), p.step("swapped"))
}

// settleRepair sees to what a killed repair of the store in dir left. Where the
// new store came into its place and nobody was told, tell is.
func settleRepair(dir string, tell func(*Repaired)) error {
	if !exists(workplacePath(dir)) {
		return nil
	}
	p, err := enterWorkplace(dir)
	if err != nil {
		return err
	}
	out, err := p.settle()
	if errors.Is(err, os.ErrNotExist) { // no store and no new one: somebody removed it
		err = nil
	}
	if out != nil {
		tell(out)
	}
	return errors.Join(err, p.leave())
}

// holdsStore reports whether files of a store are in dir, beyond those that a
// look at it makes.
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

func writeSynced(name string, b []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// repairing reports whether a repair of the store in dir runs now.
func repairing(dir string) bool {
	if !exists(workplacePath(dir)) {
		return false
	}
	lock, err := storage.OpenFile(workplacePath(dir), true)
	if err == nil {
		err = lock.Close()
	}
	return isLocked(err)
}
