package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// A node with enoughPeers dials only those that were registered.
	enoughPeers = 32
	maxDials    = 16 // at once
	// Of these at most so many are to nodes that are probably not there: ones
	// that were once reached, and ones that others only told of. Such a dial
	// takes seconds, and whoever has just come must not wait for it.
	maxDialsReached = 8
	maxDialsToldOf  = 4
	dialTime        = 8 * time.Second
	// dialStep is how long after a better address of a node the next is tried.
	dialStep = 200 * time.Millisecond
	// secondDial is the head start of the node with the lower ID.
	secondDial = 2 * time.Second

	// A node that was seen within freshTime is dialed again after redialFirst,
	// then up to redialFresh apart, and one that was reached up to redialReached
	// apart for reachedTime, so that a pulled cable heals soon; others up to
	// redialMost apart.
	redialFirst   = time.Second
	redialFresh   = 5 * time.Second
	redialReached = 10 * time.Second
	redialMost    = 5 * time.Minute
	freshTime     = 15 * time.Minute
	reachedTime   = 12 * time.Hour
)

// A hope is how likely a node is there, the likeliest first.
type hope int

const (
	expected hope = iota // registered or met lately, and not tried in vain since
	reached              // it was connected once
	toldOf               // others told of it
)

func (n *Node) hopeOf(e *entry) hope {
	switch {
	case e.fails == 0 && (len(e.given) > 0 || !e.seen.Before(n.started)):
		return expected
	case e.reached:
		return reached
	}
	return toldOf
}

// mayDial reports whether there is room for one more dial of this kind.
func (n *Node) mayDial(h hope) bool {
	most := [...]int{expected: maxDials, reached: maxDialsReached, toldOf: maxDialsToldOf}
	all := 0
	for _, d := range n.dialing {
		all += d
	}
	return all < maxDials && n.dialing[h] < most[h]
}

// dialDue starts a dial to each known node that is due, the likeliest first, of
// like ones the one that waits longest.
func (n *Node) dialDue(now time.Time, start func(func())) {
	var due []*entry
	connected := 0
	for _, e := range n.known {
		if e.session != nil || e.dialing {
			connected++
		} else if len(e.addrs) > 0 && !now.Before(e.next) && !e.refused(now) {
			due = append(due, e)
		}
	}
	slices.SortFunc(due, func(a, b *entry) int {
		return cmp.Or(cmp.Compare(n.hopeOf(a), n.hopeOf(b)), a.next.Compare(b.next), cmp.Compare(a.id, b.id))
	})
	for _, e := range due {
		h := n.hopeOf(e)
		if !n.mayDial(h) || connected >= enoughPeers && !n.registered(e) {
			continue
		}
		e.dialing = true
		n.dialing[h]++
		connected++ // it will be, as far as we know
		addrs := slices.Clone(e.addrs)
		start(func() { n.dial(e, addrs, h) })
	}
}

// dial tries to reach e. Backing off is ours alone: libp2p's is cleared.
func (n *Node) dial(e *entry, addrs []ma.Multiaddr, h hope) {
	n.stats.Dials.Add(1)
	n.clearBackoff(e.id)
	ctx, cancel := context.WithTimeout(n.ctx, dialTime)
	defer cancel()
	err := n.host.Connect(ctx, peer.AddrInfo{ID: e.id, Addrs: addrs})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dialing[h]--
	e.dialing = false
	if err != nil && n.ctx.Err() == nil {
		n.stats.DialsFailed.Add(1)
		e.fail(time.Now(), n.explain(err))
		n.log.Debug("dialing failed", "peer", e.id, "err", err)
		n.notify()
	}
	n.wake()
}

// clearBackoff makes libp2p forget that dialing p failed.
func (n *Node) clearBackoff(p peer.ID) {
	if s, ok := n.host.Network().(interface{ Backoff() *swarm.DialBackoff }); ok {
		s.Backoff().Clear(p)
	}
}

// fail notes a failed try and when the next is due.
func (e *entry) fail(now time.Time, trouble string) {
	most := redialMost
	switch ago := now.Sub(e.seen); {
	case ago < freshTime:
		most = redialFresh
	case e.reached && ago < reachedTime:
		most = redialReached
	}
	e.next = now.Add(jitter(min(redialFirst<<min(e.fails, 16), most)))
	e.fails++
	e.trouble = clean(trouble, maxReason)
}

// hint notes that e is probably there: it is dialed after a wait, and what is
// held against it, but for what it sent, is forgotten.
func (n *Node) hint(e *entry, now time.Time, wait time.Duration) {
	e.seen, e.fails = now, 0
	if !e.cutOff {
		e.until = time.Time{}
	}
	if next := now.Add(wait); e.next.After(next) || e.next.IsZero() {
		e.next = next
	}
	n.wake()
}

// dialAllSoon forgets every backoff: the machine's network has changed.
func (n *Node) dialAllSoon() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, e := range n.known {
		e.fails, e.next = 0, now.Add(n.headStart(e.id))
	}
	for _, u := range n.urls {
		u.fails, u.next = 0, now
	}
	n.wake()
}

// jitter gives 80 to 120 percent of d, so that nodes do not move in step.
func jitter(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.8 + 0.4*rand.Float64()))
}

// explain says in words for people why a dial failed.
func (n *Node) explain(err error) string {
	var other sec.ErrPeerIDMismatch
	if errors.As(err, &other) {
		return fmt.Sprintf("another node (%s) answers at its address", other.Actual)
	}
	var tried *swarm.DialError
	if !errors.As(err, &tried) || len(tried.DialErrors) == 0 {
		return err.Error()
	}
	for _, t := range tried.DialErrors {
		if !neverReached(t.Cause) {
			return fmt.Sprintf("%s answers, but the handshake fails: the private network's key (--psk) may be another, or on one side only, "+
				"or it is overloaded (%v)", t.Address, t.Cause)
		}
	}
	last := tried.DialErrors[len(tried.DialErrors)-1]
	return fmt.Sprintf("%s does not answer: %v", last.Address, last.Cause)
}

// neverReached reports whether err comes from before anybody answered.
func neverReached(err error) bool {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	// A deadline that passed while shaking hands comes wrapped.
	return errors.Unwrap(err) == nil && errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, swarm.ErrDialBackoff) || errors.Is(err, swarm.ErrNoTransport) ||
		errors.Is(err, network.ErrResourceLimitExceeded)
}
