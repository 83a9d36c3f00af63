package pool

import (
	"cmp"
	"container/heap"
	"math"
	"slices"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// A account is what the pool knows of an account that its transactions touch:
// the balance behind all payable ones, and what waits on it. Issuers have none:
// nothing that they send or receive depends on a balance.
//
// A transaction passes when its sender's account and its receiver's each let it
// pass, and an account's say depends only on the payable transactions of its own
// that come before. So each account is checked by itself.
type account struct {
	id      uuid.UUID
	base    uint64  // at the tip
	balance uint64  // projected: base, and then all of payable
	links   int     // ends of entries that it is; at 0 the pool forgets it
	payable ordered // payable entries from or to it, by seq
	lacking waitList
	full    waitList
	queued  bool    // is in pool.unsettled
	change  *change // while a change of the tip is worked in
}

// A waitList holds waiting transactions, by arrival, for one of two reasons:
// lacking those that it sends and cannot pay, full those that
// it receives and has no room for. A transaction waits in one lane only, since
// it cannot pass before that reason is gone.
type waitList struct {
	ordered
	least uint64 // no amount is less: where even that does not pass, nobody looks further
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
		a = &account{id: id, base: b, balance: b}
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

// place makes e, which is in neither state, payable behind all others or lets
// it wait: debit, then credit, then no balance above MaxAmount.
func (p *Pool) place(e *Entry) {
	switch amount := e.Tx.Amount; {
	case e.from != nil && e.from.balance < amount:
		p.wait(e, false)
	case e.to != nil && e.to != e.from && e.to.balance > ledger.MaxAmount-amount:
		p.wait(e, true)
	default:
		p.pay(e)
	}
}

func (p *Pool) wait(e *Entry, noRoom bool) {
	e.noRoom = noRoom
	e.waiting = p.Reason(e)
	if !e.stands {
		e.stands, e.since = true, p.Now
	}
	if noRoom {
		e.to.full.add(e)
	} else {
		e.from.lacking.add(e)
	}
	heap.Push(&p.waits, e)
}

func (p *Pool) pay(e *Entry) {
	p.lastSeq++
	e.seq, e.waiting = p.lastSeq, ""
	e.stands, e.since = false, e.FirstSeen
	p.payables.add(e.seq, e)
	heap.Push(&p.ready, e)
	if e.to != nil && e.to != e.from {
		e.to.payable.add(e.seq, e)
		e.to.balance += e.Tx.Amount
		p.unsettle(e.to)
	}
	if e.from != nil {
		e.from.payable.add(e.seq, e)
		if e.from != e.to {
			e.from.balance -= e.Tx.Amount
			p.unsettle(e.from)
		}
	}
}

// unpay takes e out of the payable ones. It leaves the balances to rework.
func (p *Pool) unpay(e *Entry) {
	p.payables.remove(e.seq)
	heap.Remove(&p.ready, e.age)
	if e.from != nil {
		e.from.payable.remove(e.seq)
	}
	if e.to != nil && e.to != e.from {
		e.to.payable.remove(e.seq)
	}
	e.seq = 0
}

func (p *Pool) unsettle(a *account) {
	if !a.queued {
		a.queued = true
		p.unsettled = append(p.unsettled, a)
	}
}

// settle tries the waiting transactions of every account whose balance changed,
// until none changes any more. It ends: each round makes one payable.
func (p *Pool) settle() {
	for i := 0; i < len(p.unsettled); i++ {
		a := p.unsettled[i]
		a.queued = false
		p.try(&a.lacking, func() uint64 { return a.balance })
		p.try(&a.full, func() uint64 { return ledger.MaxAmount - a.balance })
	}
	clear(p.unsettled)
	p.unsettled = p.unsettled[:0]
}

// try places the transactions of w, by arrival, that the limit of its account
// does not keep waiting there: they become payable, or wait in the lane of the
// other account. (Never in w: one that pays itself waits only for money.)
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
		heap.Remove(&p.waits, e.age)
		p.place(e)
	}
	w.tidy()
	w.least = least
}

// A change is what a change of the tip, or a removal, does to one account.
type change struct {
	base  uint64 // at the new tip
	read  bool   // base was read
	left  int    // links of entries that leave
	delta uint64 // what the payable ones among them did to it, modulo 2^64
	last  uint64 // the highest seq of those; 0: there is none

	replayed bool
	balance  uint64 // replayed: behind the transactions before cursor
	cursor   int    // replayed: into projection.payable.slots
}

// changes finds out what leaves the pool and what that, and the new tip, do to
// which accounts. After an error nothing is changed.
func (p *Pool) changes(gone []ledger.TxKey, touched []uuid.UUID, bal Balances) (leaving []*Entry, changed []*account, err error) {
	note := func(a *account) *change {
		if a.change == nil {
			a.change = &change{base: a.base}
			changed = append(changed, a)
		}
		return a.change
	}
	for _, key := range gone {
		e := p.entries[key]
		if e == nil {
			continue
		}
		delete(p.entries, key)
		leaving = append(leaving, e)
		for _, a := range []*account{e.from, e.to} {
			if a == nil {
				continue
			}
			c := note(a)
			c.left++
			c.last = max(c.last, e.seq)
			if e.seq != 0 {
				c.delta += effect(e, a)
			}
		}
	}
	for _, id := range touched {
		a := p.accounts[id]
		if a == nil || a.change != nil && a.change.left == a.links {
			continue // nothing of it remains: not worth a read
		}
		c := note(a)
		if c.read {
			continue
		}
		c.read = true
		if c.base, err = bal(id); err != nil {
			break
		}
	}
	if err != nil {
		for _, e := range leaving {
			p.entries[e.Key] = e
		}
		for _, a := range changed {
			a.change = nil
		}
	}
	return leaving, changed, err
}

// effect is what e adds to a, one of its ends, modulo 2^64.
func effect(e *Entry, a *account) uint64 {
	switch {
	case e.from == e.to:
		return 0
	case e.from == a:
		return -e.Tx.Amount
	}
	return e.Tx.Amount
}

// rework brings changed accounts, whose leaving entries are dropped, to the new
// tip. It gives the payable transactions that ceased to be. They wait, and those
// accounts whose balance is not what it was are unsettled.
func (p *Pool) rework(changed []*account) (demoted []*Entry) {
	r := replay{}
	for _, a := range changed {
		c := a.change
		if a.links == 0 {
			continue
		}
		// The usual case: a block took the first of the payable ones. What
		// remains then starts from the balance that it started from before.
		foreseen := a.base+c.delta == c.base && (a.payable.len() == 0 || a.payable.slots[0].n > c.last)
		a.base = c.base
		if !foreseen {
			r.start(a, 0)
			r.push(a)
		}
	}
	r.run()
	for _, a := range r.accounts {
		a.balance = a.change.balance
		p.unsettle(a)
		a.change = nil
	}
	for _, a := range changed {
		a.change = nil
	}

	slices.SortFunc(r.demoted, func(a, b *Entry) int { return cmp.Compare(a.Arrival, b.Arrival) })
	for _, e := range r.demoted {
		p.unpay(e)
		// Where it waits is only a first guess: its account is unsettled, so
		// that settle looks at it in its turn and says why it waits.
		p.wait(e, e.from == nil)
	}
	return r.demoted
}

// A replay checks the payable transactions of accounts again, in order of seq,
// and finds those that fail. Where one fails, its other account is replayed
// from there on. Following one order through all accounts looks at each
// transaction once, however long a chain of payments is that falls.
type replay struct {
	next     slotHeap // the next transaction of each account, twice where both its ends are replayed
	accounts []*account
	demoted  []*Entry
}

// start makes a replayed, with the cursor on its first payable transaction of
// seq or more.
func (r *replay) start(a *account, seq uint64) {
	if a.change == nil {
		a.change = &change{base: a.base}
	}
	c := a.change
	c.replayed = true
	c.balance = c.base
	r.accounts = append(r.accounts, a)
	slots := a.payable.slots
	for ; c.cursor < len(slots) && slots[c.cursor].n < seq; c.cursor++ {
		if e := slots[c.cursor].e; e != nil {
			c.balance += effect(e, a)
		}
	}
}

// push puts the transaction at a's cursor, or the first behind it, on the heap.
func (r *replay) push(a *account) {
	c := a.change
	for slots := a.payable.slots; c.cursor < len(slots); c.cursor++ {
		if slots[c.cursor].e != nil {
			heap.Push(&r.next, slots[c.cursor])
			return
		}
	}
}

func (r *replay) run() {
	for len(r.next) > 0 {
		s := heap.Pop(&r.next).(slot)
		for len(r.next) > 0 && r.next[0].n == s.n {
			heap.Pop(&r.next)
		}
		r.step(s.e)
	}
}

// step checks e where its accounts are replayed: elsewhere nothing changed
// before it, and it passes as it did.
func (r *replay) step(e *Entry) {
	amount := e.Tx.Amount
	passes := true
	if e.from.replayed() && e.from.change.balance < amount {
		passes = false
	}
	if e.to.replayed() && e.to != e.from && e.to.change.balance > ledger.MaxAmount-amount {
		passes = false
	}
	if !passes {
		r.demoted = append(r.demoted, e)
	}
	for i, a := range []*account{e.from, e.to} {
		if a == nil || i == 1 && a == e.from || passes && !a.replayed() {
			continue
		}
		if !a.replayed() {
			r.start(a, e.seq)
		}
		if passes {
			a.change.balance += effect(e, a)
		}
		a.change.cursor++
		r.push(a)
	}
}

// replayed reports whether a replay has come to a. A nil account is an issuer.
func (a *account) replayed() bool { return a != nil && a.change != nil && a.change.replayed }
