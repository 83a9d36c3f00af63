package p2p

import (
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

const (
	// maxHeard bounds the directory. Over it, the node not heard of for longest
	// is forgotten.
	maxHeard = 1024
	// liveTime is how long a status line holds for Builders.
	liveTime = 12 * time.Second
)

// A directory holds the last status line of every node of the network.
type directory struct {
	mu    sync.Mutex
	nodes map[ledger.PublicKey]*record
}

// A record is what the status topic told of one key.
type record struct {
	line *statusLine
	at   time.Time
	last []saying // of at most 2 instances: the ones heard last
}

// A saying is how far one instance has come in its lines.
type saying struct {
	instance, counter uint64
	data              []byte // the signed line
	at                time.Time
}

func newDirectory() *directory {
	return &directory{nodes: make(map[ledger.PublicKey]*record)}
}

// stale reports whether line is not newer than what its instance said last.
func (d *directory) stale(line *statusLine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	return r != nil && r.stale(line)
}

func (r *record) stale(line *statusLine) bool {
	return slices.ContainsFunc(r.last, func(s saying) bool {
		return s.instance == line.Instance && line.Counter <= s.counter
	})
}

// add takes a line, and fills in the peers if it leaves them out. It reports
// whether its node is new, or a field that matters to whoever shows nodes has
// changed.
func (d *directory) add(line *statusLine, data []byte, now time.Time) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	if r == nil {
		if len(d.nodes) >= maxHeard {
			d.forgetOldest()
		}
		r = new(record)
		d.nodes[line.Key] = r
	}
	if r.stale(line) {
		return false // two came at once, the older one last
	}
	others := slices.DeleteFunc(r.last, func(s saying) bool { return s.instance == line.Instance })
	r.last = append([]saying{{line.Instance, line.Counter, data, now}}, others[:min(len(others), 1)]...)
	old := r.line
	if old != nil && old.Instance == line.Instance && len(line.Peers) == 0 {
		line.Peers = old.Peers
	}
	r.line, r.at = line, now
	return old == nil || old.Tip != line.Tip || old.Pool != line.Pool || old.Builds != line.Builds ||
		old.Name != line.Name || len(old.Peers) != len(line.Peers)
}

func (d *directory) forgetOldest() {
	var oldest ledger.PublicKey
	var at time.Time
	for k, r := range d.nodes {
		if at.IsZero() || r.at.Before(at) {
			oldest, at = k, r.at
		}
	}
	delete(d.nodes, oldest)
}

// get gives the last line of a key.
func (d *directory) get(key ledger.PublicKey) (line *statusLine, at time.Time, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[key]
	if r == nil {
		return nil, time.Time{}, false
	}
	return r.line, r.at, true
}

// otherRun returns the last line of the same key by another run than line's. It
// must have come lately, and when line's run had been up for a while: later than
// all that an earlier run had sent.
func (d *directory) otherRun(line *statusLine, now time.Time) []byte {
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

// each calls f with every record, under the lock.
func (d *directory) each(f func(r *record)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.nodes {
		f(r)
	}
}
