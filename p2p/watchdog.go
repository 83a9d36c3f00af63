package p2p

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// A peer is asked for a sign of life every pingEvery and has pingTime to
	// give it. Two silences in a row end the connection: a dead one is noticed
	// within 13 s. TCP and yamux alone take up to 40 s.
	pingEvery = 4 * time.Second
	pingTime  = 4 * time.Second
	pingAgain = time.Second // after the first silence
	// deafTime is how long gossip may not run over a live connection.
	deafTime = 10 * time.Second
	// duplicateTime is how long two connections with one peer stay.
	duplicateTime = time.Second
	// exchangeEvery is how often peers tell each other addresses again.
	exchangeEvery = time.Minute
)

// heartbeat says hello again and again, and asks it now and then for the addresses that it
// knows, until ctx ends. It closes the connection when the peer is silent.
func (n *Node) heartbeat(ctx context.Context, e *entry, s *session) {
	silences := 0
	var exchanged time.Time
	for ctx.Err() == nil {
		wait := pingEvery
		rtt, err := n.ping(ctx, e.id)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			silences = 0
			n.mu.Lock()
			s.rtt, e.seen = rtt, time.Now()
			n.mu.Unlock()
		default:
			if silences++; silences == 2 {
				n.stats.PeersDead.Add(1)
				n.log.Info("a node is silent, the connection is closed", "peer", e.id, "err", err)
				n.close(e.id)
				return
			}
			wait = pingAgain
		}
		if err == nil && time.Since(exchanged) >= exchangeEvery {
			n.exchange(ctx, e, s)
			exchanged = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// ping says hello again, and gives how long the answer took.
func (n *Node) ping(ctx context.Context, p peer.ID) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	start := time.Now()
	_, err := n.greet(ctx, p)
	return time.Since(start), err
}

// closeDuplicates closes all but the oldest of several connections with e. The
// node with the lower ID does it, so that the two do not close each other's choice.
func (n *Node) closeDuplicates(e *entry, conns []network.Conn, now time.Time, start func(func())) {
	if len(conns) < 2 || n.host.ID() > e.id {
		return
	}
	slices.SortFunc(conns, func(a, b network.Conn) int { return a.Stat().Opened.Compare(b.Stat().Opened) })
	for _, c := range conns[1:] {
		if now.Sub(c.Stat().Opened) < duplicateTime {
			continue
		}
		n.stats.ConnsDuplicate.Add(1)
		start(func() { _ = c.Close() }) // an error says that it is closed
	}
}

// closeDeaf closes the connection with each peer that a topic has lacked for
// deafTime: gossipsub may lose its streams and then never opens them again.
func (n *Node) closeDeaf(now time.Time, start func(func())) {
	var hear []map[peer.ID]bool
	for _, t := range topics(n.net) {
		set := make(map[peer.ID]bool)
		for _, p := range n.ps.ListPeers(t) {
			set[p] = true
		}
		hear = append(hear, set)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.known {
		s := e.session
		if s == nil || !s.greeted {
			continue
		}
		lacks := slices.ContainsFunc(hear, func(set map[peer.ID]bool) bool { return !set[e.id] })
		switch {
		case !lacks:
			s.deaf = time.Time{}
		case s.deaf.IsZero():
			s.deaf = now
		case now.Sub(s.deaf) >= deafTime:
			s.deaf = now
			n.stats.PeersDeaf.Add(1)
			n.log.Warn("gossip does not run with a connected node: connecting anew", "node", e.name, "peer", e.id)
			start(func() { n.close(e.id) })
		}
	}
}
