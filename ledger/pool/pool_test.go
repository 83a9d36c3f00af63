package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// A poolRig is a pool on a chain that is only a map of balances and a stack of
// blocks. Its accounts and transactions have names; "mint" is the issuer.
type poolRig struct {
	net     *ledger.Network
	pool    *Pool
	tip     map[uuid.UUID]int64
	owes    map[uuid.UUID]int64 // what accounts may owe
	blocks  [][]*Entry
	entries []*Entry // what the pool should hold, by arrival
	arrival uint64
	clock   time.Duration
	waits   map[*Entry]time.Duration // since when each waiting one waits, as of the last check
	reads   int                      // of balances
	failAt  int                      // the read that fails, counted from 1; 0: none
	asked   error                    // a read that the pool has no reason to make
}

var errDisk = errors.New("the disk failed")

func newPoolRig(t interface{ Fatal(...any) }) *poolRig { return newCreditRig(t, nil) }

// newCreditRig returns a rig whose accounts may owe something.
func newCreditRig(t interface{ Fatal(...any) }, owes map[uuid.UUID]int64) *poolRig {
	rules := ledger.Network{Name: "pool test", Credit: make(map[uuid.UUID]uint64)}
	for id, most := range owes {
		rules.Credit[id] = uint64(most)
	}
	net, err := ledger.NewNetwork(rules)
	if err != nil {
		t.Fatal(err)
	}
	return &poolRig{net: net, pool: New(net), tip: make(map[uuid.UUID]int64), owes: owes}
}

func named(name string) (id uuid.UUID) {
	if name != "mint" {
		copy(id[:], name)
		id[15] = 1
	}
	return id
}

func (r *poolRig) bal(id uuid.UUID) (int64, error) {
	r.reads++
	if r.net.IsIssuer(id) {
		r.asked = fmt.Errorf("asked for the balance of the issuer")
	}
	if r.reads == r.failAt {
		return 0, errDisk
	}
	return r.tip[id], nil
}

// entry makes a transaction that was seen now.
func (r *poolRig) entry(name, from, to string, amount uint64) *Entry {
	tx := &ledger.Transaction{ID: named("tx " + name), Sender: named(from), Receiver: named(to), Amount: amount}
	r.arrival++
	return &Entry{Arrival: r.arrival, Tx: tx, Key: tx.Key(), FirstSeen: r.clock}
}

func nameOf(e *Entry) string { return strings.TrimRight(string(e.Tx.ID[3:15]), "\x00") }

func (r *poolRig) insert(e *Entry) error {
	r.pool.Now = r.clock
	if err := r.pool.Insert(e, r.bal); err != nil {
		return err
	}
	r.entries = append(r.entries, e)
	return nil
}

func (r *poolRig) find(name string) *Entry { return r.pool.Get(ledger.TxKey{ID: named("tx " + name)}) }

// step applies tx to balances, if they allow it.
func (r *poolRig) step(balances map[uuid.UUID]int64, tx *ledger.Transaction) bool {
	after := make(map[uuid.UUID]int64, 2)
	for _, id := range []uuid.UUID{tx.Sender, tx.Receiver} {
		after[id] = balances[id]
	}
	if !r.net.IsIssuer(tx.Sender) {
		if after[tx.Sender] -= int64(tx.Amount); after[tx.Sender] < -r.owes[tx.Sender] {
			return false
		}
	}
	if !r.net.IsIssuer(tx.Receiver) {
		after[tx.Receiver] += int64(tx.Amount)
		if after[tx.Receiver] > ledger.MaxAmount {
			return false
		}
	}
	maps.Copy(balances, after)
	return true
}

func (r *poolRig) unstep(balances map[uuid.UUID]int64, tx *ledger.Transaction) {
	if !r.net.IsIssuer(tx.Receiver) {
		balances[tx.Receiver] -= int64(tx.Amount)
	}
	if !r.net.IsIssuer(tx.Sender) {
		balances[tx.Sender] += int64(tx.Amount)
	}
}

// reorg steps back undo blocks and adds blocks. The keys in lost are held by the new
// chain with other contents.
func (r *poolRig) reorg(undo int, blocks [][]*Entry, lost []ledger.TxKey) error {
	old := maps.Clone(r.tip)
	var back, given []*Entry
	touched := []uuid.UUID{{}}
	touch := func(b []*Entry) {
		for _, e := range b {
			touched = append(touched, e.Tx.Sender, e.Tx.Receiver)
		}
	}
	kept := len(r.blocks) - undo
	for _, b := range slices.Backward(r.blocks[kept:]) {
		for _, e := range slices.Backward(b) {
			r.unstep(r.tip, e.Tx)
		}
		touch(b)
		given = append(given, b...)
	}
	gone := slices.Clone(lost)
	for _, b := range blocks {
		for _, e := range b {
			if !r.step(r.tip, e.Tx) {
				return fmt.Errorf("the test's block cannot be applied: %s", nameOf(e))
			}
			gone = append(gone, e.Key)
			given = slices.DeleteFunc(given, func(o *Entry) bool { return o.Key == e.Key })
		}
		touch(b)
	}
	for _, e := range given {
		r.arrival++
		back = append(back, &Entry{Arrival: r.arrival, Tx: e.Tx, Key: e.Key, Origin: FromReorg, FirstSeen: e.FirstSeen})
	}
	r.pool.Now = r.clock
	if err := r.pool.TipChanged(gone, back, touched, r.bal); err != nil {
		r.tip = old
		return err
	}
	r.blocks = append(r.blocks[:kept:kept], blocks...)
	r.forget(gone)
	r.entries = append(r.entries, back...)
	return nil
}

func (r *poolRig) remove(es ...*Entry) error {
	for _, e := range es {
		r.pool.Remove(e)
		r.forget([]ledger.TxKey{e.Key})
	}
	return nil
}

func (r *poolRig) forget(keys []ledger.TxKey) {
	r.entries = slices.DeleteFunc(r.entries, func(e *Entry) bool { return slices.Contains(keys, e.Key) })
}

// do reads one line: "a: ann>bob 30" inserts, "block a, ann>bob 3" makes a block
// of pooled transactions and others, "undo" steps one back, "undo, block a"
// is a reorg, "remove a" and "lose a" (against the chain) take out.
func (r *poolRig) do(line string) error {
	head, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.HasSuffix(head, ":"):
		return r.insert(r.parse(strings.TrimSuffix(head, ":"), rest))
	case head == "remove":
		return r.remove(r.find(rest))
	case head == "lose":
		return r.reorg(0, nil, []ledger.TxKey{r.find(rest).Key})
	case head == "undo":
		return r.reorg(1, nil, nil)
	case head == "undo,":
		return r.reorg(1, [][]*Entry{r.block(strings.TrimPrefix(rest, "block "))}, nil)
	case head == "block":
		return r.reorg(0, [][]*Entry{r.block(rest)}, nil)
	}
	return fmt.Errorf("cannot read %q", line)
}

func (r *poolRig) block(list string) (b []*Entry) {
	for item := range strings.SplitSeq(list, ", ") {
		if strings.Contains(item, ">") {
			b = append(b, r.parse(fmt.Sprintf("other%d", r.arrival), item))
		} else {
			b = append(b, r.find(item))
		}
	}
	return b
}

func (r *poolRig) parse(name, s string) *Entry {
	ends, number, _ := strings.Cut(s, " ")
	from, to, _ := strings.Cut(ends, ">")
	below, isMax := strings.CutPrefix(number, "max-")
	amount, err := strconv.ParseUint(below, 10, 64)
	if err != nil {
		panic(err)
	}
	if isMax {
		amount = ledger.MaxAmount - amount
	}
	return r.entry(name, from, to, amount)
}

type poolCase struct {
	name    string
	lines   []string
	payable string            // by seq
	waiting map[string]string // with reason
}

func poolCases() []poolCase {
	const full = "receiver would hold more than 9007199254740991"
	return []poolCase{
		{"the issuer needs nothing", []string{"a: mint>ann 100"}, "a", nil},
		{"an unknown account holds nothing", []string{"a: ann>bob 100"}, "",
			map[string]string{"a": "sender holds 0 and needs 100 more"}},
		{"spends what the pool gives", []string{"a: mint>ann 100", "b: ann>bob 100", "c: bob>mint 100"}, "a b c", nil},
		{"a credit wakes by arrival", []string{"a: ann>bob 40", "b: ann>bob 30", "c: ann>bob 20", "d: mint>ann 65"}, "d a c",
			map[string]string{"b": "sender holds 5 and needs 25 more"}},
		{"a chain wakes", []string{"a: cat>dan 10", "b: bob>cat 10", "c: ann>bob 10", "d: mint>ann 10"}, "d c b a", nil},
		{"paying itself needs the amount", []string{"a: ann>ann 10", "b: mint>ann 9"}, "b",
			map[string]string{"a": "sender holds 9 and needs 1 more"}},
		{"paying itself moves nothing", []string{"a: mint>ann max-0", "b: ann>ann max-0", "c: ann>bob max-0"}, "a b c", nil},
		{"no room", []string{"a: mint>ann max-0", "b: mint>ann 1"}, "a", map[string]string{"b": full}},
		{"a debit makes room", []string{"a: mint>ann max-0", "b: mint>ann 1", "c: ann>bob 1"}, "a c b", nil},
		{"money first, then room", []string{"a: mint>ann max-0", "b: bob>ann 5", "c: mint>bob 5"}, "a c", map[string]string{"b": full}},
		{"room first, then money", []string{"a: mint>ann max-0", "f: mint>bob 5", "b: bob>ann 5", "c: bob>cat 5", "d: ann>dan 5"}, "a f c d",
			map[string]string{"b": "sender holds 0 and needs 5 more"}},
		{"the issuer has room", []string{"a: mint>ann max-0", "b: ann>mint max-0", "c: mint>bob max-0", "d: bob>mint max-0"}, "a b c d", nil},
		{"a block takes the first", []string{"a: mint>ann 10", "b: ann>bob 4", "c: ann>bob 6", "block a, b"}, "c", nil},
		{"a block takes from the middle", []string{"a: mint>ann 10", "b: ann>bob 4", "c: ann>bob 6", "block a, c"}, "b", nil},
		{"a block takes from the middle what the rest needed in between", []string{"m: mint>ann 5", "block m", "a: ann>bob 5", "b: mint>ann 5", "c: ann>cat 5", "block c"}, "b a", nil},
		{"a block takes from the middle what the rest made room for", []string{"m: mint>ann max-5", "block m", "a: mint>ann 3", "b: ann>bob 3", "c: mint>ann 5", "block c"}, "b a", nil},
		{"a block passes over a payment to the issuer", []string{"m: mint>ann 9", "n: mint>bob 9", "block m, n", "a: ann>mint 1", "b: bob>cat 1", "block b"}, "a", nil},
		{"a block of others spends it", []string{"a: mint>ann 10", "b: ann>bob 4", "c: bob>cat 4", "block a, ann>dan 7"}, "",
			map[string]string{"b": "sender holds 3 and needs 1 more", "c": "sender holds 0 and needs 4 more"}},
		{"a block of others fills it", []string{"a: mint>ann 5", "b: ann>bob 5", "block mint>cat 1, mint>ann max-4"}, "b a", nil},
		{"a block of others fills it for good", []string{"m: mint>bob 9", "block m", "a: bob>ann 5", "b: bob>cat 9", "block mint>ann max-4"}, "b",
			map[string]string{"a": "sender holds 0 and needs 5 more"}},
		{"one that is full pays itself", []string{"m: mint>ann 5", "block m", "a: ann>ann 5", "block mint>ann max-5"}, "a", nil},
		{"a block of others pays it", []string{"a: ann>bob 4", "b: bob>cat 4", "block mint>ann 5"}, "a b", nil},
		{"a block takes one that waits", []string{"a: ann>bob 4", "b: bob>cat 4", "block mint>ann 5, a"}, "b", nil},
		{"one that falls frees another", []string{"m: mint>ann 10", "block m", "a: ann>bob 6", "b: ann>cat 9", "block ann>dan 5", "c: mint>ann 1"}, "c a",
			map[string]string{"b": "sender holds 0 and needs 9 more"}},
		{"what falls lets the next pay", []string{"m: mint>ann 10", "block m", "a: ann>bob 6", "b: ann>cat 4", "c: bob>dan 6", "block ann>eve 5"}, "b",
			map[string]string{"a": "sender holds 1 and needs 5 more", "c": "sender holds 0 and needs 6 more"}},
		{"what falls wakes by arrival", []string{"m: mint>ann 10", "block m", "a: ann>bob 10", "b: ann>cat 10", "block ann>dan 10", "c: mint>ann 10"}, "c a",
			map[string]string{"b": "sender holds 0 and needs 10 more"}},
		{"one that waits for another reason now is removed", []string{"m: mint>bob max-5", "block m", "a: ann>bob 9", "b: mint>bob 7", "c: mint>ann 9", "remove a", "d: bob>eve 9"}, "c d b", nil},
		{"a lost one takes its credit along", []string{"a: mint>ann 10", "b: ann>bob 10", "lose a"}, "",
			map[string]string{"b": "sender holds 0 and needs 10 more"}},
		{"a removed waiting one changes nothing", []string{"m: mint>ann 10", "a: ann>bob 7", "b: ann>cat 10", "remove b"}, "m a", nil},
		{"lost against the chain", []string{"m: mint>ann 10", "a: ann>bob 10", "b: ann>cat 10", "lose a"}, "m b", nil},
		{"a block comes back", []string{"m: mint>ann 10", "block m", "a: ann>bob 10", "block a", "b: bob>cat 10", "undo"}, "a b", nil},
		{"what comes back goes before what waits", []string{"m: mint>ann 10", "block m", "a: ann>bob 10", "block a", "b: ann>cat 10", "undo"}, "a",
			map[string]string{"b": "sender holds 0 and needs 10 more"}},
		{"a reorg", []string{"m: mint>ann 10", "block m", "a: ann>bob 10", "block a", "b: bob>cat 10", "undo, block ann>eve 3"}, "",
			map[string]string{"a": "sender holds 7 and needs 3 more", "b": "sender holds 0 and needs 10 more"}},
	}
}

func TestPool(t *testing.T) {
	for _, tt := range poolCases() {
		t.Run(tt.name, func(t *testing.T) {
			r := newPoolRig(t)
			for _, line := range tt.lines {
				if err := r.do(line); err != nil {
					t.Fatalf("%s: %v", line, err)
				}
				if err := r.check(); err != nil {
					t.Fatalf("after %q: %v", line, err)
				}
			}
			var payable []string
			for _, e := range r.pool.Payable(100) {
				payable = append(payable, nameOf(e))
			}
			if got := strings.Join(payable, " "); got != tt.payable {
				t.Errorf("payable: %q, want %q", got, tt.payable)
			}
			waiting := make(map[string]string)
			for _, e := range r.pool.OldWaiting(r.clock) {
				waiting[nameOf(e)] = r.pool.Reason(e)
			}
			if !maps.Equal(waiting, tt.waiting) {
				t.Errorf("waiting: %q, want %q", waiting, tt.waiting)
			}
		})
	}
}

// TestPoolForgets checks that the first transaction of all, whose arrival is 0, is found
// in each way, and that when it leaves nothing is left of it and its accounts.
func TestPoolForgets(t *testing.T) {
	r := newPoolRig(t)
	tx := &ledger.Transaction{ID: named("a"), Sender: ledger.AccountOf(ledger.PublicKey{1}), Receiver: named("bob"), Amount: 1, Auth: new(ledger.Auth)}
	e := &Entry{Tx: tx, Key: tx.Key()}
	if err := r.pool.Insert(e, r.bal); err != nil {
		t.Fatal(err)
	}
	all := 0
	r.pool.Each(func(*Entry) bool { all++; return true })
	if same, old := r.pool.WithID(tx.ID, nil, 9), r.pool.OldWaiting(r.clock); all != 1 || len(same) != 1 || len(old) != 1 {
		t.Errorf("%d are there, %d have its ID, %d wait", all, len(same), len(old))
	}
	r.pool.Remove(e)
	if p := r.pool; len(p.entries)+len(p.keyed)+len(p.accounts)+p.arrived.len() != 0 {
		t.Errorf("%d entries, %d IDs and %d accounts are left", len(p.entries), len(p.keyed), len(p.accounts))
	}
}

func TestPoolWouldWait(t *testing.T) {
	r := newPoolRig(t)
	for _, line := range []string{"m: mint>ann 100", "block m", "a: ann>bob 70", "b: mint>cat max-0"} {
		if err := r.do(line); err != nil {
			t.Fatal(err)
		}
	}
	for given, want := range map[string]string{
		"mint>ann 1": "",
		"ann>bob 30": "",
		"ann>bob 31": "sender holds 30 and needs 1 more",
		"bob>dan 70": "",
		"dan>bob 1":  "sender holds 0 and needs 1 more",
		"dan>dan 1":  "sender holds 0 and needs 1 more",
		"cat>cat 5":  "",
		"ann>cat 5":  "receiver would hold more than 9007199254740991",
		"mint>cat 1": "receiver would hold more than 9007199254740991",
		"cat>mint 1": "",
	} {
		got, err := r.pool.WouldWait(r.parse("x", given), r.bal)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", given, got, err, want)
		}
	}
	r.failAt = r.reads + 1
	if _, err := r.pool.WouldWait(r.parse("x", "dan>bob 1"), r.bal); !errors.Is(err, errDisk) {
		t.Errorf("error of the disk: %v", err)
	}
	if err := r.check(); err != nil {
		t.Error(err)
	}
	r.failAt = r.reads + 1
	if err := r.insert(r.parse("x", "dan>bob 1")); err != errDisk { //nolint:errorlint // it must come unchanged
		t.Errorf("insert: %v", err)
	}
	r.failAt = r.reads + 1
	if err := r.pool.TipChanged(nil, nil, []uuid.UUID{named("ann")}, r.bal); err != errDisk { //nolint:errorlint
		t.Errorf("a change of the tip: %v", err)
	}
}

// TestPoolUsualBlockIsCheap checks that a block that takes what the pool put first leaves
// what remains alone, and reads only balances that something remains of.
func TestPoolUsualBlockIsCheap(t *testing.T) {
	r := newPoolRig(t)
	for _, line := range []string{"a: mint>ann 100", "b: ann>bob 1", "c: ann>cat 1", "d: ann>dan 1"} {
		if err := r.do(line); err != nil {
			t.Fatal(err)
		}
	}
	want := r.find("d").seq
	r.reads = 0
	if err := r.do("block a, b, c"); err != nil {
		t.Fatal(err)
	}
	if got := r.find("d").seq; got != want || r.reads != 1 {
		t.Errorf("d has seq %d, want %d; %d balances read, want ann's", got, want, r.reads)
	}
	if err := r.do("block d"); err != nil {
		t.Fatal(err)
	}
	if r.reads != 1 || len(r.pool.accounts) != 0 {
		t.Errorf("%d balances read, want 1; %d accounts left of an empty pool", r.reads, len(r.pool.accounts))
	}
}

// TestPoolLongFall checks that a chain of payments through one account falls in one pass.
// (A replay of the account for each of them would take 10^10 steps.)
func TestPoolLongFall(t *testing.T) {
	r := newPoolRig(t)
	if err := r.do("block mint>hub 10"); err != nil {
		t.Fatal(err)
	}
	const n = 50_000
	for i := range n {
		spoke := fmt.Sprint("s", i)
		for _, e := range []*Entry{r.entry(fmt.Sprint("o", i), "hub", spoke, 10), r.entry(fmt.Sprint("i", i), spoke, "hub", 10)} {
			if err := r.pool.Insert(e, r.bal); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := r.do("block hub>eve 1"); err != nil {
		t.Fatal(err)
	}
	if got := r.pool.WaitingCount(); got != 2*n {
		t.Fatalf("%d wait, want %d", got, 2*n)
	}
	if err := r.do("block mint>hub 1"); err != nil {
		t.Fatal(err)
	}
	if got := r.pool.PayableCount(); got != 2*n {
		t.Fatalf("%d are payable again, want %d", got, 2*n)
	}
}
