package node

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// identityOf reads the identity as a start does, and starts nothing.
func identityOf(t *testing.T, dir string, keep bool) identity {
	t.Helper()
	d, err := OpenDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.identity(false, keep)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// places returns directories on file systems that keep inodes: that of the system's
// temporary files, and memory.
func places(t *testing.T) []string {
	all := []string{t.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "foxchain-test-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		all = append(all, dir)
	}
	return all
}

// copyDir copies a directory until the copied key has a mark of its own. The birth times
// of two files are the same within a tick of the kernel's clock, some 10 ms.
func copyDir(t *testing.T, from, to string) {
	t.Helper()
	for {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		if ownMark(t, from, to) {
			return
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	}
}

func ownMark(t *testing.T, from, to string) bool {
	t.Helper()
	first, err := markOf(filepath.Join(from, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := markOf(filepath.Join(to, "node.key"))
	if err != nil {
		t.Fatal(err)
	}
	return first.another(second)
}

// TestIdentityStays checks that a restart, a rename of the directory and of the one above
// it, other permissions, a directory of an older version, and a key that the user put
// there cost no identity.
func TestIdentityStays(t *testing.T) {
	for _, base := range places(t) {
		dir := filepath.Join(base, "a", "node.db")
		first := identityOf(t, dir, false)
		same := func(what string, want identity) {
			t.Helper()
			if id := identityOf(t, dir, false); !id.key.Equal(want.key) || id.notice != "" {
				t.Errorf("%s: after %s another identity: %q", base, what, id.notice)
			}
		}
		same("a restart", first)
		file := func(name string) string { return filepath.Join(dir, name) }
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		must(os.Chmod(file("node.key"), 0o400))
		same("a chmod", first)
		must(os.Rename(dir, filepath.Join(base, "a", "moved.db")))
		must(os.Rename(filepath.Join(base, "a"), filepath.Join(base, "b")))
		dir = filepath.Join(base, "b", "moved.db")
		same("a rename", first)
		must(os.Remove(file("node.key.mark")))
		same("the start of a newer version", first)
		must(os.WriteFile(file("node.key.mark"), []byte("{"), 0o600))
		same("damage to the mark", first)
		other := identityOf(t, filepath.Join(base, "other.db"), false)
		must(os.Remove(file("node.key")))
		must(os.WriteFile(file("node.key"), keyText(other.key), 0o600))
		same("another key was put there", other)
		same("the restart after that", other)
	}
}

// TestIdentityOfCopy checks that a copied directory gets an identity, a token and a port of its
// own, and keeps them. The original keeps its own. --keep-identity is the way back.
func TestIdentityOfCopy(t *testing.T) {
	if mark, err := markOf(os.Args[0]); err != nil || mark == (fileMark{}) {
		if os.Getenv("CI") == "true" {
			t.Fatalf("CI must run this: the file system of %s keeps no marks: %v", os.Args[0], err)
		}
		t.Skipf("the file system of %s keeps no marks (%v), on %s", os.Args[0], err, runtime.GOOS)
	}
	for _, base := range places(t) {
		dir, copied := filepath.Join(base, "node.db"), filepath.Join(base, "copy.db")
		first := identityOf(t, dir, false)
		for _, name := range []string{"token", "port"} {
			save(t, filepath.Join(dir, name), "1")
		}
		copyDir(t, dir, copied)
		second := identityOf(t, copied, false)
		if second.key.Equal(first.key) || second.notice == "" {
			t.Fatalf("%s: the copy has the same identity (%q)", base, second.notice)
		}
		for _, name := range []string{"token", "port"} {
			if _, err := os.Stat(filepath.Join(copied, name)); !os.IsNotExist(err) {
				t.Errorf("the copy has the same %s (%v)", name, err)
			}
		}
		if again := identityOf(t, copied, false); !again.key.Equal(second.key) || again.notice != "" {
			t.Errorf("the next start of the copy: %q", again.notice)
		}
		if again := identityOf(t, dir, false); !again.key.Equal(first.key) || again.notice != "" {
			t.Errorf("the original: %q", again.notice)
		}
		moved := filepath.Join(base, "moved.db")
		copyDir(t, copied, moved)
		for range 2 {
			if kept := identityOf(t, moved, true); !kept.key.Equal(second.key) || kept.notice != "" {
				t.Errorf("a copy of the copy with --keep-identity: %q", kept.notice)
			}
		}
		if back := identityOf(t, copied, true); !back.key.Equal(first.key) || back.notice == "" {
			t.Errorf("--keep-identity: %q", back.notice)
		}
		if back := identityOf(t, copied, false); !back.key.Equal(first.key) || back.notice != "" {
			t.Errorf("after --keep-identity: %q", back.notice)
		}
		restored := filepath.Join(base, "restored.db")
		copyDir(t, dir, restored)
		if kept := identityOf(t, restored, true); !kept.key.Equal(first.key) || kept.notice != "" {
			t.Errorf("a copy with --keep-identity: %q", kept.notice)
		}
	}
}
