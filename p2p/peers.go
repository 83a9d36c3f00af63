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
	Connected  State = "connected"
	Greeting   State = "greeting"   // connected, hello not yet done
	Dialing    State = "dialing"    // being dialed now
	Waiting    State = "waiting"    // dialed again later; Reason says what went wrong, if it did
	Refused    State = "refused"    // it is on another network, or of another version
	CutOff     State = "cut off"    // it sent what no honest node sends
	Unresolved State = "unresolved" // a registered URL whose node is not known yet
	Itself     State = "itself"     // a registered URL or address that leads to this node
	Stranger   State = "stranger"   // an IP address from which handshakes fail
)

// A Peer is another node as this one knows it. Name, Version and Status are its
// own claims.
type Peer struct {
	ID         string           // peer ID; empty in state Unresolved and Stranger
	Key        ledger.PublicKey // its node key, which its ID is made of; zero where that is empty
	Name       string
	Version    string
	Addrs      []string // multiaddrs with /p2p/, best first
	WS         string   // its WebSocket as reached from here; empty: it cannot be
	Registered []string // as given to Register: URLs, without their token, and multiaddrs
	Connected  bool
	Inbound    bool
	Latency    time.Duration // round trip; 0: not measured
	State      State
	Reason     string // why, in words for people; may be empty
	Status     PeerStatus
}

// A PeerStatus is a node's last status.
type PeerStatus struct {
	Blocks uint64
	Tip    ledger.Hash
	Pool   int
	Builds bool
	Peers  int       // connected nodes; 0: not known yet
	Seen   time.Time // zero: there is none
}

// Peers returns the nodes that are registered, known or connected, one entry
// each, connected ones first, otherwise in the order of their IDs.
func (n *Node) Peers() []Peer {
	n.urls.mu.Lock()
	defer n.urls.mu.Unlock()
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	now := time.Now()
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
		p := n.show(e, now)
		slices.Sort(urls[e.id])
		p.Registered = append(slices.Compact(urls[e.id]), e.given...)
		peers = append(peers, p)
	}
	for ip, at := range n.gate.failedHandshakes() {
		peers = append(peers, Peer{State: Stranger, Addrs: []string{ip.String()}, Reason: fmt.Sprintf(
			"it connects and fails the handshake (last at %s): its private network's key (--psk) may be another, or on one side only",
			at.Format(time.TimeOnly))})
	}
	slices.SortFunc(peers, func(a, b Peer) int {
		if a.Connected != b.Connected {
			return map[bool]int{true: -1, false: 1}[a.Connected]
		}
		return cmp.Or(cmp.Compare(a.ID, b.ID), slices.Compare(a.Registered, b.Registered), slices.Compare(a.Addrs, b.Addrs))
	})
	return peers
}

// show returns an entry as it is shown. The caller holds table.mu.
func (n *Node) show(e *knownPeer, now time.Time) Peer {
	p := Peer{ID: e.id.String(), Name: e.name, Version: e.prog, State: Waiting, Reason: e.trouble}
	if key, err := keyOf(e.id); err == nil {
		p.Key = key
	}
	for _, a := range e.addrs {
		p.Addrs = append(p.Addrs, a.String()+"/p2p/"+e.id.String())
	}
	switch {
	case e.refused(now) && e.banned:
		p.State, p.Reason = CutOff, e.reason
	case e.refused(now):
		p.State, p.Reason = Refused, e.reason
	case e.session != nil && !e.session.greeted:
		p.State, p.Reason = Greeting, ""
	case e.dialing:
		p.State = Dialing
	}
	if s := e.session; s != nil && s.greeted {
		p.State, p.Reason = Connected, ""
		p.Connected, p.Inbound, p.Latency = true, s.inbound, s.rtt
		p.WS = wsURL(n.near, e.ws, s.remote)
	}
	if line, at, ok := n.statuses.table.get(p.Key); ok {
		p.Status = PeerStatus{Blocks: line.Blocks, Tip: line.Tip, Pool: int(line.Pool), Builds: line.Builds, Peers: len(line.Peers), Seen: at}
	}
	return p
}

// wsURL returns a connected node's WebSocket as this machine reaches it.
func wsURL(near *localNet, ws WSInfo, remote ma.Multiaddr) string {
	ip, ok := ipOf(remote)
	port := strconv.Itoa(ws.Port)
	switch {
	case !ok || ws.Port == 0:
		return ""
	case near.isOwn(ip):
		return "ws://" + net.JoinHostPort("localhost", port) + "/ws"
	case ws.Loopback:
		return ""
	}
	return "ws://" + net.JoinHostPort(ip.String(), port) + "/ws"
}

// A NodeStatus is the last status line of a node anywhere on the network. All of
// it is the node's own claim, signed with Key.
type NodeStatus struct {
	Key      ledger.PublicKey
	ID       string // peer ID
	Name     string
	Version  string
	Instance uint64 // drawn at each start
	Counter  uint64
	Blocks   uint64
	Tip      ledger.Hash
	Pool     uint64
	Peers    []string // IDs of its peers, at most 64; none: not known yet, for 32 s at most
	Builds   bool
	Uptime   time.Duration
	WS       WSInfo
	Seen     time.Time // when it came
	Self     bool      // this node
}

// Statuses returns the last status of every node on the network, this one
// included, at most 1024, in the order of their IDs.
func (n *Node) Statuses() []NodeStatus {
	var all []NodeStatus
	n.statuses.table.each(func(r *nodeRecord) {
		l := r.line
		id, err := peerOf(l.Key)
		if err != nil {
			return // no Ed25519 key: cannot be, its signature was good
		}
		st := NodeStatus{
			Key: l.Key, ID: id.String(), Name: l.Name, Version: l.Version, Instance: l.Instance, Counter: l.Counter,
			Blocks: l.Blocks, Tip: l.Tip, Pool: l.Pool, Builds: l.Builds,
			Uptime: time.Duration(min(l.Uptime, maxUptime)) * time.Millisecond,
			WS:     WSInfo{Port: int(l.WSPort), Loopback: l.WSLoopback},
			Seen:   r.at, Self: l.Key == n.pub,
		}
		for _, p := range l.Peers {
			if id, err := peer.IDFromBytes(p); err == nil {
				st.Peers = append(st.Peers, id.String())
			}
		}
		all = append(all, st)
	})
	slices.SortFunc(all, func(a, b NodeStatus) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Builders returns the keys of the nodes that build now: their status is at most
// 12 s old and has it so, and their blocks count. This node is among them when it
// builds.
func (n *Node) Builders() []ledger.PublicKey {
	now := time.Now()
	var keys []ledger.PublicKey
	n.statuses.table.each(func(r *nodeRecord) {
		if k := r.line.Key; k != n.pub && r.line.Builds && now.Sub(r.at) <= liveTime && n.net.MayBuild(k) {
			keys = append(keys, k)
		}
	})
	if n.Builds() {
		keys = append(keys, n.pub)
	}
	slices.SortFunc(keys, func(a, b ledger.PublicKey) int { return slices.Compare(a[:], b[:]) })
	return keys
}
