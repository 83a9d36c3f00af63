package chain

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// edit changes the records of a store that is not open.
func edit(t *testing.T, dir string, change func(*leveldb.Batch)) {
	t.Helper()
	db, err := leveldb.OpenFile(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var w leveldb.Batch
	change(&w)
	if err := errors.Join(db.Write(&w, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// brokenStory is damageStory with the body of block 1 gone. It returns what is left of
// the accepted transactions.
func brokenStory(t *testing.T, dir string) (l *lab, left []*ledger.Transaction) {
	t.Helper()
	l, accepted := damageStory(t, dir)
	gone := make(map[ledger.TxKey]bool)
	for _, tx := range l.blocks["1"].Txs {
		gone[tx.Key()] = true
	}
	for _, tx := range accepted {
		if !gone[tx.Key()] {
			left = append(left, tx)
		}
	}
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(key('b', uint64(1), l.ref("1").Hash, uint32(0))) })
	return l, left
}

func repairConfig(l *lab, dir string, step func(string) error) RepairConfig {
	return RepairConfig{Network: l.net, Dir: dir, Now: time.Unix(1e9, 0).UTC(), step: step}
}

// stepCounter numbers steps by name: "block", "block 2", …
func stepCounter() func(string) string {
	seen := make(map[string]int)
	return func(name string) string {
		seen[name]++
		if n := seen[name]; n > 1 {
			return fmt.Sprint(name, " ", n)
		}
		return name
	}
}

// expectReport expects what a repair of brokenStory finds.
func expectReport(t *testing.T, rep *Repaired, left []*ledger.Transaction) {
	t.Helper()
	inBlock := 41 // block 0
	want := Repaired{Old: rep.Old, Had: 12, Blocks: 1, Unused: 10, Pool: len(left) - inBlock - 1, Receipts: 1, Book: 1}
	if *rep != want || rep.Whole() {
		t.Errorf("of %d transactions: %+v, want %+v", len(left), rep, want)
	}
}

// expectLeft opens the store and expects each transaction in it.
func expectLeft(t *testing.T, l *lab, dir string, left []*ledger.Transaction) {
	t.Helper()
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkChain(t, c)
	for _, tx := range left {
		expectTraced(t, c, tx)
	}
}

// copyTree copies what a kill would leave. Files that LevelDB removes meanwhile,
// in a store that is not complete, are passed over.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		rel, _ := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, rel), 0o755))
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return errors.Join(err, os.WriteFile(filepath.Join(to, rel), b, 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestRepairKilled copies, at every step of a repair, what a kill at that moment would
// leave, and runs the repair again there. It ends as if it had not been killed. A node
// that starts before it gets the old store or ErrRepairing.
func TestRepairKilled(t *testing.T) {
	base, copies := t.TempDir(), t.TempDir()
	dir := filepath.Join(base, "chain")
	l, left := brokenStory(t, dir)
	var steps []string
	name := stepCounter()
	rep, err := Repair(t.Context(), repairConfig(l, dir, func(step string) error {
		step = name(step)
		steps = append(steps, step)
		copyTree(t, base, filepath.Join(copies, step))
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	expectReport(t, rep, left)
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			base := filepath.Join(copies, step)
			dir := filepath.Join(base, "chain")
			c, err := Open(Config{Network: l.net, Dir: dir})
			if err == nil {
				err = c.Close()
			}
			if step == "moved aside" != errors.Is(err, ErrRepairing) || step != "moved aside" && err != nil {
				t.Errorf("a node that starts: %v", err)
			}
			if step == "swapped" {
				expectLeft(t, l, dir, left)
				return
			}
			rep, err := Repair(t.Context(), repairConfig(l, dir, nil))
			if err != nil {
				t.Fatalf("another repair: %v", err)
			}
			if rep.Resumed != (step == "moved aside") || rep.Whole() {
				t.Errorf("another repair: %+v", rep)
			} else if !rep.Resumed {
				expectReport(t, rep, left)
			}
			if old, err := holdsStore(rep.Old); err != nil || !old {
				t.Errorf("the old files are not in %s (%v)", rep.Old, err)
			}
			expectLeft(t, l, dir, left)
			if names, err := os.ReadDir(base); err != nil || len(names) != 2 {
				t.Errorf("left are %v (%v)", names, err)
			}
		})
	}
	t.Logf("killed at %d steps", len(steps))
}

// TestRepairFails lets each step of a repair fail. The old store is then in its place as
// it was and nothing is left. At the last step the new one is there.
func TestRepairFails(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "chain")
	l, left := brokenStory(t, dir)
	for n, done := 0, false; !done; n++ {
		at, failed := 0, ""
		_, err := Repair(t.Context(), repairConfig(l, dir, func(step string) error {
			if at++; at-1 == n {
				failed = step
				return errCrash
			}
			return nil
		}))
		if !errors.Is(err, errCrash) {
			t.Fatalf("step %d (%s) failed: %v", n, failed, err)
		}
		done = failed == "swapped"
		if names, err := os.ReadDir(base); err != nil || !done && (len(names) != 1 || names[0].Name() != "chain") {
			t.Fatalf("%s failed: left are %v (%v)", failed, names, err)
		}
	}
	expectLeft(t, l, dir, left)
}

// TestRepairLocks expects that no node and no other repair starts at any moment
// of a repair.
func TestRepairLocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l, left := brokenStory(t, dir)
	rep, err := Repair(t.Context(), repairConfig(l, dir, func(step string) error {
		if step == "swapped" {
			return nil
		}
		want := store.ErrInUse
		if step == "moved aside" {
			want = ErrRepairing
		}
		if c, err := Open(Config{Network: l.net, Dir: dir}); !errors.Is(err, want) {
			t.Errorf("%s: a node starts: %v, %v", step, c, err)
		}
		if want == ErrRepairing {
			return nil // another repair would complete this one
		}
		if rep, err := Repair(t.Context(), repairConfig(l, dir, nil)); !errors.Is(err, want) {
			t.Errorf("%s: another repair: %+v, %v", step, rep, err)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	expectReport(t, rep, left)
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := ledger.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRepairOverTheCaps breaks the first block below many others. What they held goes to
// the pool, though it is more than the pool would take.
func TestRepairOverTheCaps(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 24,000 transactions")
	}
	dir := filepath.Join(t.TempDir(), "chain")
	l := newLab(t)
	l.chain.Close()
	l.dir = dir
	l.open()
	const n = 3 * 8000 // more than MaxWaiting
	on := ""
	for i := range 4 {
		name := fmt.Sprint(i)
		txs := []*ledger.Transaction{l.tx(0, 1, 1<<40)}
		for j := 0; i > 0 && j < n/3; j++ {
			txs = append(txs, l.tx(1, 2+j%100, 1))
		}
		l.next(name, on, txs...)
		l.add(name, Extended)
		on = name
	}
	l.chain.Close()
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(key('b', uint64(0), l.ref("0").Hash, uint32(0))) })
	rep, err := Repair(t.Context(), repairConfig(l, dir, nil))
	if err != nil || rep.Pool != n+3 || rep.Unused != 3 {
		t.Fatalf("%+v, %v", rep, err)
	}
	l.open()
	if st := l.chain.Status(); st.Pool != n+3 {
		t.Errorf("%+v", st)
	}
}

// TestRepairMissing removes a table. The repair is not reported as whole, whatever the table held.
func TestRepairMissing(t *testing.T) {
	for _, pattern := range []string{"*.ldb", "*.log"} {
		dir := filepath.Join(t.TempDir(), "chain")
		l, _ := damageStory(t, dir)
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("no %s (%v)", pattern, err)
		}
		if pattern == "*.ldb" {
			files = files[:1]
		}
		const missing = 1 // without any journal how many there were cannot be known
		for _, file := range files {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		rep, err := Repair(t.Context(), repairConfig(l, dir, nil))
		if err != nil || rep.Missing != missing || rep.Whole() {
			t.Errorf("%s: %+v, %v", pattern, rep, err)
		}
	}
}

// TestNewerSchema expects that a store of a newer version is reported as such, not as
// damaged, and left alone.
func TestNewerSchema(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l, _ := damageStory(t, dir)
	edit(t, dir, func(w *leveldb.Batch) {
		newer := struct {
			_      struct{} `cbor:",toarray"`
			Schema uint64
			More   string
		}{Schema: store.SchemaVersion + 1, More: "something else"}
		w.Put(key('i'), mustMarshal(t, newer))
	})
	for _, net := range []*ledger.Network{l.net, nil} {
		if _, err := Repair(t.Context(), RepairConfig{Network: net, Dir: dir}); !errors.Is(err, store.ErrNewer) {
			t.Errorf("repair: %v", err)
		}
		if _, err := Verify(t.Context(), VerifyConfig{Network: net, Dir: dir}); !errors.Is(err, store.ErrNewer) {
			t.Errorf("verify: %v", err)
		}
	}
	if _, err := Open(Config{Network: l.net, Dir: dir}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("open: %v", err)
	}
	names, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(names) != 1 {
		t.Errorf("left are %v (%v)", names, err)
	}
}

// TestSchema1 checks that a directory as schema 1 had it, with fewer legacy hashes, is
// verified, repaired, and opened, which makes it one of this schema.
func TestSchema1(t *testing.T) {
	for _, repaired := range []bool{false, true} {
		l := newLab(t)
		l.chain.Close()
		l.dir = filepath.Join(t.TempDir(), "chain")
		l.open()
		l.addChunks("a", "")
		l.addChunks("b", "a")
		l.chain.Close()
		asSchema1(t, l.dir)
		report, err := Verify(t.Context(), VerifyConfig{Network: l.net, Dir: l.dir})
		if err != nil || len(report.Problems) > 0 {
			t.Fatalf("verify: %+v, %v", report, err)
		}
		if repaired {
			if rep, err := Repair(t.Context(), repairConfig(l, l.dir, nil)); err != nil || !rep.Whole() {
				t.Fatalf("repair: %+v, %v", rep, err)
			}
		}
		l.open()
		l.checkLinks()
		l.addChunks("c", "b")
		l.checkLinks()
		l.reopen()
		l.check()
		if got := l.chain.store.Info.Schema; got != store.SchemaVersion {
			t.Errorf("the schema is %d", got)
		}
	}
}

// asSchema1 turns a directory into what schema 1 had. Of the legacy hashes in a part of a
// body it keeps only the first, and that one only if it is not all zeros.
func asSchema1(t *testing.T, dir string) {
	t.Helper()
	db, err := leveldb.OpenFile(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	it := db.NewIterator(util.BytesPrefix(key('b')), nil)
	for it.Next() {
		var part struct {
			_                    struct{} `cbor:",toarray"`
			Links, Offsets, Data []byte
		}
		if err := ledger.Unmarshal(it.Value(), &part); err != nil {
			t.Fatal(err)
		}
		if part.Links = part.Links[:20]; [20]byte(part.Links) == [20]byte{} {
			part.Links = []byte{}
		}
		err = errors.Join(err, db.Put(bytes.Clone(it.Key()), mustMarshal(t, part), nil))
	}
	it.Release()
	info, getErr := db.Get(key('i'), nil)
	info[1] = 1 // the schema stands first in the array
	if err := errors.Join(err, it.Error(), getErr, db.Put(key('i'), info, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestRepairKeepsTheChain checks that where a block of the chain cannot be kept, what it
// held goes before what a block beside it holds under the same ID.
func TestRepairKeepsTheChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l := newLab(t)
	l.chain.Close()
	l.dir = dir
	l.open()
	tx := l.tx(0, 1, 10)
	other := *tx
	other.Amount = 999
	l.next("m0", "", l.tx(0, 1, 100))
	l.next("m1", "m0", tx)
	l.next("s1", "m0", &other)
	l.order("s1", "m1") // its body comes first in the store
	l.next("m2", "m1", l.tx(0, 1, 1))
	l.submit(tx)
	l.add("m0", Extended)
	l.add("m1", Extended)
	l.add("m2", Extended)
	l.add("s1", Side)
	l.chain.Close()
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(key('b', uint64(0), l.ref("m0").Hash, uint32(0))) })
	if _, err := Repair(t.Context(), repairConfig(l, dir, nil)); err != nil {
		t.Fatal(err)
	}
	l.open()
	if e := l.chain.Pool().Get([]ledger.TxKey{tx.Key()})[0]; e.Tx == nil || !e.Tx.Same(tx) {
		t.Errorf("the pool has %+v, want what was accepted", e.Tx)
	}
}

// TestRepairResumesUnnamed checks that an interrupted repair is completed when no network
// is named, as the command does it.
func TestRepairResumesUnnamed(t *testing.T) {
	net, err := ledger.NamedNetwork("unnamed")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "chain [1]") // which a pattern would not match
	old := dir + oldSuffix + "2026-11-30T120000"
	c, err := Open(Config{Network: net, Dir: dir + newSuffix})
	if err = errors.Join(err, os.Mkdir(old, 0o700), os.Mkdir(dir+oldSuffix+"2026-11-29T120000", 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	rep, err := Repair(t.Context(), RepairConfig{Dir: dir, Now: time.Unix(1e9, 0)})
	if err != nil || !rep.Resumed || rep.Old != old {
		t.Fatalf("%+v, %v", rep, err)
	}
	if there, err := holdsStore(dir); err != nil || !there {
		t.Errorf("the new store is not in its place (%v)", err)
	}
}

// TestRepairKeepsFinality checks that a repair reverts nothing that was final, though a
// branch with more work is here, and forgets no proof.
func TestRepairKeepsFinality(t *testing.T) {
	l := newVotedLab(t)
	l.chain.Close()
	l.dir = filepath.Join(t.TempDir(), "chain")
	l.open()
	l.add("g", Extended)
	l.add("b1", Extended)
	fin, high := l.cert(finality.Finalize, 3, "b1"), l.cert(finality.Notarize, 4, "b1")
	e := finality.Evidence{A: finality.Vote{Statement: fin.Statement}, B: finality.Vote{Statement: high.Statement}}
	if err := l.chain.Votes().Apply(fin, high, []*finality.Certificate{fin, high}, []finality.Evidence{e}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a1", "a2", "a3"} {
		l.add(name, Side)
	}
	_, since, err := l.chain.Votes().FinalFrom(1)
	if err != nil || since.IsZero() {
		t.Fatal(since, err)
	}
	l.chain.Close()
	broken := key('f', uint64(9))
	edit(t, l.dir, func(w *leveldb.Batch) { w.Put(broken, []byte{1}) })
	rep, err := Repair(t.Context(), repairConfig(l, l.dir, nil))
	if err != nil || rep.Unread != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	l.open()
	l.expectTip("b1")
	f, at, err := l.chain.Votes().FinalFrom(1)
	if err != nil || f == nil || f.View != 3 || !at.Equal(since) {
		t.Errorf("final by %+v since %s, want since %s (%v)", f, at, since, err)
	}
	certs, err := l.chain.Votes().Certificates()
	proofs, err2 := l.chain.Votes().Evidence()
	if len(certs) != 2 || len(proofs) != 1 || errors.Join(err, err2) != nil {
		t.Errorf("%d certificates, %d proofs, %v", len(certs), len(proofs), errors.Join(err, err2))
	}
}
