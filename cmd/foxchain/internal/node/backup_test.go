package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// backupWith makes a backup of a stopped node of an office of one builder, whose ledger has a
// certificate and evidence, changed before they are kept.
func backupWith(t *testing.T, change func(*finality.Certificate, *finality.Evidence)) []byte {
	t.Helper()
	d := &DataDir{Path: t.TempDir()}
	key, err := d.key(false)
	if err != nil {
		t.Fatal(err)
	}
	net := ledgertest.Network(t, ledger.Network{Name: "office", Builders: []ledger.PublicKey{PublicKey(key)}})
	vote := func(h byte) finality.Vote {
		s := finality.Statement{Kind: finality.Finalize, View: 7, Parent: 3, Block: ledger.BlockRef{Height: 9, Hash: ledger.Hash{h}}}
		return committee.New(net).Sign(s, 0, key)
	}
	a, b := vote(1), vote(2)
	cert := &finality.Certificate{Statement: a.Statement, Signers: []byte{1}, Signatures: bytes.Clone(a.Signature[:])}
	evidence := finality.Evidence{A: a, B: b}
	change(cert, &evidence)
	c, err := chain.Open(chain.Config{Network: net, Dir: d.Chain()})
	if err == nil {
		err = errors.Join(c.Votes().Apply(cert, cert, []*finality.Certificate{cert}, []finality.Evidence{evidence}), c.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	var sent, file bytes.Buffer
	if err := d.BackupStopped(t.Context(), &sent, net); err != nil {
		t.Fatal(err)
	}
	if _, err := KeepBackup(&file, &sent, nil); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestBackupTokens: a backup without the key has no token of another node either, and is whole
// all the same.
func TestBackupTokens(t *testing.T) {
	d := &DataDir{Path: t.TempDir()}
	key, err := d.key(false)
	if err != nil {
		t.Fatal(err)
	}
	net := ledgertest.Network(t, ledger.Network{Name: "office"})
	c, err := chain.Open(chain.Config{Network: net, Dir: d.Chain()})
	if err != nil {
		t.Fatal(err)
	}
	urls := map[string]string{
		"url/ws://ada:9000/ws?token=s3cret":           "url/ws://ada:9000/ws",
		"url/ws://bo:9000/ws?to%6ben=s3cret&x=1":      "url/ws://bo:9000/ws?x=1",
		"url/ws://cy:9000/ws?token=a&token=s3cret;":   "url/ws://cy:9000/ws",
		"url/ws://dee:9000/ws?room=7":                 "url/ws://dee:9000/ws?room=7",
		"peer/12D3KooWLbtqjTvPPHNZTRL1DLoGgFzTwsHRXr": "peer/12D3KooWLbtqjTvPPHNZTRL1DLoGgFzTwsHRXr",
	}
	for name := range urls {
		err = errors.Join(err, c.Book().Put(name, []byte{0x81, 0x40}))
	}
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatal(err)
	}
	var sent bytes.Buffer
	if err := d.BackupStopped(t.Context(), &sent, net); err != nil {
		t.Fatal(err)
	}
	for _, with := range []ed25519.PrivateKey{nil, key} {
		var file bytes.Buffer
		if _, err := KeepBackup(&file, bytes.NewReader(sent.Bytes()), with); err != nil {
			t.Fatal(err)
		}
		if has := bytes.Contains(file.Bytes(), []byte("s3cret")); has != (with != nil) {
			t.Errorf("with the key %t: the file has tokens: %t", with != nil, has)
		}
		made := &DataDir{Path: filepath.Join(t.TempDir(), "new")}
		if _, _, err := Restore(t.Context(), &file, made.Path, nil); err != nil {
			t.Fatal(err)
		}
		c, err := chain.Open(chain.Config{Network: net, Dir: made.Chain()})
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.Book().All()
		if err = errors.Join(err, c.Close()); err != nil || len(all) != len(urls) {
			t.Errorf("%d entries, %v", len(all), err)
		}
		for was, want := range urls {
			if with != nil {
				want = was
			}
			if all[want] == nil {
				t.Errorf("with the key %t, %s is missing", with != nil, want)
			}
		}
	}
	for _, cut := range []int{1, 2, sent.Len() / 2} {
		if _, err := KeepBackup(new(bytes.Buffer), bytes.NewReader(sent.Bytes()[:sent.Len()-cut]), nil); err == nil || !strings.Contains(err.Error(), "did not send all") {
			t.Errorf("%d bytes less: %v", cut, err)
		}
	}
}

// TestRestoreOtherTip refuses a backup whose ledger is not that of its first line.
func TestRestoreOtherTip(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	in := &recordReader{in: bufio.NewReader(bytes.NewReader(file))}
	head, line, err := readHead(in.in)
	if err != nil {
		t.Fatal(err)
	}
	rest := file[len(line)+1 : len(file)-sha256.Size]
	for _, change := range []func(h *BackupHead){
		func(h *BackupHead) { h.Tip[0] ^= 1 },
		func(h *BackupHead) { h.Blocks++ },
		func(h *BackupHead) { h.NetworkID[0] ^= 1 },
	} {
		var b bytes.Buffer
		other := *head
		change(&other)
		if err := other.write(&b); err != nil {
			t.Fatal(err)
		}
		b.Write(rest)
		sum := sha256.Sum256(b.Bytes())
		b.Write(sum[:])
		dir := filepath.Join(t.TempDir(), "new")
		if _, _, err := Restore(t.Context(), &b, dir, nil); err == nil {
			t.Errorf("restored, with tip %s, %d blocks, network %s", other.Tip.Short(), other.Blocks, other.NetworkID.Short())
		}
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it left something behind: %v", err)
		}
	}
}

// TestRestoreVerifiesVotes refuses a ledger whose certificate or evidence nobody signed.
func TestRestoreVerifiesVotes(t *testing.T) {
	right := func(*finality.Certificate, *finality.Evidence) {}
	if _, _, err := Restore(t.Context(), bytes.NewReader(backupWith(t, right)), filepath.Join(t.TempDir(), "new"), nil); err != nil {
		t.Fatalf("the right one: %v", err)
	}
	for want, change := range map[string]func(*finality.Certificate, *finality.Evidence){
		"final certificate of view 7 for block 9": func(c *finality.Certificate, _ *finality.Evidence) { c.Signatures[0] ^= 1 },
		"evidence of view 7: not a valid vote":    func(_ *finality.Certificate, e *finality.Evidence) { e.B.Signature[0] ^= 1 },
		"its two votes prove nothing":             func(_ *finality.Certificate, e *finality.Evidence) { e.B = e.A },
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if _, _, err := Restore(t.Context(), bytes.NewReader(backupWith(t, change)), dir, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it left something behind: %v", err)
		}
	}
}

// deadIn makes what a killed restore left in a directory.
func deadIn(t *testing.T, dir string) string {
	t.Helper()
	work, release, err := WorkIn(dir, restoring)
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "kept")
	dead := filepath.Join(dir, restoring+"1")
	if err := errors.Join(os.CopyFS(kept, os.DirFS(work)), release(), os.CopyFS(dead, os.DirFS(kept))); err != nil {
		t.Fatal(err)
	}
	return dead
}

// TestForeignWork leaves directories alone that another program or a user made, whatever
// their names are, and restores into none that has them.
func TestForeignWork(t *testing.T) {
	for _, files := range [][]string{{"beach.jpg"}, {"LOCK", "beach.jpg"}, {"backup"}} {
		dir := t.TempDir()
		photos := filepath.Join(dir, restoring+"photos")
		if err := os.Mkdir(photos, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(photos, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := isEmpty(dir); err == nil && files[0] != "backup" {
			t.Errorf("%v is taken for work of a restore", files)
		}
		_, release, err := WorkIn(dir, restoring)
		if err != nil || release() != nil {
			t.Fatal(err)
		}
		if names, err := os.ReadDir(photos); err != nil || len(names) != len(files) {
			t.Errorf("of %v there are %v, %v", files, names, err)
		}
	}
}

// TestRestoreInPlace restores into the root of a disk, where an earlier restore was killed and
// another one runs.
func TestRestoreInPlace(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	dir := t.TempDir()
	dead, live := deadIn(t, dir), filepath.Join(dir, restoring+"2")
	for _, made := range []string{"lost+found", restoring + "1/chain", restoring + "2/chain"} {
		if err := os.MkdirAll(filepath.Join(dir, made), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := storage.OpenFile(live, false)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	cut, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := Restore(cut, bytes.NewReader(file), dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := os.Lstat(dead); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a killed one left is there still: %v", err)
	}
	if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 6 {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := os.Stat(filepath.Join(live, "chain")); err != nil {
		t.Errorf("the one that runs: %v", err)
	}
	if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err == nil || !strings.Contains(err.Error(), "no empty directory") {
		t.Errorf("again: %v", err)
	}
}

// TestEmptyWork removes what a kill left before it had a lock, but not what another process may be
// about to lock, or what another program made.
func TestEmptyWork(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{restoring + "1", restoring + "2", restoring + "photos"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * unlocked)
	_, release, err := WorkIn(dir, restoring)
	for _, name := range []string{restoring + "1", restoring + "photos"} {
		err = errors.Join(err, os.Chtimes(filepath.Join(dir, name), old, old))
	}
	if err = errors.Join(err, release()); err != nil {
		t.Fatal(err)
	}
	if _, release, err = WorkIn(dir, restoring); err != nil || release() != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 2 || names[0].Name() != restoring+"2" {
		t.Errorf("%v, %v", names, err)
	}
}

// TestRestoreKilledInMove restores where an earlier restore was killed between two moves,
// before the first or behind the last, unless the ledger there has a key since then.
func TestRestoreKilledInMove(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	for moved := range len(restored) + 1 {
		dir := t.TempDir()
		dead := deadIn(t, dir)
		for i, name := range restored {
			in := dead
			if i < moved {
				in = dir
			}
			if err := os.WriteFile(filepath.Join(in, name), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		refused := func(what string) {
			t.Helper()
			_, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil)
			if err == nil || !strings.Contains(err.Error(), "no empty directory") {
				t.Errorf("%d moved, %s: %v", moved, what, err)
			}
			for _, name := range restored[:moved] {
				if b, err := os.ReadFile(filepath.Join(dir, name)); string(b) != "old" {
					t.Errorf("%d moved, %s: %s is %q, %v", moved, what, name, b, err)
				}
			}
		}
		if moved == len(restored) {
			refused("all")
			continue
		}
		if key := filepath.Join(dir, "node.key"); moved > 0 {
			if err := os.WriteFile(key, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if refused("with a key"); os.Remove(key) != nil {
				t.Errorf("%d moved: the key is gone", moved)
			}
		}
		if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err != nil {
			t.Errorf("%d moved: %v", moved, err)
		}
		if names, err := os.ReadDir(dir); err != nil || len(names) != len(restored) {
			t.Errorf("%d moved: %v, %v", moved, names, err)
		}
		for _, name := range restored[1:] {
			if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) == "old" {
				t.Errorf("%d moved: %s is %q, %v", moved, name, b, err)
			}
		}
	}
}
