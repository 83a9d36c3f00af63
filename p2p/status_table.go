package p2p

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

const (
	// maxStatuses bounds the table. Above it, the unproven node with the oldest line is
	// evicted, since making a key is free.
	maxStatuses = 1024
	// liveTime is how long a status line holds. Three are due in it.
	liveTime = 12 * time.Second
	// lateTime is how long its list of peers holds. By then the next one is due.
	lateTime = publishEvery + time.Second
)

// A statusTable holds the last status line of every node of the network. Under its lock
// it takes no other.
type statusTable struct {
	mu    sync.Mutex
	nodes map[ledger.PublicKey]*nodeRecord
}

// A nodeRecord is what the status lines of one key hold.
type nodeRecord struct {
	line *statusLine
	at   time.Time
	last []lastCounter // of the last 3 instances, latest first
}

// A lastCounter is the last line of one instance.
type lastCounter struct {
	instance, counter uint64
	data              []byte // the signed line
	at                time.Time
	// The instance's lines have come in time since since, when its uptime was uptime.
	since  time.Time
	uptime time.Duration
}

// late is how much longer a line may take to arrive than the first of its instance.
const late = 8 * time.Second

// follow takes over the times of the line before, of the same instance, unless this one is
// late. A process that was suspended passes on lines whose sender ended long ago.
func (s *lastCounter) follow(before *lastCounter) {
	if s.at.Sub(before.since)-(s.uptime-before.uptime) < late {
		s.since, s.uptime = before.since, before.uptime
	}
}

// lasts reports whether the instance's lines have come in time for longer than those of
// an ended one could.
func (s *lastCounter) lasts() bool { return s.at.Sub(s.since) >= earlierRun }

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

// full reports whether a node must be evicted for line.
func (d *statusTable) full(line *statusLine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.nodes) >= maxStatuses && d.nodes[line.Key] == nil
}

// add takes a line, which data encodes, and fills in the peers if it leaves them out. It
// reports whether what is shown has changed. When the table is full, an unproven node is
// evicted. If there is none the line is dropped.
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
		return false // a newer one was added since it was validated
	}
	last := lastCounter{instance: line.Instance, counter: line.Counter, data: data, at: now, since: now, uptime: line.uptime()}
	if i := slices.IndexFunc(r.last, func(s lastCounter) bool { return s.instance == line.Instance }); i >= 0 {
		last.follow(&r.last[i])
		r.last = slices.Delete(r.last, i, i+1)
	}
	r.last = append([]lastCounter{last}, r.last[:min(len(r.last), 2)]...)
	old := r.line
	if old != nil && old.Instance == line.Instance && len(line.Peers) == 0 {
		line.Peers = old.Peers
	}
	late := r.late(now)
	r.line, r.at = line, now
	return old == nil || late || old.Tip != line.Tip || old.Pool != line.Pool || old.Builds != line.Builds ||
		old.Name != line.Name || !slices.EqualFunc(old.Peers, line.Peers, bytes.Equal)
}

// late reports whether the node's next line is overdue.
func (r *nodeRecord) late(now time.Time) bool { return now.Sub(r.at) > lateTime }

// forgetOldest drops the unproven node with the oldest line.
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

// otherRun returns the last line of the same key by another run than line's, if that run
// lasts and its line came in the last minute, but too late for a run that ended before
// line's began.
func (d *statusTable) otherRun(line *statusLine, now time.Time) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	if r == nil {
		return nil
	}
	for _, s := range r.last {
		if ago := now.Sub(s.at); s.instance != line.Instance && s.lasts() && ago < time.Minute && ago < line.uptime()-liveTime {
			return s.data
		}
	}
	return nil
}

// lasts reports whether the lines of line's instance have come for longer than those of an
// earlier run could.
func (d *statusTable) lasts(line *statusLine) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	r := d.nodes[line.Key]
	return r != nil && slices.ContainsFunc(r.last, func(s lastCounter) bool { return s.instance == line.Instance && s.lasts() })
}

// peersOf returns the peers that the node with a key has named, as encoded IDs.
func (d *statusTable) peersOf(key ledger.PublicKey) [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.nodes[key]; r != nil {
		return r.line.Peers
	}
	return nil
}

// heard returns when the node with a key was last heard of, zero when never.
func (d *statusTable) heard(key ledger.PublicKey) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if r := d.nodes[key]; r != nil {
		return r.at
	}
	return time.Time{}
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

// builtLately is how many of the last blocks show which nodes build.
const builtLately = 64

// provenKeys are the keys of nodes that are connected or built one of the last blocks. Only
// the chain is read under mu.
type provenKeys struct {
	*shared
	peers *peerTable

	mu    sync.Mutex
	tip   ledger.Hash // of built
	built []ledger.PublicKey
}

// keys returns them in a map that is the caller's.
func (p *provenKeys) keys() map[ledger.PublicKey]bool {
	keys := p.peers.connectedKeys()
	p.mu.Lock()
	defer p.mu.Unlock()
	if tip := p.cfg.Chain.Tip().Hash; tip != p.tip {
		p.tip, p.built = tip, p.buildersBelow(tip)
	}
	for _, k := range p.built {
		keys[k] = true
	}
	return keys
}

// buildersBelow returns the builders of the last blocks up to tip. Blocks that cannot be
// read are left out, since the chain reports them.
func (p *provenKeys) buildersBelow(tip ledger.Hash) []ledger.PublicKey {
	var keys []ledger.PublicKey
	for range builtLately {
		h, err := p.cfg.Chain.HeaderByHash(tip)
		if err != nil {
			break
		}
		keys, tip = append(keys, h.Builder), h.Parent
	}
	return keys
}
