package p2p

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/rpc/api"
)

const (
	// maxKnown bounds the table of known nodes, in memory and in the book. Only registered
	// nodes go beyond it, which are at most maxRegistered.
	maxKnown = 1024
	// maxUnproven bounds those that only mDNS or a peer has named. They evict only each
	// other, first those of the address that has the most.
	maxUnproven = 512
	// maxInboundIP bounds the nodes that dialed this one from one address. It admits a
	// whole class. Registered ones and those of this machine have no bound.
	maxInboundIP = 32

	idleTime   = 10 * time.Second // over redialFresh, so that tries of one node count together
	refuseTime = time.Minute      // for which a peer of another network or version is not dialed
	banTime    = 10 * time.Minute // for which a banned peer is not connected
	refusalLog = 10 * time.Minute // between two log lines about one refused peer
)

// A peerTable holds the nodes that this one knows, and dials them (dialer.go).
type peerTable struct {
	*shared
	mu     sync.Mutex // guards what follows, every knownPeer and session, and the urlTable
	known  map[peer.ID]*knownPeer
	former formerNodes // nodes that were peers and are forgotten
}

// A knownPeer is what this node knows of another one. peerTable.mu guards it.
type knownPeer struct {
	id    peer.ID
	addrs []ma.Multiaddr // to dial, best first, at most maxAddrs
	ip    netip.Addr     // of the first of addrs, zero where that is a name
	best  ma.Multiaddr   // at which it was last reached, nil if never
	given []string       // multiaddrs that Register was given for it
	urls  int            // registered URLs that lead to it
	name  string         // as it last called itself

	reached bool      // it was once connected
	seen    time.Time // when it was last connected or found by mDNS, zero for never

	dialing  bool
	priority dialPriority // of the running dial
	fails    int          // dials and hellos that failed in a row
	next     time.Time    // when it may be dialed
	trouble  api.Reason   // why the last dial failed
	detail   string       // the error behind trouble

	left    time.Time // when it was last connected, zero for never or for now
	other   peer.ID   // answered at its addresses in its place, empty for none
	otherAt time.Time // when other was first found

	until   time.Time  // refused until then
	banned  bool       // refused for what it sent, with no connections at all
	reason  api.Reason // why
	logged  time.Time  // when the refusal was last logged
	session *session   // while connected
}

func (e *knownPeer) refused(now time.Time) bool { return now.Before(e.until) }

// lost reports whether the node is unknown (nil), or cannot be reached at its known
// addresses.
func (e *knownPeer) lost(now time.Time) bool {
	return e == nil || e.session == nil && !e.refused(now) && (e.fails > 0 || len(e.addrs) == 0)
}

func (e *knownPeer) connected() bool { return e.session != nil && e.session.greeted }

// registered reports whether the node was registered, by multiaddr or URL.
func (e *knownPeer) registered() bool { return len(e.given) > 0 || e.urls > 0 }

// proven reports whether the node is known by more than an announcement. Then it is in
// the address book.
func (e *knownPeer) proven() bool { return e.reached || e.registered() }

// idle reports whether the node connected, left more than idleTime ago without becoming a
// peer, and has no address, such as one of another network or a Trial. A node whose
// refusal was logged is kept for refusalLog, so that it is not logged again too soon.
func (e *knownPeer) idle(now time.Time) bool {
	return e.session == nil && !e.dialing && len(e.addrs) == 0 && !e.proven() && !e.refused(now) &&
		now.Sub(e.seen) > idleTime && now.Sub(e.logged) > refusalLog
}

// add returns p's entry, made when absent. It returns nil when the table is full
// of nodes that matter more. The caller holds mu.
func (t *peerTable) add(p peer.ID) *knownPeer {
	if e := t.known[p]; e != nil {
		return e
	}
	if len(t.known) >= maxKnown && !t.evict(true) {
		return nil
	}
	return t.make(p)
}

// addRegistered is add for a registered node, for which there is always room. The caller
// holds mu.
func (t *peerTable) addRegistered(p peer.ID) *knownPeer {
	if e := t.add(p); e != nil {
		return e
	}
	return t.make(p)
}

func (t *peerTable) make(p peer.ID) *knownPeer {
	e := &knownPeer{id: p, next: time.Now().Add(t.headStart(p))}
	t.known[p] = e
	return e
}

// addUnproven is add for a node that only mDNS or a peer has named. It evicts no proven
// one. The caller holds mu.
func (t *peerTable) addUnproven(p peer.ID) *knownPeer {
	if t.known[p] == nil {
		unproven := 0
		for _, e := range t.known {
			if !e.proven() {
				unproven++
			}
		}
		if (unproven >= maxUnproven || len(t.known) >= maxKnown) && !t.evict(false) {
			return nil
		}
	}
	return t.add(p)
}

// evict drops an entry that is neither connected, being dialed nor registered. Unproven ones
// go first, and of these one of the address that has the most, so that made-up nodes evict
// each other. Of equal ones the one not seen for the longest goes. A proven one goes only if
// proven is set. The caller holds mu.
func (t *peerTable) evict(proven bool) bool {
	count := make(map[netip.Addr]int) // of unproven entries
	var spare []*knownPeer
	for _, e := range t.known {
		if e.session != nil || e.dialing || e.registered() || e.reached && !proven {
			continue
		}
		if spare = append(spare, e); !e.reached {
			count[e.ip]++
		}
	}
	if len(spare) == 0 {
		return false
	}
	rivals := func(e *knownPeer) int {
		if e.reached {
			return 0
		}
		return count[e.ip]
	}
	t.forget(slices.MinFunc(spare, func(a, b *knownPeer) int {
		return cmp.Or(cmp.Compare(rivals(b), rivals(a)), a.seen.Compare(b.seen))
	}))
	return true
}

func (t *peerTable) forget(e *knownPeer) {
	t.stats.NodesForgotten.Add(1)
	delete(t.known, e.id)
	if e.reached && e.name != "" {
		t.former.keep(e.id, former{Name: e.name, Seen: max(0, e.seen.Unix())})
	}
}

// crowded reports whether too many nodes have dialed this one from the address of c for
// e, which is no peer yet, to be admitted. The caller holds mu.
func (t *peerTable) crowded(e *knownPeer, c network.Conn) bool {
	ip, _ := ipOf(c.RemoteMultiaddr())
	if c.Stat().Direction != network.DirInbound || e.registered() || t.near.isOwn(ip) {
		return false
	}
	count := 0
	for _, e := range t.known {
		if e.session != nil && e.session.inbound {
			if from, _ := ipOf(e.session.addr); from == ip {
				count++
			}
		}
	}
	return count >= maxInboundIP
}

// meet takes addresses at which e probably is now, and dials it after a wait. The
// caller holds mu.
func (t *peerTable) meet(e *knownPeer, addrs []ma.Multiaddr, sameHost bool, wait time.Duration) {
	t.learn(e, addrs, sameHost)
	if e.session == nil {
		t.hint(e, time.Now(), wait)
	}
}

// learn adds addresses to e, before equally good ones that it had. The caller holds mu.
func (t *peerTable) learn(e *knownPeer, addrs []ma.Multiaddr, sameHost bool) {
	merged := t.near.sort(slices.Concat(addrs, e.addrs), sameHost)
	if e.best != nil && !t.near.isSelf(e.best) { // reported addresses must not push out the proven one
		merged = slices.DeleteFunc(merged, e.best.Equal)
		merged = slices.Insert(merged[:min(len(merged), maxAddrs-1)], 0, e.best)
	}
	e.setAddrs(merged)
}

func (e *knownPeer) setAddrs(addrs []ma.Multiaddr) {
	e.addrs, e.ip = addrs, netip.Addr{}
	if len(addrs) > 0 {
		e.ip, _ = ipOf(addrs[0])
	}
}

// discovered adds a node that mDNS found.
func (t *peerTable) discovered(p peer.ID, addrs []ma.Multiaddr, sameHost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.addUnproven(p); e != nil {
		t.meet(e, addrs, sameHost, t.headStart(e.id))
	}
}

// A givenAddr is a registered multiaddr.
type givenAddr struct {
	text string
	info *peer.AddrInfo
}

// register stores multiaddrs. The caller holds mu, and has counted them.
func (t *peerTable) register(given []givenAddr) {
	for _, g := range given {
		if g.info.ID == t.host.ID() { // this node's own address
			continue
		}
		e := t.addRegistered(g.info.ID)
		if !slices.Contains(e.given, g.text) {
			e.given = append(e.given, g.text)
		}
		t.meet(e, g.info.Addrs, true, 0) // no head start: that node may not know this one
	}
}

// refuse notes why p cannot be a peer, and logs it once in a while.
func (t *peerTable) refuse(p peer.ID, name string, reason api.Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.addUnproven(p)
	if e == nil {
		return
	}
	now := time.Now()
	if e.banned && e.refused(now) {
		return
	}
	e.until, e.reason, e.banned = now.Add(refuseTime), reason, false
	if name != "" {
		e.name = name
	}
	if now.Sub(e.logged) > refusalLog {
		e.logged = now
		t.stats.PeersRefused.Add(1)
		t.log.Warn("refused a node", "node", e.name, "peer", p, "reason", reason.String())
	}
	t.notify()
}

// ban disconnects p and keeps it out for banTime.
func (t *peerTable) ban(p peer.ID, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p == t.host.ID() {
		return
	}
	e := t.add(p)
	if e == nil {
		return // impossible, since a peer that sends has a session, and so an entry
	}
	now := time.Now()
	if !e.banned || !e.refused(now) {
		t.stats.PeersCut.Add(1)
		t.log.Warn("cut off a node", "node", e.name, "peer", p, "reason", reason, "for", banTime)
	}
	e.until, e.banned, e.reason = now.Add(banTime), true, api.Why("misbehaved", "what", clean(reason, maxReason))
	t.notify()
	t.wake() // the next round closes its connections, since this may run inside a validator
}

// isBanned reports whether a peer is kept out.
func (t *peerTable) isBanned(p peer.ID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.known[p]
	return e != nil && e.banned && e.refused(time.Now())
}

// alive notes that a connected peer answered, how fast, and what its clock showed, zero
// if unknown.
func (t *peerTable) alive(p peer.ID, rtt time.Duration, clock time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.known[p]; e != nil && e.session != nil {
		e.session.rtt, e.seen = rtt, time.Now()
		if !clock.IsZero() {
			t.noteClock(e, clock.Sub(t.cfg.Now().Round(0)))
		}
	}
}

// noteClock notes how far the clock of a connected node is ahead of this machine's. It is
// only shown, to explain times that differ. The caller holds mu.
func (t *peerTable) noteClock(e *knownPeer, ahead time.Duration) {
	was, now := clockHint(e.session.clock).String(), clockHint(ahead).String()
	e.session.clock = ahead
	if now != was {
		t.notify()
		if was == "" {
			t.log.Info("a node's clock differs from this machine's, which has no effect on the ledger", "node", e.name, "peer", e.id, "reason", now)
		}
	}
}

// connected returns the connected peers. The caller holds mu.
func (t *peerTable) connected() (all []*knownPeer) {
	for _, e := range t.known {
		if e.connected() {
			all = append(all, e)
		}
	}
	return all
}

// connectedIDs returns the connected peers in the order of their IDs, at most
// maxStatusPeers.
func (t *peerTable) connectedIDs() (ids [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.connected() {
		ids = append(ids, []byte(e.id))
	}
	slices.SortFunc(ids, bytes.Compare)
	return ids[:min(len(ids), maxStatusPeers)]
}

// connectedKeys returns the node keys of the connected peers.
func (t *peerTable) connectedKeys() map[ledger.PublicKey]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	keys := make(map[ledger.PublicKey]bool)
	for _, e := range t.connected() {
		if key, err := keyOf(e.id); err == nil {
			keys[key] = true
		}
	}
	return keys
}

// connectedAddrs returns the addresses on local networks of the connected peers, for
// a peer that asks.
func (t *peerTable) connectedAddrs() (infos []peer.AddrInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.connected() {
		if near := t.near.only(e.addrs, true); len(near) > 0 {
			infos = append(infos, peer.AddrInfo{ID: e.id, Addrs: near})
		}
	}
	return infos
}

// learnFrom takes the addresses that a peer knows of others. Loopback ones mean this
// machine only if the peer is on it.
func (t *peerTable) learnFrom(infos []peer.AddrInfo, sameHost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, info := range infos {
		addrs := t.near.only(info.Addrs, sameHost)
		if info.ID == t.host.ID() || len(addrs) == 0 {
			continue
		}
		e := t.known[info.ID]
		if e == nil {
			if e = t.addUnproven(info.ID); e == nil {
				return
			}
		} else if e.session != nil || e.reached && len(e.addrs) > 0 && e.fails == 0 {
			continue // this node knows it better
		}
		t.learn(e, slices.Concat(e.addrs, addrs), sameHost) // known ones first
	}
	t.wake()
}

// aloneSince returns since when there are no peers, or zero if there are.
func (t *peerTable) aloneSince() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := t.started
	for _, e := range t.known {
		if e.connected() {
			return time.Time{}
		}
		since = later(since, e.left)
	}
	return since
}

// labelOf names a node, which may not be in the table. The caller holds mu.
func (t *peerTable) labelOf(id peer.ID) string {
	name := ""
	if e := t.known[id]; e != nil {
		name = e.name
	}
	return label(name, id.String())
}

// label names a node in a line for people, with the end of its ID, since all IDs begin
// alike.
func label(name, id string) string {
	id = "…" + id[max(0, len(id)-8):]
	if name == "" {
		return "node " + id
	}
	return fmt.Sprintf("node %q (%s)", name, id)
}
