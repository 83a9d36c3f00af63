package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// TestCachedAccounts checks that the last accounts are in memory as they were kept last,
// and at most twice as many. This store has no database to read others from.
func TestCachedAccounts(t *testing.T) {
	s := new(Store)
	id := func(i int) (u uuid.UUID) {
		binary.BigEndian.PutUint64(u[:], uint64(i))
		return u
	}
	const all = 5 * cachedAccounts / 2
	for i := range all {
		s.keep(id(i), ledger.AccountState{Balance: 1})
		s.keep(id(i/2), ledger.AccountState{Balance: int64(i)})
		if len(s.young) > cachedAccounts || len(s.old) > cachedAccounts {
			t.Fatalf("%d and %d are kept", len(s.young), len(s.old))
		}
	}
	for i := all/2 - cachedAccounts/3; i < all/2; i++ {
		if got, err := s.Balance(id(i)); got != int64(2*i+1) || err != nil {
			t.Fatalf("account %d: %d, %v", i, got, err)
		}
	}
	for i := all - cachedAccounts/3; i < all; i++ {
		if got, err := s.Balance(id(i)); got != 1 || err != nil {
			t.Fatalf("account %d: %d, %v", i, got, err)
		}
	}
}

// TestReadsAfterClose checks that every kind of read reports that the ledger is stopped,
// also of a view that was opened before.
func TestReadsAfterClose(t *testing.T) {
	s := openVotes(t)
	net, err := ledger.NamedNetwork("closed")
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.Snapshot(Tip{Blocks: 1}).View(net)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"Hash":         func() error { _, err := v.Hash(0); return err },
		"HashesFrom":   func() error { _, err := v.HashesFrom("", 1); return err },
		"Find":         func() error { _, err := v.Find(uuid.UUID{}, nil, 1); return err },
		"HasHeader":    func() error { _, err := s.HasHeader(ledger.Hash{}); return err },
		"Book":         func() error { _, err := s.Book(); return err },
		"FinalBelow":   func() error { _, err := s.FinalBelow(1); return err },
		"Certificates": func() error { _, err := s.CertificatesFrom(0, 1); return err },
		"Copy":         func() error { _, err := s.Copy(); return err },
	} {
		if err := read(); !errors.Is(err, ledger.ErrStopped) {
			t.Errorf("%s: %v, want %v", name, err, ledger.ErrStopped)
		}
	}
}

// TestOnlyTheOwnerReads checks that a new store is closed to other users, since its address
// book has the tokens of other nodes.
func TestOnlyTheOwnerReads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	s, _, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode != 0o700 {
		t.Errorf("its mode is %o", mode)
	}
}
