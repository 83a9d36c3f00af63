package node

import (
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

func openTestDir(t *testing.T) *DataDir {
	t.Helper()
	d, err := OpenDataDir(filepath.Join(t.TempDir(), "9000.db"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// save writes a file.
func save(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newKey makes a key, and the text of its file.
func newKey(t *testing.T) (key ed25519.PrivateKey, text []byte) {
	t.Helper()
	key = NewKey()
	return key, keyText(key)
}

func checkMode(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %o, want 600", file, info.Mode().Perm())
	}
}

func TestKeyIsMadeOnce(t *testing.T) {
	d := openTestDir(t)
	key, err := d.key(false)
	if err != nil {
		t.Fatal(err)
	}
	file := d.file("node.key")
	checkMode(t, file)
	for _, used := range []bool{false, true} {
		again, err := d.key(used)
		if err != nil || !key.Equal(again) {
			t.Errorf("the second start found another key (%v)", err)
		}
	}

	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.key(true); err != nil {
		t.Fatal(err)
	}
	checkMode(t, file)
}

func TestKeyIsNeverReplaced(t *testing.T) {
	d := openTestDir(t)
	file := d.file("node.key")
	if _, err := d.key(true); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("a lost key gave %v", err)
	}
	for name, content := range map[string]string{
		"empty":   "",
		"no PEM":  "hello",
		"cut off": "-----BEGIN PRIVATE KEY-----\nMC4CAQ",
		"no key":  "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n",
	} {
		save(t, file, content)
		if _, err := d.key(false); err == nil || !strings.Contains(err.Error(), "node.key") {
			t.Errorf("%s: the error is %v", name, err)
		}
		if now, err := os.ReadFile(file); err != nil || string(now) != content {
			t.Errorf("%s: the file became %q, %v", name, now, err)
		}
	}
}

func TestToken(t *testing.T) {
	d := openTestDir(t)
	token, err := d.token()
	if err != nil || len(token) != 2*tokenBytes {
		t.Fatalf("got %q, %v", token, err)
	}
	checkMode(t, d.file("token"))
	if again, err := d.token(); again != token || err != nil {
		t.Errorf("the second start found %q, %v", again, err)
	}
	save(t, d.file("token"), "\n")
	if token, err := d.token(); err == nil {
		t.Errorf("an empty file gave the token %q", token)
	}
}

func TestP2PPort(t *testing.T) {
	d := openTestDir(t)
	taken, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	takenPort := taken.Addr().(*net.TCPAddr).Port
	if takenPort <= 10000 {
		t.Fatalf("the system gave the port %d", takenPort)
	}
	first, err := d.p2pPort(takenPort - 10000)
	if err != nil || first == takenPort {
		t.Fatalf("with its first choice taken the node has port %d, %v", first, err)
	}
	if again, err := d.p2pPort(1); again != first || err != nil {
		t.Errorf("the second start has port %d, %v; want %d", again, err, first)
	}

	busy, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(first)))
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.p2pPort(1)
	if err != nil || other == first {
		t.Errorf("with its port taken the node has port %d, %v", other, err)
	}
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	if again, err := d.p2pPort(1); again != first || err != nil {
		t.Errorf("once it is free the node has port %d, %v; want %d", again, err, first)
	}
}

func TestEndpoint(t *testing.T) {
	d := openTestDir(t)
	if _, err := ReadEndpoint(d.Path); err == nil || !strings.Contains(err.Error(), "foxchain node -r "+d.Path) {
		t.Errorf("no node gave %v", err)
	}
	want := Endpoint{URL: "ws://localhost:9000/ws", Token: "abc", Dir: d.Path}
	if err := d.writeEndpoint(want); err != nil {
		t.Fatal(err)
	}
	checkMode(t, d.file("endpoint"))
	if got, err := ReadEndpoint(d.Path); got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := d.removeEndpoint(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(d.Path, "*")); err != nil || len(left) != 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

// TestInUse checks that a directory is in use as long as its process lives, and no longer.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	if InUse(dir) {
		t.Error("an empty directory is in use")
	}
	files, err := storage.OpenFile(filepath.Join(dir, "chain"), false)
	if err != nil {
		t.Fatal(err)
	}
	if !InUse(dir) {
		t.Error("an open one is not in use")
	}
	if err := files.Close(); err != nil || InUse(dir) {
		t.Errorf("a closed one is in use (%v)", err)
	}
}
