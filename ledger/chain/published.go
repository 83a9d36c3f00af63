package chain

import (
	"sync"
	"time"

	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"
)

// Status is a consistent summary of tip and pool.
type Status struct {
	Tip           store.Tip
	Pool          int       // transactions in the pool, waiting ones included
	Waiting       int       // those that cannot be paid yet
	Payable       int       // those that can
	PoolDigest    uint64    // equal for equal pools, see package pool
	NextArrival   uint64    // the arrival number of the next transaction
	OldestPayable time.Time // when the one that became payable first was first seen, counted back in running time; zero for none
	Reorgs        uint64    // to another branch, since start
	DeepReorgs    uint64    // those that reverted more than DeepReorg blocks
	Rivals        uint64    // blocks that competed with another for a height, since start
	SideHeaders   int       // known headers that are not on the chain
	SideDropped   uint64    // such headers that were evicted, since start
	FailedBlocks  int       // marks of blocks that break a rule
	Expired       uint64    // transactions that expired, since start
	Refused       uint64    // submitted transactions that were not taken, since start

	Lacks    ledger.Hash           // a block that the builders voted for and that is not on the chain; zero for none
	Final    *finality.Certificate // of the last final block; nil if nothing is final
	Evidence uint64                // proofs that builders broke the rules of voting, since start
}

// published is the state for readers, as of the last commit. Its lock is the innermost
// one. The only I/O under it is opening a snapshot.
type published struct {
	mu      sync.Mutex
	status  Status
	snap    *store.Snapshot // nil before the first set, and once the chain is closed
	changed chan struct{}   // closed by the next set; nil until a reader asks for it
}

func (p *published) changes() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

func (p *published) current() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

func (p *published) view(net *ledger.Network) (*store.View, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.snap.View(net)
}

// set replaces the status, and the snapshot if the tip has changed. If only counters
// differ, readers are not notified.
func (p *published) set(s Status, db *store.Store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Tip.Since = p.status.Tip.Since
	if p.snap == nil || p.snap.Tip.Hash != s.Tip.Hash {
		s.Tip.Since = time.Now()
		p.snap.Release()
		p.snap = db.Snapshot(s.Tip)
	}
	changed := p.status.Tip.Hash != s.Tip.Hash || p.status.Final != s.Final || p.status.Evidence != s.Evidence || p.status.Lacks != s.Lacks || p.status.NextArrival != s.NextArrival || p.status.Pool != s.Pool
	p.status = s
	if changed && p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *published) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snap.Release()
	p.snap = nil
}
