package p2p

import (
	"context"
	"encoding/hex"
	"io"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

const (
	interfacesEvery = 10 * time.Second // how often the machine's addresses are looked at
	// mdnsLonely is how often discovery starts anew while nobody is connected:
	// its receive loop ends for good, and silently, on an error.
	mdnsLonely = 3 * time.Minute
)

// serviceName is what nodes of one network announce themselves as: one label of
// 21 characters and the protocol.
func serviceName(net *ledger.Network) string {
	id := net.ID()
	return "_fox-" + hex.EncodeToString(id[:8]) + "._udp"
}

// watchNetwork looks at the machine's addresses. When they change, every known
// node is dialed again at once and discovery starts anew, since it reads
// addresses and interfaces only once.
func (n *Node) watchNetwork(ctx context.Context) error {
	var running io.Closer
	started := time.Now()
	if n.cfg.MDNS {
		running = n.startMDNS()
	}
	defer func() { n.stopMDNS(running) }()
	tick := time.NewTicker(interfacesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		changed := n.near.refresh()
		if changed {
			n.log.Info("this machine's addresses have changed: dialing all known nodes again")
			n.dialAllSoon()
		}
		stale := n.isAlone() && time.Since(started) >= mdnsLonely
		if n.cfg.MDNS && (changed || stale || running == nil) {
			n.stopMDNS(running)
			running, started = n.startMDNS(), time.Now()
		}
	}
}

// startMDNS starts discovery. That it cannot is a matter of this moment (no
// interface, no address) and not the node's end: nil then.
func (n *Node) startMDNS() io.Closer {
	s, err := startDiscovery(n.host, serviceName(n.net), found{n})
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		n.mdnsTrouble = ""
		return s
	}
	if trouble := err.Error(); trouble != n.mdnsTrouble {
		n.mdnsTrouble = trouble
		n.log.Warn("discovery (mDNS) does not run, it is tried again", "err", err)
	}
	return nil
}

func (n *Node) stopMDNS(s io.Closer) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		n.log.Debug("ending discovery", "err", err)
	}
}

// found takes what mDNS finds.
type found struct{ n *Node }

// HandlePeerFound is called on a goroutine of its own for each answer.
func (f found) HandlePeerFound(info peer.AddrInfo) {
	n := f.n
	n.stats.DiscoveryAnswers.Add(1)
	here := onlyLoopback(info.Addrs)
	addrs := n.near.sort(info.Addrs, here)
	if len(addrs) == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.add(info.ID)
	if e == nil {
		return
	}
	n.learn(e, addrs, here)
	if !e.stored {
		e.stored, e.dirty = true, true
	}
	if e.session == nil {
		n.hint(e, time.Now(), n.headStart(e.id))
	}
}

// onlyLoopback reports whether a node told nothing but loopback addresses. One on
// another machine has others, so such a node is on this one, which has no
// network at the moment.
func onlyLoopback(addrs []ma.Multiaddr) bool {
	return !slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool {
		ip, ok := ipOf(a)
		return !ok || !ip.IsLoopback()
	})
}
