package p2p

import (
	"context"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"foxchain/p2p/gossip"
)

const (
	// deafTime is how long gossip may not run over a live connection.
	deafTime = 10 * time.Second
	// duplicateTime is how long two connections with one peer stay.
	duplicateTime = time.Second

	exchangeEvery = time.Minute // peers exchange addresses
	exchangeTime  = 5 * time.Second
)

// dead closes the connection of a peer that is silent.
func (s *sessions) dead(p peer.ID, err error) {
	s.stats.PeersDead.Add(1)
	s.log.Info("a node is silent, the connection is closed", "peer", p, "err", err)
	s.close(p)
}

// exchangeAll asks the peer for the addresses that it knows, now and every
// exchangeEvery, until ctx ends. It returns no error.
func (s *sessions) exchangeAll(ctx context.Context, e *knownPeer, ss *session) error {
	for ctx.Err() == nil {
		s.exchange(ctx, e, ss)
		select {
		case <-ctx.Done():
		case <-time.After(exchangeEvery):
		}
	}
	return nil
}

// exchange asks the peer for the addresses that it knows.
func (s *sessions) exchange(ctx context.Context, e *knownPeer, ss *session) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	infos, err := s.sync.Addresses(ctx, e.id)
	if err != nil {
		s.log.Debug("a node sent no addresses", "peer", e.id, "err", err)
		return
	}
	s.table.learnFrom(infos, s.near.isHere(ss.addr))
}

// closeDuplicates closes all but the oldest of several connections with e. Only
// the node with the lower ID does so, otherwise each could close the one that the
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
		start(func(context.Context) error {
			_ = c.Close() // an error means that it is closed
			return nil
		})
	}
}

// closeDeaf closes the connection with each peer that a topic has lacked for
// deafTime. Gossipsub may lose its streams and then never opens them again.
func (s *sessions) closeDeaf(ps *pubsub.PubSub, now time.Time, start starter) {
	var receive [][]peer.ID
	for _, t := range gossip.TopicNames(s.net) {
		receive = append(receive, ps.ListPeers(t))
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, e := range s.table.known {
		if !e.connected() {
			continue
		}
		ss := e.session
		lacks := slices.ContainsFunc(receive, func(of []peer.ID) bool { return !slices.Contains(of, e.id) })
		switch {
		case !lacks:
			ss.deaf = time.Time{}
		case ss.deaf.IsZero():
			ss.deaf = now
		case now.Sub(ss.deaf) >= deafTime:
			ss.deaf = now
			s.stats.PeersDeaf.Add(1)
			s.log.Warn("gossip does not run with a connected node: connecting anew", "node", e.name, "peer", e.id)
			start(func(context.Context) error { s.close(e.id); return nil })
		}
	}
}
