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

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/zeroconf/v2"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
)

// Nodes announce themselves as libp2p's mDNS does, with a TXT record dnsaddr=… for
// each multiaddr. The name of the service is the network's, so that only its nodes
// answer. Loopback addresses mean nothing to other machines. A node that has no others
// announces them under a second name, which is asked for and answered on the loopback
// interface only.
const (
	mdnsDomain  = "local"
	mdnsAddress = "dnsaddr="
	mdnsPort    = 4001 // must be there, and nobody reads it
	mdnsWaiting = 64   // answers that wait to be taken
)

// serviceName returns the name under which the nodes of one network announce
// themselves, one label of 21 characters and the protocol. Here is for nodes of one
// machine.
func serviceName(net *ledger.Network, here bool) string {
	id := net.ID()
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
		run.browse(ctx, d, true)
	} else {
		listens = slices.DeleteFunc(listens, func(a ma.Multiaddr) bool { ip, ok := ipOf(a); return ok && ip.IsLoopback() })
	}
	err = run.serve(d, listens, here)
	run.browse(ctx, d, false) // it may reach other machines, even if they cannot reach it
	if err != nil {
		_ = run.Close()
		return nil, err
	}
	return run, nil
}

// serve announces addrs.
func (r *mdnsRun) serve(d *discovery, addrs []ma.Multiaddr, here bool) error {
	if len(addrs) == 0 {
		return errors.New("this node listens on no address")
	}
	var texts, ips []string
	for _, a := range addrs {
		if hasZone(a) {
			a = a[1:]
		}
		texts = append(texts, fmt.Sprintf("%s%s/p2p/%s", mdnsAddress, a, d.host.ID()))
		if ip, ok := ipOf(a); ok && len(ips) == 0 {
			ips = []string{ip.String()} // some must be there
		}
	}
	name := rand.Text()
	s, err := zeroconf.RegisterProxy(name, serviceName(d.net, here), mdnsDomain, mdnsPort, name, ips, texts, interfaces(here))
	if err == nil {
		r.servers = append(r.servers, s)
	}
	return err
}

// browse asks for nodes, and takes those that answer, until ctx ends.
func (r *mdnsRun) browse(ctx context.Context, d *discovery, here bool) {
	entries, done := make(chan *zeroconf.ServiceEntry, mdnsWaiting), make(chan struct{})
	r.running.Go(func() {
		defer close(done)
		var err error
		// A machine may have one kind of addresses only.
		for _, kind := range []zeroconf.IPType{zeroconf.IPv4AndIPv6, zeroconf.IPv4, zeroconf.IPv6} {
			err = zeroconf.Browse(ctx, serviceName(d.net, here), mdnsDomain, entries, zeroconf.SelectIfaces(interfaces(here)), zeroconf.SelectIPTraffic(kind))
			if err == nil || ctx.Err() != nil {
				return
			}
		}
		d.log.Debug("discovery (mDNS) does not ask for nodes", "err", err)
	})
	r.running.Go(func() {
		for {
			select {
			case e := <-entries:
				for _, info := range infosOf(e) {
					d.take(info, here)
				}
			case <-done:
				return
			}
		}
	})
}

// Close ends the run.
func (r *mdnsRun) Close() error {
	r.end()
	for _, s := range r.servers {
		s.Shutdown()
	}
	r.running.Wait()
	return nil
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
