package store

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// A starved storage has no file left for the first tries of each call.
type starved struct {
	storage.Storage
	tries map[string]int
}

func (s *starved) enough(call string) error {
	if s.tries[call]++; s.tries[call] <= 3 {
		return fmt.Errorf("%s: %w", call, syscall.EMFILE)
	}
	return nil
}

func (s *starved) Create(fd storage.FileDesc) (storage.Writer, error) {
	if err := s.enough("create"); err != nil {
		return nil, err
	}
	return s.Storage.Create(fd)
}

func (s *starved) Open(fd storage.FileDesc) (storage.Reader, error) {
	if err := s.enough("open"); err != nil {
		return nil, err
	}
	return s.Storage.Open(fd)
}

func (s *starved) SetMeta(fd storage.FileDesc) error {
	if err := s.enough("set meta"); err != nil {
		return err
	}
	return s.Storage.SetMeta(fd)
}

func (s *starved) SyncDir() error { return s.enough("sync directory") }

// TestOutOfFiles checks that a process that has no file left for a moment has a sound ledger.
func TestOutOfFiles(t *testing.T) {
	files := &starved{storage.NewMemStorage(), make(map[string]int)}
	for range 2 { // a new store, and one that is there
		s, how, err := Open(Config{Storage: files})
		if err != nil || how.Torn {
			t.Fatalf("%v, torn %t", err, how.Torn)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, call := range []string{"create", "open", "set meta", "sync directory"} {
		if files.tries[call] <= 3 {
			t.Errorf("%s: tried %d times", call, files.tries[call])
		}
	}
}
