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

	"foxchain/rpc/api"
)

const (
	maxRegistered = 256 // addresses
	maxAsked      = 16  // URLs at once
	resolveTime   = 10 * time.Second
	resolveFirst  = time.Second
	resolveMost   = 30 * time.Second
	maxResolvedAt = 64 // multiaddrs taken from one answer
)

// A registeredURL is a WebSocket URL given to Register. peerTable.mu guards it.
type registeredURL struct {
	url     string
	id      peer.ID // the node behind it, which is in the peer table, empty while not known
	asking  bool
	fails   int
	next    time.Time
	trouble api.Reason
	detail  string // the error behind trouble
	closed  bool   // the node wants a token that the URL lacks
}

// A urlTable holds the registered URLs, and asks the nodes behind them for their
// multiaddrs. The lock of the peer table guards it.
type urlTable struct {
	*shared
	table  *peerTable
	urls   map[string]*registeredURL
	asking int
}

// register stores URLs and multiaddrs, all or none. A URL that is registered again is
// asked at once.
func (t *urlTable) register(urls []string, given []givenAddr) error {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	all := make(map[string]bool)
	for u := range t.urls {
		all[u] = true
	}
	for _, e := range t.table.known {
		for _, a := range e.given {
			all[a] = true
		}
	}
	before := len(all)
	for _, u := range urls {
		all[u] = true
	}
	for _, g := range given {
		all[g.text] = true
	}
	if len(all) > max(before, maxRegistered) {
		return fmt.Errorf("no room for %d more addresses: %d of at most %d are registered", len(all)-before, before, maxRegistered)
	}
	t.table.register(given)
	now := time.Now()
	for _, text := range urls {
		u := t.urls[text]
		if u == nil {
			u = &registeredURL{url: text}
			t.urls[text] = u
		}
		u.fails, u.next = 0, now
		if e := t.table.known[u.id]; e != nil {
			t.table.hint(e, now, 0)
		}
	}
	return nil
}

// lead notes that u now leads to the node p. The caller holds table.mu.
func (t *urlTable) lead(u *registeredURL, p peer.ID) {
	if u.id == p {
		return
	}
	if e := t.table.known[u.id]; e != nil {
		e.urls--
	}
	if e := t.table.known[p]; e != nil {
		e.urls++
	}
	u.id = p
}

func isWS(a string) bool {
	return strings.HasPrefix(a, "ws:") || strings.HasPrefix(a, "wss:")
}

// withoutToken returns a registered address as it is shown. A ws URL may carry the
// token of the node behind it, which must stay secret.
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
		return errors.Unwrap(err) // without the URL, which the caller quotes
	case len(a) > maxAddrTextSize:
		return fmt.Errorf("must be at most %d bytes", maxAddrTextSize)
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" || u.Opaque != "":
		return errors.New("must be a WebSocket URL such as ws://localhost:9000/ws")
	case strings.Contains(u.Hostname(), ":") && u.Host[0] != '[':
		return errors.New("an IPv6 address is written in brackets, such as ws://[::1]:9000/ws")
	case u.User != nil || u.Fragment != "":
		return errors.New("must be a WebSocket URL without user and fragment")
	}
	return nil
}

// CheckAddr returns why Register would refuse an address, or nil if it would take it
// while it has room.
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
	case len(info.Addrs) > 0 && linkLocal(info.Addrs[0]) && !dialable(info.Addrs[0]):
		return nil, fmt.Errorf("is a link-local address (fe80::…), which needs the network interface of this machine that leads to it, and TCP: "+
			"/ip6zone/eth0/ip6/fe80::…/tcp/19000/p2p/12D3Koo…, with one of these in place of eth0: %s", multicastInterfaces())
	case len(info.Addrs) == 0 || !dialable(info.Addrs[0]):
		return nil, errors.New("must hold an address with a TCP port (or UDP port and quic-v1) before /p2p/")
	}
	return info, nil
}

// askDue asks each registered URL that is due and whose node is unknown or not reached.
func (t *urlTable) askDue(now time.Time, start starter) {
	if t.cfg.Resolve == nil {
		return
	}
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for _, u := range t.urls {
		if u.asking || now.Before(u.next) || t.asking >= maxAsked || u.id == t.host.ID() || !t.table.known[u.id].lost(now) {
			continue
		}
		u.asking = true
		t.asking++
		start(func(ctx context.Context) error { t.ask(ctx, u); return nil })
	}
}

// askAllSoon forgets every backoff.
func (t *urlTable) askAllSoon(now time.Time) {
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	for _, u := range t.urls {
		u.fails, u.next = 0, now
	}
	t.wake()
}

func (t *urlTable) ask(ctx context.Context, u *registeredURL) {
	ctx, cancel := context.WithTimeout(ctx, resolveTime)
	defer cancel()
	addrs, err := t.cfg.Resolve(ctx, u.url)
	var info *peer.AddrInfo
	if err == nil {
		info, err = oneNode(addrs)
	}
	defer t.notify()
	t.table.mu.Lock()
	defer t.table.mu.Unlock()
	t.asking--
	u.asking = false
	u.next = time.Now().Add(jitter(min(resolveFirst<<min(u.fails, 16), resolveMost)))
	u.fails++
	u.trouble, u.detail, u.closed = api.Reason{}, "", errors.Is(err, ErrWantsToken)
	if t.urls[u.url] != u {
		return // the URL was forgotten meanwhile
	}
	if err != nil {
		u.trouble, u.detail = wordsOf(explainURL(err))
		return
	}
	if info.ID == t.host.ID() {
		t.log.Info("a registered URL leads to this node itself", "url", withoutToken(u.url))
	} else {
		t.table.meet(t.table.addRegistered(info.ID), slices.Concat(info.Addrs, t.near.zoned(info.Addrs)), true, 0)
	}
	t.lead(u, info.ID)
}

// oneNode reads the multiaddrs that a node returned as its own.
func oneNode(addrs []string) (*peer.AddrInfo, error) {
	var info peer.AddrInfo
	for _, a := range addrs[:min(len(addrs), maxResolvedAt)] {
		one, err := peer.AddrInfoFromString(a)
		if err != nil {
			continue // an unknown form
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
