package chain

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

var errPower = errors.New("the power is gone (injected)")

// A disk is a storage that knows which bytes and which names are durable: bytes after
// Sync of their file, names after SyncDir, and CURRENT when SetMeta returns, as LevelDB's
// own files do it.
//
// At the operation number failAt (counted over all that writes, from 1) the power fails.
// That write may arrive in part, and everything after it fails. survivor then returns the
// disk that the next start finds.
type disk struct {
	mu     sync.Mutex
	rand   *rand.Rand
	ops    int
	failAt int // 0: never
	dead   bool
	locked bool

	files   map[storage.FileDesc]*diskFile // as programs see them
	durable map[storage.FileDesc]*diskFile // as the directory on disk names them
	meta    storage.FileDesc
}

type diskFile struct {
	data   []byte
	synced int // so many bytes are durable
}

func newDisk(r *rand.Rand) *disk {
	return &disk{rand: r, files: make(map[storage.FileDesc]*diskFile), durable: make(map[storage.FileDesc]*diskFile)}
}

// A loss is what becomes of data that was not synced.
type loss int

const (
	lossNone   loss = iota // the process was killed, and the system still has it all
	lossAll                // forgotten
	lossTorn               // each file is cut at a random byte of it
	lossZeroes             // cut, and the file's length kept with zeros
	lossKinds
)

func (l loss) String() string {
	return [...]string{"kill", "power cut", "power cut, torn", "power cut, zeroes"}[l]
}

// survivor is what a disk holds after the end of its programs.
func (d *disk) survivor(l loss) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	next := newDisk(d.rand)
	next.meta = d.meta
	names := d.files
	if l != lossNone {
		names = make(map[storage.FileDesc]*diskFile)
		for fd, f := range d.durable {
			names[fd] = f
		}
		if l != lossAll { // a name that was not synced may be there all the same, and a removed one gone
			for fd, f := range d.files {
				if d.durable[fd] == nil && d.rand.IntN(2) == 0 {
					names[fd] = f
				}
			}
			for fd := range d.durable {
				if d.files[fd] == nil && d.rand.IntN(2) == 0 {
					delete(names, fd)
				}
			}
		}
	}
	for fd, f := range names {
		data := bytes.Clone(f.data)
		if tail := len(data) - f.synced; tail > 0 && l != lossNone {
			kept := f.synced
			if l != lossAll {
				kept += d.rand.IntN(tail + 1)
			}
			if l == lossZeroes {
				clear(data[kept:])
			} else {
				data = data[:kept]
			}
		}
		g := &diskFile{data: data, synced: len(data)}
		next.files[fd], next.durable[fd] = g, g
	}
	return next
}

// step counts an operation that writes. The caller holds mu. It returns errPower from the
// operation at which the power fails, for which last is true.
func (d *disk) step() (last bool, err error) {
	if d.dead {
		return false, errPower
	}
	d.ops++
	if d.ops == d.failAt {
		d.dead = true
		return true, errPower
	}
	return false, nil
}

func (d *disk) Lock() (storage.Locker, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locked {
		return nil, storage.ErrLocked
	}
	d.locked = true
	return d, nil
}

func (d *disk) Unlock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.locked = false
}

func (d *disk) Log(string)   {}
func (d *disk) Close() error { return nil }

func (d *disk) SetMeta(fd storage.FileDesc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, err := d.step()
	if err == nil || last && d.rand.IntN(2) == 0 {
		d.meta = fd
		d.syncNames()
	}
	return err
}

func (d *disk) GetMeta() (storage.FileDesc, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.meta.Zero() || d.files[d.meta] == nil {
		return storage.FileDesc{}, os.ErrNotExist
	}
	return d.meta, nil
}

func (d *disk) SyncDir() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	d.syncNames()
	return nil
}

func (d *disk) syncNames() {
	clear(d.durable)
	for fd, f := range d.files {
		d.durable[fd] = f
	}
}

func (d *disk) List(t storage.FileType) ([]storage.FileDesc, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []storage.FileDesc
	for fd := range d.files {
		if fd.Type&t != 0 {
			all = append(all, fd)
		}
	}
	return all, nil
}

type diskReader struct{ *bytes.Reader }

func (diskReader) Close() error { return nil }

func (d *disk) Open(fd storage.FileDesc) (storage.Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[fd]
	if f == nil {
		return nil, os.ErrNotExist
	}
	return diskReader{bytes.NewReader(f.data)}, nil
}

func (d *disk) Create(fd storage.FileDesc) (storage.Writer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return nil, err
	}
	f := new(diskFile)
	d.files[fd] = f
	return &diskWriter{d, f}, nil
}

func (d *disk) Remove(fd storage.FileDesc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	if d.files[fd] == nil {
		return os.ErrNotExist
	}
	delete(d.files, fd)
	return nil
}

func (d *disk) Rename(from, to storage.FileDesc) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.step(); err != nil {
		return err
	}
	f := d.files[from]
	if f == nil {
		return fmt.Errorf("rename %s: %w", from, os.ErrNotExist)
	}
	delete(d.files, from)
	d.files[to] = f
	return nil
}

type diskWriter struct {
	d *disk
	f *diskFile
}

func (w *diskWriter) Write(p []byte) (int, error) {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	last, err := w.d.step()
	if last {
		p = p[:w.d.rand.IntN(len(p)+1)]
	} else if err != nil {
		return 0, err
	}
	w.f.data = append(w.f.data, p...)
	return len(p), err
}

func (w *diskWriter) Sync() error {
	w.d.mu.Lock()
	defer w.d.mu.Unlock()
	if _, err := w.d.step(); err != nil {
		return err
	}
	w.f.synced = len(w.f.data)
	return nil
}

func (w *diskWriter) Close() error { return nil }
