package ledger

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// A pool holds the transactions that are in no block yet. It is a data
// structure without lock, clock or disk: the chain owns it, calls what changes
// it under the write lock and what only reads it under the read lock, and
// decides caps, expiry and persistence.
//
// Each transaction is payable or waiting. The payable ones have an order, seq,
// in which all of them can be applied to the balances at the tip. A waiting one
// could not be appended to them; it counts for nothing and holds up nobody. Both
// hold after every operation:
//
//  1. applying the payable ones in order of seq to the tip never fails;
//  2. no waiting one could be applied behind the last payable one.
//
// An operation costs what it changes, times the logarithm of the pool. Only a
// tip change that alters an account otherwise than the pool foresaw replays the
// payable transactions of that account, and of those that it paid.
type pool struct {
	net      *Network
	entries  map[TxKey]*pooled
	keyed    map[uuid.UUID]*pooled // the newest of keyed senders with an ID; pooled.older leads to the others
	arrived  lane                  // all, by arrival
	payables lane                  // the payable ones, by seq
	ready    ageHeap               // the payable ones
	waits    ageHeap               // the others
	lastSeq  uint64

	// now is the running time that the owner sets before each operation: the
	// moment from which what then begins to wait has waited.
	now time.Duration

	accounts  map[uuid.UUID]*projection // that entries touch; issuers have none
	unsettled []*projection             // whose balance changed: their waiting ones are to be tried; empty between operations
}

// A pooled is one transaction of the pool. The one who inserts it sets what
// stands above the empty line, and nothing changes that.
type pooled struct {
	arrival   uint64
	tx        *Transaction
	key       TxKey
	origin    Origin
	firstSeen time.Duration // on the node's running-time clock

	waiting  string        // why it could not be paid when last tried (pool.reason: now); "" = payable
	seq      uint64        // payable ones, from 1: the order in which they became payable; 0 = waiting
	from, to *projection   // nil for an issuer
	noRoom   bool          // waiting: for room at to; otherwise for money at from
	stands   bool          // waiting: it did before it was last tried, too
	since    time.Duration // payable: firstSeen; waiting: when it began to wait
	age      int           // place in pool.ready or pool.waits, which are ordered by since

	older, newer *pooled // of keyed senders: others with the same ID
}

// balances is what the pool asks of the chain: the balance of a non-issuer
// account at the tip (0 when unknown). Errors are the disk's: the operation
// then returns them unchanged and has changed nothing.
type balances func(account uuid.UUID) (uint64, error)

func newPool(net *Network) *pool {
	return &pool{net: net, entries: make(map[TxKey]*pooled), keyed: make(map[uuid.UUID]*pooled), accounts: make(map[uuid.UUID]*projection)}
}

func (p *pool) len() int          { return len(p.entries) }
func (p *pool) waitingCount() int { return len(p.waits) }
func (p *pool) payableCount() int { return len(p.ready) }

// get gives the entry with this key, nil when there is none.
func (p *pool) get(key TxKey) *pooled { return p.entries[key] }

// insert adds e, whose key is absent and whose arrival is above all before, and
// makes payable every waiting transaction that it now allows.
func (p *pool) insert(e *pooled, bal balances) error {
	if err := p.link(e, bal); err != nil {
		return err
	}
	p.admit(e)
	p.settle()
	return nil
}

// admit takes e, which is linked, into the lists.
func (p *pool) admit(e *pooled) {
	p.entries[e.key] = e
	p.linkKeyed(e)
	p.arrived.add(e.arrival, e)
	p.place(e)
}

// remove takes transactions out without a change of the tip. What they had
// paid for is tried again, and so is what they stood in the way of.
func (p *pool) remove(keys []TxKey, bal balances) error {
	return p.tipChanged(keys, nil, nil, bal)
}

// tipChanged follows the chain to a new tip, for which bal answers already:
// the balances of touched changed (of others, of issuers too, nothing is
// asked), gone left the pool for the chain or lost against it, and back was
// given back by it, with new arrivals, in order. Absent keys in gone do nothing.
//
// What stays payable keeps its seq. What came back is placed behind it, before
// waiting transactions are tried: it has been in a block once.
func (p *pool) tipChanged(gone []TxKey, back []*pooled, touched []uuid.UUID, bal balances) error {
	for i, e := range back {
		if err := p.link(e, bal); err != nil {
			p.unlinkAll(back[:i])
			return err
		}
	}
	leaving, changed, err := p.changes(gone, touched, bal)
	if err != nil {
		p.unlinkAll(back)
		return err
	}

	for _, e := range leaving {
		p.drop(e)
	}
	demoted := p.rework(changed)
	for _, e := range back {
		p.admit(e)
	}
	p.settle()
	for _, e := range demoted {
		e.waiting = p.reason(e)
	}
	return nil
}

// drop takes e, whose key is gone already, out of all other lists.
func (p *pool) drop(e *pooled) {
	p.arrived.remove(e.arrival)
	p.unlinkKeyed(e)
	switch {
	case e.seq != 0:
		p.unpay(e)
	case e.noRoom:
		e.to.full.remove(e.arrival)
		heap.Remove(&p.waits, e.age)
	default:
		e.from.lacking.remove(e.arrival)
		heap.Remove(&p.waits, e.age)
	}
	p.unlink(e)
}

// linkKeyed puts e into the list of those that have its ID from keyed senders.
// Anybody may fill the pool with one ID, so a list has no order to search.
func (p *pool) linkKeyed(e *pooled) {
	if e.tx.Auth == nil {
		return
	}
	if e.older = p.keyed[e.key.ID]; e.older != nil {
		e.older.newer = e
	}
	p.keyed[e.key.ID] = e
}

func (p *pool) unlinkKeyed(e *pooled) {
	if e.tx.Auth == nil {
		return
	}
	switch {
	case e.newer != nil:
		e.newer.older = e.older
	case e.older != nil:
		p.keyed[e.key.ID] = e.older
	default:
		delete(p.keyed, e.key.ID)
	}
	if e.older != nil {
		e.older.newer = e.newer
	}
	e.older, e.newer = nil, nil
}

// withID gives up to limit entries with this ID: that of an open sender first,
// then those of keyed ones, the newest first.
func (p *pool) withID(id uuid.UUID, limit int) []*pooled {
	var es []*pooled
	if e := p.get(TxKey{ID: id}); e != nil && limit > 0 {
		es = append(es, e)
	}
	for e := p.keyed[id]; e != nil && len(es) < limit; e = e.older {
		es = append(es, e)
	}
	return es
}

// list gives up to limit entries with arrival start or more, by arrival.
func (p *pool) list(start uint64, limit int) []*pooled {
	return take(&p.arrived, start, limit)
}

// each calls f with every entry, by arrival, until f returns false.
func (p *pool) each(f func(*pooled) bool) { p.arrived.from(0)(f) }

// payable gives the first max payable entries, by seq: what a block may hold.
func (p *pool) payable(max int) []*pooled {
	return take(&p.payables, 0, max)
}

func take(l *lane, start uint64, limit int) []*pooled {
	var es []*pooled
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

// oldestPayable gives the payable entry that was seen first, nil without any.
func (p *pool) oldestPayable() *pooled {
	if len(p.ready) == 0 {
		return nil
	}
	return p.ready[0]
}

// oldWaiting gives the waiting entries that have waited since before or earlier,
// by arrival. It looks at no more than twice as many others.
func (p *pool) oldWaiting(before time.Duration) []*pooled {
	var es []*pooled
	for next := []int{0}; len(next) > 0; {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if i < len(p.waits) && p.waits[i].since <= before {
			es = append(es, p.waits[i])
			next = append(next, 2*i+1, 2*i+2) // its children: none is older
		}
	}
	slices.SortFunc(es, func(a, b *pooled) int { return cmp.Compare(a.arrival, b.arrival) })
	return es
}

// wouldWait says why tx could not be paid behind all payable ones; "" = it could.
func (p *pool) wouldWait(tx *Transaction, bal balances) (string, error) {
	from, err := p.projected(tx.Sender, math.MaxUint64, bal)
	if err != nil {
		return "", err
	}
	if from < tx.Amount {
		return lacks(from, tx.Amount), nil
	}
	if tx.Receiver == tx.Sender {
		return "", nil
	}
	to, err := p.projected(tx.Receiver, 0, bal)
	if err != nil {
		return "", err
	}
	if to > MaxAmount-tx.Amount {
		return noRoom, nil
	}
	return "", nil
}

// projected is the balance of an account behind all payable transactions, or
// issuer when it is one.
func (p *pool) projected(id uuid.UUID, issuer uint64, bal balances) (uint64, error) {
	if p.net.IsIssuer(id) {
		return issuer, nil
	}
	if a := p.accounts[id]; a != nil {
		return a.balance, nil
	}
	return bal(id)
}

// reason says why e cannot be paid now; "" = it can. The field waiting says why
// it could not when it was last tried: the sender's balance may have changed
// since, only not enough.
func (p *pool) reason(e *pooled) string {
	switch {
	case e.seq != 0:
		return ""
	case e.noRoom:
		return noRoom
	}
	return lacks(e.from.balance, e.tx.Amount)
}
