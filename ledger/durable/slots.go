package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Slots is a file that holds one small value. Replacing the value costs one sync, since the file
// has two places of a fixed size, which are written in turn. A crash in a Put leaves the value
// before it or the new one.
//
// A disk that damages a place after a sync brings back the value before. That looks like a Put
// that a crash tore, and nothing distinguishes the two.
type Slots struct {
	File string
	Size int // of a place, of which a value can have all but 44 bytes

	last uint64 // number of the newest value; 0: there is none
}

// ErrSlots reports that neither place of a file is whole.
var ErrSlots = errors.New("the file is damaged")

// slotHead is the number, the length and the SHA-256 of number and value.
const slotHead = 8 + 4 + sha256.Size

func sumOf(number, value []byte) []byte {
	sum := sha256.Sum256(append(bytes.Clone(number), value...))
	return sum[:]
}

// Get returns the value, nil when none was put.
func (s *Slots) Get() (value []byte, err error) {
	b, err := os.ReadFile(s.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b = append(b, make([]byte, max(0, 2*s.Size-len(b)))...)
	torn := 0
	s.last = 0
	for _, place := range [][]byte{b[:s.Size], b[s.Size : 2*s.Size]} {
		number, n := binary.BigEndian.Uint64(place), int64(binary.BigEndian.Uint32(place[8:]))
		switch {
		case n <= int64(s.Size-slotHead) && bytes.Equal(place[12:slotHead], sumOf(place[:8], place[slotHead:slotHead+int(n)])):
			if number > s.last {
				s.last, value = number, place[slotHead:slotHead+int(n)]
			}
		case bytes.Count(place, []byte{0}) < s.Size:
			torn++
		}
	}
	if torn == 2 {
		return nil, fmt.Errorf("%w: %s", ErrSlots, s.File)
	}
	return value, nil
}

// Put replaces the value, and returns when the new one is on disk. Get comes first.
func (s *Slots) Put(value []byte) error {
	if len(value) > s.Size-slotHead {
		return fmt.Errorf("%d bytes do not fit into %s", len(value), s.File)
	}
	number := binary.BigEndian.AppendUint64(nil, s.last+1)
	b := binary.BigEndian.AppendUint32(number, uint32(len(value)))
	b = append(append(b, sumOf(number, value)...), value...)
	f, err := os.OpenFile(s.File, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err = Create(s.File, 0o600, Content(make([]byte, 2*s.Size))); err == nil {
			f, err = os.OpenFile(s.File, os.O_WRONLY, 0)
		}
	}
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, int64((s.last+1)%2)*int64(s.Size)); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	s.last++
	return nil
}
