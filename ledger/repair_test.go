package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// edit changes the records of a store that nobody has open.
func edit(t *testing.T, dir string, change func(*leveldb.Batch)) {
	t.Helper()
	db, err := leveldb.OpenFile(dir, options(opt.DefaultStrict, 0))
	if err != nil {
		t.Fatal(err)
	}
	var w leveldb.Batch
	change(&w)
	if err := errors.Join(db.Write(&w, nil), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// brokenStory is damageStory with the body of block 1 gone, and gives what is
// left of the accepted transactions.
func brokenStory(t *testing.T, dir string) (l *lab, left []*Transaction) {
	t.Helper()
	l, accepted := damageStory(t, dir)
	gone := make(map[TxKey]bool)
	for _, tx := range l.blocks["1"].Txs {
		gone[tx.Key()] = true
	}
	for _, tx := range accepted {
		if !gone[tx.Key()] {
			left = append(left, tx)
		}
	}
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(bodyKey(1, l.ref("1").Hash, 0)) })
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

// copyTree copies what a kill would leave. Files that LevelDB removes meanwhile,
// in the new store that is not complete, are passed over.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(from, path)
		unfinished := strings.Contains(path, filepath.Join(".repairing", placeNew))
		if err != nil || d.IsDir() {
			if err == nil {
				err = os.MkdirAll(filepath.Join(to, rel), 0o755)
			}
		} else if b, readErr := os.ReadFile(path); readErr == nil {
			err = os.WriteFile(filepath.Join(to, rel), b, 0o600)
		} else {
			err = readErr
		}
		if unfinished && errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// expectReport expects what a repair of brokenStory finds.
func expectReport(t *testing.T, rep *Repaired, left []*Transaction) {
	t.Helper()
	inBlock := 41 // block 0
	if rep.Had != 12 || rep.Blocks != 1 || rep.Broken != 0 || rep.Apart != 10 || rep.Pool != len(left)-inBlock-1 ||
		rep.Receipts != 1 || rep.Book != 1 || rep.Whole() {
		t.Errorf("of %d transactions: %+v", len(left), rep)
	}
}

func expectTidy(t *testing.T, dir string) {
	t.Helper()
	if exists(workplacePath(dir)) {
		t.Errorf("%s is still there", workplacePath(dir))
	}
}

// TestRepairKilled copies, at every step of a repair, what a kill at that moment
// would leave. A node that starts on the copy has all that was accepted and can
// be read, and so has one that starts after another repair, whose report tells
// what is lost, whichever of the two did the work.
func TestRepairKilled(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "chain")
	l, left := brokenStory(t, dir)
	copies := t.TempDir()
	var steps []string
	name := stepCounter()
	cfg := repairConfig(l, dir, func(step string) error {
		step = name(step)
		steps = append(steps, step)
		copyTree(t, base, filepath.Join(copies, step))
		return nil
	})
	cfg.Tell = func(rep *Repaired) error {
		expectReport(t, rep, left)
		return cfg.step("told")
	}
	if _, err := Repair(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	expectTidy(t, dir)
	resumed := 0
	for _, step := range steps {
		t.Run(step, func(t *testing.T) {
			for _, first := range []string{"node", "repair"} {
				base := filepath.Join(t.TempDir(), first)
				copyTree(t, filepath.Join(copies, step), base)
				dir := filepath.Join(base, "chain")
				if first == "repair" {
					rep, err := Repair(t.Context(), repairConfig(l, dir, nil))
					if err != nil {
						t.Fatalf("another repair: %v", err)
					}
					expectReport(t, rep, left)
					if rep.Resumed {
						resumed++
					}
					if old, err := holdsStore(rep.Old); err != nil || !old {
						t.Errorf("the old files are not in %s (%v)", rep.Old, err)
					}
				}
				c, err := Open(Config{Network: l.net, Dir: dir})
				if err != nil {
					t.Fatalf("the node after the %s: %v", first, err)
				}
				for _, tx := range left {
					expectTraced(t, c, tx)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				expectTidy(t, dir)
			}
		})
	}
	if resumed != 3 { // at "moved aside", "swapped" and "told"
		t.Errorf("%d of the repairs found the work done, of %v", resumed, steps)
	}
	t.Logf("killed at %d steps", len(steps))
}

// TestRepairFails lets each step of a repair fail. The old store is in its place
// as it was, and nothing is left; or, where the new one was there already, the
// next repair says so.
func TestRepairFails(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "chain")
	l, left := brokenStory(t, dir)
	for n := 0; ; n++ {
		at, failed := 0, ""
		_, err := Repair(t.Context(), repairConfig(l, dir, func(step string) error {
			if at++; at-1 == n {
				failed = step
				return errCrash
			}
			return nil
		}))
		if failed == "" {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, errCrash) {
			t.Fatalf("%s failed: %v", failed, err)
		}
		if failed == "swapped" {
			rep, err := Repair(t.Context(), repairConfig(l, dir, nil))
			if err != nil || !rep.Resumed {
				t.Fatalf("%s failed: the next repair: %+v, %v", failed, rep, err)
			}
			expectReport(t, rep, left)
			break
		}
		names, err := os.ReadDir(base)
		if err != nil || len(names) != 1 || names[0].Name() != "chain" {
			t.Fatalf("%s failed: left are %v (%v)", failed, names, err)
		}
	}
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

// TestRepairLocks expects that no node and no other repair starts at any moment
// of a repair, also while no store is in its place.
func TestRepairLocks(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l, left := brokenStory(t, dir)
	rep, err := Repair(t.Context(), repairConfig(l, dir, func(step string) error {
		if c, err := Open(Config{Network: l.net, Dir: dir}); !errors.Is(err, ErrRepairing) {
			t.Errorf("%s: a node starts: %v, %v", step, c, err)
		}
		if rep, err := Repair(t.Context(), repairConfig(l, dir, nil)); !errors.Is(err, ErrRepairing) {
			t.Errorf("%s: another repair: %+v, %v", step, rep, err)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	expectReport(t, rep, left)
	// A node that looked before the repair began, and got no further, leaves an
	// empty directory at worst: it is not taken for a store.
	finished := filepath.Join(workplacePath(dir), placeFinished)
	if err := os.Mkdir(workplacePath(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(workplacePath(dir), placeReport), mustMarshal(t, rep), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, finished); err != nil {
		t.Fatal(err)
	}
	files, err := storage.OpenFile(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	files.Close()
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Tip().Blocks != 1 {
		t.Errorf("%d blocks", c.Tip().Blocks)
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRepairBounded breaks the first block below many others. What those held
// goes to the pool's records, in several commits, and not to memory.
func TestRepairBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l := newLab(t)
	l.chain.Close()
	c, err := Open(Config{Network: l.net, Dir: dir, syncLast: true})
	if err != nil {
		t.Fatal(err)
	}
	on := ""
	for i := range 4 {
		name := fmt.Sprint(i)
		txs := make([]*Transaction, 8000)
		for j := range txs {
			txs[j] = l.tx(0, 1+j%100, 1)
		}
		l.next(name, on, txs...)
		if _, err := c.AddBlock(context.Background(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
		on = name
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	// Of block 0 the first chunk of 128 is gone, the others can be read.
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(bodyKey(0, l.ref("0").Hash, 0)) })

	commits := 0
	place, err := enterWorkplace(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := &repair{ctx: t.Context(), place: place, cfg: repairConfig(l, dir, func(step string) error {
		if step == "filled" {
			commits++
		}
		return nil
	})}
	if r.files, err = storage.OpenFile(dir, false); err != nil {
		t.Fatal(err)
	}
	if err := r.build(); err != nil {
		t.Fatal(err)
	}
	const want = 4*8000 - chunkTxs
	if r.out.Pool != want || r.out.Broken != 1 || r.out.Apart != 3 {
		t.Errorf("%+v", r.out)
	}
	if n, m := r.new.pool.len(), len(r.new.records.at); n+m > 0 {
		t.Errorf("the repair holds %d transactions and %d places of some in memory", n, m)
	}
	if commits < 3+want/MaxBlockTxs { // one for each part, and whenever as many are there
		t.Errorf("%d transactions in %d commits", want, commits)
	}
	if err := errors.Join(r.close(), place.leave()); err != nil {
		t.Fatal(err)
	}
}

// TestRepairMissing removes a table. The report does not say that nothing is
// lost, whatever the table held.
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

// TestNewerSchema expects that a store of a newer version is named, not taken
// for a damaged one, and left alone.
func TestNewerSchema(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l, _ := damageStory(t, dir)
	edit(t, dir, func(w *leveldb.Batch) {
		newer := struct {
			_      struct{} `cbor:",toarray"`
			Schema uint64
			More   string
		}{Schema: schemaVersion + 1, More: "something else"}
		w.Put([]byte{keyInfo}, mustMarshal(t, newer))
	})
	for _, net := range []*Network{l.net, nil} {
		if _, err := Repair(t.Context(), RepairConfig{Network: net, Dir: dir}); !errors.Is(err, ErrNewer) {
			t.Errorf("repair: %v", err)
		}
		if _, err := Verify(t.Context(), VerifyConfig{Network: net, Dir: dir}); !errors.Is(err, ErrNewer) {
			t.Errorf("verify: %v", err)
		}
	}
	if _, err := Open(Config{Network: l.net, Dir: dir}); !errors.Is(err, ErrNewer) {
		t.Errorf("open: %v", err)
	}
	names, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(names) != 1 {
		t.Errorf("left are %v (%v)", names, err)
	}
}

// TestRepairKeepsTheChain: where a block of the chain cannot be kept, what it held
// goes before what a block beside it holds under the same ID.
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
	edit(t, dir, func(w *leveldb.Batch) { w.Delete(bodyKey(0, l.ref("m0").Hash, 0)) })
	if _, err := Repair(t.Context(), repairConfig(l, dir, nil)); err != nil {
		t.Fatal(err)
	}
	l.open()
	if e := l.chain.Pooled([]TxKey{tx.Key()})[0]; e.Tx == nil || !e.Tx.Same(tx) {
		t.Errorf("the pool has %+v, want what was accepted", e.Tx)
	}
}

// TestRepairWaits: where a killed repair's new store cannot be put into its place,
// it is kept until it can.
func TestRepairWaits(t *testing.T) {
	base, after := t.TempDir(), filepath.Join(t.TempDir(), "copy")
	l, _ := brokenStory(t, filepath.Join(base, "chain"))
	_, err := Repair(t.Context(), repairConfig(l, filepath.Join(base, "chain"), func(step string) error {
		if step == "moved aside" {
			copyTree(t, base, after)
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(after, "chain")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // in its way
		t.Fatal(err)
	}
	if c, err := Open(Config{Network: l.net, Dir: dir}); err == nil {
		t.Fatal("opened", c.Status())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.Tip().Blocks == 0 {
		t.Errorf("the new store is gone: %+v", c.Status())
	}
}
