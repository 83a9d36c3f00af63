package files

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestTwoBackups writes two backups to one file at once. The second that ends has its
// name taken, and neither spoils the other.
func TestTwoBackups(t *testing.T) {
	file := filepath.Join(t.TempDir(), "monday.backup")
	cmd := new(cobra.Command)
	cmd.SetOut(io.Discard)
	write := func(version string) func(io.Writer) error {
		return func(w io.Writer) error {
			_, err := io.WriteString(w, `{"foxchain_backup":1,"version":"`+version+`"}`+"\n\x00\x00") // no records
			return err
		}
	}
	err := keepBackup(cmd, file, nil, func(w io.Writer) error {
		if err := write("first")(w); err != nil {
			return err
		}
		return keepBackup(cmd, file, nil, write("second"))
	})
	if err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("the first one: %v", err)
	}
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"second"`) {
		t.Errorf("%.100q, %v", text, err)
	}
	if names, err := os.ReadDir(filepath.Dir(file)); err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

// TestSpool makes the file of a statement where there is no directory for temporary ones.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "tmp")
	f, err := makeSpool(missing, dir)
	if err != nil || filepath.Dir(f.Name()) != dir || f.Close() != nil {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := makeSpool(missing); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("nowhere: %v", err)
	}
}
