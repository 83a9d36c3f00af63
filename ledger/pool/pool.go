package pool

import (
	"time"

	"foxchain/ledger"

	"github.com/dchest/siphash"
	"github.com/google/uuid"
)

// A Pool holds the transactions that are in no block yet. After every operation:
//
//  1. applying the payable ones in order of seq to the tip never fails;
//  2. no waiting one could be applied behind the last payable one.
//
// Methods that only read may run at the same time. Any other must run alone.
type Pool struct {
	net      *ledger.Network
	entries  map[ledger.TxKey]*Entry
	keyed    map[uuid.UUID]*ordered // by ID: those of keyed senders, by arrival
	arrived  ordered                // all, by arrival
	payables ordered                // the payable ones, by seq
	lastSeq  uint64
	tips     uint64 // changes of the tip
	digest   uint64 // see Digest

	Now time.Duration // running time; the owner sets it before each operation that may make a transaction wait

	accounts  map[uuid.UUID]*account // that entries touch; issuers have none
	unsettled []*account             // whose balance changed, for settle; empty between operations
}

// An Origin is where a transaction came from.
type Origin uint8

const (
	FromClient Origin = iota // a client of this node: the node gossips it
	FromPeer                 // another node accepted it
	FromReorg                // a block that left the chain gave it back
)

// An Entry is one transaction of the pool. The owner sets the exported fields, and
// nothing changes them. Either it is payable and has a seq, or it waits.
type Entry struct {
	Arrival   uint64
	Tx        *ledger.Transaction
	Key       ledger.TxKey
	Origin    Origin
	FirstSeen time.Duration // on the node's running-time clock

	from, to *account      // nil for an issuer
	seq      uint64        // payable, from 1: the order in which they became payable
	waits    *waitList     // waiting: where it waits
	since    time.Duration // waiting: when that began
}

// Balances returns the balance at the tip of an account that is no issuer, 0 when it
// is unknown. Its errors are those of the disk. The operation that meets one returns
// it, and the pool must not be used any more: the node ends, and reads it again.
type Balances func(account uuid.UUID) (int64, error)

// New returns an empty pool.
func New(net *ledger.Network) *Pool {
	return &Pool{net: net, entries: make(map[ledger.TxKey]*Entry), keyed: make(map[uuid.UUID]*ordered), accounts: make(map[uuid.UUID]*account)}
}

// Len returns how many transactions there are.
func (p *Pool) Len() int { return len(p.entries) }

// WaitingCount returns how many of them wait.
func (p *Pool) WaitingCount() int { return len(p.entries) - p.payables.len() }

// PayableCount returns how many of them are payable.
func (p *Pool) PayableCount() int { return p.payables.len() }

// Digest returns the sum of the digests of all keys, by which equal pools are known. Keys
// can be chosen so that different pools have one sum.
func (p *Pool) Digest() uint64 { return p.digest }

// digestOf returns the part of a key in the digest.
func digestOf(k ledger.TxKey) uint64 {
	var b [len(k.ID) + len(k.Sender)]byte
	copy(b[copy(b[:], k.ID[:]):], k.Sender[:])
	return siphash.Hash(0, 0, b[:])
}

// Get returns the entry with this key, nil when there is none.
func (p *Pool) Get(key ledger.TxKey) *Entry { return p.entries[key] }

// Insert adds e, and makes payable every waiting transaction that it now allows. The
// key of e must be absent, and its arrival above all before.
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
	p.digest += digestOf(e.Key)
	if e.Tx.Auth != nil {
		if p.keyed[e.Key.ID] == nil {
			p.keyed[e.Key.ID] = new(ordered)
		}
		p.keyed[e.Key.ID].add(e.Arrival, e)
	}
	p.arrived.add(e.Arrival, e)
	p.place(e)
}

// Remove takes a waiting transaction out. That changes no balance.
func (p *Pool) Remove(e *Entry) { p.drop(e) }

// TipChanged follows the chain to a new tip. bal returns the balances there. Only
// those of touched may differ from before. The transactions with the keys in gone
// are in the chain now, or have lost to one in it. Keys are distinct, and absent ones
// do nothing. Those in back come from blocks that left the chain, with new arrivals,
// in order.
//
// What stays payable keeps its place. What came back follows, and only then are
// waiting transactions tried, since what came back has been in a block once.
func (p *Pool) TipChanged(gone []ledger.TxKey, back []*Entry, touched []uuid.UUID, bal Balances) error {
	p.tips++
	foreseen, last := true, uint64(0)
	check := make([]*account, 0, 2*len(gone)+len(touched))
	for _, key := range gone {
		e := p.entries[key]
		if e == nil {
			continue
		}
		if e.seq != 0 { // then took makes base what the tip should have
			last = max(last, e.seq)
			e.from.took(e.seq, -int64(e.Tx.Amount))
			e.to.took(e.seq, int64(e.Tx.Amount))
			check = append(check, e.from, e.to)
		}
		p.drop(e)
	}
	for _, id := range touched {
		check = append(check, p.accounts[id])
	}
	for _, a := range check {
		if a == nil || a.links == 0 || a.read == p.tips { // an issuer's or forgotten, or read
			continue
		}
		a.read = p.tips
		base, err := bal(a.id)
		if err != nil {
			return err
		}
		foreseen = foreseen && base == a.base
		a.base = base
	}
	if !foreseen || p.passedOver(last) {
		p.sweep()
	}
	for _, e := range back {
		if err := p.link(e, bal); err != nil {
			return err
		}
		p.admit(e)
	}
	p.settle()
	return nil
}

// drop takes e out of all lists. It leaves the balances to TipChanged.
func (p *Pool) drop(e *Entry) {
	delete(p.entries, e.Key)
	p.digest -= digestOf(e.Key)
	p.arrived.remove(e.Arrival)
	if same := p.keyed[e.Key.ID]; same != nil && e.Tx.Auth != nil {
		if same.remove(e.Arrival); same.len() == 0 {
			delete(p.keyed, e.Key.ID)
		}
	}
	if e.waits != nil {
		e.waits.remove(e.Arrival)
	} else {
		p.payables.remove(e.seq)
	}
	p.release(e.from)
	p.release(e.to)
}

// WithID returns up to limit entries with this ID. That of an open sender is first,
// and those of keyed senders follow by arrival. If sender is not nil, it returns only that
// sender's.
func (p *Pool) WithID(id uuid.UUID, sender *uuid.UUID, limit int) (es []*Entry) {
	key := ledger.TxKey{ID: id}
	if sender != nil {
		key = ledger.KeyOf(id, *sender)
	}
	if e := p.Get(key); e != nil && limit > 0 && (sender == nil || e.Tx.Sender == *sender) {
		es = append(es, e)
	}
	if same := p.keyed[id]; same != nil && sender == nil {
		es = append(es, same.take(0, limit-len(es))...)
	}
	return es
}

// List returns up to limit entries with arrival start or more, by arrival.
func (p *Pool) List(start uint64, limit int) []*Entry {
	return p.arrived.take(start, limit)
}

// Each calls f with every entry, by arrival, until f returns false.
func (p *Pool) Each(f func(*Entry) bool) { p.arrived.from(0)(f) }

// Payable returns the first payable entries, by seq, which a block may hold.
func (p *Pool) Payable(limit int) []*Entry {
	return p.payables.take(0, limit)
}

// OldestPayable returns the entry that has been payable for the longest, nil without
// any.
func (p *Pool) OldestPayable() *Entry { return p.payables.first() }

// OldWaiting returns the entries that have waited since before or earlier, by
// arrival. It looks at all entries.
func (p *Pool) OldWaiting(before time.Duration) []*Entry {
	var es []*Entry
	for e := range p.arrived.from(0) {
		if e.waits != nil && e.since <= before {
			es = append(es, e)
		}
	}
	return es
}

// WouldWait returns why e, which is not in the pool, could not be paid behind all payable
// ones, and "" if it could. It reads balances, which an Insert of e at the same tip does
// not read again.
func (p *Pool) WouldWait(e *Entry, bal Balances) (why string, err error) {
	if err := p.ends(e, bal); err != nil {
		return "", err
	}
	return e.why(), nil
}

// Reason returns why e cannot be paid now, and "" if it can.
func (p *Pool) Reason(e *Entry) string {
	if e.waits == nil {
		return ""
	}
	return e.why()
}
