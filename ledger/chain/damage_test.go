package chain

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/ledgertest"
	"foxchain/ledger/pool"
	"foxchain/ledger/store"

	"github.com/google/uuid"
	"github.com/syndtr/goleveldb/leveldb"
)

// damageStory fills a directory with several tables, a journal, blocks, a pool and
// receipts. It returns what was accepted.
func damageStory(t *testing.T, dir string) (l *lab, accepted []*ledger.Transaction) {
	t.Helper()
	l = newLab(t)
	l.chain.Close()
	c, err := Open(Config{Network: l.net, Dir: dir, writeBuffer: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	l.chain = c
	on := ""
	submit := func(txs ...*ledger.Transaction) {
		if _, err := c.Submit(context.Background(), txs, pool.FromClient); err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, txs...)
	}
	for i := range 12 {
		name := fmt.Sprint(i)
		txs := []*ledger.Transaction{l.tx(0, 1, 100)}
		for range 40 {
			txs = append(txs, l.tx(1, 2+i, 1))
		}
		submit(txs...)
		l.next(name, on, txs...)
		if _, err := c.AddBlock(context.Background(), l.blocks[name]); err != nil {
			t.Fatal(err)
		}
		on = name
	}
	submit(l.tx(99, 1, 5))
	c.expiry = -time.Hour
	if err := c.expire(); err != nil {
		t.Fatal(err)
	}
	submit(l.tx(0, 1, 7), l.tx(98, 1, 5))
	if err := c.Book().Put("peer", []byte("address")); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	return l, accepted
}

// TestDamage spoils one file of a real directory at a time: a byte flipped, the end cut
// off, the file emptied or gone. Then either Open refuses in words, or the chain is whole
// and all that was accepted is there, or the log reports what may be lost. A damaged
// table that is met later stops the chain. After Repair the chain is whole again in every
// case, and the blocks that a peer offers complete it.
func TestDamage(t *testing.T) {
	if testing.Short() {
		t.Skip("damages each file in six ways")
	}
	dir := filepath.Join(t.TempDir(), "chain")
	l, accepted := damageStory(t, dir)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	damages := map[string]func([]byte) []byte{
		"a byte flipped": func(b []byte) []byte {
			if len(b) > 0 {
				b[r.IntN(len(b))] ^= 0x41
			}
			return b
		},
		"another byte flipped": func(b []byte) []byte {
			if len(b) > 0 {
				b[r.IntN(len(b))] ^= 0x80
			}
			return b
		},
		"cut off":   func(b []byte) []byte { return b[:len(b)/2] },
		"one short": func(b []byte) []byte { return b[:max(0, len(b)-1)] },
		"emptied":   func([]byte) []byte { return nil },
		"missing":   nil,
	}
	// With two journals (LevelDB was still writing the older one into a table), all of
	// the newest is later than all of the other. Without it the directory is what it was
	// a moment before, and no check can notice.
	journals, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(journals)
	kinds := make(map[string]int)
	outcomes := make(map[string]int)
	for _, file := range files {
		base := filepath.Base(file)
		if base == "LOCK" || strings.HasPrefix(base, "LOG") || base == "CURRENT.bak" {
			continue
		}
		kinds[strings.TrimLeft(filepath.Ext(base), ".")+strings.TrimRight(base, "-0123456789.logdb")]++
		for name, spoil := range damages {
			t.Run(base+" "+name, func(t *testing.T) {
				spoiled := filepath.Join(t.TempDir(), "chain")
				if err := os.CopyFS(spoiled, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				at := filepath.Join(spoiled, base)
				if spoil == nil {
					err = os.Remove(at)
				} else if b, err2 := os.ReadFile(at); err2 == nil {
					err = os.WriteFile(at, spoil(b), 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
				expected := accepted
				gone := spoil == nil || len(spoil(make([]byte, 4))) == 0
				if gone && len(journals) > 1 && file == journals[len(journals)-1] {
					expected = nil
				}
				outcomes[damaged1(t, l, spoiled, expected)]++
			})
		}
	}
	t.Logf("files of each kind: %v; outcomes: %v", kinds, outcomes)
}

// damaged1 opens one spoiled directory, repairs it, and returns what came of it.
func damaged1(t *testing.T, l *lab, dir string, accepted []*ledger.Transaction) (outcome string) {
	t.Helper()
	if _, err := Verify(t.Context(), VerifyConfig{Dir: dir, Network: l.net}); err != nil && !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("verify: %v", err)
	}
	var log bytes.Buffer
	c, err := Open(Config{Network: l.net, Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	switch {
	case err != nil:
		if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "damaged") {
			t.Fatalf("open: %v", err)
		}
		outcome = "refused"
	default:
		outcome = whole(t, c, accepted, log.String())
		if err := c.Close(); err != nil && !errors.Is(err, store.ErrDamaged) {
			t.Fatalf("close: %v", err)
		}
	}
	if outcome == "mended" { // the log has reported what is lost
		accepted = nil
	}
	return outcome + repairedWhole(t, l, dir, accepted)
}

// whole reads everything. Damage that is met is named and stops the chain. Otherwise all
// is there, or the log reported that some may not be.
func whole(t *testing.T, c *Chain, accepted []*ledger.Transaction, log string) string {
	t.Helper()
	v, err := c.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, tx := range accepted {
		found, err := v.Find(tx.ID, nil, 1)
		var receipts []store.Receipt
		if err == nil {
			receipts, err = c.Receipts(tx.ID, nil, 1)
		}
		if errors.Is(err, store.ErrDamaged) {
			if c.Err() == nil {
				t.Fatalf("it goes on after %v", err)
			}
			return "stopped"
		}
		if err != nil {
			t.Fatalf("find: %v", err)
		}
		pooled := c.Pool().Get([]ledger.TxKey{tx.Key()})[0].Tx != nil
		if len(found) == 0 && !pooled && len(receipts) == 0 && !strings.Contains(log, "are lost") {
			t.Fatalf("accepted transaction %s is lost, and the log does not say so:\n%s", tx.ID, log)
		}
	}
	for height := range v.Tip().Blocks {
		if _, err := v.Block(height); errors.Is(err, store.ErrDamaged) {
			if c.Err() == nil {
				t.Fatalf("it goes on after %v", err)
			}
			return "stopped"
		}
	}
	checkChain(t, c)
	if strings.Contains(log, "are lost") {
		return "mended"
	}
	return "whole"
}

// repairedWhole repairs, and lets a peer offer all blocks again. A repair that reports
// that nothing is lost has all that was accepted.
func repairedWhole(t *testing.T, l *lab, dir string, accepted []*ledger.Transaction) string {
	t.Helper()
	old, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Repair(t.Context(), RepairConfig{Network: l.net, Dir: dir, Now: time.Unix(1e9, 0).UTC()})
	if err != nil {
		t.Fatalf("repair: %v", err)
	}
	if kept, err := os.ReadDir(rep.Old); err != nil || len(kept) < len(old) {
		t.Fatalf("the old directory had %d files, %s has %d (%v)", len(old), rep.Old, len(kept), err)
	}
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatalf("open after the repair: %v", err)
	}
	checkChain(t, c)
	if rep.Whole() {
		for _, tx := range accepted {
			expectTraced(t, c, tx)
		}
	}
	for i := range 12 {
		if _, err := c.AddBlock(t.Context(), l.blocks[fmt.Sprint(i)]); err != nil {
			t.Fatalf("sync after the repair: block %d: %v", i, err)
		}
	}
	checkChain(t, c)
	if c.Tip().Blocks != 12 {
		t.Fatalf("%d blocks after the sync", c.Tip().Blocks)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	report, err := Verify(t.Context(), VerifyConfig{Dir: dir, Network: l.net})
	if err != nil || len(report.Problems) > 0 {
		t.Fatalf("verify after the repair: %v %+v", err, report)
	}
	return ", repaired"
}

// TestRepairKeeps checks that a repair of a whole store keeps everything.
func TestRepairKeeps(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "chain")
	l, accepted := damageStory(t, dir)
	rep, err := Repair(t.Context(), RepairConfig{Network: l.net, Dir: dir, Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Blocks != 12 || rep.Had != 12 || rep.Pool != 2 || rep.Receipts != 1 || rep.Book != 1 || !rep.Whole() {
		t.Errorf("%+v", rep)
	}
	c, err := Open(Config{Network: l.net, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkChain(t, c)
	for _, tx := range accepted {
		expectTraced(t, c, tx)
	}
	if book, err := c.Book().All(); err != nil || string(book["peer"]) != "address" {
		t.Errorf("address book %v, %v", book, err)
	}
	if _, err := Repair(t.Context(), RepairConfig{Network: l.net, Dir: dir, Now: time.Now()}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("repair of a running one: %v", err)
	}
	if _, err := Verify(t.Context(), VerifyConfig{Network: l.net, Dir: dir}); !errors.Is(err, store.ErrInUse) {
		t.Errorf("verify of a running one: %v", err)
	}
}

// key makes the key of a record, as the table of package store has it.
func key(prefix byte, parts ...any) []byte {
	k := []byte{prefix}
	for _, p := range parts {
		var err error
		if k, err = binary.Append(k, binary.BigEndian, p); err != nil {
			panic(err)
		}
	}
	return k
}

// commitBatch commits what put puts into a batch.
func (l *lab) commitBatch(put func(*store.Batch)) {
	l.t.Helper()
	w := l.chain.store.Begin()
	put(w)
	if err := w.Write(true); err != nil {
		l.t.Fatal(err)
	}
}

// putOddKeys puts keys of wrong lengths, which only a forged backup has.
func putOddKeys(w *leveldb.Batch) {
	w.Put(nil, nil)
	w.Put([]byte("v"), nil)
	for _, kind := range []byte("chnbstaprf") {
		for _, more := range []int{0, 3, 8 + 32 + 4 + 30} {
			w.Put(append([]byte{kind}, make([]byte, more)...), make([]byte, 12))
		}
	}
}

// TestOddKeys checks that a ledger with keys of wrong lengths opens and goes on.
func TestOddKeys(t *testing.T) {
	l := newVotedLab(t)
	l.add("g", Extended)
	l.mustVote(l.cert(finality.Finalize, 1, "g"), nil)
	l.submit(l.tx(1, 3, 1))
	var w leveldb.Batch
	putOddKeys(&w)
	if err := l.chain.store.DB.Write(&w, nil); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	_, err := l.chain.AddBlock(t.Context(), l.blocks["a1"])
	if err = errors.Join(err, l.vote(l.cert(finality.Finalize, 2, "a1"), nil)); err != nil {
		t.Fatal(err)
	}
	l.again(func() { l.expectTip("a1") })
	v, err := l.chain.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if found, err := v.HashesFrom("0000", 9); len(found) > 0 || err != nil {
		t.Errorf("begins with 0000: %v, %v", found, err)
	}
}

// TestVerifyFinds changes single records of a store and expects Verify to name
// each.
func TestVerifyFinds(t *testing.T) {
	a2 := ledgertest.Account(2)
	for _, tt := range []struct {
		name string
		edit func(l *lab, w *leveldb.Batch)
		want string
	}{
		{"nothing", func(*lab, *leveldb.Batch) {}, ""},
		{"keys of no kind", func(_ *lab, w *leveldb.Batch) { putOddKeys(w) }, ""},
		{"a balance", func(l *lab, _ *leveldb.Batch) {
			a, _ := l.chain.store.Account(a2)
			a.Balance++
			l.commitBatch(func(w *store.Batch) {
				w.PutState(&ledger.Overlay{Accounts: map[uuid.UUID]*ledger.AccountState{a2: a}})
			})
		}, "account " + a2.String()},
		{"an account", func(_ *lab, w *leveldb.Batch) { w.Delete(key('a', a2)) }, "accounts: "},
		{"an index entry", func(l *lab, w *leveldb.Batch) { w.Delete(key('t', l.blocks["b"].Txs[0].Key())) }, "block 1, items[0]: the index"},
		{"an index entry that leads elsewhere", func(l *lab, w *leveldb.Batch) {
			w.Put(key('t', l.blocks["b"].Txs[0].Key()), append(make([]byte, 7), 1, 0, 0, 0, 5)) // height 1, index 5
		}, "block 1, items[0]: the index"},
		{"a transaction twice", func(l *lab, _ *leveldb.Batch) {
			l.next("c", "b", l.blocks["a"].Txs[0])
			l.commitBatch(func(w *store.Batch) {
				w.AddTip(l.ref("c").Hash)
				w.PutBlock(&l.blocks["c"].SealedHeader, l.ref("c").Hash, []ledger.StoredTx{{Tx: l.blocks["a"].Txs[0]}})
			})
		}, "is already in the chain"},
		{"an index entry too many", func(l *lab, w *leveldb.Batch) {
			w.Put(key('t', ledger.TxKey{ID: ledgertest.Account(77)}), make([]byte, 12))
		}, "index: "},
		{"a body", func(l *lab, w *leveldb.Batch) { w.Delete(key('b', uint64(1), l.ref("b").Hash, uint32(0))) }, "block 1: is missing"},
		{"a header", func(l *lab, w *leveldb.Batch) { w.Delete(key('h', l.ref("a").Hash)) }, "block 0: is missing"},
		{"another header", func(l *lab, w *leveldb.Batch) {
			w.Put(key('h', l.ref("a").Hash), ledger.EncodeHeader(&l.blocks["b"].SealedHeader))
		}, "block 0: "},
		{"a body of another block", func(l *lab, _ *leveldb.Batch) {
			l.commitBatch(func(w *store.Batch) {
				w.PutBlock(&l.blocks["b"].SealedHeader, l.ref("b").Hash, []ledger.StoredTx{{Tx: l.tx(0, 9, 9)}})
			})
		}, "block 1: "},
		{"a counter", func(_ *lab, w *leveldb.Batch) { w.Delete(key('c', uint64(2))) }, "commit counters: "},
		{"a pool record", func(_ *lab, w *leveldb.Batch) { w.Put(key('p', uint64(0)), []byte("nonsense")) }, "pool: "},
		{"pool records with the same numbers", func(l *lab, _ *leveldb.Batch) {
			l.commitBatch(func(w *store.Batch) {
				items, first := []store.PoolItem{{Tx: l.tx(0, 4, 1).Encode()}, {Tx: l.tx(0, 5, 1).Encode()}}, l.chain.store.Info.Arrival
				w.PutPool(first, items)
				w.PutPool(first+1, items[1:])
			})
		}, "pool: "},
		{"a receipt", func(_ *lab, w *leveldb.Batch) {
			w.Put(key('r', ledger.TxKey{}, ledger.Hash{}), []byte("nonsense"))
		}, "receipt "},
		{"pool and chain", func(l *lab, _ *leveldb.Batch) {
			tx := l.blocks["a"].Txs[0]
			l.commitBatch(func(w *store.Batch) {
				newPoolRecords().add(w, []*pool.Entry{{Tx: tx, Key: tx.Key(), Arrival: 0}})
			})
		}, "is in block 0 already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLab(t)
			l.next("a", "", l.tx(0, 1, 100))
			l.add("a", Extended)
			l.next("b", "a", l.tx(1, 2, 10))
			l.add("b", Extended)
			l.submit(l.tx(0, 3, 1))
			var w leveldb.Batch
			tt.edit(l, &w)
			if err := l.chain.store.DB.Write(&w, nil); err != nil {
				t.Fatal(err)
			}
			l.chain.Close()
			report, err := Verify(t.Context(), VerifyConfig{Network: l.net, Storage: l.storage})
			l.storage = newDisk(nil) // for the cleanup
			if err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				if len(report.Problems) > 0 || report.Blocks != 2 || report.Pool != 1 || report.Txs != 2 {
					t.Errorf("%+v", report)
				}
				return
			}
			for _, p := range report.Problems {
				if strings.Contains(p.String(), tt.want) {
					return
				}
			}
			t.Errorf("no problem says %q: %v", tt.want, report.Problems)
		})
	}
}
