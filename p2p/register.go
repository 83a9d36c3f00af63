package p2p

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxURLs       = 256 // registered ws URLs
	maxGiven      = 8   // multiaddrs registered for one node
	resolveTime   = 10 * time.Second
	resolveFirst  = time.Second
	resolveMost   = 30 * time.Second
	maxResolvedAt = 64 // multiaddrs taken from one answer
)

// A wsURL is a registered WebSocket URL. Node.mu guards it.
type wsURL struct {
	url     string
	id      peer.ID // the node behind it; empty: not known yet
	dirty   bool
	asking  bool
	fails   int
	next    time.Time
	trouble string
}

// Register adds nodes to dial: ws:// and wss:// URLs, whose nodes are asked for
// their multiaddrs, and multiaddrs that end in /p2p/ and a peer ID. All are
// checked first; if one is bad nothing is registered and the error says which
// and why. When it returns nil they are stored and shown by Peers, URLs without
// the token that they may carry; they are dialed in the background. At most 256 URLs are kept, and 8 multiaddrs a node.
func (n *Node) Register(addrs []string) error {
	infos := make([]*peer.AddrInfo, len(addrs))
	for i, a := range addrs {
		var err error
		if isWS(a) {
			err = checkURL(a)
		} else {
			infos[i], err = checkMultiaddr(a)
		}
		if err != nil {
			return fmt.Errorf("addr[%d] %q: %w", i, clean(withoutToken(a), 128), err)
		}
	}
	if err := n.register(addrs, infos); err != nil {
		return err
	}
	n.wake()
	return n.saveBook()
}

func (n *Node) register(addrs []string, infos []*peer.AddrInfo) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.roomFor(addrs, infos); err != nil {
		return err
	}
	now := time.Now()
	for i, a := range addrs {
		switch info := infos[i]; {
		case info == nil:
			n.registerURL(a, now)
		case info.ID != n.host.ID(): // our own address is nothing to dial
			e := n.add(info.ID)
			if e == nil {
				continue // cannot be: roomFor counted
			}
			n.learn(e, info.Addrs, true)
			if !slices.Contains(e.given, a) {
				e.given = append(e.given, a)
			}
			e.stored, e.dirty = true, true
			n.hint(e, now, 0) // it was not told of us: nobody else is about to dial
		}
	}
	n.notify()
	return nil
}

// registerURL stores a URL. One that is registered again is asked again now.
func (n *Node) registerURL(a string, now time.Time) {
	u := n.urls[a]
	if u == nil {
		u = &wsURL{url: a, dirty: true}
		n.urls[a] = u
	}
	u.fails, u.next = 0, now
	if e := n.known[u.id]; e != nil {
		n.hint(e, now, 0)
	}
}

// roomFor checks that all fit, so that not half of them are stored.
func (n *Node) roomFor(addrs []string, infos []*peer.AddrInfo) error {
	urls, nodes := make(map[string]bool), make(map[peer.ID]int)
	for i, a := range addrs {
		if infos[i] == nil {
			urls[a] = n.urls[a] == nil
		} else if e := n.known[infos[i].ID]; e == nil || !slices.Contains(e.given, a) {
			nodes[infos[i].ID]++
		}
	}
	fresh := 0
	for _, isNew := range urls {
		if isNew {
			fresh++
		}
	}
	if len(n.urls)+fresh > maxURLs {
		return fmt.Errorf("no room for %d more URLs: %d of at most %d are registered", fresh, len(n.urls), maxURLs)
	}
	kept := 0
	for _, e := range n.known {
		if n.registered(e) || e.session != nil || e.dialing {
			kept++
		}
	}
	if kept+len(nodes) > maxKnown {
		return fmt.Errorf("no room for %d more nodes: at most %d are kept", len(nodes), maxKnown)
	}
	for p, more := range nodes {
		if e := n.known[p]; e != nil && len(e.given)+more > maxGiven || more > maxGiven {
			return fmt.Errorf("at most %d multiaddrs may be registered for one node (%s)", maxGiven, p)
		}
	}
	return nil
}

func isWS(a string) bool {
	return strings.HasPrefix(a, "ws:") || strings.HasPrefix(a, "wss:")
}

// withoutToken is a registered address as it is shown: a ws URL may carry the
// token of the node behind it, which is nobody else's business.
func withoutToken(a string) string {
	base, query, _ := strings.Cut(a, "?")
	values, err := url.ParseQuery(query)
	switch {
	case err != nil:
		return base
	case !values.Has("token"):
		return a
	}
	values.Del("token")
	if len(values) == 0 {
		return base
	}
	return base + "?" + values.Encode()
}

func checkURL(a string) error {
	u, err := url.Parse(a)
	switch {
	case err != nil:
		return errors.Unwrap(err) // without the URL, which is quoted already
	case len(a) > maxAddrTextSize:
		return fmt.Errorf("must be at most %d bytes", maxAddrTextSize)
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be a WebSocket URL such as ws://localhost:9000/ws")
	case u.User != nil || u.Fragment != "":
		return errors.New("must be a WebSocket URL without user and fragment")
	}
	return nil
}

// CheckAddr says why Register would not take an address; nil: it would, if it has
// room.
func CheckAddr(a string) error {
	if isWS(a) {
		return checkURL(a)
	}
	_, err := checkMultiaddr(a)
	return err
}

func checkMultiaddr(a string) (*peer.AddrInfo, error) {
	const want = "must be ws://host:port/ws, wss://host/ws, or a multiaddr such as /ip4/192.168.1.7/tcp/19000/p2p/12D3Koo…"
	if len(a) > maxAddrTextSize || !strings.HasPrefix(a, "/") {
		return nil, errors.New(want)
	}
	addr, err := ma.NewMultiaddr(a)
	if err != nil {
		return nil, fmt.Errorf("%s (%w)", want, err)
	}
	info, err := peer.AddrInfoFromP2pAddr(addr)
	switch {
	case err != nil:
		return nil, errors.New("must end in /p2p/ and the node's peer ID: the node prints its whole address when it starts")
	case len(info.Addrs) == 0 || !dialable(info.Addrs[0]):
		return nil, errors.New("must hold an address with a TCP port (or UDP port and quic-v1) before /p2p/")
	}
	return info, nil
}

// askURLs starts a question to each registered URL that is due: while its node
// is unknown, and when that cannot be reached by the addresses it gave.
func (n *Node) askURLs(now time.Time, start func(func())) {
	if n.cfg.Resolve == nil {
		return
	}
	for _, u := range n.urls {
		e := n.known[u.id]
		lost := e != nil && e.session == nil && !e.refused(now) && (e.fails > 0 || len(e.addrs) == 0)
		known := u.id == n.host.ID() || e != nil && !lost
		if u.asking || known || now.Before(u.next) || n.asking >= maxDials {
			continue
		}
		u.asking = true
		n.asking++
		start(func() { n.askURL(u) })
	}
}

func (n *Node) askURL(u *wsURL) {
	ctx, cancel := context.WithTimeout(n.ctx, resolveTime)
	defer cancel()
	addrs, err := n.cfg.Resolve(ctx, u.url)
	info, err2 := oneNode(addrs)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asking--
	u.asking = false
	u.next = time.Now().Add(jitter(min(resolveFirst<<min(u.fails, 16), resolveMost)))
	u.fails++
	if err = errors.Join(err); err == nil {
		err = err2
	}
	defer n.notify()
	if err != nil {
		u.trouble = clean(fmt.Sprintf("no answer from the WebSocket: %v", err), maxReason)
		return
	}
	u.trouble = ""
	u.dirty = u.dirty || u.id != info.ID
	u.id = info.ID
	if u.id == n.host.ID() {
		n.log.Info("a registered URL leads to this node itself", "url", withoutToken(u.url))
		return
	}
	e := n.add(info.ID)
	if e == nil {
		u.trouble = "the table of known nodes is full"
		return
	}
	n.learn(e, info.Addrs, true)
	e.stored, e.dirty = true, true
	n.hint(e, time.Now(), 0)
	n.wake()
}

// oneNode reads the multiaddrs that a node gave of itself.
func oneNode(addrs []string) (*peer.AddrInfo, error) {
	var info peer.AddrInfo
	for _, a := range addrs[:min(len(addrs), maxResolvedAt)] {
		one, err := peer.AddrInfoFromString(a)
		if err != nil {
			continue // a form that this program does not know
		}
		if info.ID != "" && info.ID != one.ID {
			return nil, errors.New("it gave addresses of two nodes")
		}
		info.ID = one.ID
		info.Addrs = append(info.Addrs, one.Addrs...)
	}
	if info.ID == "" {
		return nil, errors.New("it gave no multiaddr that ends in /p2p/ and a peer ID")
	}
	return &info, nil
}
