package p2p

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/ledger"
)

const (
	// twinMemory is how long a copy of this node is believed to run after the
	// last proof of it. A copy that two nodes see in turn shows only now and then.
	twinMemory = 5 * time.Minute
	// maxRivals is how many other runs of this node's key are remembered. Over
	// it, the one that goes is not proven to live, then not heard of for longest.
	maxRivals = 64
	maxShown  = 4               // identities that run twice, in one message
	maxUptime = uint64(1) << 40 // milliseconds, 34 years: more is nonsense
)

// A rival is another run of this node's key: one of a copied data directory, or
// an earlier one of our own whose presences somebody plays again. Node.mu guards
// it. A run that has been up for a when it hears that another had been up for u
// began at most a-u before it, however late it heard. Each keeps the least such
// lead that it saw, and names it in its presences.
type rival struct {
	naming            // what our presences say of it
	heard   time.Time // when that uptime was heard
	proven  time.Time // it was alive then, or later; zero: nothing proves that it outlived our start
	itsLead int64     // milliseconds: it began before us by this at most, by what it names
}

// later reports whether this node, of the given instance number, counts as the
// later of the two. A lead below zero is certain while the clocks of both run,
// and both sides know both: who keeps presences back can at most leave it open,
// and then the numbers, which rise with the clock, decide. They also do when both
// leads are below zero: uptimes stand still while a machine is suspended (Linux
// and macOS), and then each of two may take itself for the later one.
func (r *rival) later(instance uint64) bool {
	switch {
	case r.Lead < 0 && r.itsLead < 0: // one of the two was suspended
	case r.Lead < 0:
		return true
	case r.itsLead < 0:
		return false
	}
	return instance > r.Instance
}

func (r *rival) live(now time.Time) bool {
	return !r.proven.IsZero() && now.Sub(r.proven) <= twinMemory
}

// uptime is how long this run has been up, in milliseconds.
func (n *Node) uptime(now time.Time) uint64 { return uint64(now.Sub(n.started).Milliseconds()) }

func (n *Node) presence() presence {
	p := presence{Key: n.pub, Instance: n.instance, Uptime: n.uptime(time.Now()), Named: []naming{}}
	n.mu.Lock()
	slices.SortStableFunc(n.rivals, func(a, b *rival) int { return b.heard.Compare(a.heard) })
	for _, r := range n.rivals[:min(len(n.rivals), maxNamed)] {
		p.Named = append(p.Named, r.naming)
	}
	n.mu.Unlock()
	p.sign(n.net, n.key)
	return p
}

// heard takes a status line.
func (n *Node) heard(line *statusLine, own bool) {
	line.Name, line.Version = clean(line.Name, maxNameBytes), clean(line.Version, maxNameBytes)
	now := time.Now()
	changed := n.directory.add(line, now)
	n.runs.note(line.presence(), now)
	if !own {
		n.hearRuns(append(line.Twins, line.presence()))
	}
	n.nameCopies()
	if changed {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.notify()
	}
}

// nameCopies logs each other key that begins to run twice, once.
func (n *Node) nameCopies() {
	twice := n.runs.twice()
	n.mu.Lock()
	defer n.mu.Unlock()
	copied := make(map[ledger.PublicKey]bool)
	for _, key := range twice {
		id, err := peerOf(key)
		if err == nil && key != n.pub && !n.copied[key] {
			n.log.Warn("a node runs twice: its data directory was copied, and the copy needs a key of its own", "peer", id)
			n.notify()
		}
		copied[key] = true
	}
	n.copied = copied
}

// hearRuns takes what came of runs of any identities. What is not of another
// run of ours, or not signed by it, is passed over.
func (n *Node) hearRuns(all []presence) {
	for _, p := range all {
		if p.Key == n.pub && p.Instance != n.instance && p.verify(n.net) {
			n.hearRival(&p)
		}
	}
}

// hearRival takes a presence of another run of this node's key. What it says is
// true, and may be as old as the key: only a naming of this run tells when.
func (n *Node) hearRival(p *presence) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	fresh := n.copyText() == ""
	up, its := n.uptime(now), min(p.Uptime, maxUptime)
	r := n.rivalOf(p.Instance, now)
	if lead := int64(up) - int64(its); r.heard.IsZero() || lead < r.Lead {
		r.Lead = lead
	}
	if r.heard.IsZero() || its > r.Uptime {
		r.Uptime, r.heard = its, now
	}
	if us, ok := p.naming(n.instance); ok && us.Uptime <= up {
		at := n.started.Add(time.Duration(us.Uptime) * time.Millisecond)
		if r.proven.IsZero() || us.Lead < r.itsLead {
			r.itsLead = us.Lead
		}
		if at.After(r.proven) {
			r.proven = at
		}
	}
	if fresh && n.copyText() != "" {
		n.log.Error("this node's identity runs twice", "reason", n.copyText())
		n.notify()
	}
}

// rivalOf gives the run of an instance number, a new one if it was not heard of.
func (n *Node) rivalOf(instance uint64, now time.Time) *rival {
	if i := slices.IndexFunc(n.rivals, func(r *rival) bool { return r.Instance == instance }); i >= 0 {
		return n.rivals[i]
	}
	if len(n.rivals) >= maxRivals {
		least := slices.MinFunc(n.rivals, func(a, b *rival) int {
			if a.live(now) != b.live(now) {
				return map[bool]int{false: -1, true: 1}[a.live(now)]
			}
			return a.heard.Compare(b.heard)
		})
		n.rivals = slices.DeleteFunc(n.rivals, func(r *rival) bool { return r == least })
	}
	r := &rival{naming: naming{Instance: instance}}
	n.rivals = append(n.rivals, r)
	return r
}

// Copied says, in words for people, that this node's data directory is also in
// use elsewhere; it is empty when that is not so.
func (n *Node) Copied() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.copyText()
}

func (n *Node) copyText() string {
	live, later := n.copies()
	if !live {
		return ""
	}
	does := "goes on building: it was started first"
	if later {
		does = "does not build: it was started later"
	}
	return fmt.Sprintf("another node with this node's key is running, its data directory was copied; this one %s. "+
		"Stop one of the two, and remove node.key from its directory before it is started again", does)
}

// copies reports whether another run of this key is alive, and whether this one
// is later than any such.
func (n *Node) copies() (live, later bool) {
	now := time.Now()
	for _, r := range n.rivals {
		if r.live(now) {
			live, later = true, later || r.later(n.instance)
		}
	}
	return live, later
}

// Duplicate reports whether this node is the later one of two with one key. It
// must not build then.
func (n *Node) Duplicate() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, later := n.copies()
	return later
}

// keyOf gives the Ed25519 key that a peer ID is made of.
func keyOf(p peer.ID) (ledger.PublicKey, error) {
	pub, err := p.ExtractPublicKey()
	if err != nil {
		return ledger.PublicKey{}, err
	}
	raw, err := pub.Raw()
	if err != nil {
		return ledger.PublicKey{}, err
	}
	if len(raw) != ed25519.PublicKeySize {
		return ledger.PublicKey{}, fmt.Errorf("%s is not made of an Ed25519 key", p)
	}
	return ledger.PublicKey(raw), nil
}
