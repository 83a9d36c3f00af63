package p2p

import (
	"context"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// A peer is asked for a sign of life every pingEvery, and has pingTime for it.
	// Two silences in a row end the connection, so that a dead one is noticed
	// within 13 s. TCP and yamux alone take up to 40 s.
	pingEvery = 4 * time.Second
	pingTime  = 4 * time.Second
	pingAgain = time.Second // after the first silence
	// deafTime is how long gossip may not run over a live connection.
	deafTime = 10 * time.Second
	// duplicateTime is how long two connections with one peer stay.
	duplicateTime = time.Second

	exchangeEvery = time.Minute // peers exchange addresses
	exchangeTime  = 5 * time.Second
	maxExchanged  = 64 // nodes in one answer
)

// heartbeat greets the peer again and again, and asks now and then for the
// addresses that it knows, until ctx ends. It closes the connection of a silent
// peer.
func (s *sessions) heartbeat(ctx context.Context, e *knownPeer, ss *session) {
	silences := 0
	var exchanged time.Time
	for ctx.Err() == nil {
		wait := pingEvery
		rtt, err := s.ping(ctx, e.id)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			silences = 0
			s.table.mu.Lock()
			ss.rtt, e.seen = rtt, time.Now()
			s.table.mu.Unlock()
		default:
			if silences++; silences == 2 {
				s.stats.PeersDead.Add(1)
				s.log.Info("a node is silent, the connection is closed", "peer", e.id, "err", err)
				s.close(e.id)
				return
			}
			wait = pingAgain
		}
		if err == nil && time.Since(exchanged) >= exchangeEvery {
			s.exchange(ctx, e, ss)
			exchanged = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// ping greets p again, and returns how long the answer took.
func (s *sessions) ping(ctx context.Context, p peer.ID) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, pingTime)
	defer cancel()
	start := time.Now()
	_, _, err := s.greet(ctx, p)
	return time.Since(start), err
}

// exchange asks the peer for the addresses that it knows.
func (s *sessions) exchange(ctx context.Context, e *knownPeer, ss *session) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	infos, err := s.sync.addresses(ctx, e.id)
	if err != nil {
		s.log.Debug("a node sent no addresses", "peer", e.id, "err", err)
		return
	}
	s.table.learnFrom(infos, s.near.isHere(ss.remote))
}

// closeDuplicates closes all but the oldest of several connections with e. Only
// the node with the lower ID does so: otherwise each could close the one that the
// other keeps.
func (s *sessions) closeDuplicates(e *knownPeer, conns []network.Conn, now time.Time, start starter) {
	if len(conns) < 2 || s.host.ID() > e.id {
		return
	}
	slices.SortFunc(conns, func(a, b network.Conn) int { return a.Stat().Opened.Compare(b.Stat().Opened) })
	for _, c := range conns[1:] {
		if now.Sub(c.Stat().Opened) < duplicateTime {
			continue
		}
		s.stats.ConnsDuplicate.Add(1)
		start(func(context.Context) { _ = c.Close() }) // an error means that it is closed
	}
}

// closeDeaf closes the connection with each peer that a topic has lacked for
// deafTime: gossipsub may lose its streams and then never opens them again.
func (s *sessions) closeDeaf(ps *pubsub.PubSub, now time.Time, start starter) {
	var receive []map[peer.ID]bool
	for _, t := range topics(s.net) {
		set := make(map[peer.ID]bool)
		for _, p := range ps.ListPeers(t) {
			set[p] = true
		}
		receive = append(receive, set)
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, e := range s.table.known {
		if !e.connected() {
			continue
		}
		ss := e.session
		lacks := slices.ContainsFunc(receive, func(set map[peer.ID]bool) bool { return !set[e.id] })
		switch {
		case !lacks:
			ss.deaf = time.Time{}
		case ss.deaf.IsZero():
			ss.deaf = now
		case now.Sub(ss.deaf) >= deafTime:
			ss.deaf = now
			s.stats.PeersDeaf.Add(1)
			s.log.Warn("gossip does not run with a connected node: connecting anew", "node", e.name, "peer", e.id)
			start(func(context.Context) { s.close(e.id) })
		}
	}
}
