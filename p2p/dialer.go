package p2p

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// A node that dialed enoughPeers dials only registered ones. The last provenPlaces
	// are for nodes that it was connected with before. It dials at most maxDialedIP nodes
	// at one address.
	enoughPeers  = 32
	provenPlaces = 8
	maxDialedIP  = 8
	dialTime     = 8 * time.Second
	seenDialTime = 4 * time.Second // for nodes only seen by mDNS
	// dialStep is the wait before the next best address of a node is tried.
	dialStep = 200 * time.Millisecond
	// secondDial is the head start of the node with the lower ID.
	secondDial = 2 * time.Second

	// Dials are repeated after redialFirst, then after twice as long each time. The most
	// is redialFresh for a node seen within freshTime, redialReached for one reached
	// within reachedTime, so that a pulled cable heals soon, and redialMost for others.
	redialFirst   = time.Second
	redialFresh   = 5 * time.Second
	redialReached = 10 * time.Second
	redialMost    = 5 * time.Minute
	freshTime     = 15 * time.Minute
	reachedTime   = 12 * time.Hour
)

// A dialPriority orders dials by how likely the node is there, and how hard it is to
// make up.
type dialPriority int

const (
	expected dialPriority = iota // registered, or connected before and seen since the start; no dial failed since
	seen                         // found by mDNS, where anybody can make up nodes
	reached                      // connected once
	reported                     // known only from other peers
)

// dialSlots is how many nodes of each priority are dialed at once. Dials to absent nodes
// take seconds, and must not hold up those to others.
var dialSlots = [...]int{expected: 16, seen: 4, reached: 8, reported: 4}

// headStart returns how long this node waits before it dials p. Of two nodes that
// learn of each other, the one with the lower ID dials first.
func (t *peerTable) headStart(p peer.ID) time.Duration {
	if t.host.ID() < p {
		return 0
	}
	return secondDial
}

func (t *peerTable) priorityOf(e *knownPeer) dialPriority {
	lately := !e.seen.Before(t.started)
	switch {
	case e.fails == 0 && (e.registered() || e.reached && lately):
		return expected
	case e.proven():
		return reached
	case lately:
		return seen
	}
	return reported
}

// A dialCount counts what stands against further dials.
type dialCount struct {
	own    func(netip.Addr) bool
	dials  [len(dialSlots)]int // by priority
	places int                 // nodes that this one dialed or is dialing
	byIP   map[netip.Addr]int  // places by address
	tries  map[netip.Addr]int  // dials to unproven nodes
}

func (c *dialCount) add(e *knownPeer, now dialPriority) {
	if e.dialing {
		c.dials[now]++
		if !e.proven() {
			c.tries[e.ip]++
		}
	}
	if e.dialing || e.session != nil && !e.session.inbound {
		c.places++
		c.byIP[e.ip]++
	}
}

// allows reports whether e may be dialed too.
func (c *dialCount) allows(e *knownPeer, p dialPriority) bool {
	places, here := enoughPeers, c.own(e.ip)
	if !e.proven() {
		places -= provenPlaces
		if c.tries[e.ip] > 0 && !here {
			return false
		}
	}
	return c.dials[p] < dialSlots[p] && (e.registered() || c.places < places && (here || c.byIP[e.ip] < maxDialedIP))
}

// dialDue starts a dial to each known node that is due, by priority and then by how long
// it is due.
func (t *peerTable) dialDue(now time.Time, start starter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var due []*knownPeer
	count := dialCount{own: t.near.isOwn, byIP: make(map[netip.Addr]int), tries: make(map[netip.Addr]int)}
	for _, e := range t.known {
		count.add(e, e.priority)
		if e.session == nil && !e.dialing && len(e.addrs) > 0 && !now.Before(e.next) && !e.refused(now) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *knownPeer) int {
		return cmp.Or(cmp.Compare(t.priorityOf(a), t.priorityOf(b)), a.next.Compare(b.next), cmp.Compare(a.id, b.id))
	})
	for _, e := range due {
		p := t.priorityOf(e)
		if !count.allows(e, p) {
			continue
		}
		e.dialing, e.priority = true, p
		count.add(e, p)
		addrs := dialForms(t.near.withOwnZones(e.addrs))
		start(func(ctx context.Context) error { t.dial(ctx, e, p, addrs); return nil })
	}
}

// dial tries to reach e. The table alone decides when to try again, so libp2p's
// own backoff is cleared.
func (t *peerTable) dial(ctx context.Context, e *knownPeer, p dialPriority, addrs []ma.Multiaddr) {
	t.stats.Dials.Add(1)
	if s, ok := t.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(e.id)
	}
	within := dialTime
	if p == seen {
		within = seenDialTime
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := t.host.Connect(limited, peer.AddrInfo{ID: e.id, Addrs: addrs})
	t.mu.Lock()
	defer t.mu.Unlock()
	e.dialing = false
	if err != nil && ctx.Err() == nil {
		t.stats.DialsFailed.Add(1)
		t.failDial(e, err)
		t.log.Debug("dialing failed", "peer", e.id, "error", err)
		t.notify()
	}
	t.wake()
}

// failDial notes why a dial to e failed. If another node answered, it is met at that
// address. The caller holds mu.
func (t *peerTable) failDial(e *knownPeer, err error) {
	now := time.Now()
	e.fail(now, explain(err, t.cfg.PSK != nil))
	id, at := answeredBy(err)
	if id == "" || id == t.host.ID() || t.known[e.id] != e {
		return
	}
	if e.other == "" {
		e.otherAt = now
		t.log.Info("another identity answers at a node's address", "node", e.name, "peer", e.id, "by", t.labelOf(id))
	}
	e.other = id
	if o := t.add(id); o != nil && o.session == nil {
		t.meet(o, []ma.Multiaddr{at}, true, 0)
	}
}

// answeredBy returns the other node that answered a dial, and its address.
func answeredBy(err error) (peer.ID, ma.Multiaddr) {
	var tried *swarm.DialError
	if !errors.As(err, &tried) {
		return "", nil
	}
	for _, d := range tried.DialErrors {
		var other sec.ErrPeerIDMismatch
		if errors.As(d.Cause, &other) {
			return other.Actual, zoneForm(d.Address)
		}
	}
	return "", nil
}

// fail notes a failed try, and when the next is due.
func (e *knownPeer) fail(now time.Time, err error) {
	most := redialMost
	switch ago := now.Sub(e.seen); {
	case ago < freshTime:
		most = redialFresh
	case e.reached && ago < reachedTime:
		most = redialReached
	}
	e.next = now.Add(jitter(min(redialFirst<<min(e.fails, 16), most)))
	e.fails++
	e.trouble, e.detail = wordsOf(err)
}

// hint notes that e is probably there, and lets it be dialed after a wait. An earlier
// refusal is forgotten, a ban is not. The caller holds mu.
func (t *peerTable) hint(e *knownPeer, now time.Time, wait time.Duration) {
	e.seen, e.fails, e.other = now, 0, ""
	if !e.banned {
		e.until = time.Time{}
	}
	if next := now.Add(wait); e.next.After(next) || e.next.IsZero() {
		e.next = next
	}
	t.wake()
}

// dialAllSoon forgets every backoff, since the machine's network has changed.
func (t *peerTable) dialAllSoon(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.known {
		e.fails, e.next = 0, now.Add(t.headStart(e.id))
	}
	t.wake()
}

// jitter returns 80 to 120 percent of d, so that nodes do not move in step.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}
