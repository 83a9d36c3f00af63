package p2p

import (
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

// A runs keeps the last presences of every key, to be passed on: two runs of one
// key (a data directory was copied) hear of each other only by others. It hears
// of runs by the hellos of peers and by status lines, and keeps the maxNamed
// runs of a key that were heard of last, of at most maxHeard keys; over that, the
// key not heard of for longest is forgotten. What was not heard of for liveTime
// is not passed on.
type runs struct {
	mu  sync.Mutex
	ofs map[ledger.PublicKey][]run // the one heard of last comes first
}

// A run is one run of a node.
type run struct {
	presence presence // the last
	heard    time.Time
}

// note takes a presence.
func (r *runs) note(p presence, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.ofs[p.Key]
	i := slices.IndexFunc(of, func(u run) bool { return u.presence.Instance == p.Instance })
	switch {
	case i >= 0 && p.Uptime <= of[i].presence.Uptime:
		return // it was heard of before
	case i >= 0:
		of = slices.Delete(of, i, i+1)
	case len(of) == 0 && len(r.ofs) >= maxHeard:
		r.forgetOldest()
	}
	of = slices.Insert(of, 0, run{p, now})
	r.ofs[p.Key] = of[:min(len(of), maxNamed)]
}

func (r *runs) forgetOldest() {
	var oldest ledger.PublicKey
	var at time.Time
	for k, of := range r.ofs {
		if at.IsZero() || of[0].heard.Before(at) {
			oldest, at = k, of[0].heard
		}
	}
	delete(r.ofs, oldest)
}

// others gives what was heard of other runs of a key than the given one.
func (r *runs) others(key ledger.PublicKey, instance uint64) []presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(live(r.ofs[key], time.Now()), func(p presence) bool { return p.Instance == instance })
}

// several gives two runs of each key of which several were heard, of at most so
// many keys. A node that was started anew is among them for a while.
func (r *runs) several(keys int) []presence {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []presence
	now := time.Now()
	for _, of := range r.ofs {
		if ps := live(of, now); len(ps) > 1 && len(all) < 2*keys {
			all = append(all, ps[:2]...)
		}
	}
	return all
}

// twice gives the keys that run twice: two runs name each other, so that each
// was alive after the other had begun.
func (r *runs) twice() []ledger.PublicKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	var keys []ledger.PublicKey
	now := time.Now()
	for key, of := range r.ofs {
		if ps := live(of, now); slices.ContainsFunc(ps, func(p presence) bool {
			return slices.ContainsFunc(ps, func(o presence) bool { return p.names(o.Instance) && o.names(p.Instance) })
		}) {
			keys = append(keys, key)
		}
	}
	return keys
}

// live gives the presences that were heard within liveTime.
func live(of []run, now time.Time) []presence {
	var ps []presence
	for _, u := range of {
		if now.Sub(u.heard) < liveTime {
			ps = append(ps, u.presence)
		}
	}
	return ps
}
