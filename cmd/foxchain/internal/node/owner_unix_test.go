//go:build unix

package node

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"foxchain/ledger/finality"
)

// TestRestoreForAnotherUser checks that the user of a directory owns what the administrator
// restored into it.
func TestRestoreForAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files for others")
	}
	const user = 65532
	dir := t.TempDir()
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Restore(t.Context(), bytes.NewReader(backupWith(t, func(*finality.Certificate, *finality.Evidence) {})), dir, nil); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Sys().(*syscall.Stat_t).Uid != user {
			t.Errorf("%s is not the user's", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
