package p2p

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	"foxchain/p2p/internal/wait"
)

const (
	interfacesEvery = 10 * time.Second // between two reads of the machine's addresses
	// mdnsLonely is how often mDNS starts anew while there are no peers, since its
	// library stops silently on an error.
	mdnsLonely = 3 * time.Minute
	// maxFound bounds the answers to one start of mDNS, since its library keeps each for
	// as long as its sender wants. Above it, mDNS starts anew within interfacesEvery.
	maxFound = 4096
)

// A discovery announces the node by mDNS, takes the nodes that it finds into the
// peer table, and watches the machine's addresses.
type discovery struct {
	*shared
	table *peerTable
	urls  *urlTable

	found   atomic.Int64  // answers since mDNS started
	flooded chan struct{} // signalled when found exceeds maxFound

	mu      sync.Mutex
	trouble string // why mDNS does not run, empty while it runs or is off
}

// watch reads the machine's interfaces every interfacesEvery. When they change, every
// known node is dialed at once, and mDNS starts anew, since it reads them only once.
func (d *discovery) watch(ctx context.Context) error {
	var running *mdnsRun
	started, warned := time.Now(), time.Time{}
	if d.cfg.MDNS {
		running = d.start()
	}
	defer func() { running.stop() }()
	tick := time.NewTicker(interfacesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.flooded:
			if now := time.Now(); now.Sub(warned) > refusalLog {
				warned = now
				d.log.Warn("discovery (mDNS) gets very many answers and pauses for some seconds: a machine of this network may make up nodes")
			}
			running.stop()
			running = nil
			continue
		case <-tick.C:
		}
		changed := d.near.refresh()
		if changed {
			d.log.Info("this machine's network interfaces have changed: dialing all known nodes again")
			now := time.Now()
			d.table.dialAllSoon(now)
			d.urls.askAllSoon(now)
		}
		stale := !d.table.aloneSince().IsZero() && time.Since(started) >= mdnsLonely
		if d.cfg.MDNS && (changed || stale || running == nil) {
			running.stop()
			running, started = d.start(), time.Now()
		}
	}
}

// start starts mDNS. It returns nil when that is not possible at the moment (no
// interface, no address), and watch tries again.
func (d *discovery) start() *mdnsRun {
	d.found.Store(0)
	s, err := d.startMDNS()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		d.trouble = ""
		return s
	}
	d.log.Debug("discovery (mDNS) does not start", "error", err)
	if words := mdnsWords(err); words != d.trouble {
		d.trouble = words
		d.log.Warn("discovery (mDNS) does not run, it is tried again", "reason", words)
	}
	return nil
}

// take takes a node that mDNS found. here means that the answer came under the loopback
// service's name.
func (d *discovery) take(info peer.AddrInfo, here bool) {
	if info.ID == d.host.ID() {
		return
	}
	d.stats.DiscoveryAnswers.Add(1)
	if d.found.Add(1) > maxFound {
		wait.Signal(d.flooded)
		return
	}
	if addrs := d.near.usable(info.Addrs, here); len(addrs) > 0 {
		d.table.discovered(info.ID, addrs, here)
	}
}

// usable returns the addresses from mDNS that this machine can dial.
func (l *localNet) usable(addrs []ma.Multiaddr, here bool) []ma.Multiaddr {
	return l.sort(slices.Concat(l.only(addrs, here), l.zoned(addrs)), here)
}

// onlyLoopback reports whether a node has nothing but loopback addresses.
func onlyLoopback(addrs []ma.Multiaddr) bool {
	return !slices.ContainsFunc(addrs, func(a ma.Multiaddr) bool {
		ip, ok := ipOf(a)
		return !ok || !ip.IsLoopback()
	})
}

// diagnose returns, in words for people, the state of mDNS.
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
		return fmt.Sprintf("discovery (mDNS) found nodes (%d answers), and none could be connected", answers)
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

// Nodes announce themselves as libp2p's mDNS does, with a TXT record dnsaddr=… for each
// multiaddr. The service's name is derived from the network, so that only its nodes
// answer. Loopback addresses mean nothing to other machines. A node that has no others
// announces them under a second name, which is used on the loopback interface only.
const (
	mdnsDomain  = "local"
	mdnsAddress = "dnsaddr="
	mdnsPort    = 4001 // required by the library, and not read
	mdnsWaiting = 64   // answers that wait to be taken
)

// serviceName returns the name under which the nodes of one network announce themselves,
// one label of 21 characters and the protocol. With here set, the name is that for nodes
// of one machine.
func serviceName(id ledger.Hash, here bool) string {
	name := "_fox-" + hex.EncodeToString(id[:8])
	if here {
		name = "_here" + name
	}
	return name + "._udp"
}

// An mdnsRun is one run of mDNS.
type mdnsRun struct {
	servers []*zeroconf.Server
	end     context.CancelFunc
	running sync.WaitGroup
}

// startMDNS announces this node, and takes the nodes that answer until the run is
// closed.
func (d *discovery) startMDNS() (*mdnsRun, error) {
	listens, err := d.host.Network().InterfaceListenAddresses()
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	run := &mdnsRun{end: end}
	listens = d.withLinkLocals(listens)
	here := onlyLoopback(listens)
	if here {
		d.browse(ctx, run, true)
	} else {
		listens = slices.DeleteFunc(listens, func(a ma.Multiaddr) bool { ip, ok := ipOf(a); return ok && ip.IsLoopback() })
	}
	err = run.serve(d, listens, here)
	d.browse(ctx, run, false) // this node may reach other machines, even if they cannot reach it
	if err != nil {
		run.stop()
		return nil, err
	}
	return run, nil
}

var errNoAddress = errors.New("this node listens on no address")

// mdnsWords returns, in words for people, why mDNS does not start.
func mdnsWords(err error) string {
	if errors.Is(err, errNoAddress) {
		return err.Error()
	}
	return "no network interface of this machine carries it. It needs UDP port 5353, which another program may keep for itself. It can use: " + multicastInterfaces()
}

// serve announces addrs.
func (r *mdnsRun) serve(d *discovery, addrs []ma.Multiaddr, here bool) error {
	if len(addrs) == 0 {
		return errNoAddress
	}
	var texts, ips []string
	for _, a := range addrs {
		if hasZone(a) {
			a = a[1:]
		}
		texts = append(texts, fmt.Sprintf("%s%s/p2p/%s", mdnsAddress, a, d.host.ID()))
		if ip, ok := ipOf(a); ok && len(ips) == 0 {
			ips = []string{ip.String()} // the library needs one
		}
	}
	name := rand.Text()
	s, err := zeroconf.RegisterProxy(name, serviceName(d.net.ID(), here), mdnsDomain, mdnsPort, name, ips, texts, interfaces(here))
	if err == nil {
		r.servers = append(r.servers, s)
	}
	return err
}

// browse asks for nodes, and takes those that answer, until ctx ends.
func (d *discovery) browse(ctx context.Context, r *mdnsRun, here bool) {
	r.browse(ctx, d.net.ID(), here, func(info peer.AddrInfo) { d.take(info, here) }, func(err error) {
		d.log.Debug("discovery (mDNS) does not ask for nodes", "error", err)
	})
}

func (r *mdnsRun) browse(ctx context.Context, id ledger.Hash, here bool, take func(peer.AddrInfo), failed func(error)) {
	entries, done := make(chan *zeroconf.ServiceEntry, mdnsWaiting), make(chan struct{})
	r.running.Go(func() {
		defer close(done)
		var err error
		// A machine may have one kind of addresses only.
		for _, kind := range []zeroconf.IPType{zeroconf.IPv4AndIPv6, zeroconf.IPv4, zeroconf.IPv6} {
			err = zeroconf.Browse(ctx, serviceName(id, here), mdnsDomain, entries, zeroconf.SelectIfaces(interfaces(here)), zeroconf.SelectIPTraffic(kind))
			if err == nil || ctx.Err() != nil {
				return
			}
		}
		failed(err)
	})
	r.running.Go(func() {
		for {
			select {
			case e := <-entries:
				for _, info := range infosOf(e) {
					take(info)
				}
			case <-done:
				return
			}
		}
	})
}

// stop ends the run, if there is one.
func (r *mdnsRun) stop() {
	if r == nil {
		return
	}
	r.end()
	for _, s := range r.servers {
		s.Shutdown()
	}
	r.running.Wait()
}

// infosOf returns the nodes of an answer.
func infosOf(e *zeroconf.ServiceEntry) []peer.AddrInfo {
	if e == nil { // the channel is closed
		return nil
	}
	var addrs []ma.Multiaddr
	for _, text := range e.Text {
		if a, err := ma.NewMultiaddr(strings.TrimPrefix(text, mdnsAddress)); err == nil {
			addrs = append(addrs, a)
		}
	}
	infos, _ := peer.AddrInfosFromP2pAddrs(addrs...) // an error lists none
	return infos
}

// interfaces returns the loopback interfaces, or nil for all that can multicast.
func interfaces(loopback bool) []net.Interface {
	if !loopback {
		return nil
	}
	all, _ := net.Interfaces() // an error lists none
	return slices.DeleteFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 || i.Flags&net.FlagUp == 0 })
}
