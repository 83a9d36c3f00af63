package durable

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// TestSlotsTorn cuts each write anywhere, with what the disk made of the rest. The value
// before the write is left, or the new one.
func TestSlotsTorn(t *testing.T) {
	const size = 512
	r := rand.New(rand.NewPCG(1, 1))
	file := filepath.Join(t.TempDir(), "votes")
	s := &Slots{File: file, Size: size}
	if v, err := s.Get(); v != nil || err != nil {
		t.Fatal(v, err)
	}
	if err := s.Put(nil); err != nil { // makes the file
		t.Fatal(err)
	}
	var before []byte
	for i := range 300 {
		value := bytes.Repeat([]byte{byte(i + 1)}, r.IntN(size-slotHead+1))
		old, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(value); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		torn, at := bytes.Clone(old), int(s.last%2)*size
		n := r.IntN(size + 1)
		copy(torn[at:], whole[at:at+n])
		if r.IntN(2) == 0 {
			clear(torn[at+n : at+size])
		}
		if err := os.WriteFile(file, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		s = &Slots{File: file, Size: size} // as a start does
		got, err := s.Get()
		if err != nil || !bytes.Equal(got, before) && !bytes.Equal(got, value) || bytes.Equal(torn, whole) && !bytes.Equal(got, value) {
			t.Fatalf("write %d cut after %d of %d bytes: %d bytes, %v", i, n, len(value), len(got), err)
		}
		before = bytes.Clone(got)
	}
}

func TestSlotsDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "votes")
	s := &Slots{File: file, Size: 64}
	if _, err := s.Get(); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := s.Put(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Put(make([]byte, 21)); err == nil {
		t.Error("a value that does not fit")
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[50] ^= 1
	b[64+50] ^= 1
	if err := os.WriteFile(file, append(b[:slotHead], b[slotHead:]...), 0o600); err != nil {
		t.Fatal(err)
	}
	again := &Slots{File: file, Size: 64}
	if v, err := again.Get(); string(v) != "2" || err != nil { // byte 50 is after the values
		t.Errorf("%q, %v", v, err)
	}
	b[slotHead] ^= 1
	b[64+slotHead] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if v, err := again.Get(); !errors.Is(err, ErrSlots) {
		t.Errorf("%q, %v", v, err)
	}
}
