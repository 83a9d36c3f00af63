package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/p2p"
)

const (
	hearTime   = 2500 * time.Millisecond
	hearAgain  = 2 // times, where something is not heard that may only be late
	probeEvery = 250 * time.Millisecond
	mdnsPort   = 5353
)

// listen looks at the interfaces, and listens for nodes and other machines meanwhile.
func (d *doctor) listen(ctx context.Context) []Check {
	all, err := net.Interfaces()
	if err != nil {
		return []Check{{About: "interface", State: Note, Reason: "the interfaces of this machine are not known", Detail: err.Error()}}
	}
	var probes []*probe
	for _, i := range all {
		if i.Flags&net.FlagLoopback != 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		p := &probe{at: i, name: "_fox-doctor-" + strings.ToLower(rand.Text()[:12])}
		probes = append(probes, p)
	}
	var failed error
	for range 1 + hearAgain {
		if !d.cfg.MDNS || len(probes) == 0 || failed != nil || !d.missing(probes) {
			break
		}
		failed = d.hear(ctx, probes)
	}
	strays := make(map[netip.Addr]bool)
	for _, p := range probes {
		for ip := range p.others {
			strays[ip] = true
		}
	}
	d.strays = len(strays)
	checks := interfaceChecks(probes, d.cfg.MDNS)
	return append(checks, d.discovery(failed))
}

// missing reports whether something is not heard yet that should be: a probe, the node here,
// or one of its peers.
func (d *doctor) missing(probes []*probe) bool {
	own := slices.ContainsFunc(d.heard, func(n p2p.HeardNode) bool { return d.info != nil && n.ID == d.info.PeerID })
	return slices.ContainsFunc(probes, func(p *probe) bool { return p.multicast() && !p.done() }) ||
		d.info == nil && d.heard == nil || d.info != nil && (!own || d.info.Peers > 0 && len(d.heard) < 2)
}

// hear listens for hearTime.
func (d *doctor) hear(ctx context.Context, probes []*probe) (err error) {
	ctx, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range probes {
		if p.multicast() {
			wg.Go(func() { p.run(ctx) })
		}
	}
	heard, err := p2p.Hear(ctx, d.trial.Network)
	for _, n := range heard {
		if !slices.ContainsFunc(d.heard, func(o p2p.HeardNode) bool { return o.ID == n.ID }) {
			d.heard = append(d.heard, n)
		}
	}
	wg.Wait()
	return err
}

// interfaceChecks returns a check for each interface. One without multicast fails only
// where no other has it, since a VPN or a bridge of containers need not have it.
func interfaceChecks(probes []*probe, mdns bool) []Check {
	var checks []Check
	works := false
	for _, p := range probes {
		c := p.check(mdns)
		works = works || c.State == OK
		checks = append(checks, c)
	}
	if len(probes) == 0 {
		return []Check{{About: "interface", State: Fail, Reason: "no network is up on this machine: the cable is unplugged, or Wi-Fi is off",
			Advice: []string{"Plug the cable in, or join the Wi-Fi. Nodes on this machine connect all the same"}}}
	}
	for i := range checks {
		if works && checks[i].State == Fail {
			checks[i].State = Note
		}
	}
	return checks
}

// A probe asks by mDNS on one interface for what there is not, and listens for its own
// question.
type probe struct {
	at   net.Interface
	name string

	mu     sync.Mutex
	heard  bool // its own question, by IPv4 or IPv6
	sent   bool
	err    error
	others map[netip.Addr]bool // machines whose mDNS came
}

func (p *probe) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.by(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort}) })
	wg.Go(func() { p.by(ctx, "udp6", &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort, Zone: p.at.Name}) })
	wg.Wait()
}

// by probes by IPv4 or IPv6. What an interface without such an address answers is no error.
func (p *probe) by(ctx context.Context, network string, group *net.UDPAddr) {
	in, err := net.ListenMulticastUDP(network, &p.at, group)
	if err != nil {
		p.note(err)
		return
	}
	defer context.AfterFunc(ctx, func() { in.Close() })()
	defer in.Close()
	out, err := sender(network, &p.at)
	if err != nil {
		p.note(err)
		return
	}
	defer out.Close()
	question, err := p.question()
	if err != nil {
		p.note(err)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.receive(in) })
	for ctx.Err() == nil {
		_, err := out.WriteTo(question, group)
		p.note(err)
		select {
		case <-ctx.Done():
		case <-time.After(probeEvery):
		}
		if p.done() {
			break
		}
	}
	wg.Wait()
}

func (p *probe) multicast() bool { return p.at.Flags&net.FlagMulticast != 0 }

func (p *probe) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard
}

// note takes how sending went.
func (p *probe) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil:
		p.sent = true
	case p.err == nil, errors.Is(err, os.ErrPermission):
		p.err = err
	}
}

// receive reads until in is closed.
func (p *probe) receive(in *net.UDPConn) {
	for b := make([]byte, 64<<10); ; {
		n, from, err := in.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		ip := from.Addr().Unmap()
		p.mu.Lock()
		if bytes.Contains(b[:n], []byte(p.name)) {
			p.heard = true
		} else if !isOwn(ip) {
			if p.others == nil {
				p.others = make(map[netip.Addr]bool)
			}
			p.others[ip] = true
		}
		p.mu.Unlock()
	}
}

func isOwn(ip netip.Addr) bool {
	addrs, _ := net.InterfaceAddrs() // an error lists none
	for _, a := range addrs {
		if own, err := netip.ParsePrefix(a.String()); err == nil && own.Addr() == ip.WithZone("") {
			return true
		}
	}
	return ip.IsLoopback()
}

// question is one of DNS, so that everybody who hears it knows that it is not for them.
func (p *probe) question() ([]byte, error) {
	name, err := dnsmessage.NewName(p.name + "._udp.local.")
	if err != nil {
		return nil, err
	}
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	return m.Pack()
}

// sender returns a socket that sends multicast on one interface, where this machine hears
// it too.
func sender(network string, at *net.Interface) (net.PacketConn, error) {
	c, err := net.ListenPacket(network, ":0")
	if err != nil {
		return nil, err
	}
	if network == "udp4" {
		p := ipv4.NewPacketConn(c)
		err = errors.Join(p.SetMulticastInterface(at), p.SetMulticastLoopback(true))
	} else {
		p := ipv6.NewPacketConn(c)
		err = errors.Join(p.SetMulticastInterface(at), p.SetMulticastLoopback(true))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (p *probe) check(mdns bool) Check {
	check := Check{About: "interface", Name: p.at.Name, State: Fail}
	addrs := addressesOf(&p.at)
	if p.err != nil && !p.heard {
		check.Detail = p.err.Error()
	}
	openMDNS := []string{"Let UDP port 5353 in and out in the firewall of this machine: see the check firewall"}
	if runtime.GOOS == "darwin" {
		openMDNS = append(openMDNS, "From macOS 15 on: System Settings, Privacy & Security, Local Network: allow the program that foxchain is started from, such as Terminal")
	}
	switch {
	case p.at.Flags&net.FlagRunning == 0:
		check.State, check.Reason = Note, "is up, and nothing is plugged in"
	case p.at.Flags&net.FlagMulticast == 0:
		check.Reason = addrs + ": does not carry multicast, so that nodes do not find each other here by themselves"
		check.Advice = []string{"Give the node the address of another: --peer, see foxchain info there"}
		if runtime.GOOS == "linux" {
			check.Advice = append([]string{"To switch multicast on: sudo ip link set " + p.at.Name + " multicast on"}, check.Advice...)
		}
	case !mdns:
		check.State, check.Reason = OK, addrs+"; whether it carries multicast was not tried (--mdns=false)"
	case p.heard:
		check.State, check.Reason = OK, addrs+"; multicast goes out and is heard"
	case errors.Is(p.err, syscall.EADDRINUSE):
		check.Reason = addrs + ": another program keeps UDP port 5353 for itself, so that nodes do not find each other"
		check.Advice = []string{"Stop that program, or have it share the port"}
	case p.sent:
		check.Reason = addrs + ": multicast is sent, and this machine does not hear it: a firewall keeps UDP port 5353 out"
		check.Advice = openMDNS
	default:
		check.Reason = addrs + ": multicast cannot be sent: a firewall, a VPN or the system keeps it in"
		check.Advice = openMDNS
	}
	return check
}

// addressesOf returns the addresses of an interface as they are shown, link-local ones only
// where there are no others.
func addressesOf(i *net.Interface) string {
	addrs, _ := i.Addrs() // an error lists none
	var far, near []string
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsLinkLocalUnicast() {
			near = append(near, a.String())
		} else {
			far = append(far, a.String())
		}
	}
	switch {
	case len(far) > 0:
		return strings.Join(far, ", ")
	case len(near) > 0:
		return strings.Join(near, ", ") + " (link-local only)"
	}
	return "no address"
}

// discovery tells which nodes were heard.
func (d *doctor) discovery(failed error) Check {
	check := Check{About: "discovery", State: OK}
	var own bool
	var others []string
	for _, n := range d.heard {
		if d.info != nil && n.ID == d.info.PeerID {
			own = true
			continue
		}
		others = append(others, d.nameOf(n.ID))
	}
	itself := ""
	switch {
	case !d.cfg.MDNS:
		check.Reason = "not tried (--mdns=false)"
		return check
	case failed != nil:
		check.State, check.Reason = Fail, "mDNS does not run: "+failed.Error()
		return check
	case d.info == nil:
	case own:
		itself = "this node hears itself; "
	default:
		itself = "the announcement of this node is not heard: it runs with --mdns=false, or a firewall keeps UDP port 5353; "
		check.State = Note
	}
	switch {
	case len(others) > 0:
		check.Reason = fmt.Sprintf("%s%s of this network heard: %s", itself, term.Count(len(others), "other node"), strings.Join(others, ", "))
	case d.strays > 0:
		check.State = Note
		check.Reason = fmt.Sprintf("%sno other node of this network is heard, though %s heard: multicast goes through", itself, machines(d.strays))
		check.Advice = []string{"Start a node on the other machine, with the same --network, or run foxchain doctor there"}
	default:
		check.State = Note
		check.Reason = itself + "no other machine is heard: there is none, a guest Wi-Fi keeps devices apart, or a VPN is in between"
		check.Advice = []string{"Give the address of a node by hand and see where it ends: foxchain doctor --peer ADDRESS (foxchain info there shows it)"}
	}
	return check
}

func machines(n int) string {
	if n == 1 {
		return "1 other machine is"
	}
	return fmt.Sprintf("%d other machines are", n)
}

// nameOf returns the name of a node, where the one here knows it, else the end of its ID.
func (d *doctor) nameOf(id string) string {
	for _, n := range d.nodes {
		if n.ID == id && n.Name != "" {
			return n.Name
		}
	}
	return "…" + id[max(0, len(id)-8):]
}
