package pool

import (
	"container/heap"
	"math"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// An account is an account that transactions of the pool touch, with its balance
// behind all payable ones and what waits for that balance to change. Issuers have
// none, since nothing that they send or receive depends on a balance.
//
// Whether a transaction is payable is decided at each of its accounts, from that
// account's earlier payable transactions.
type account struct {
	id      uuid.UUID
	base    int64    // at the tip
	balance int64    // projected: base, and then all payable transactions
	mayOwe  uint64   // by the network's rules
	links   int      // times that it is the sender or receiver of an entry; at 0 the pool forgets it
	lacking waitList // what it sends and cannot pay
	full    waitList // what it receives and has no room for
	queued  bool     // is in Pool.unsettled
	change  *change  // during a change of the tip or a removal
}

// A waitList holds the transactions that wait on an account for one of the two
// reasons, by arrival. A transaction is in one list only, since it cannot become
// payable before that reason is gone.
type waitList struct {
	ordered
	least uint64 // a lower bound of the amounts; when it is too much, so are all
}

func (w *waitList) add(e *Entry) {
	w.least = min(w.least, e.Tx.Amount)
	w.ordered.add(e.Arrival, e)
}

// link joins e to its accounts.
func (p *Pool) link(e *Entry, bal Balances) (err error) {
	if e.from, err = p.hold(e.Tx.Sender, bal); err != nil {
		return err
	}
	if e.to, err = p.hold(e.Tx.Receiver, bal); err != nil {
		p.release(e.from)
	}
	return err
}

func (p *Pool) unlink(e *Entry) {
	p.release(e.from)
	p.release(e.to)
}

func (p *Pool) unlinkAll(es []*Entry) {
	for _, e := range es {
		p.unlink(e)
	}
}

func (p *Pool) hold(id uuid.UUID, bal Balances) (*account, error) {
	if p.net.IsIssuer(id) {
		return nil, nil
	}
	a := p.accounts[id]
	if a == nil {
		b, err := bal(id)
		if err != nil {
			return nil, err
		}
		a = &account{id: id, base: b, balance: b, mayOwe: p.net.MayOwe(id)}
		p.accounts[id] = a
	}
	a.links++
	return a, nil
}

func (p *Pool) release(a *account) {
	if a == nil {
		return
	}
	if a.links--; a.links == 0 {
		delete(p.accounts, a.id)
	}
}

// place makes e payable, behind all others, or lets it wait. Before, e is neither.
func (p *Pool) place(e *Entry) {
	if passes, noRoom := e.passes(); passes {
		p.pay(e)
	} else {
		p.wait(e, noRoom)
	}
}

// passes reports whether e can be paid from the balances of its accounts. If not,
// noRoom tells the two reasons apart.
func (e *Entry) passes() (passes, noRoom bool) {
	switch amount := e.Tx.Amount; {
	case e.from != nil && e.from.spendable() < amount:
		return false, false
	case e.to != nil && e.to != e.from && e.to.room() < amount:
		return false, true
	}
	return true, false
}

func (a *account) spendable() uint64 { return ledger.Spendable(a.balance, a.mayOwe) }
func (a *account) room() uint64      { return ledger.Room(a.balance) }

// apply moves the amount of e. Where an account pays itself, nothing moves.
func (e *Entry) apply() {
	if e.from != nil {
		e.from.balance -= int64(e.Tx.Amount)
	}
	if e.to != nil {
		e.to.balance += int64(e.Tx.Amount)
	}
}

func (p *Pool) wait(e *Entry, noRoom bool) {
	e.noRoom = noRoom
	if !e.stands {
		e.stands, e.since = true, p.Now
	}
	e.waitsIn().add(e)
}

// waitsIn returns the list of a waiting entry.
func (e *Entry) waitsIn() *waitList {
	if e.noRoom {
		return &e.to.full
	}
	return &e.from.lacking
}

func (p *Pool) pay(e *Entry) {
	p.lastSeq++
	e.seq = p.lastSeq
	e.stands = false
	p.payables.add(e.seq, e)
	heap.Push(&p.ready, e)
	e.apply()
	p.unsettle(e.to)
	p.unsettle(e.from)
}

// unpay takes e out of the payable ones. It leaves the balances to rework.
func (p *Pool) unpay(e *Entry) {
	p.payables.remove(e.seq)
	heap.Remove(&p.ready, e.age)
	e.seq = 0
}

// unsettle notes that the balance of a changed. a is nil for an issuer.
func (p *Pool) unsettle(a *account) {
	if a != nil && !a.queued {
		a.queued = true
		p.unsettled = append(p.unsettled, a)
	}
}

// settle tries the waiting transactions of every account whose balance changed,
// until none changes any more. It ends, since only a transaction that becomes
// payable adds accounts, and none stops being payable.
func (p *Pool) settle() {
	for i := 0; i < len(p.unsettled); i++ {
		a := p.unsettled[i]
		a.queued = false
		p.try(&a.lacking, a.spendable)
		p.try(&a.full, a.room)
	}
	clear(p.unsettled)
	p.unsettled = p.unsettled[:0]
}

// try places the transactions of w whose amount is within the limit of its account,
// by arrival. Each becomes payable, or waits in a list of the other account. None
// returns to w while try reads it: one that pays itself only waits for money.
func (p *Pool) try(w *waitList, limit func() uint64) {
	w.sort()
	least := uint64(math.MaxUint64)
	for i := range w.slots {
		if limit() < w.least {
			w.tidy()
			return
		}
		e := w.slots[i].e
		if e == nil {
			continue
		}
		if e.Tx.Amount > limit() {
			least = min(least, e.Tx.Amount)
			continue
		}
		w.punch(i)
		p.place(e)
	}
	w.tidy()
	w.least = least
}

// A change is what a change of the tip, or a removal, does to one account.
type change struct {
	base  int64  // at the new tip
	read  bool   // base was read
	left  int    // links of entries that leave
	delta int64  // what the payable ones among them did to its balance, modulo 2^64
	last  uint64 // the highest seq of those; 0: there is none
}

// note gives a a change and appends it to changed, unless it has one.
func note(changed []*account, a *account) []*account {
	if a.change == nil {
		a.change = &change{base: a.base}
		changed = append(changed, a)
	}
	return changed
}

// leave finds the entries with the keys in gone, and notes their effect at their
// accounts.
func (p *Pool) leave(gone []ledger.TxKey) (leaving []*Entry, changed []*account) {
	for _, key := range gone {
		e := p.entries[key]
		if e == nil {
			continue
		}
		leaving = append(leaving, e)
		changed = noteLeaving(changed, e.from, e.seq, -int64(e.Tx.Amount))
		changed = noteLeaving(changed, e.to, e.seq, int64(e.Tx.Amount))
	}
	return leaving, changed
}

// noteLeaving notes that an entry of a leaves. A payable one has a seq, and its
// effect was added to the balance. a is nil for an issuer.
func noteLeaving(changed []*account, a *account, seq uint64, effect int64) []*account {
	if a == nil {
		return changed
	}
	changed = note(changed, a)
	a.change.left++
	if seq != 0 {
		a.change.delta += effect
		a.change.last = max(a.change.last, seq)
	}
	return changed
}

// readTip notes the new balances of touched accounts. It skips those without
// entries, and those whose entries all leave.
func (p *Pool) readTip(changed []*account, touched []uuid.UUID, bal Balances) ([]*account, error) {
	for _, id := range touched {
		a := p.accounts[id]
		if a == nil || a.change != nil && (a.change.read || a.change.left == a.links) {
			continue
		}
		changed = note(changed, a)
		base, err := bal(id)
		if err != nil {
			return changed, err
		}
		a.change.base, a.change.read = base, true
	}
	return changed, nil
}

// rework brings changed accounts to the new tip, after leaving entries are dropped.
// If the pool did not foresee the new balances, all payable transactions are checked
// again, in order. Those that fail wait, and the accounts whose balance changed are
// unsettled.
func (p *Pool) rework(changed []*account) {
	foreseen := p.foresaw(changed)
	for _, a := range changed {
		a.base = a.change.base
	}
	if foreseen {
		return
	}
	for _, a := range p.accounts {
		a.balance = a.base
	}
	var demoted []*Entry
	for e := range p.payables.from(0) {
		if passes, noRoom := e.passes(); passes {
			e.apply()
		} else {
			e.noRoom = noRoom
			demoted = append(demoted, e)
		}
	}
	for _, a := range changed {
		p.unsettle(a)
	}
	for _, e := range demoted {
		p.unpay(e)
		p.wait(e, e.noRoom)
		p.unsettle(e.from)
		p.unsettle(e.to)
	}
}

// foresaw reports whether the remaining payable transactions find, at each changed
// account, the balance that they were checked against. That is the usual case, in
// which a block took the first of the payable transactions of these accounts, and no
// others.
func (p *Pool) foresaw(changed []*account) bool {
	last := uint64(0)
	for _, a := range changed {
		if a.links == 0 {
			continue // nothing of it remains
		}
		if a.base+a.change.delta != a.change.base {
			return false
		}
		last = max(last, a.change.last)
	}
	for e := range p.payables.from(0) {
		if e.seq > last {
			break
		}
		if e.from.lostAfter(e.seq) || e.to.lostAfter(e.seq) {
			return false
		}
	}
	return true
}

// lostAfter reports whether a payable transaction of a behind seq leaves.
func (a *account) lostAfter(seq uint64) bool {
	return a != nil && a.change != nil && a.change.last > seq
}
