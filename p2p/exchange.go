package p2p

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	maxExchanged = 64 // nodes told in one answer, and taken from one
	exchangeTime = 5 * time.Second
)

// connectedAddrs is our answer to a peer that asks for addresses: those near of
// the peers that we are connected to.
func (n *Node) connectedAddrs() []peer.AddrInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	var infos []peer.AddrInfo
	for _, e := range n.known {
		if e.session == nil || !e.session.greeted {
			continue
		}
		if near := n.nearAddrs(e.addrs, true); len(near) > 0 {
			infos = append(infos, peer.AddrInfo{ID: e.id, Addrs: near})
		}
	}
	slices.SortFunc(infos, func(a, b peer.AddrInfo) int { return cmp.Compare(a.ID, b.ID) })
	return infos[:min(len(infos), maxExchanged)]
}

// exchange asks the peer for the addresses that it knows. Nodes that are new
// are dialed; they come into the address book when a dial has reached them. Its
// loopback addresses mean our machine only when it is on it.
func (n *Node) exchange(ctx context.Context, e *entry, s *session) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	infos, err := n.sync.addresses(ctx, e.id)
	if err != nil {
		n.log.Debug("a node did not tell addresses", "peer", e.id, "err", err)
		return
	}
	same := n.sameHost(s.remote)
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, info := range infos[:min(len(infos), maxExchanged)] {
		addrs := n.nearAddrs(info.Addrs, same)
		if info.ID == n.host.ID() || len(addrs) == 0 {
			continue
		}
		o := n.known[info.ID]
		if o == nil {
			if o = n.add(info.ID); o == nil {
				return
			}
		} else if o.session != nil || o.reached && len(o.addrs) > 0 && o.fails == 0 {
			continue // what we know ourselves is better
		}
		// Ours first: they were better known than what a peer tells.
		if merged := n.near.sort(append(slices.Clone(o.addrs), addrs...), same); !equalAddrs(merged, o.addrs) {
			o.addrs = merged
		}
	}
	n.wake()
}

// nearAddrs keeps the addresses of local networks.
func (n *Node) nearAddrs(addrs []ma.Multiaddr, loopback bool) []ma.Multiaddr {
	var near []ma.Multiaddr
	for _, a := range addrs[:min(len(addrs), maxAddrs)] {
		if ip, ok := ipOf(a); ok && n.near.isNear(ip) && (loopback || !ip.IsLoopback()) {
			near = append(near, a)
		}
	}
	return near
}
