package p2p

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"sync"
	"time"

	"foxchain/ledger"
)

// twinTime: two runs of one key are both alive when each was heard of this long
// after it was first heard of, and the older one this long after the newer
// began. A node that was started anew never speaks as the old one.
const twinTime = 3 * time.Second

// A presence says, signed by a node's key, that one run of the node has been up
// for so long. Others pass it on as the proof that a key runs twice: nobody else
// can make one, and a node knows those of its own earlier runs.
type presence struct {
	_         struct{} `cbor:",toarray"`
	Key       ledger.PublicKey
	Instance  uint64 // drawn at start, rising with the clock
	Uptime    uint64 // milliseconds
	Signature ledger.Signature
}

func (p *presence) message(net *ledger.Network) []byte {
	id := net.ID()
	return fmt.Appendf(nil, "foxchain instance 1%s%s%016x%016x", id[:], p.Key[:], p.Instance, p.Uptime)
}

func (p *presence) sign(net *ledger.Network, key ed25519.PrivateKey) {
	p.Signature = ledger.Signature(ed25519.Sign(key, p.message(net)))
}

func (p *presence) verify(net *ledger.Network) bool {
	return ed25519.Verify(p.Key[:], p.message(net), p.Signature[:])
}

// A twin is a presence of a key that runs twice, as a node that heard of it
// passes it on. Nobody signs the age: who lies about it can only tell a node
// that truly was copied that its copy is up to maxAge older.
type twin struct {
	_        struct{} `cbor:",toarray"`
	Presence presence
	Age      uint64 // milliseconds since it was heard of
}

// uptime is that of the run when the twin was passed on.
func (t *twin) uptime() time.Duration {
	ms := min(t.Presence.Uptime, maxUptime) + min(t.Age, maxAge)
	return time.Duration(ms) * time.Millisecond
}

// A runs notices keys that run twice: their data directory was copied. It hears
// of every run by the hellos of peers and by status lines, and keeps the last
// two runs of each key, of at most maxHeard keys; over that, the one not heard
// of for longest is forgotten.
type runs struct {
	mu  sync.Mutex
	ofs map[ledger.PublicKey][]*run // the one heard of last comes first
}

// A run is one run of a node.
type run struct {
	presence    presence // the last
	first, last time.Time
}

// note takes a presence.
func (r *runs) note(p presence, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.ofs[p.Key]
	i := slices.IndexFunc(of, func(u *run) bool { return u.presence.Instance == p.Instance })
	switch {
	case i < 0:
		if len(of) == 0 && len(r.ofs) >= maxHeard {
			r.forgetOldest()
		}
		of = slices.Insert(of[:min(len(of), 1)], 0, &run{presence: p, first: now, last: now})
	case p.Uptime <= of[i].presence.Uptime:
		return // it was heard of before
	default:
		of[i].presence, of[i].last = p, now
		of[0], of[i] = of[i], of[0]
	}
	r.ofs[p.Key] = of
}

func (r *runs) forgetOldest() {
	var oldest ledger.PublicKey
	var at time.Time
	for k, of := range r.ofs {
		if at.IsZero() || of[0].last.Before(at) {
			oldest, at = k, of[0].last
		}
	}
	delete(r.ofs, oldest)
}

// twins gives the runs of the keys that run twice, two for each key, of at
// most so many keys.
func (r *runs) twins(keys int) []twin {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []twin
	now := time.Now()
	for _, of := range r.ofs {
		if twice(of, now) && len(all) < 2*keys {
			all = append(all, of[0].twin(now), of[1].twin(now))
		}
	}
	return all
}

// of gives the two runs of key if it runs twice.
func (r *runs) of(key ledger.PublicKey) []twin {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if of := r.ofs[key]; twice(of, now) {
		return []twin{of[0].twin(now), of[1].twin(now)}
	}
	return nil
}

func (u *run) twin(now time.Time) twin {
	return twin{Presence: u.presence, Age: uint64(now.Sub(u.last).Milliseconds())}
}

func twice(of []*run, now time.Time) bool {
	if len(of) < 2 {
		return false
	}
	a, b := of[0], of[1]
	if b.first.Before(a.first) {
		a, b = b, a
	}
	alive := func(u *run) bool { return u.last.Sub(u.first) >= twinTime && now.Sub(u.last) < liveTime }
	return alive(a) && alive(b) && a.last.Sub(b.first) >= twinTime
}
