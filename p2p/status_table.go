package p2p

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

const (
	// maxStatuses bounds the table. Over it, the node with the oldest line goes
	// among those that are not proven, since a key costs nothing.
	maxStatuses = 1024
	// liveTime is how long a status line holds for Builders.
	liveTime = 12 * time.Second
)

// A statusTable holds the last status line of every node of the network. It locks
// nothing else.
type statusTable struct {
	mu    sync.Mutex
	nodes map[ledger.PublicKey]*nodeRecord
}

// A nodeRecord is what the status lines of one key hold.
type nodeRecord struct {
	line *statusLine
	at   time.Time
	last []lastCounter // of the 2 instances that came last
}

// A lastCounter is the last line of one instance.
type lastCounter struct {
	instance, counter uint64
	data              []byte // the signed line
	at                time.Time
}

func newStatusTable() *statusTable {
	return &statusTable{nodes: make(map[ledger.PublicKey]*nodeRecord)}
}

// stale reports whether line is not newer than the last of its instance.
func (d *statusTable) stale(line *statusLine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	return r != nil && r.stale(line)
}

func (r *nodeRecord) stale(line *statusLine) bool {
	return slices.ContainsFunc(r.last, func(s lastCounter) bool {
		return s.instance == line.Instance && line.Counter <= s.counter
	})
}

// full reports whether a node makes room for line.
func (d *statusTable) full(line *statusLine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.nodes) >= maxStatuses && d.nodes[line.Key] == nil
}

// add takes a line, which data encodes, and fills in the peers if it leaves them
// out. It reports whether its node is new, or a field that is shown has changed. When
// the table is full, a node that is not proven makes room, and where there is none
// the line is dropped.
func (d *statusTable) add(line *statusLine, data []byte, now time.Time, proven map[ledger.PublicKey]bool) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	if r == nil {
		if len(d.nodes) >= maxStatuses && !d.forgetOldest(proven) {
			return false
		}
		r = new(nodeRecord)
		d.nodes[line.Key] = r
	}
	if r.stale(line) {
		return false // two came at once, the older one last
	}
	others := slices.DeleteFunc(r.last, func(s lastCounter) bool { return s.instance == line.Instance })
	r.last = append([]lastCounter{{line.Instance, line.Counter, data, now}}, others[:min(len(others), 1)]...)
	old := r.line
	if old != nil && old.Instance == line.Instance && len(line.Peers) == 0 {
		line.Peers = old.Peers
	}
	r.line, r.at = line, now
	return old == nil || old.Tip != line.Tip || old.Pool != line.Pool || old.Builds != line.Builds ||
		old.Name != line.Name || !slices.EqualFunc(old.Peers, line.Peers, bytes.Equal)
}

// forgetOldest drops the node with the oldest line of those that are not proven.
func (d *statusTable) forgetOldest(proven map[ledger.PublicKey]bool) bool {
	var oldest ledger.PublicKey
	var at time.Time
	for k, r := range d.nodes {
		if !proven[k] && (at.IsZero() || r.at.Before(at)) {
			oldest, at = k, r.at
		}
	}
	delete(d.nodes, oldest)
	return !at.IsZero()
}

// otherRun returns the last line of the same key by another run than line's. It
// must have come lately, and later than all that an earlier run had sent, when
// line's run had been up for a while.
func (d *statusTable) otherRun(line *statusLine, now time.Time) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	up := time.Duration(min(line.Uptime, maxUptime)) * time.Millisecond
	r := d.nodes[line.Key]
	if r == nil {
		return nil
	}
	for _, s := range r.last {
		if ago := now.Sub(s.at); s.instance != line.Instance && ago < time.Minute && ago < up-liveTime {
			return s.data
		}
	}
	return nil
}

// records returns a copy of all records.
func (d *statusTable) records() map[ledger.PublicKey]nodeRecord {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[ledger.PublicKey]nodeRecord, len(d.nodes))
	for key, r := range d.nodes {
		all[key] = *r
	}
	return all
}
