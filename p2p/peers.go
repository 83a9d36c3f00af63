package p2p

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/p2p/gossip"
	"foxchain/rpc/api"
)

// The states of a node. The package doc has their meanings.
const (
	Connected       = "connected"
	Connecting      = "connecting"
	Dialing         = "dialing"
	Missing         = "missing"
	NotReached      = "not reached"
	Replaced        = "replaced"
	Refused         = "refused"
	Banned          = "cut off"
	Unresolved      = "unresolved"
	Itself          = "itself"
	FailedHandshake = "stranger"
	HeardOf         = api.HeardOf
)

// A roster puts together what the parts of this node know of the others. A Node embeds it,
// and so has its exported methods.
type roster struct {
	*shared
	table    *peerTable
	urls     *urlTable
	statuses *statusTopic
	gater    *connGater
}

// Nodes returns the other nodes of the network, one entry each. The connected ones come
// first, then those registered or known, then those known only by a status line, each in
// the order of their IDs.
func (o *roster) Nodes() []api.Peer {
	o.table.mu.Lock()
	defer o.table.mu.Unlock()
	now := time.Now()
	urls := make(map[peer.ID][]string)
	var peers []api.Peer
	for _, u := range o.urls.urls {
		switch {
		case u.id == o.host.ID():
			peers = append(peers, api.Peer{ID: o.host.ID().String(), Name: o.cfg.Name, Version: o.cfg.Version,
				Registered: []string{withoutToken(u.url)}, State: Itself})
		case o.table.known[u.id] == nil:
			p := api.Peer{Registered: []string{withoutToken(u.url)}, State: Unresolved, Detail: u.detail, WantsToken: u.closed}
			p.Because(u.trouble)
			peers = append(peers, p)
		default:
			urls[u.id] = append(urls[u.id], withoutToken(u.url))
		}
	}
	o.each(func(id peer.ID, e *knownPeer, r *nodeRecord) {
		if p := o.show(id, e, r, now); p.State != "" {
			slices.Sort(urls[id])
			p.Registered = append(slices.Compact(urls[id]), p.Registered...)
			peers = append(peers, p)
		}
	})
	for ip, at := range o.strangers() {
		p := api.Peer{State: FailedHandshake, Addrs: []string{ip.String()}}
		p.Because(o.stranger(at))
		peers = append(peers, p)
	}
	place := map[string]int{Connected: -1, HeardOf: 1}
	slices.SortFunc(peers, func(a, b api.Peer) int {
		return cmp.Or(cmp.Compare(place[a.State], place[b.State]), cmp.Compare(a.ID, b.ID),
			slices.Compare(a.Registered, b.Registered), slices.Compare(a.Addrs, b.Addrs))
	})
	return peers
}

// each calls f with every other node, its entry and its last status line, of which one may
// be nil. The caller holds table.mu.
func (o *roster) each(f func(id peer.ID, e *knownPeer, r *nodeRecord)) {
	records := o.statuses.table.records()
	delete(records, o.pub)
	for id, e := range o.table.known {
		var record *nodeRecord
		key, err := keyOf(id)
		if r, ok := records[key]; ok && err == nil {
			record = &r
		}
		delete(records, key)
		f(id, e, record)
	}
	for key, r := range records {
		if id, err := peerOf(key); err == nil { // always, since the key has signed
			f(id, nil, &r)
		}
	}
}

// Builders returns the keys of the nodes that build now, by a status line of the last 12
// s, and that may build on this network. Making a key is free, so only connected nodes
// and builders of the last 64 blocks are among them, and this node if it builds.
func (o *roster) Builders() []ledger.PublicKey {
	now := time.Now()
	known := o.statuses.proven.keys()
	var keys []ledger.PublicKey
	for k, r := range o.statuses.table.records() {
		if k != o.pub && known[k] && r.line.Builds && now.Sub(r.at) <= liveTime && o.net.MayBuild(k) {
			keys = append(keys, k)
		}
	}
	if o.statuses.builds() {
		keys = append(keys, o.pub)
	}
	slices.SortFunc(keys, func(a, b ledger.PublicKey) int { return slices.Compare(a[:], b[:]) })
	return keys
}

// Away reports whether nothing was heard of the node with a key for 12 s, while this node
// ran.
func (o *roster) Away(key ledger.PublicKey) bool { return !o.AwaySince(key).IsZero() }

// AwaySince returns when a node that is away was last heard of, or when this node started
// if that is never. It returns zero for a node that is not away.
func (o *roster) AwaySince(key ledger.PublicKey) time.Time {
	since := o.started
	if at := o.statuses.table.heard(key); !at.IsZero() {
		since = at
	}
	if key == o.pub || time.Since(since) <= liveTime {
		return time.Time{}
	}
	return since
}

// claim fills in what a node claims of itself, but for its name.
func (o *roster) claim(p *api.Peer, r *nodeRecord, now time.Time) {
	l := r.line
	p.Version, p.Seen, p.Blocks, p.Tip, p.Pool, p.Builds = l.Version, o.shown(r.at), l.Blocks, l.Tip.String(), int(l.Pool), l.Builds
	for _, b := range l.Peers {
		if id, err := peer.IDFromBytes(b); err == nil {
			p.Links = append(p.Links, id.String())
		}
	}
	p.Peers, p.Late = len(p.Links), r.late(now)
}

// shown returns a time by the node's clock, zero for none.
func (o *roster) shown(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return api.Shown(t, o.cfg.Now())
}

// show returns a node in the form of the API, by its entry and its last status line, of
// which one may be nil. The state is "" if only an old line is known. The caller holds
// table.mu.
func (o *roster) show(id peer.ID, e *knownPeer, r *nodeRecord, now time.Time) api.Peer {
	p := api.Peer{ID: id.String()}
	if key, err := keyOf(id); err == nil {
		p.Key = key.String()
	}
	var since time.Time
	p.State, since = o.stateOf(e, r, now)
	p.Missing = o.shown(since)
	var why api.Reason
	if e != nil {
		p.Name, p.Detail, p.Registered, why = e.name, e.detail, e.given, e.trouble
		for _, a := range e.addrs {
			p.Addrs = append(p.Addrs, a.String()+"/p2p/"+p.ID)
		}
	}
	switch {
	case p.State == Banned, p.State == Refused:
		why, p.Detail = e.reason, ""
	case p.State == Connected, p.State == Connecting:
		why, p.Detail = api.Reason{}, ""
	case p.State == Replaced:
		why, p.Detail = api.Why("replaced", "by", strings.TrimPrefix(o.table.labelOf(e.other), "node ")), ""
	case p.State == Missing && why.Code == "": // no dial has failed yet
		why = api.Why("silent")
	case p.State == HeardOf && e == nil:
		why = api.Why("through")
	}
	if e != nil && e.connected() {
		p.Connected, p.Direction, p.LatencyMS = true, "out", float64(e.session.rtt.Microseconds())/1e3
		if e.session.inbound {
			p.Direction = "in"
		}
		if why = clockHint(e.session.clock); why.Code != "" {
			p.Clock = e.session.clock.Round(time.Second).Seconds()
		}
	}
	p.Because(why)
	if r != nil {
		o.claim(&p, r, now)
		p.Name = cmp.Or(p.Name, r.line.Name)
		if p.Connected {
			p.WS = wsURL(o.near, int(r.line.WSPort), r.line.WSLoopback, e.session.addr)
		}
	}
	return p
}

// wsURL returns the URL at which this machine reaches a connected node's WebSocket.
func wsURL(near *localNet, port int, loopback bool, addr ma.Multiaddr) string {
	ip, ok := ipOf(addr)
	host := ip.String()
	switch {
	case !ok || port == 0:
		return ""
	case near.isOwn(ip):
		host = "localhost"
	case loopback, linkLocal(addr): // no browser takes a zone
		return ""
	}
	return "ws://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/ws"
}

// clockShown is from what difference on the clock of a peer is mentioned.
const clockShown = time.Minute

// clockHint returns in words how far a clock is off, or none below clockShown.
func clockHint(ahead time.Duration) api.Reason {
	if ahead.Abs() <= clockShown {
		return api.Reason{}
	}
	way := "ahead"
	if ahead < 0 {
		way = "behind"
	}
	const day = 24 * time.Hour
	off := fmt.Sprintf("%d min", ahead.Abs().Round(time.Minute)/time.Minute)
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{365 * day, "years"}, {day, "days"}, {time.Hour, "h"}} {
		if n := ahead.Abs().Round(unit.size) / unit.size; n >= 2 {
			off = fmt.Sprintf("%d %s", n, unit.name)
			break
		}
	}
	return api.Why("clock", "time", off, "way", way)
}

// Told returns when each peer was sent a transaction, and when it first showed that it had
// it: by gossip, in its pool, or by a tip on this chain at height or above. height is that
// of the transaction's block, or nil if it is in none. Here is zero if it is not
// remembered.
func (n *Node) Told(key ledger.TxKey, height *uint64) api.Travel {
	way, synced := n.stats.Gossip.Trail.Of(key), gossip.Passage{}
	if s := n.sync.Load(); s != nil {
		synced = s.Passage(key, func(tip ledger.Hash) bool { return height != nil && n.reaches(tip, *height) })
	}
	return n.travel(&way, &synced)
}

// reaches reports whether a block is on the chain, at a height or above.
func (n *Node) reaches(tip ledger.Hash, height uint64) bool {
	v, err := n.cfg.Chain.View()
	if err != nil {
		return false
	}
	defer v.Close()
	at, err := v.Height(tip)
	return err == nil && at >= height
}

func (n *Node) travel(way, synced *gossip.Passage) api.Travel {
	now, byPeer := n.cfg.Now(), make(map[peer.ID]*api.Told)
	of := func(p peer.ID) *api.Told {
		if byPeer[p] == nil {
			byPeer[p] = &api.Told{ID: p.String()}
		}
		return byPeer[p]
	}
	shown := func(t time.Time) *float64 { return new(api.Shown(t, now)) }
	for _, s := range slices.Concat(way.Told, synced.Told) {
		if t, at := of(s.Peer), shown(s.At); t.Told == nil || *at < *t.Told {
			t.Told = at
		}
	}
	for _, source := range []struct {
		by   string
		list []gossip.Sighting
	}{{"gossip", way.Had}, {"pool", synced.Had}, {"block", synced.Blocks}} {
		for _, s := range source.list {
			if t, at := of(s.Peer), shown(s.At); t.Had == nil || *at < *t.Had {
				t.Had, t.By = at, source.by
			}
		}
	}
	out := api.Travel{Peers: []api.Told{}}
	if !way.Here.IsZero() {
		out.Here = shown(way.Here)
	}
	for p, t := range byPeer {
		if p != n.host.ID() {
			out.Peers = append(out.Peers, *t)
		}
	}
	slices.SortFunc(out.Peers, func(x, y api.Told) int { return cmp.Or(cmp.Compare(x.First(), y.First()), cmp.Compare(x.ID, y.ID)) })
	return out
}
