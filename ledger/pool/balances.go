package pool

import (
	"math"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// An account is one that transactions of the pool touch, with its balance
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
	left    uint64   // the highest seq of its payable transactions that a new tip took
	read    uint64   // the change of the tip for which base was read
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
func (p *Pool) link(e *Entry, bal Balances) error {
	if err := p.ends(e, bal); err != nil {
		return err
	}
	for _, a := range []*account{e.from, e.to} {
		if a != nil {
			p.accounts[a.id] = a
			a.links++
		}
	}
	return nil
}

// ends sets the accounts of an entry. Those that no entry touches are new, and not the
// pool's yet.
func (p *Pool) ends(e *Entry, bal Balances) (err error) {
	if e.from, err = p.account(e.from, e.Tx.Sender, bal); err != nil {
		return err
	}
	if e.Tx.Sender == e.Tx.Receiver {
		e.to = e.from
		return nil
	}
	e.to, err = p.account(e.to, e.Tx.Receiver, bal)
	return err
}

// account returns the account with this ID. before is what it returned for the same entry
// at the same tip, or nil.
func (p *Pool) account(before *account, id uuid.UUID, bal Balances) (*account, error) {
	if p.net.IsIssuer(id) {
		return nil, nil
	}
	if a := p.accounts[id]; a != nil {
		return a, nil
	}
	if before != nil {
		return before, nil
	}
	b, err := bal(id)
	return &account{id: id, base: b, balance: b, mayOwe: p.net.MayOwe(id)}, err
}

func (p *Pool) release(a *account) {
	if a == nil {
		return
	}
	if a.links--; a.links == 0 {
		delete(p.accounts, a.id)
	}
}

// obstacle returns the list in which e has to wait, and nil if it can be paid from the
// balances of its accounts.
func (e *Entry) obstacle() *waitList {
	switch amount := e.Tx.Amount; {
	case e.from != nil && e.from.spendable() < amount:
		return &e.from.lacking
	case e.to != nil && e.to != e.from && e.to.room() < amount:
		return &e.to.full
	}
	return nil
}

// why returns the obstacle in words, "" when there is none.
func (e *Entry) why() string {
	switch list := e.obstacle(); {
	case list == nil:
		return ""
	case e.to != nil && list == &e.to.full:
		return ledger.NoRoom
	}
	return ledger.NoFunds(e.from.balance, e.Tx.Amount, e.from.mayOwe)
}

// place makes e payable, behind all others, or lets it wait. Before, e is in no list.
// One that waits on waits since it began.
func (p *Pool) place(e *Entry) {
	list := e.obstacle()
	switch {
	case list == nil:
		p.pay(e)
		return
	case e.waits == nil:
		e.since = p.Now
	}
	e.waits = list
	list.add(e)
}

func (p *Pool) pay(e *Entry) {
	p.lastSeq++
	e.seq, e.waits = p.lastSeq, nil
	p.payables.add(e.seq, e)
	e.apply()
	p.unsettle(e.to)
	p.unsettle(e.from)
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

// took notes that a new tip took a payable transaction, which had this effect on the
// balance. a is nil for an issuer.
func (a *account) took(seq uint64, effect int64) {
	if a != nil {
		a.base += effect
		a.left = max(a.left, seq)
	}
}

// passedOver reports whether a new tip, which took payable transactions up to the seq
// last, passed over an earlier one of the same receiver. That one, or what it pays for,
// was checked against balances that it does not find any more. A sender that only pays
// needs no look: what is left of its payments was paid once beside those taken. In the
// usual case a block took the first ones of each account.
func (p *Pool) passedOver(last uint64) bool {
	for e := range p.payables.from(0) {
		if e.seq > last {
			break
		}
		if e.to != nil && e.to.left > e.seq {
			return true
		}
	}
	return false
}

// sweep checks all payable transactions again, in order, from the balances at the tip.
// Those that fail wait. Every account on which something waits is unsettled.
func (p *Pool) sweep() {
	for _, a := range p.accounts {
		a.balance, a.left = a.base, 0
		if a.lacking.len()+a.full.len() > 0 {
			p.unsettle(a)
		}
	}
	var failed []*Entry
	for e := range p.payables.from(0) {
		if e.waits = e.obstacle(); e.waits == nil {
			e.apply()
		} else {
			failed = append(failed, e)
		}
	}
	for _, e := range failed {
		p.payables.remove(e.seq)
		e.seq, e.since = 0, p.Now
		e.waits.add(e)
		p.unsettle(e.from)
		p.unsettle(e.to)
	}
}
