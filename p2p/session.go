package p2p

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const protectTag = "foxchain"

// reconcile brings the sessions in line with libp2p's connections. Being
// driven by the state and not by events, it cannot miss one.
func (n *Node) reconcile(now time.Time, start func(func())) {
	network := n.host.Network()
	for _, e := range n.known {
		if e.session != nil && !e.session.lives(network.ConnsToPeer(e.id)) {
			n.endSession(e, now)
		}
	}
	for _, p := range network.Peers() {
		conns := network.ConnsToPeer(p)
		if len(conns) == 0 {
			continue
		}
		e := n.add(p)
		if e == nil || e.cutOff && e.refused(now) {
			start(func() { _ = network.ClosePeer(p) }) // it is gone already, or goes at the next round
			continue
		}
		if e.session == nil {
			n.startSession(e, conns, now, start)
		}
		n.closeDuplicates(e, conns, now, start)
	}
}

// lives reports whether one of the session's connections is among conns, and
// takes the others in. When none is, the peer may have been started anew.
func (s *session) lives(conns []network.Conn) bool {
	lives := false
	for _, c := range conns {
		lives = lives || s.conns[c.ID()]
	}
	if lives {
		clear(s.conns)
		for _, c := range conns {
			s.conns[c.ID()] = true
		}
	}
	return lives
}

func (n *Node) startSession(e *entry, conns []network.Conn, now time.Time, start func(func())) {
	ctx, cancel := context.WithCancel(n.ctx)
	s := &session{
		id:      e.id,
		conns:   make(map[string]bool),
		since:   now,
		inbound: inbound(conns[0]),
		remote:  conns[0].RemoteMultiaddr(),
		end:     cancel,
	}
	for _, c := range conns {
		s.conns[c.ID()] = true
	}
	e.session, e.seen = s, now
	start(func() { n.runSession(ctx, e, s) })
}

// endSession is called under the lock when e's connections are gone.
func (n *Node) endSession(e *entry, now time.Time) {
	s := e.session
	e.session = nil
	e.seen = now
	s.end()
	if s.greeted {
		n.sync.disconnected(e.id)
		n.host.ConnManager().Unprotect(e.id, protectTag)
		e.next = now.Add(n.headStart(e.id) + jitter(redialFirst/4))
		n.log.Info("disconnected", "node", e.name, "peer", e.id)
	}
	n.notify()
}

// runSession greets the peer, then keeps an eye on it until ctx ends.
func (n *Node) runSession(ctx context.Context, e *entry, s *session) {
	defer s.end()
	reply, err := n.greet(ctx, e.id)
	if err == nil {
		if n.establish(e, s, reply) {
			n.heartbeat(ctx, e, s)
		}
		return
	}
	if ctx.Err() != nil {
		return
	}
	name := ""
	if reply != nil {
		name = reply.Hello.Name
	}
	n.mu.Lock()
	e.fail(time.Now(), err.Error())
	fails := e.fails
	n.mu.Unlock()
	if r := (*refusal)(nil); errors.As(err, &r) && !(r.starting && fails < 3) {
		n.refuse(e.id, name, r.reason)
	}
	n.close(e.id)
}

// establish makes a greeted peer one of ours.
func (n *Node) establish(e *entry, s *session, reply *helloReply) bool {
	listens := n.host.Peerstore().Addrs(e.id) // what identify brought
	n.mu.Lock()
	defer n.mu.Unlock()
	if e.session != s {
		return false
	}
	s.greeted = true
	e.name, e.prog = reply.Hello.Name, reply.Hello.Program
	e.ws = WSInfo{Port: int(reply.Hello.WSPort), Loopback: reply.Hello.WSLoopback}
	e.fails, e.trouble, e.until, e.reason = 0, "", time.Time{}, ""
	e.stored, e.reached, e.dirty, e.seen = true, true, true, time.Now()
	n.learn(e, n.proven(s, listens), n.sameHost(s.remote))
	n.host.ConnManager().Protect(e.id, protectTag)
	n.sync.connected(e.id)
	n.log.Info("connected", "node", e.name, "peer", e.id, "addr", s.remote, "version", e.prog)
	n.notify()
	n.sayStatus()
	return true
}

// proven gives the address by which the peer was reached, if we dialed it, and
// those of its own that are where it was met. Others of its own come by mDNS
// and from other peers.
func (n *Node) proven(s *session, listens []ma.Multiaddr) []ma.Multiaddr {
	var addrs []ma.Multiaddr
	if !s.inbound {
		addrs = append(addrs, s.remote)
	}
	met, ok := ipOf(s.remote)
	for _, a := range listens {
		if ip, isIP := ipOf(a); ok && isIP && (ip == met || n.near.isNear(ip)) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// close closes all connections with p.
func (n *Node) close(p peer.ID) {
	if err := n.host.Network().ClosePeer(p); err != nil {
		n.log.Debug("closing a connection", "peer", p, "err", err)
	}
	n.wake()
}
