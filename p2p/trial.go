package p2p

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"

	"foxchain/ledger"
	chainsync "foxchain/p2p/sync"
)

// The steps of a trial, in their order.
const (
	StepAddress    = "address"    // it has the form that --peer takes
	StepRoute      = "route"      // this machine is on a network that leads there
	StepConnection = "connection" // TCP, or QUIC, is answered
	StepHandshake  = "handshake"  // Noise: the node proves its identity, behind the pre-shared key if there is one
	StepHello      = "hello"      // it speaks this version of foxchain's protocols
	StepNetwork    = "network"    // it is on this network
)

// Steps returns the steps of a trial, in their order.
func Steps() []string {
	return []string{StepAddress, StepRoute, StepConnection, StepHandshake, StepHello, StepNetwork}
}

const trialTime = 8 * time.Second

// A Trial tries to connect with other nodes as a node does, and reports at which step that
// fails. It uses a new identity for each try, listens nowhere, signs no status line, and
// disconnects before it becomes a peer. A node that it met forgets it within 12 s, one that
// refused it after 10 minutes.
type Trial struct {
	Network     ledger.Hash
	NetworkName string
	Version     string // of the program
	PSK         []byte // nil for none
}

// An Outcome is what a trial found. Step is where it failed, "" if it did not. Nothing is
// known about the steps after it.
type Outcome struct {
	Step   string
	Reason string // why, in words for people
	Cause  error  // behind Reason

	ID    string     // of the node that was tried
	IP    netip.Addr // at which it was tried, zero for a name
	Port  string
	From  netip.Addr // this machine's address on the route to it
	Near  bool       // IP is in a local network
	Other string     // the node that answered in its place

	Name    string // what the node calls itself
	Network string // the name of the network that it is on
	RTT     time.Duration
	Clock   time.Duration // by how much its clock is ahead
	Clocked bool          // Clock is known
}

func (o *Outcome) fail(step string, err error) *Outcome {
	o.Step, o.Cause = step, err
	words, _ := wordsOf(err)
	o.Reason = words.String()
	return o
}

// Run tries one multiaddr. It takes trialTime at most, and helloTime for the hello.
func (t *Trial) Run(ctx context.Context, addr string) *Outcome {
	o := new(Outcome)
	info, err := checkMultiaddr(addr)
	if err == nil && t.PSK != nil && strings.Contains(addr, "/quic-v1") {
		err = errors.New("is an address of QUIC, which cannot use the pre-shared key (--psk): the node has one with /tcp/")
	}
	if err != nil {
		return o.fail(StepAddress, err)
	}
	near := newLocalNet(nil)
	info.Addrs = near.withOwnZones(info.Addrs)
	to := info.Addrs[0]
	o.ID, o.Port = info.ID.String(), to[len(to)-1].Value()
	if _, err := to.ValueForProtocol(ma.P_QUIC_V1); err == nil {
		o.Port, _ = to.ValueForProtocol(ma.P_UDP)
	}
	o.IP, _ = ipOf(to)
	o.Near = near.isNear(o.IP)
	if err := o.route(ctx, to); err != nil {
		return o.fail(StepRoute, &trouble{silence(err), err})
	}
	h, err := t.host(near, strings.Contains(addr, "/quic-v1"))
	if err != nil {
		return o.fail(StepConnection, err)
	}
	defer h.Close()
	ctx, cancel := context.WithTimeout(ctx, trialTime+helloTime)
	defer cancel()
	h.SetStreamHandler(helloProtocol, func(s network.Stream) { // the node greets too, and is left waiting
		<-ctx.Done()
		_ = s.Reset()
	})
	if err := t.connect(ctx, h, info); err != nil {
		id, _ := answeredBy(err)
		o.Other = id.String()
		step := StepHandshake
		var tried *swarm.DialError
		if !errors.As(err, &tried) || !slices.ContainsFunc(tried.DialErrors, func(d swarm.TransportError) bool { return !neverReached(d.Cause) }) {
			step = StepConnection
		}
		return o.fail(step, explain(err, t.PSK != nil))
	}
	return t.greet(ctx, h, info.ID, o)
}

// route finds this machine's address on the route to a. Connecting a UDP socket sends
// nothing.
func (o *Outcome) route(ctx context.Context, a ma.Multiaddr) error {
	host := o.IP.String()
	if !o.IP.IsValid() {
		host = a[0].Value()
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return err
		}
		host = ips[0].Unmap().String()
	} else if hasZone(a) {
		host = o.IP.WithZone(a[0].Value()).String()
	}
	c, err := new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(host, "9"))
	if err != nil {
		return err
	}
	defer c.Close()
	if from, ok := c.LocalAddr().(*net.UDPAddr); ok {
		o.From = from.AddrPort().Addr().Unmap()
	}
	return nil
}

func (t *Trial) host(near *localNet, quic bool) (host.Host, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	cfg := &Config{Key: key, Version: t.Version, QUIC: quic, PSK: t.PSK}
	gater := newConnGater(func(peer.ID) bool { return false }, func(ma.Multiaddr) bool { return false }, new(counters))
	return newHost(cfg, t.Network, near, gater, nil)
}

func (t *Trial) connect(ctx context.Context, h host.Host, info *peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, trialTime)
	defer cancel()
	return h.Connect(ctx, peer.AddrInfo{ID: info.ID, Addrs: dialForms(info.Addrs)})
}

func (t *Trial) greet(ctx context.Context, h host.Host, p peer.ID, o *Outcome) *Outcome {
	reply, err := exchangeHello(ctx, h, p, &hello{Network: t.Network, NetworkName: t.NetworkName})
	o.Name, o.Network = reply.Hello.Name, reply.Hello.NetworkName
	switch {
	case err != nil && reply.Hello.Network == (ledger.Hash{}):
		return o.fail(StepHello, err)
	case err != nil:
		o.fail(StepNetwork, err)
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	begin := time.Now()
	clock, err := chainsync.ClockOf(ctx, h, p)
	o.RTT = time.Since(begin)
	if err == nil && !clock.IsZero() {
		o.Clocked, o.Clock = true, clock.Sub(time.Now().Round(0))
	}
	return o
}

// A HeardNode is a node that answered by mDNS.
type HeardNode struct {
	ID    string
	Addrs []string // multiaddrs with /p2p/ and its ID, best first
}

// Hear asks by mDNS for the nodes of a network, as a node does, until ctx ends. It returns
// those that answered, at most maxKnown. It announces nothing.
func Hear(ctx context.Context, id ledger.Hash) ([]HeardNode, error) {
	near, run := newLocalNet(nil), new(mdnsRun)
	ctx, run.end = context.WithCancel(ctx)
	found, failed := make(map[peer.ID][]ma.Multiaddr), error(nil)
	run.browse(ctx, id, false, func(info peer.AddrInfo) {
		if len(found) < maxKnown {
			found[info.ID] = near.usable(slices.Concat(info.Addrs, found[info.ID]), false)
		}
	}, func(err error) { failed = errors.New(mdnsWords(err)) })
	<-ctx.Done()
	run.stop()
	var all []HeardNode
	for p, addrs := range found {
		n := HeardNode{ID: p.String()}
		for _, a := range addrs {
			n.Addrs = append(n.Addrs, a.String()+"/p2p/"+n.ID)
		}
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b HeardNode) int { return strings.Compare(a.ID, b.ID) })
	return all, failed
}
