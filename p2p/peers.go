package p2p

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// A State is how this node stands to another.
type State string

// The states of a peer.
const (
	Connected       State = "connected"
	Greeting        State = "greeting"   // connected, hello not yet done
	Dialing         State = "dialing"    // being dialed now
	Waiting         State = "waiting"    // dialed again later; Reason is what went wrong, if it did
	Refused         State = "refused"    // it is on another network, or of another version
	Banned          State = "cut off"    // it sent what no honest node sends
	Unresolved      State = "unresolved" // a registered URL whose node is not known yet
	Itself          State = "itself"     // a registered URL or address that leads to this node
	FailedHandshake State = "stranger"   // an IP address from which handshakes fail
	HeardOf         State = "heard of"   // only its status line is known
)

// A Peer is another node as this one knows it. Name, Version and what follows
// Reason are its own claims.
type Peer struct {
	ID         string           // peer ID; empty in state Unresolved and FailedHandshake
	Key        ledger.PublicKey // its node key, which its ID is made of; zero where that is empty
	Name       string
	Version    string
	Addrs      []string // multiaddrs with /p2p/, best first
	WS         string   // its WebSocket as reached from here, empty where it cannot be
	Registered []string // as given to Register: URLs, without their token, and multiaddrs
	Connected  bool
	Inbound    bool
	Latency    time.Duration // round trip, 0 while not measured
	Clock      time.Duration // how far its clock is ahead of this machine's, 0 for at most a minute
	State      State
	Reason     string // why, in words for people; may be empty

	Seen   time.Time // when its last status line came, which has what follows, zero before
	Blocks uint64
	Tip    ledger.Hash
	Pool   int
	Builds bool
	Peers  []string // IDs of its peers, at most 64, none while not known, for 32 s at most
}

// Peers returns the other nodes of the network, one entry each. The connected ones
// come first, then those that are registered or known, then those of which only a
// status line is known, each in the order of their IDs.
func (n *Node) Peers() []Peer {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	now := time.Now()
	records := n.statuses.table.records()
	delete(records, n.pub)
	urls := make(map[peer.ID][]string)
	var peers []Peer
	for _, u := range n.urls.urls {
		switch {
		case u.id == n.host.ID():
			peers = append(peers, Peer{ID: n.host.ID().String(), Name: n.cfg.Name, Version: n.cfg.Version,
				Registered: []string{withoutToken(u.url)}, State: Itself})
		case n.table.known[u.id] == nil:
			peers = append(peers, Peer{Registered: []string{withoutToken(u.url)}, State: Unresolved, Reason: u.trouble})
		default:
			urls[u.id] = append(urls[u.id], withoutToken(u.url))
		}
	}
	for _, e := range n.table.known {
		p := n.show(e, now, records)
		slices.Sort(urls[e.id])
		p.Registered = append(slices.Compact(urls[e.id]), e.given...)
		peers = append(peers, p)
	}
	for ip, at := range n.gater.failedHandshakes() {
		peers = append(peers, Peer{State: FailedHandshake, Addrs: []string{ip.String()}, Reason: fmt.Sprintf(
			"it connects and fails the handshake (last at %s): its private network's key (--psk) may be another, or on one side only",
			at.Format(time.TimeOnly))})
	}
	for key, r := range records {
		if id, err := peerOf(key); err == nil { // a key whose signature is good is one
			p := Peer{ID: id.String(), Key: key, Name: r.line.Name, State: HeardOf, Reason: "it is on the network, and reached through others"}
			p.claims(&r)
			peers = append(peers, p)
		}
	}
	place := map[State]int{Connected: -1, HeardOf: 1}
	slices.SortFunc(peers, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(place[a.State], place[b.State]), cmp.Compare(a.ID, b.ID),
			slices.Compare(a.Registered, b.Registered), slices.Compare(a.Addrs, b.Addrs))
	})
	return peers
}

// claims takes what a node claims of itself, but for its name.
func (p *Peer) claims(r *nodeRecord) {
	l := r.line
	p.Version, p.Seen, p.Blocks, p.Tip, p.Pool, p.Builds = l.Version, r.at, l.Blocks, l.Tip, int(l.Pool), l.Builds
	for _, b := range l.Peers {
		if id, err := peer.IDFromBytes(b); err == nil {
			p.Peers = append(p.Peers, id.String())
		}
	}
}

// show returns an entry as it is shown, and takes its record out of records. The
// caller holds table.mu.
func (n *Node) show(e *knownPeer, now time.Time, records map[ledger.PublicKey]nodeRecord) Peer {
	p := Peer{ID: e.id.String(), Name: e.name, State: Waiting, Reason: e.trouble}
	if key, err := keyOf(e.id); err == nil {
		p.Key = key
	}
	for _, a := range e.addrs {
		p.Addrs = append(p.Addrs, a.String()+"/p2p/"+e.id.String())
	}
	switch {
	case e.refused(now) && e.banned:
		p.State, p.Reason = Banned, e.reason
	case e.refused(now):
		p.State, p.Reason = Refused, e.reason
	case e.session != nil && !e.session.greeted:
		p.State, p.Reason = Greeting, ""
	case e.dialing:
		p.State = Dialing
	}
	if s := e.session; s != nil && s.greeted {
		p.State, p.Reason = Connected, clockHint(s.clock)
		p.Connected, p.Inbound, p.Latency = true, s.inbound, s.rtt
		if p.Reason != "" {
			p.Clock = s.clock
		}
	}
	if r, ok := records[p.Key]; ok {
		delete(records, p.Key)
		p.claims(&r)
		if p.Connected {
			p.WS = wsURL(n.near, int(r.line.WSPort), r.line.WSLoopback, e.session.addr)
		}
	}
	return p
}

// wsURL returns a connected node's WebSocket as this machine reaches it.
func wsURL(near *localNet, port int, loopback bool, addr ma.Multiaddr) string {
	ip, ok := ipOf(addr)
	host := ip.String()
	switch {
	case !ok || port == 0:
		return ""
	case near.isOwn(ip):
		host = "localhost"
	case loopback:
		return ""
	}
	return "ws://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/ws"
}
