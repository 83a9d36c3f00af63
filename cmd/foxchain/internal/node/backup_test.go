package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/committee"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
)

// backupWith makes a backup of a stopped node on a network of one builder. Its ledger has
// a certificate and evidence, changed before they are kept.
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

// TestBackupReason checks that the error is what kept a backup from being made, not that
// none came.
func TestBackupReason(t *testing.T) {
	reason := errors.New("a newer program wrote the ledger")
	if _, err := KeepBackup(io.Discard, iotest.ErrReader(reason), nil); !errors.Is(err, reason) {
		t.Error(err)
	}
	if _, err := KeepBackup(io.Discard, strings.NewReader("{"), nil); !errors.Is(err, errNoBackup) {
		t.Error(err)
	}
}

// TestBackupTokens checks that a backup without the key has no token of another node
// either, and is whole all the same.
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
		if _, err := KeepBackup(new(bytes.Buffer), bytes.NewReader(sent.Bytes()[:sent.Len()-cut]), nil); err == nil || !strings.Contains(err.Error(), "sent only part of the backup") {
			t.Errorf("%d bytes less: %v", cut, err)
		}
	}
}

// backupWithHead makes a backup whose first line is changed, and whose checksum is right.
func backupWithHead(t *testing.T, change func(*BackupHead)) (*BackupHead, []byte) {
	t.Helper()
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	head, line, err := readHead(bufio.NewReader(bytes.NewReader(file)))
	if err != nil {
		t.Fatal(err)
	}
	change(head)
	var b bytes.Buffer
	if err := head.write(&b); err != nil {
		t.Fatal(err)
	}
	b.Write(file[len(line)+1 : len(file)-sha256.Size])
	sum := sha256.Sum256(b.Bytes())
	return head, append(b.Bytes(), sum[:]...)
}

// TestRestoreOtherTip refuses a backup whose ledger is not that of its first line.
func TestRestoreOtherTip(t *testing.T) {
	for _, change := range []func(h *BackupHead){
		func(h *BackupHead) { h.Tip[0] ^= 1 },
		func(h *BackupHead) { h.Blocks++ },
		func(h *BackupHead) { h.NetworkID[0] ^= 1 },
	} {
		other, file := backupWithHead(t, change)
		dir := filepath.Join(t.TempDir(), "new")
		if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err == nil {
			t.Errorf("restored, with tip %s, %d blocks, network %s", other.Tip.Short(), other.Blocks, other.NetworkID.Short())
		}
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it left something behind: %v", err)
		}
	}
}

// TestRestoreVerifiesVotes refuses a ledger with a certificate or evidence that is not
// validly signed.
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

// killed makes a directory in which a restore was killed, with some more files.
func killed(t *testing.T, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(more, "lost+found/x", restoring+"/LOCK", "chain/000001.log", "network.json", "network.json.1.tmp") {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestRestoreInPlace restores into the root of a disk where an earlier restore was killed.
func TestRestoreInPlace(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	dir := killed(t)
	_, err := New(t.Context(), Config{Dir: dir, Name: "a", BlockTxs: 1, Expiry: 1, Network: "foxchain"}, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "a restore into the data directory") {
		t.Errorf("a node there: %v", err)
	}
	cut, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := Restore(cut, bytes.NewReader(file), dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	for _, want := range []int{2, 6} {
		names, err := os.ReadDir(dir)
		if err != nil || len(names) != want {
			t.Errorf("%v, %v", names, err)
		}
		if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); (err == nil) != (want == 2) {
			t.Errorf("beside %v: %v", names, err)
		}
	}
}

// A busyReader calls once before the first byte that is read.
type busyReader struct {
	io.Reader
	once func()
}

func (r *busyReader) Read(p []byte) (int, error) {
	if r.once != nil {
		r.once()
		r.once = nil
	}
	return r.Reader.Read(p)
}

// TestRestoreKeepsKey puts a key into the directory while a restore works there. It stays,
// whatever the restore ends with.
func TestRestoreKeepsKey(t *testing.T) {
	own, text := newKey(t)
	_, without := backupWithHead(t, func(*BackupHead) {})
	_, with := backupWithHead(t, func(h *BackupHead) { h.NodeKey, h.SecretKey = PublicKey(own), string(text) })
	for want, file := range map[string][]byte{"": without, "never overwritten": with, "cut off": without[:len(without)-40]} {
		dir := t.TempDir()
		key := filepath.Join(dir, "node.key")
		from := &busyReader{bytes.NewReader(file), func() {
			if err := os.WriteFile(key, append(text, '\n'), 0o600); err != nil {
				t.Error(err)
			}
		}}
		_, _, err := Restore(t.Context(), from, dir, nil)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if now, err := os.ReadFile(key); err != nil || !bytes.Equal(now, append(text, '\n')) {
			t.Errorf("%q: the key is %q, %v", want, now, err)
		}
		if names, err := os.ReadDir(dir); err != nil || (len(names) == 1) != (want != "") {
			t.Errorf("%q: there are %v, %v", want, names, err)
		}
	}
}

// TestRestoresAtOnce restores into one directory again and again until one has succeeded.
// No other one may then remove what that made, also if it looked at the directory before.
func TestRestoresAtOnce(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	for range 3 {
		dir := filepath.Join(t.TempDir(), "restored")
		if err := os.MkdirAll(filepath.Join(dir, restoring), 0o700); err != nil { // killed before its lock
			t.Fatal(err)
		}
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for n := 0; made.Load() == 0 && n < 100_000; n++ {
					if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err == nil {
						made.Add(1)
					} else if !strings.Contains(err.Error(), "another restore") && !strings.Contains(err.Error(), "no empty directory") {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		if names, err := os.ReadDir(dir); err != nil || len(names) != len(restored)+1 || made.Load() != 1 {
			t.Fatalf("%d restores made %v, %v", made.Load(), names, err)
		}
	}
}

// TestRestoreLeavesAlone changes nothing in a directory that another restore works in, or that
// has what it did not make.
func TestRestoreLeavesAlone(t *testing.T) {
	file := backupWith(t, func(*finality.Certificate, *finality.Evidence) {})
	locked := killed(t)
	lock, err := storage.OpenFile(filepath.Join(locked, restoring), false)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	chain := t.TempDir() // nothing shows that it is of a restore
	if err := errors.Join(os.Mkdir(filepath.Join(chain, restoring), 0o700), os.Mkdir(filepath.Join(chain, "chain"), 0o700)); err != nil {
		t.Fatal(err)
	}
	for want, dirs := range map[string][]string{
		"another restore":    {locked},
		"no empty directory": {killed(t, "node.key"), killed(t, restoring+"/beach.jpg"), killed(t, "beach.jpg"), chain},
	} {
		for _, dir := range dirs {
			was, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := Restore(t.Context(), bytes.NewReader(file), dir, nil); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v", was, err)
			}
			if names, err := os.ReadDir(dir); err != nil || len(names) != len(was) {
				t.Errorf("of %v there are %v, %v", was, names, err)
			}
		}
	}
}
