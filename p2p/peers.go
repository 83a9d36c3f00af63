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

// The states of a peer. The package doc has their meanings.
const (
	Connected       State = "connected"
	Greeting        State = "connecting"
	Dialing         State = "dialing"
	Missing         State = "missing"
	NotReached      State = "not reached"
	Replaced        State = "replaced"
	Refused         State = "refused"
	Banned          State = "cut off"
	Unresolved      State = "unresolved"
	Itself          State = "itself"
	FailedHandshake State = "stranger"
	HeardOf         State = "heard of"
)

// States returns all states.
func States() []State {
	return []State{Connected, Greeting, Dialing, Missing, NotReached, Replaced, Refused, Banned, Unresolved, Itself, FailedHandshake, HeardOf}
}

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
	Reason     string    // why, in words for people; may be empty
	Detail     string    // the error behind Reason as the machine gave it; may be empty
	Since      time.Time // when a node in state Missing was last there, else zero

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
			peers = append(peers, Peer{Registered: []string{withoutToken(u.url)}, State: Unresolved, Reason: u.trouble, Detail: u.detail})
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
	for ip, at := range n.strangers() {
		peers = append(peers, Peer{State: FailedHandshake, Addrs: []string{ip.String()},
			Reason: fmt.Sprintf("it connects and %s (last at %s)", n.handshakeTrouble(), at.Format(time.TimeOnly))})
	}
	for key, r := range records {
		id, err := peerOf(key)
		state, since := n.stateOf(nil, &r, now)
		if err != nil || state == "" { // a key whose signature is good is one
			continue
		}
		p := Peer{ID: id.String(), Key: key, Name: r.line.Name, State: state, Since: since}
		if state == HeardOf {
			p.Reason = "it is on the network, and reached through others"
		}
		p.claims(&r)
		peers = append(peers, p)
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
	p := Peer{ID: e.id.String(), Name: e.name, Reason: e.trouble, Detail: e.detail}
	if key, err := keyOf(e.id); err == nil {
		p.Key = key
	}
	for _, a := range e.addrs {
		p.Addrs = append(p.Addrs, a.String()+"/p2p/"+e.id.String())
	}
	var record *nodeRecord
	if r, ok := records[p.Key]; ok {
		record = &r
	}
	switch p.State, p.Since = n.stateOf(e, record, now); p.State {
	case Banned, Refused:
		p.Reason, p.Detail = e.reason, ""
	case Connected, Greeting:
		p.Reason, p.Detail = "", ""
	case Replaced:
		p.Reason, p.Detail = fmt.Sprintf("another identity, %s, answers at its address: its data directory was deleted, or another node has its address now",
			n.table.labelOf(e.other)), ""
	}
	if s := e.session; s != nil && s.greeted {
		p.Reason = clockHint(s.clock)
		p.Connected, p.Inbound, p.Latency = true, s.inbound, s.rtt
		if p.Reason != "" {
			p.Clock = s.clock
		}
	}
	if record != nil {
		delete(records, p.Key)
		p.claims(record)
		if p.Name == "" {
			p.Name = record.line.Name
		}
		if p.Connected {
			p.WS = wsURL(n.near, int(record.line.WSPort), record.line.WSLoopback, e.session.addr)
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
	case loopback, linkLocal(addr): // no browser takes a zone
		return ""
	}
	return "ws://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/ws"
}
