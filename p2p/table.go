package p2p

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// maxKnown bounds the table of known nodes, in memory and in the book.
	maxKnown = 1024

	refuseTime = time.Minute      // no dialing of a peer of another network or version
	cutTime    = 10 * time.Minute // no connection with a peer that was cut off
	refusalLog = 10 * time.Minute // between two log lines about one refused peer
)

// An entry is what this node knows of another one. Node.mu guards it.
type entry struct {
	id    peer.ID
	addrs []ma.Multiaddr // to dial, best first, at most maxAddrs
	given []string       // multiaddrs that Register was given for it
	name  string         // what it last called itself
	prog  string         // its program's version
	ws    WSInfo

	stored  bool      // belongs in the address book: registered, discovered or once connected
	reached bool      // a connection to it was once made
	dirty   bool      // the book does not say this yet
	seen    time.Time // when it was last connected or heard of by mDNS; zero: never since start

	dialing bool
	fails   int       // dials and hellos that failed in a row
	next    time.Time // not dialed before
	trouble string    // why the last dial failed

	until   time.Time // refused until then
	cutOff  bool      // refused for what it sent: no connections at all
	reason  string    // why
	logged  time.Time // when the refusal was last logged
	session *session  // while connected
}

func (e *entry) refused(now time.Time) bool { return now.Before(e.until) }

// A session is one time of being connected with a peer, over one connection or
// several. Node.mu guards it.
type session struct {
	id      peer.ID
	conns   map[string]bool // IDs of its connections
	since   time.Time
	inbound bool
	remote  ma.Multiaddr
	end     func() // cancels its goroutine
	greeted bool   // hello succeeded: the syncer knows it
	rtt     time.Duration
	deaf    time.Time // since when gossip does not run; zero: it runs
}

// add gives p's entry, made when absent. It gives nil when the table is full
// of nodes that matter more.
func (n *Node) add(p peer.ID) *entry {
	if e := n.known[p]; e != nil {
		return e
	}
	if len(n.known) >= maxKnown && !n.evict() {
		return nil
	}
	e := &entry{id: p}
	e.next = time.Now().Add(n.headStart(p))
	n.known[p] = e
	return e
}

// headStart is how long this node waits before it dials p: of two nodes that
// learn of each other, the one with the lower ID dials first.
func (n *Node) headStart(p peer.ID) time.Duration {
	if n.host.ID() < p {
		return 0
	}
	return secondDial
}

// evict drops the entry that is worth least: of those neither connected,
// dialed nor registered, one that was never reached before one that was, and
// the one that was longest not seen.
func (n *Node) evict() bool {
	var worst *entry
	for _, e := range n.known {
		if e.session != nil || e.dialing || n.registered(e) {
			continue
		}
		if worst == nil || !e.reached && worst.reached || e.reached == worst.reached && e.seen.Before(worst.seen) {
			worst = e
		}
	}
	if worst == nil {
		return false
	}
	n.stats.NodesForgotten.Add(1)
	delete(n.known, worst.id)
	if worst.stored {
		n.forgotten = append(n.forgotten, worst.id)
	}
	return true
}

func (n *Node) registered(e *entry) bool {
	if len(e.given) > 0 {
		return true
	}
	for _, u := range n.urls {
		if u.id == e.id {
			return true
		}
	}
	return false
}

// learn adds addresses to e. Those that come first here are better known.
func (n *Node) learn(e *entry, addrs []ma.Multiaddr, sameHost bool) {
	merged := n.near.sort(append(append([]ma.Multiaddr(nil), addrs...), e.addrs...), sameHost)
	if !equalAddrs(merged, e.addrs) {
		e.addrs, e.dirty = merged, true
	}
}

func equalAddrs(a, b []ma.Multiaddr) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Equal(b[i]) {
			return false
		}
	}
	return true
}

// refuse notes why p cannot be a peer, and logs it once in a while.
func (n *Node) refuse(p peer.ID, name, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.add(p)
	if e == nil {
		return
	}
	now := time.Now()
	if e.cutOff && e.refused(now) {
		return
	}
	e.until, e.reason, e.cutOff = now.Add(refuseTime), reason, false
	if name != "" {
		e.name = name
	}
	if now.Sub(e.logged) > refusalLog {
		e.logged = now
		n.stats.PeersRefused.Add(1)
		n.log.Warn("refused a node", "node", e.name, "peer", p, "reason", reason)
	}
	n.notify()
}

// cut disconnects p and keeps it out for cutTime.
func (n *Node) cut(p peer.ID, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if p == n.host.ID() {
		return
	}
	e := n.add(p)
	if e == nil {
		return // cannot be: who sends has a session, and so an entry
	}
	now := time.Now()
	if !e.cutOff || !e.refused(now) {
		n.stats.PeersCut.Add(1)
		n.log.Warn("cut off a node", "node", e.name, "peer", p, "reason", reason, "for", cutTime)
	}
	e.until, e.cutOff, e.reason = now.Add(cutTime), true, clean(reason, maxReason)
	n.notify()
	n.wake() // the next round closes its connections: this may run inside a validator
}

// isCut is what gate and gossip ask about a peer.
func (n *Node) isCut(p peer.ID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.known[p]
	return e != nil && e.cutOff && e.refused(time.Now())
}

// sameHost reports whether c leads to this machine.
func (n *Node) sameHost(remote ma.Multiaddr) bool {
	ip, ok := ipOf(remote)
	return ok && n.near.isOwn(ip)
}

func inbound(c network.Conn) bool { return c.Stat().Direction == network.DirInbound }
