package p2p

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

const (
	interfacesEvery = 10 * time.Second // the machine's addresses are read
	// mdnsLonely is how often discovery starts anew while there are no peers, since
	// its receive loop ends for good, and silently, on an error.
	mdnsLonely = 3 * time.Minute
	// maxFound bounds the answers that one start of mDNS takes, since its library
	// keeps each for as long as its sender wishes. Over it, mDNS ends, and starts anew
	// within interfacesEvery.
	maxFound = 4096
)

// A discovery announces the node by mDNS, takes the nodes that it finds into the
// peer table, and watches the machine's addresses.
type discovery struct {
	*shared
	table *peerTable
	urls  *urlTable

	found   atomic.Int64  // answers since mDNS started
	flooded chan struct{} // they are over maxFound

	mu      sync.Mutex
	trouble string // why mDNS does not run, empty while it runs or is off
}

// serviceName returns the name under which the nodes of one network announce
// themselves, one label of 21 characters and the protocol.
func serviceName(net *ledger.Network) string {
	id := net.ID()
	return "_fox-" + hex.EncodeToString(id[:8]) + "._udp"
}

// watch reads the machine's addresses again and again. When they change, every
// known node is dialed again at once and mDNS starts anew, since it reads
// addresses and interfaces only once.
func (d *discovery) watch(ctx context.Context) error {
	var running io.Closer
	started, warned := time.Now(), time.Time{}
	if d.cfg.MDNS {
		running = d.start()
	}
	defer func() { d.stop(running) }()
	tick := time.NewTicker(interfacesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.flooded:
			if now := time.Now(); now.Sub(warned) > refusalLog {
				warned = now
				d.log.Warn("discovery (mDNS) gets very many answers, it pauses for some seconds: a machine of this network may make up nodes")
			}
			d.stop(running)
			running = nil
			continue
		case <-tick.C:
		}
		changed := d.near.refresh()
		if changed {
			d.log.Info("this machine's addresses have changed: dialing all known nodes again")
			now := time.Now()
			d.table.dialAllSoon(now)
			d.urls.askAllSoon(now)
		}
		stale := !d.table.aloneSince().IsZero() && time.Since(started) >= mdnsLonely
		if d.cfg.MDNS && (changed || stale || running == nil) {
			d.stop(running)
			running, started = d.start(), time.Now()
		}
	}
}

// An announced host shows mDNS the addresses that others can use. Loopback ones are
// announced only where there are no others, for nodes of this machine.
type announced struct{ host.Host }

// Addrs returns the addresses to announce.
func (h announced) Addrs() []ma.Multiaddr {
	all := h.Host.Addrs()
	if onlyLoopback(all) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(a ma.Multiaddr) bool {
		ip, ok := ipOf(a)
		return ok && ip.IsLoopback() || linkLocal(a)
	})
}

// start starts mDNS. It returns nil when that is not possible at the moment (no
// interface, no address). The node goes on, and tries again.
func (d *discovery) start() io.Closer {
	d.found.Store(0)
	s := mdns.NewMdnsService(announced{d.host}, serviceName(d.net), d)
	err := s.Start()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.trouble = ""
		return s
	}
	err = errors.Join(err, s.Close())
	if trouble := err.Error(); trouble != d.trouble {
		d.trouble = trouble
		d.log.Warn("discovery (mDNS) does not run, it is tried again", "err", err)
	}
	return nil
}

func (d *discovery) stop(s io.Closer) {
	if s == nil {
		return
	}
	if err := s.Close(); err != nil {
		d.log.Debug("ending discovery", "err", err)
	}
}

// HandlePeerFound is called on a goroutine of its own for each answer.
func (d *discovery) HandlePeerFound(info peer.AddrInfo) {
	d.stats.DiscoveryAnswers.Add(1)
	if n := d.found.Add(1); n > maxFound {
		signal(d.flooded)
		return
	}
	here := onlyLoopback(info.Addrs)
	if addrs := d.near.sort(d.near.only(info.Addrs, here), here); len(addrs) > 0 {
		d.table.discovered(info.ID, addrs, here)
	}
}

// onlyLoopback reports whether a node announced nothing but loopback addresses.
// A node on another machine has others, so such a node is on this one, which has
// no network at the moment.
func onlyLoopback(addrs []ma.Multiaddr) bool {
	return !slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool {
		ip, ok := ipOf(a)
		return !ok || !ip.IsLoopback()
	})
}

// diagnose returns, in words for people, how mDNS does.
func (d *discovery) diagnose() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch answers := d.stats.DiscoveryAnswers.Load(); {
	case !d.cfg.MDNS:
		return "discovery (mDNS) is off: give --peer"
	case d.trouble != "":
		return "discovery (mDNS) does not run: " + d.trouble
	case answers == 0:
		return fmt.Sprintf("discovery (mDNS) asks on %s and gets no answer: a guest Wi-Fi may keep devices apart, "+
			"a firewall may block UDP port 5353, or a VPN may be in between", multicastInterfaces())
	default:
		return fmt.Sprintf("discovery (mDNS) found nodes (%d answers), none could be connected", answers)
	}
}

// multicastInterfaces names the interfaces that mDNS can use.
func multicastInterfaces() string {
	all, err := net.Interfaces()
	if err != nil {
		return "unknown interfaces"
	}
	var names []string
	for _, i := range all {
		if i.Flags&net.FlagUp != 0 && i.Flags&net.FlagMulticast != 0 {
			names = append(names, i.Name)
		}
	}
	if len(names) == 0 {
		return "no interface (none is up and can multicast)"
	}
	return strings.Join(names, ", ")
}
