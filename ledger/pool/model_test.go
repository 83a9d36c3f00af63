package pool

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// check compares the pool with a naive model: the lists and the two promises of its doc
// comment, and all of its bookkeeping.
func (r *poolRig) check() error {
	projected, err := r.checkLists()
	if err != nil {
		return err
	}
	for _, e := range r.entries {
		if e.seq == 0 {
			if err := r.checkWaiting(e, projected); err != nil {
				return err
			}
		}
	}
	if err := r.checkAges(); err != nil {
		return err
	}
	return errors.Join(r.asked, r.checkAccounts(projected))
}

func digestOfAll(es []*Entry) (sum uint64) {
	for _, e := range es {
		sum += digestOf(e.Key)
	}
	return sum
}

// checkLists returns the balances behind all payable transactions.
func (r *poolRig) checkLists() (map[uuid.UUID]int64, error) {
	p := r.pool
	for start := range uint64(len(r.entries) + 2) {
		for _, limit := range []int{0, 1, 3, len(r.entries) + 1} {
			want := slices.DeleteFunc(slices.Clone(r.entries), func(e *Entry) bool { return e.Arrival < start })
			if got := p.List(start, limit); !slices.Equal(got, want[:min(limit, len(want))]) {
				return nil, fmt.Errorf("list(%d, %d) returns %d entries of %d", start, limit, len(got), len(want))
			}
		}
	}
	var all []*Entry
	p.Each(func(e *Entry) bool { all = append(all, e); return true })
	payable := p.Payable(len(r.entries) + 1)
	switch {
	case !slices.Equal(all, r.entries):
		return nil, fmt.Errorf("each returns %d entries, want %d", len(all), len(r.entries))
	case p.Digest() != digestOfAll(all):
		return nil, fmt.Errorf("digest %x of %d entries, want %x", p.Digest(), len(all), digestOfAll(all))
	case p.Len() != len(all) || p.PayableCount() != len(payable) || p.WaitingCount() != len(all)-len(payable):
		return nil, fmt.Errorf("counts %d = %d + %d, want %d with %d payable", p.Len(), p.PayableCount(), p.WaitingCount(), len(all), len(payable))
	}
	projected, seq := maps.Clone(r.tip), uint64(0)
	for _, e := range payable {
		if e.seq <= seq || p.Reason(e) != "" || p.Get(e.Key) != e {
			return nil, fmt.Errorf("payable %s: seq %d after %d, reason %q", nameOf(e), e.seq, seq, p.Reason(e))
		}
		seq = e.seq
		if !r.step(projected, e.Tx) {
			return nil, fmt.Errorf("payable %s cannot be applied", nameOf(e))
		}
	}
	return projected, nil
}

func (r *poolRig) checkWaiting(e *Entry, projected map[uuid.UUID]int64) error {
	if r.step(maps.Clone(projected), e.Tx) {
		return fmt.Errorf("%s waits and could be paid", nameOf(e))
	}
	holds, owes := projected[e.Tx.Sender], r.owes[e.Tx.Sender]
	poor := !r.net.IsIssuer(e.Tx.Sender) && holds-int64(e.Tx.Amount) < -owes
	want := ledger.NoRoom
	if poor {
		want = ledger.NoFunds(holds, e.Tx.Amount, uint64(owes))
	}
	if reason := r.pool.Reason(e); reason != want {
		return fmt.Errorf("%s waits for %q, want %q", nameOf(e), reason, want)
	}
	if full := e.to != nil && e.waits == &e.to.full; full && projected[e.Tx.Receiver]+int64(e.Tx.Amount) <= ledger.MaxAmount || !full && !poor {
		return fmt.Errorf("%s waits in a wrong list", nameOf(e))
	}
	return nil
}

// noteWaiting keeps since when each waiting entry has waited.
func (r *poolRig) noteWaiting() {
	now := make(map[*Entry]time.Duration)
	for _, e := range r.entries {
		if e.seq != 0 {
			continue
		}
		now[e] = r.clock
		if since, ok := r.waits[e]; ok {
			now[e] = since
		}
	}
	r.waits = now
}

func (r *poolRig) checkAges() error {
	var first *Entry
	for _, e := range r.pool.Payable(1) {
		first = e
	}
	if oldest := r.pool.OldestPayable(); oldest != first {
		return fmt.Errorf("oldestPayable returns %v, the first is %v", oldest, first)
	}
	r.noteWaiting()
	for _, before := range []time.Duration{-1, r.clock / 2, r.clock - 1, r.clock} {
		want := slices.DeleteFunc(slices.Clone(r.entries), func(e *Entry) bool { return e.seq != 0 || r.waits[e] > before })
		if got := r.pool.OldWaiting(before); !slices.Equal(got, want) {
			return fmt.Errorf("oldWaiting(%v) returns %d entries, want %d", before, len(got), len(want))
		}
	}
	return nil
}

func (r *poolRig) checkAccounts(projected map[uuid.UUID]int64) error {
	links := make(map[uuid.UUID]int)
	for _, e := range r.entries {
		for _, id := range []uuid.UUID{e.Tx.Sender, e.Tx.Receiver} {
			if !r.net.IsIssuer(id) {
				links[id]++
			}
		}
	}
	waits := 0
	for id, a := range r.pool.accounts {
		switch {
		case a.links != links[id]:
			return fmt.Errorf("account %x has %d links, want %d", id, a.links, links[id])
		case a.base != r.tip[id] || a.balance != projected[id]:
			return fmt.Errorf("account %x holds %d, then %d, want %d, then %d", id, a.base, a.balance, r.tip[id], projected[id])
		case a.queued:
			return fmt.Errorf("account %x keeps the marks of an operation that has ended", id)
		}
		waits += a.lacking.len() + a.full.len()
		for _, w := range []*waitList{&a.lacking, &a.full} {
			for _, s := range w.slots {
				if s.e != nil && s.e.Tx.Amount < w.least {
					return fmt.Errorf("account %x: %d waits, and the least is %d", id, s.e.Tx.Amount, w.least)
				}
			}
		}
	}
	if len(r.pool.accounts) != len(links) || waits != r.pool.WaitingCount() || len(r.pool.unsettled) != 0 {
		return fmt.Errorf("%d accounts, %d in their waiting lists, %d unsettled, want %d, %d, 0",
			len(r.pool.accounts), waits, len(r.pool.unsettled), len(links), r.pool.WaitingCount())
	}
	return nil
}

// survivors applies what was payable, without gone, on the tip, one after the other, and
// demotes what fails. rework must come to the same.
func (r *poolRig) survivors(was []*Entry, gone []ledger.TxKey) (seqs map[*Entry]uint64) {
	seqs = make(map[*Entry]uint64)
	balances := maps.Clone(r.tip)
	for _, e := range was {
		if !slices.Contains(gone, e.Key) && r.step(balances, e.Tx) {
			seqs[e] = e.seq
		}
	}
	return seqs
}

// checkSurvivors checks that exactly the survivors are payable with a seq of before.
func (r *poolRig) checkSurvivors(want map[*Entry]uint64, lastSeq uint64) error {
	for _, e := range r.pool.Payable(len(r.entries)) {
		seq, survives := want[e]
		if survives && e.seq != seq || !survives && e.seq <= lastSeq {
			return fmt.Errorf("%s has seq %d, want %d (0: above %d)", nameOf(e), e.seq, seq, lastSeq)
		}
		delete(want, e)
	}
	if len(want) != 0 {
		return fmt.Errorf("%d that were payable and still are have lost their place", len(want))
	}
	return nil
}

// A poolMachine drives a rig with random operations.
type poolMachine struct {
	*poolRig
	made int
}

// draw makes a transaction. Amounts near MaxAmount make receivers full.
func (m *poolMachine) draw(t *rapid.T) *Entry {
	names := []string{"mint", "ann", "bob", "cat", "dan", "eve"}
	from := rapid.SampledFrom(names).Draw(t, "from")
	if from == "mint" {
		names = names[1:]
	}
	amount := rapid.OneOf(
		rapid.Uint64Range(1, 20),
		rapid.Uint64Range(1, 20),
		rapid.SampledFrom([]uint64{ledger.MaxAmount, ledger.MaxAmount - 10, ledger.MaxAmount / 2}),
	).Draw(t, "amount")
	m.made++
	m.clock += time.Duration(rapid.IntRange(0, 2).Draw(t, "pause"))
	return m.entry(fmt.Sprint(m.made), from, rapid.SampledFrom(names).Draw(t, "to"), amount)
}

func (m *poolMachine) Insert(t *rapid.T) {
	for range rapid.IntRange(1, 8).Draw(t, "inserts") {
		m.insertOne(t)
		m.Check(t)
	}
}

func (m *poolMachine) insertOne(t *rapid.T) {
	e := m.draw(t)
	lastSeq, balances := m.pool.lastSeq, maps.Clone(m.tip)
	for _, o := range m.pool.Payable(len(m.entries)) {
		m.step(balances, o.Tx)
	}
	why, err := m.pool.WouldWait(e, m.bal)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.insert(e); err != nil {
		t.Fatal(err)
	}
	pays := m.step(balances, e.Tx)
	if pays != (why == "") || pays != (e.seq == lastSeq+1) {
		t.Fatalf("%s: can be paid: %t; wouldWait returns %q; its seq is %d after %d", nameOf(e), pays, why, e.seq, lastSeq)
	}
}

// Remove takes out some that wait.
func (m *poolMachine) Remove(t *rapid.T) {
	var es []*Entry
	for _, e := range m.entries {
		if e.waits != nil && rapid.IntRange(0, 9).Draw(t, "remove") == 9 {
			es = append(es, e)
		}
	}
	was, lastSeq, reads := m.pool.Payable(len(m.entries)), m.pool.lastSeq, m.reads
	if err := m.remove(es...); err != nil {
		t.Fatal(err)
	}
	if m.reads != reads {
		t.Fatal("a removal reads balances, which have not changed")
	}
	if err := m.checkSurvivors(m.survivors(was, nil), lastSeq); err != nil {
		t.Fatal(err)
	}
}

// OwnBlock takes a prefix of the payable ones, as this node's builder does.
func (m *poolMachine) OwnBlock(t *rapid.T) {
	was, lastSeq := m.pool.Payable(len(m.entries)), m.pool.lastSeq
	if len(was) == 0 {
		t.Skip("nothing is payable")
	}
	n := rapid.IntRange(1, len(was)).Draw(t, "block of")
	if err := m.reorg(0, [][]*Entry{was[:n:n]}, nil); err != nil {
		t.Fatal(err)
	}
	want := make(map[*Entry]uint64)
	for _, e := range was[n:] {
		want[e] = e.seq
	}
	if err := m.checkSurvivors(want, lastSeq); err != nil {
		t.Fatal(err)
	}
}

// Reorg steps back blocks and adds others, made in random order of what is in
// the pool, of what comes back and of what was never here, and lets some
// transactions lose against the chain.
func (m *poolMachine) Reorg(t *rapid.T) {
	undo := rapid.IntRange(0, min(2, len(m.blocks))).Draw(t, "undo")
	tip := maps.Clone(m.tip)
	offered := slices.Clone(m.entries)
	for _, b := range slices.Backward(m.blocks[len(m.blocks)-undo:]) {
		for _, e := range slices.Backward(b) {
			m.unstep(tip, e.Tx)
			offered = append(offered, e)
		}
	}
	var blocks [][]*Entry
	var gone, lost []ledger.TxKey
	for range rapid.IntRange(0, 2).Draw(t, "blocks") {
		for range rapid.IntRange(0, 2).Draw(t, "others") {
			offered = append(offered, m.draw(t))
		}
		var b, rest []*Entry
		for _, e := range rapid.Permutation(offered).Draw(t, "order") {
			if rapid.IntRange(0, 2).Draw(t, "take") == 2 && m.step(tip, e.Tx) {
				b = append(b, e)
				gone = append(gone, e.Key)
			} else {
				rest = append(rest, e)
			}
		}
		if len(b) > 0 {
			blocks, offered = append(blocks, b), rest
		}
	}
	for _, e := range m.entries {
		if !slices.Contains(gone, e.Key) && rapid.IntRange(0, 19).Draw(t, "lose") == 19 {
			lost = append(lost, e.Key)
		}
	}
	was, lastSeq := m.pool.Payable(len(m.entries)), m.pool.lastSeq
	if err := m.reorg(undo, blocks, lost); err != nil {
		t.Fatal(err)
	}
	if err := m.checkSurvivors(m.survivors(was, append(gone, lost...)), lastSeq); err != nil {
		t.Fatal(err)
	}
}

func (m *poolMachine) Check(t *rapid.T) {
	if err := m.check(); err != nil {
		t.Fatal(err)
	}
}

func TestPoolModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owes := make(map[uuid.UUID]int64)
		for _, name := range []string{"ann", "bob"} {
			if most := rapid.SampledFrom([]int64{0, 0, 9, ledger.MaxAmount}).Draw(t, name+" may owe"); most > 0 {
				owes[named(name)] = most
			}
		}
		t.Repeat(rapid.StateMachineActions(&poolMachine{poolRig: newCreditRig(t, owes)}))
	})
}

// TestOrderedModel compares a list with a sorted map.
func TestOrderedModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l ordered
		want := make(map[uint64]*Entry)
		number := rapid.Uint64Range(0, 60)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := number.Draw(t, "n")
				if want[n] == nil {
					want[n] = &Entry{Arrival: n}
					l.add(n, want[n])
				}
			},
			"remove": func(t *rapid.T) {
				n := number.Draw(t, "n")
				l.remove(n)
				delete(want, n)
			},
			"": func(t *rapid.T) {
				l.sort()
				start := number.Draw(t, "start")
				var es []*Entry
				for _, n := range slices.Sorted(maps.Keys(want)) {
					if n >= start {
						es = append(es, want[n])
					}
				}
				if got := slices.Collect(l.from(start)); !slices.Equal(got, es) {
					t.Fatalf("from(%d) returns %d entries, want %d", start, len(got), len(es))
				}
				if l.len() != len(want) || len(l.slots) > 2*len(want) {
					t.Fatalf("%d entries in %d slots, want %d", l.len(), len(l.slots), len(want))
				}
			},
		})
	})
}
