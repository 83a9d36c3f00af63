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
	dir := filepath.Join(t.TempDir(), "data")
	foreign := filepath.Join(dir, "lost+found")
	if err := os.MkdirAll(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, user, user); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link") // as systemd makes one for a service
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	if _, _, err := Restore(t.Context(), bytes.NewReader(file), link, nil); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && (info.Sys().(*syscall.Stat_t).Uid == user) == (path == foreign) {
			t.Errorf("%s has another owner than it should", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
