package p2p

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	pubsub "github.com/libp2p/go-libp2p-pubsub"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"

	"foxchain/p2p/gossip"
	chainsync "foxchain/p2p/sync"
	"foxchain/rpc/api"
)

// A session lasts while a peer is connected, over one connection or several. peerTable.mu
// guards it.
type session struct {
	conns   []network.Conn
	inbound bool
	addr    ma.Multiaddr // the peer's, of its first connection
	end     func()       // cancels its goroutine
	greeted bool         // hello succeeded, and the syncer follows it
	rtt     time.Duration
	clock   time.Duration // how far the peer's clock was ahead, zero while not known
	deaf    time.Time     // since when gossip does not run, zero while it runs
	silent  bool          // closed because the peer did not answer
}

// sessions begins a session with each connected peer, exchanges hellos, and closes
// connections that do not work.
type sessions struct {
	*shared
	table    *peerTable
	statuses *statusTopic
	sync     *chainsync.Syncer // set before the first round
}

// reconcile brings the sessions in line with libp2p's connections. It compares states,
// so no event can be missed.
func (s *sessions) reconcile(now time.Time, start starter) {
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	network := s.host.Network()
	for _, e := range s.table.known {
		if e.session != nil && !e.session.lives(network.ConnsToPeer(e.id)) {
			s.endSession(e, now)
		}
	}
	for _, p := range network.Peers() {
		conns := network.ConnsToPeer(p)
		if len(conns) == 0 {
			continue
		}
		e := s.table.add(p)
		if e == nil || e.banned && e.refused(now) || e.session == nil && s.table.crowded(e, conns[0]) {
			start(func(context.Context) error {
				_ = network.ClosePeer(p) // on an error the next round tries again
				return nil
			})
			continue
		}
		if e.session == nil {
			s.startSession(e, conns, now, start)
		}
		s.closeDuplicates(e, conns, now, start)
	}
}

// lives reports whether one of the session's connections is among conns, and then takes
// in the others. If none is, the peer may have restarted.
func (ss *session) lives(conns []network.Conn) bool {
	lives := slices.ContainsFunc(conns, func(c network.Conn) bool { return slices.Contains(ss.conns, c) })
	if lives {
		ss.conns = conns
	}
	return lives
}

// startSession begins a session with e. The caller holds table.mu.
func (s *sessions) startSession(e *knownPeer, conns []network.Conn, now time.Time, start starter) {
	ctx, cancel := context.WithCancel(context.Background())
	ss := &session{
		conns:   conns,
		inbound: conns[0].Stat().Direction == network.DirInbound,
		addr:    conns[0].RemoteMultiaddr(),
		end:     cancel,
	}
	e.session, e.seen = ss, now
	start(func(run context.Context) error {
		defer cancel()
		defer context.AfterFunc(run, cancel)()
		return s.runSession(ctx, e, ss)
	})
}

// endSession ends the session of e, whose connections are gone. The caller holds
// table.mu.
func (s *sessions) endSession(e *knownPeer, now time.Time) {
	ss := e.session
	if ss.silent {
		now = e.seen // nothing has come since
	}
	e.session, e.seen = nil, now
	ss.end()
	if ss.greeted {
		e.left = now
		e.next = time.Now().Add(s.table.headStart(e.id) + jitter(redialFirst/4))
		s.log.Info("disconnected", "node", e.name, "peer", e.id)
	}
	s.notify()
}

// runSession greets the peer, then exchanges chain, pool and addresses with it until
// ctx ends. The only error is that the ledger has stopped.
func (s *sessions) runSession(ctx context.Context, e *knownPeer, ss *session) error {
	name, line, err := s.greet(ctx, e.id)
	if err == nil && s.establish(e, ss, line) {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return s.sync.Follow(ctx, e.id) })
		g.Go(func() error { s.exchangeAll(ctx, e, ss); return nil })
		return g.Wait()
	}
	if err == nil || ctx.Err() != nil {
		return nil
	}
	s.table.mu.Lock()
	e.fail(time.Now(), err)
	fails := e.fails
	s.table.mu.Unlock()
	if r := (*refusal)(nil); errors.As(err, &r) && !(r.starting && fails < 3) {
		s.table.refuse(e.id, name, r.reason)
	}
	s.close(e.id)
	return nil
}

// establish takes a greeted peer into the node. It reports false if the session has ended
// meanwhile.
func (s *sessions) establish(e *knownPeer, ss *session, line *statusLine) bool {
	listens := s.host.Peerstore().Addrs(e.id) // as identify brought them
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	if e.session != ss {
		return false
	}
	ss.greeted = true
	e.name = line.Name
	e.fails, e.trouble, e.detail, e.until, e.reason = 0, api.Reason{}, "", time.Time{}, api.Reason{}
	e.left, e.other = time.Time{}, ""
	e.reached, e.seen = true, time.Now()
	if !ss.inbound {
		e.best = ss.addr
	}
	s.table.learn(e, s.proven(ss, listens), s.near.isHere(ss.addr))
	s.log.Info("connected", "node", e.name, "peer", e.id, "addr", ss.addr, "version", line.Version)
	s.notify()
	s.statuses.soon()
	return true
}

// proven returns the address at which this node dialed the peer, and its listening
// addresses that are near or at the connection's IP.
func (s *sessions) proven(ss *session, listens []ma.Multiaddr) []ma.Multiaddr {
	var addrs []ma.Multiaddr
	if !ss.inbound {
		addrs = append(addrs, ss.addr)
	}
	met, ok := ipOf(ss.addr)
	for _, a := range listens {
		if ip, isIP := ipOf(a); ok && isIP && (ip == met || s.near.isNear(ip)) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// close closes all connections with p.
func (s *sessions) close(p peer.ID) {
	if err := s.host.Network().ClosePeer(p); err != nil {
		s.log.Debug("closing a connection", "peer", p, "error", err)
	}
	s.wake()
}

const (
	// deafTime is how long a live connection may lack gossip.
	deafTime = 10 * time.Second
	// duplicateTime is how long a second connection with one peer stays.
	duplicateTime = time.Second

	exchangeEvery   = time.Minute // between two exchanges of addresses with a peer
	exchangeAtOnce  = 4           // exchanges in that time; with more peers each is asked less often
	namesPause      = 250 * time.Millisecond
	exchangeSoonest = 5 * time.Second // between two exchanges, so that nodes learned from the last one are dialed first
	exchangeTime    = 5 * time.Second
)

// dead closes the connection of a peer that is silent.
func (s *sessions) dead(p peer.ID, err error) {
	s.stats.PeersDead.Add(1)
	s.log.Info("a node is silent: switched off, asleep or out of reach; its connection is closed", "peer", p)
	s.log.Debug("a node is silent", "peer", p, "error", err)
	s.table.mu.Lock()
	if e := s.table.known[p]; e != nil && e.session != nil {
		e.session.silent = true
	}
	s.table.mu.Unlock()
	s.close(p)
}

// exchangeAll asks the peer for the addresses that it knows, now and then when awaitNew
// returns, until ctx ends. The first exchange may be too early: two nodes that connect to
// the peer at once do not yet learn of each other.
func (s *sessions) exchangeAll(ctx context.Context, e *knownPeer, ss *session) {
	for asked := make(map[peer.ID]bool); ctx.Err() == nil; {
		s.exchange(ctx, e, ss)
		select {
		case <-ctx.Done():
		case <-time.After(exchangeSoonest):
		}
		s.awaitNew(ctx, e, asked)
	}
}

// awaitNew waits until it is time to ask the peer for addresses again: after
// exchangeEvery, or longer with many peers, or when its status line names a node that
// this one should dial. A node in asked does not count, since the peer may have no
// address of it to pass on.
func (s *sessions) awaitNew(ctx context.Context, e *knownPeer, asked map[peer.ID]bool) {
	every := exchangeEvery
	if n := len(s.table.connectedIDs()); n > exchangeAtOnce {
		every = every * time.Duration(n) / exchangeAtOnce
		every = every/2 + rand.N(every)
	}
	timeout := time.After(every - exchangeSoonest)
	for changed := s.Changed(); !s.namesNew(e, asked); changed = s.Changed() {
		select {
		case <-ctx.Done():
			return
		case <-timeout:
			clear(asked)
			return
		case <-changed: // often many at once, so wait for the rest
			select {
			case <-ctx.Done():
				return
			case <-time.After(namesPause):
			}
		}
	}
}

// namesNew reports whether e is connected with nodes that are not in asked and whose
// addresses this node lacks, and adds them to asked. Only nodes that this one dials first
// count, since connections made from both ends at once break gossip.
func (s *sessions) namesNew(e *knownPeer, asked map[peer.ID]bool) (found bool) {
	key, err := keyOf(e.id)
	if err != nil {
		return false
	}
	peers := s.statuses.table.peersOf(key)
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, b := range peers {
		id := peer.ID(b)
		known := s.table.known[id]
		if id > s.host.ID() && !asked[id] && len(asked) < maxStatusPeers && (known == nil || known.session == nil && len(known.addrs) == 0) {
			asked[id], found = true, true
		}
	}
	return found
}

func (s *sessions) exchange(ctx context.Context, e *knownPeer, ss *session) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	infos, err := s.sync.Addresses(ctx, e.id)
	if err != nil {
		s.log.Debug("a node sent no addresses", "peer", e.id, "error", err)
		return
	}
	s.table.learnFrom(infos, s.near.isHere(ss.addr))
}

// closeDuplicates closes all but the oldest connection with e. Only the node with the
// lower ID does so, since each could close the one that the other keeps.
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
			_ = c.Close() // an error means that it was closed already
			return nil
		})
	}
}

// closeDeaf closes the connection with each peer that was missing from a topic for
// deafTime. Gossipsub may lose its streams, and then never opens them again.
func (s *sessions) closeDeaf(ps *pubsub.PubSub, now time.Time, start starter) {
	var receive [][]peer.ID
	for _, t := range gossip.TopicNames(s.net) {
		receive = append(receive, ps.ListPeers(t))
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	for _, e := range s.table.connected() {
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
