package pool

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"foxchain/ledger"

	"github.com/google/uuid"
)

// A Pool holds the transactions that are in no block yet. It is a data
// structure without lock, clock or disk: the chain owns it, calls what changes
// it under the write lock and what only reads it under the read lock, and
// decides caps, expiry and persistence.
//
// Each transaction is payable or waiting. The payable ones have an order, seq,
// in which all of them can be applied to the balances at the tip. A waiting one
// could not be appended to them; it counts for nothing and holds up no other. Both
// hold after every operation:
//
//  1. applying the payable ones in order of seq to the tip never fails;
//  2. no waiting one could be applied behind the last payable one.
//
// An operation costs what it changes, times the logarithm of the pool. Only after
// a tip change that the pool did not foresee are all payable transactions checked
// again.
type Pool struct {
	net      *ledger.Network
	entries  map[ledger.TxKey]*Entry
	keyed    map[uuid.UUID]*Entry // the newest of keyed senders with an ID; pooled.older leads to the others
	arrived  ordered              // all, by arrival
	payables ordered              // the payable ones, by seq
	ready    ageHeap              // the payable ones
	waits    ageHeap              // the others
	lastSeq  uint64

	// now is the running time that the owner sets before each operation: the
	// moment from which what then begins to wait has waited.
	Now time.Duration

	accounts  map[uuid.UUID]*account // that entries touch; issuers have none
	unsettled []*account             // whose balance changed: their waiting ones are to be tried; empty between operations
}

// An Origin is where a transaction came from.
type Origin uint8

const (
	FromClient Origin = iota // a client of this node: the node gossips it
	FromPeer                 // another node accepted it
	FromReorg                // a block that left the chain gave it back
)

// A Entry is one transaction of the pool. The one who inserts it sets what
// stands above the empty line, and nothing changes that.
type Entry struct {
	Arrival   uint64
	Tx        *ledger.Transaction
	Key       ledger.TxKey
	Origin    Origin
	FirstSeen time.Duration // on the node's running-time clock

	seq      uint64        // payable ones, from 1: the order in which they became payable; 0 = waiting
	from, to *account      // nil for an issuer
	noRoom   bool          // waiting: for room at to; otherwise for money at from
	stands   bool          // waiting: it did before it was last tried, too
	since    time.Duration // payable: firstSeen; waiting: when it began to wait
	age      int           // place in pool.ready or pool.waits, which are ordered by since

	older, newer *Entry // of keyed senders: others with the same ID
}

// Balances is what the pool asks of the chain: the balance of a non-issuer
// account at the tip (0 when unknown). Errors are the disk's: the operation
// then returns them unchanged and has changed nothing.
type Balances func(account uuid.UUID) (uint64, error)

func New(net *ledger.Network) *Pool {
	return &Pool{net: net, entries: make(map[ledger.TxKey]*Entry), keyed: make(map[uuid.UUID]*Entry), accounts: make(map[uuid.UUID]*account)}
}

func (p *Pool) Len() int          { return len(p.entries) }
func (p *Pool) WaitingCount() int { return len(p.waits) }
func (p *Pool) PayableCount() int { return len(p.ready) }

// Get gives the entry with this key, nil when there is none.
func (p *Pool) Get(key ledger.TxKey) *Entry { return p.entries[key] }

// Insert adds e, whose key is absent and whose arrival is above all before, and
// makes payable every waiting transaction that it now allows.
func (p *Pool) Insert(e *Entry, bal Balances) error {
	if err := p.link(e, bal); err != nil {
		return err
	}
	p.admit(e)
	p.settle()
	return nil
}

// admit takes e, which is linked, into the lists.
func (p *Pool) admit(e *Entry) {
	p.entries[e.Key] = e
	p.linkKeyed(e)
	p.arrived.add(e.Arrival, e)
	p.place(e)
}

// Remove takes transactions out without a change of the tip. What they had
// paid for is tried again, and so is what they stood in the way of.
func (p *Pool) Remove(keys []ledger.TxKey, bal Balances) error {
	return p.TipChanged(keys, nil, nil, bal)
}

// TipChanged follows the chain to a new tip, for which bal answers already:
// the balances of touched changed (of others, of issuers too, nothing is
// asked), gone left the pool for the chain or lost against it, and back was
// given back by it, with new arrivals, in order. The keys in gone are distinct,
// absent ones do nothing.
//
// What stays payable keeps its seq. What came back is placed behind it, before
// waiting transactions are tried: it has been in a block once.
func (p *Pool) TipChanged(gone []ledger.TxKey, back []*Entry, touched []uuid.UUID, bal Balances) error {
	for i, e := range back {
		if err := p.link(e, bal); err != nil {
			p.unlinkAll(back[:i])
			return err
		}
	}
	leaving, changed := p.leave(gone)
	defer func() {
		for _, a := range changed {
			a.change = nil
		}
	}()
	changed, err := p.readTip(changed, touched, bal)
	if err != nil {
		p.unlinkAll(back)
		return err
	}

	for _, e := range leaving {
		p.drop(e)
	}
	p.rework(changed)
	for _, e := range back {
		p.admit(e)
	}
	p.settle()
	return nil
}

// drop takes e out of all lists.
func (p *Pool) drop(e *Entry) {
	delete(p.entries, e.Key)
	p.arrived.remove(e.Arrival)
	p.unlinkKeyed(e)
	switch {
	case e.seq != 0:
		p.unpay(e)
	case e.noRoom:
		e.to.full.remove(e.Arrival)
		heap.Remove(&p.waits, e.age)
	default:
		e.from.lacking.remove(e.Arrival)
		heap.Remove(&p.waits, e.age)
	}
	p.unlink(e)
}

// linkKeyed puts e into the list of those that have its ID from keyed senders.
// Anybody may fill the pool with one ID, so a list has no order to search.
func (p *Pool) linkKeyed(e *Entry) {
	if e.Tx.Auth == nil {
		return
	}
	if e.older = p.keyed[e.Key.ID]; e.older != nil {
		e.older.newer = e
	}
	p.keyed[e.Key.ID] = e
}

func (p *Pool) unlinkKeyed(e *Entry) {
	if e.Tx.Auth == nil {
		return
	}
	switch {
	case e.newer != nil:
		e.newer.older = e.older
	case e.older != nil:
		p.keyed[e.Key.ID] = e.older
	default:
		delete(p.keyed, e.Key.ID)
	}
	if e.older != nil {
		e.older.newer = e.newer
	}
	e.older, e.newer = nil, nil
}

// WithID gives up to limit entries with this ID: that of an open sender first,
// then those of keyed ones, the newest first.
func (p *Pool) WithID(id uuid.UUID, limit int) []*Entry {
	var es []*Entry
	if e := p.Get(ledger.TxKey{ID: id}); e != nil && limit > 0 {
		es = append(es, e)
	}
	for e := p.keyed[id]; e != nil && len(es) < limit; e = e.older {
		es = append(es, e)
	}
	return es
}

// List gives up to limit entries with arrival start or more, by arrival.
func (p *Pool) List(start uint64, limit int) []*Entry {
	return take(&p.arrived, start, limit)
}

// Each calls f with every entry, by arrival, until f returns false.
func (p *Pool) Each(f func(*Entry) bool) { p.arrived.from(0)(f) }

// Payable gives the first max payable entries, by seq: what a block may hold.
func (p *Pool) Payable(max int) []*Entry {
	return take(&p.payables, 0, max)
}

func take(l *ordered, start uint64, limit int) []*Entry {
	var es []*Entry
	if limit <= 0 {
		return es
	}
	for e := range l.from(start) {
		if es = append(es, e); len(es) == limit {
			break
		}
	}
	return es
}

// OldestPayable gives the payable entry that was seen first, nil without any.
func (p *Pool) OldestPayable() *Entry {
	if len(p.ready) == 0 {
		return nil
	}
	return p.ready[0]
}

// OldWaiting gives the waiting entries that have waited since before or earlier,
// by arrival. It looks at no more than twice as many others.
func (p *Pool) OldWaiting(before time.Duration) []*Entry {
	var es []*Entry
	for next := []int{0}; len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i < len(p.waits) && p.waits[i].since <= before {
			es = append(es, p.waits[i])
			next = append(next, 2*i+1, 2*i+2) // its children: none is older
		}
	}
	slices.SortFunc(es, func(a, b *Entry) int { return cmp.Compare(a.Arrival, b.Arrival) })
	return es
}

// WouldWait returns why tx could not be paid behind all payable ones; "" = it could.
func (p *Pool) WouldWait(tx *ledger.Transaction, bal Balances) (string, error) {
	from, err := p.projected(tx.Sender, math.MaxUint64, bal)
	if err != nil {
		return "", err
	}
	if from < tx.Amount {
		return ledger.Lacks(from, tx.Amount), nil
	}
	if tx.Receiver == tx.Sender {
		return "", nil
	}
	to, err := p.projected(tx.Receiver, 0, bal)
	if err != nil {
		return "", err
	}
	if to > ledger.MaxAmount-tx.Amount {
		return ledger.NoRoom, nil
	}
	return "", nil
}

// projected is the balance of an account behind all payable transactions, or
// issuer when it is one.
func (p *Pool) projected(id uuid.UUID, issuer uint64, bal Balances) (uint64, error) {
	if p.net.IsIssuer(id) {
		return issuer, nil
	}
	if a := p.accounts[id]; a != nil {
		return a.balance, nil
	}
	return bal(id)
}

// Reason returns why e cannot be paid now; "" = it can.
func (p *Pool) Reason(e *Entry) string {
	switch {
	case e.seq != 0:
		return ""
	case e.noRoom:
		return ledger.NoRoom
	}
	return ledger.Lacks(e.from.balance, e.Tx.Amount)
}
