package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func expect(t *testing.T, file, want string) {
	t.Helper()
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%s holds %q (%v), want %q", filepath.Base(file), got, err, want)
	}
}

func TestCreate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	broken := errors.New("broken")
	err := Create(file, 0o600, func(w io.Writer) error {
		_, err := w.Write([]byte("half"))
		return errors.Join(err, broken)
	})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v, want what write returned", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("half a file is left: %v", err)
	}
	if err := Create(file, 0o600, Content([]byte("one"))); err != nil {
		t.Fatal(err)
	}
	if err := Create(file, 0o600, Content([]byte("two"))); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("got %v, want ErrExist", err)
	}
	expect(t, file, "one")
	late := filepath.Join(filepath.Dir(file), "late") // another makes it meanwhile
	if err := Create(late, 0o600, func(io.Writer) error { return os.WriteFile(late, []byte("first"), 0o600) }); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("got %v, want ErrExist", err)
	}
	expect(t, late, "first")
}

func TestReplace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	for _, content := range []string{"one", "two"} {
		if err := Replace(file, []byte(content)); err != nil {
			t.Fatal(err)
		}
		expect(t, file, content)
	}
	if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; want 0600", info.Mode(), err)
	}
	if err := Replace(filepath.Join(dir, "none", "token"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%v, %v; want the file alone", names, err)
	}
}
