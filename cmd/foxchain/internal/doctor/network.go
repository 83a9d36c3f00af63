package doctor

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/p2p"
	"foxchain/rpc"
)

const (
	hearTime   = 2500 * time.Millisecond
	hearTimes  = 3 // at most, where something is not heard that may only be late
	probeEvery = 250 * time.Millisecond
	mdnsPort   = 5353
)

// interfaces looks at the interfaces, and listens for nodes and other machines meanwhile. One
// without multicast fails only where no other has it, since a VPN or a bridge of containers
// need not have it.
func (d *doctor) interfaces(ctx context.Context) []Check {
	all, err := net.Interfaces()
	if err != nil {
		return []Check{{State: Note, Reason: "the interfaces of this machine are not known", Detail: err.Error()}}
	}
	var probes []*probe
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 && i.Flags&net.FlagUp != 0 {
			probes = append(probes, &probe{at: i, name: "_fox-doctor-" + strings.ToLower(rand.Text()[:12]), others: make(map[netip.Addr]bool)})
		}
	}
	if len(probes) == 0 {
		return found("", Fail, "no network is up on this machine: the cable is unplugged, or Wi-Fi is off",
			"Plug the cable in, or join the Wi-Fi. Nodes on this machine connect all the same")
	}
	for i := 0; i < hearTimes && d.cfg.MDNS && d.hearing == nil && d.missing(probes); i++ {
		d.hearing = d.hear(ctx, probes)
	}
	strays := make(map[netip.Addr]bool)
	var checks []Check
	for _, p := range probes {
		for ip := range p.others {
			strays[ip] = true
		}
		checks = append(checks, p.check(d.cfg.MDNS))
	}
	d.strays = len(strays)
	if slices.ContainsFunc(checks, func(c Check) bool { return c.State == OK }) {
		for i := range checks {
			if checks[i].State == Fail {
				checks[i].State = Note
			}
		}
	}
	return checks
}

// missing reports whether something is not heard yet that should be: a probe, the node here,
// or one of its peers.
func (d *doctor) missing(probes []*probe) bool {
	switch {
	case slices.ContainsFunc(probes, func(p *probe) bool { return p.multicast() && !p.heard }):
		return true
	case d.info == nil:
		return d.heard == nil
	}
	return !slices.ContainsFunc(d.heard, d.isHere) || d.info.Peers > 0 && len(d.heard) < 2
}

func (d *doctor) isHere(n p2p.HeardNode) bool { return d.info != nil && n.ID == d.info.PeerID }

// hear listens for hearTime.
func (d *doctor) hear(ctx context.Context, probes []*probe) error {
	ctx, cancel := context.WithTimeout(ctx, hearTime)
	defer cancel()
	var wg sync.WaitGroup
	for _, p := range probes {
		if p.multicast() {
			wg.Go(func() { p.note(p.by(ctx, "udp4", &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: mdnsPort})) })
			wg.Go(func() {
				p.note(p.by(ctx, "udp6", &net.UDPAddr{IP: net.ParseIP("ff02::fb"), Port: mdnsPort, Zone: p.at.Name}))
			})
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

func (p *probe) multicast() bool { return p.at.Flags&net.FlagMulticast != 0 }

// by probes by IPv4 or IPv6, and returns why it cannot. On an interface without such an address
// that is no fault where the other one is heard.
func (p *probe) by(ctx context.Context, network string, group *net.UDPAddr) error {
	in, err := net.ListenMulticastUDP(network, &p.at, group)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := sender(network, &p.at)
	if err != nil {
		return err
	}
	defer out.Close()
	// A question of DNS, so that everybody who hears it knows that it is not for them.
	m := dnsmessage.Message{Questions: []dnsmessage.Question{{Name: dnsmessage.MustNewName(p.name + "._udp.local."), Type: dnsmessage.TypePTR, Class: dnsmessage.ClassINET}}}
	question, err := m.Pack()
	for b := make([]byte, 64<<10); err == nil && ctx.Err() == nil; {
		if _, err = out.WriteTo(question, group); err != nil {
			break
		}
		err = in.SetReadDeadline(time.Now().Add(probeEvery))
		for err == nil {
			var n int
			var from netip.AddrPort
			if n, from, err = in.ReadFromUDPAddrPort(b); err == nil {
				p.take(b[:n], from.Addr().Unmap())
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
	}
	return err
}

func (p *probe) take(message []byte, from netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes.Contains(message, []byte(p.name)) {
		p.heard = true
	} else if !isOwn(from) {
		p.others[from] = true
	}
}

// note takes how sending went.
func (p *probe) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = p.sent || err == nil
	if p.err == nil || errors.Is(err, os.ErrPermission) {
		p.err = err
	}
}

func isOwn(ip netip.Addr) bool {
	addrs, _ := net.InterfaceAddrs() // an error lists none
	return ip.IsLoopback() || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		own, err := netip.ParsePrefix(a.String())
		return err == nil && own.Addr() == ip.WithZone("")
	})
}

// sender returns a socket that sends multicast on one interface, where this machine hears
// it too.
func sender(network string, at *net.Interface) (net.PacketConn, error) {
	c, err := net.ListenPacket(network, ":0")
	if err != nil {
		return nil, err
	}
	var p interface {
		SetMulticastInterface(*net.Interface) error
		SetMulticastLoopback(bool) error
	} = ipv6.NewPacketConn(c)
	if network == "udp4" {
		p = ipv4.NewPacketConn(c)
	}
	if err := errors.Join(p.SetMulticastInterface(at), p.SetMulticastLoopback(true)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (p *probe) check(mdns bool) Check {
	check, addrs := Check{Name: p.at.Name}, addressesOf(&p.at)
	if p.err != nil && !p.heard {
		check.Detail = p.err.Error()
	}
	open := []string{"Let UDP port 5353 in and out in the firewall of this machine: see the check firewall"}
	if runtime.GOOS == "darwin" {
		open = append(open, "From macOS 15 on: System Settings, Privacy & Security, Local Network: allow the program that foxchain is started from, such as Terminal")
	}
	byHand := []string{"Give the node the address of another: --peer, see foxchain info there"}
	if runtime.GOOS == "linux" {
		byHand = append([]string{"To switch multicast on: sudo ip link set " + p.at.Name + " multicast on"}, byHand...)
	}
	switch {
	case p.at.Flags&net.FlagRunning == 0:
		check.set(Note, "is up, and nothing is plugged in")
	case !p.multicast():
		check.set(Fail, addrs+": does not carry multicast, so that nodes do not find each other here by themselves", byHand...)
	case !mdns:
		check.set(OK, addrs+"; whether it carries multicast was not tried (--mdns=false)")
	case p.heard:
		check.set(OK, addrs+"; multicast goes out and is heard")
	case errors.Is(p.err, syscall.EADDRINUSE):
		check.set(Fail, addrs+": another program keeps UDP port 5353 for itself, so that nodes do not find each other", "Stop that program, or have it share the port")
	case p.sent:
		check.set(Fail, addrs+": multicast is sent, and this machine does not hear it: a firewall keeps UDP port 5353 out", open...)
	default:
		check.set(Fail, addrs+": multicast cannot be sent: a firewall, a VPN or the system keeps it in", open...)
	}
	return check
}

// addressesOf returns the addresses of an interface as they are shown, link-local ones only
// where there are no others.
func addressesOf(i *net.Interface) string {
	addrs, _ := i.Addrs() // an error lists none
	var far []string
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			far = append(far, a.String())
		}
	}
	if len(far) == 0 && len(addrs) > 0 {
		return addrs[0].String() + " (link-local only)"
	}
	return cmp.Or(strings.Join(far, ", "), "no address")
}

// discovery reports which nodes were heard.
func (d *doctor) discovery(context.Context) []Check {
	var others []string
	for _, n := range d.heard {
		if !d.isHere(n) {
			others = append(others, d.nameOf(n.ID))
		}
	}
	state, itself := OK, ""
	switch {
	case !d.cfg.MDNS:
		return found("", OK, "not tried (--mdns=false)")
	case d.hearing != nil:
		return found("", Fail, "mDNS does not run: "+d.hearing.Error())
	case d.info == nil:
	case len(others) < len(d.heard):
		itself = "this node hears itself; "
	default:
		state, itself = Note, "the announcement of this node is not heard: it runs with --mdns=false, or a firewall keeps UDP port 5353; "
	}
	switch {
	case len(others) > 0:
		return found("", state, fmt.Sprintf("%s%s of this network heard: %s", itself, term.Count(len(others), "other node"), strings.Join(others, ", ")))
	case d.strays > 0:
		return found("", Note, fmt.Sprintf("%sno other node of this network is heard, though %s of other machines: multicast goes through", itself, term.Count(d.strays, "announcement")),
			"Start a node on the other machine, with the same --network, or run foxchain doctor there")
	}
	return found("", Note, itself+"no other machine is heard: there is none, a guest Wi-Fi keeps devices apart, or a VPN is in between",
		"Give the address of a node by hand and see which step fails: foxchain doctor --peer ADDRESS (foxchain info there shows it)")
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

// nodePort returns the port for other nodes: that of the running node, else the one that
// its directory keeps, else the default.
func (d *doctor) nodePort() (port int) {
	if d.info != nil {
		for _, addr := range d.info.Multiaddrs {
			_, behind, _ := strings.Cut(addr, "/tcp/")
			if n, _ := fmt.Sscan(strings.SplitN(behind, "/", 2)[0], &port); n == 1 {
				return port
			}
		}
	}
	text, _ := os.ReadFile(filepath.Join(d.cfg.Dir, "port")) // none has no number
	if port, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return port
	}
	return d.cfg.Port + 10000
}

// ports looks at both ports of the node.
func (d *doctor) ports(ctx context.Context) []Check {
	if d.info != nil {
		return d.ownAddresses(ctx)
	}
	ws, nodes := Check{Name: strconv.Itoa(d.cfg.Port)}, Check{Name: strconv.Itoa(d.nodePort())}
	ws.set(OK, "free, for the WebSocket and the page")
	nodes.set(OK, "free, for other nodes")
	if l, err := rpc.Listen(ctx, rpc.LoopbackAddrs(d.cfg.Port), nil); err != nil {
		ws.Detail = err.Error()
		ws.set(Fail, "another program uses it, so that no node can have it for its WebSocket",
			fmt.Sprintf("Stop that program (%s), or start the node at another port: foxchain node -p %d", whoHas(ws.Name), d.cfg.Port+1))
	} else {
		l.Close()
	}
	if l, err := net.Listen("tcp", net.JoinHostPort("", nodes.Name)); err != nil {
		nodes.Detail = err.Error()
		nodes.set(Note, "another program uses it: a node would take any free port for other nodes, which a firewall may not admit",
			fmt.Sprintf("Stop that program (%s), or choose a port: foxchain node --listen /ip4/0.0.0.0/tcp/19001", whoHas(nodes.Name)))
	} else {
		l.Close()
	}
	return []Check{ws, nodes}
}

// whoHas returns what shows which program uses a port.
func whoHas(port string) string {
	form := map[string]string{"windows": "Get-NetTCPConnection -State Listen -LocalPort %s", "darwin": "sudo lsof -iTCP:%s -sTCP:LISTEN"}[runtime.GOOS]
	return fmt.Sprintf("to find it: "+cmp.Or(form, "sudo ss -ltnp 'sport = :%s'"), port)
}

// ownAddresses tries the addresses of the node here as another node would, but from here.
func (d *doctor) ownAddresses(ctx context.Context) []Check {
	var addrs []string
	for _, text := range d.info.Multiaddrs {
		if a, err := ma.NewMultiaddr(text); err == nil && !manet.IsIPLoopback(a) {
			addrs = append(addrs, text)
		}
	}
	if len(addrs) == 0 {
		return found("", Fail, "the node has no address but loopback ones: only nodes on this machine can connect",
			"Plug in the cable or join the Wi-Fi. If the node was started with --listen, start it without")
	}
	return eachAddress(addrs[:min(len(addrs), maxTried)], func(addr string) Check {
		o := d.trial.Run(ctx, addr)
		short, _, _ := strings.Cut(addr, "/p2p/")
		check := Check{Name: short}
		switch {
		case o.Step == p2p.StepHandshake:
			check.set(Note, "something answers, and the handshake fails: "+o.Reason, "Where the node has --psk FILE, give the doctor the same")
		case o.Step != "":
			check.set(Fail, "the node does not answer at its own address: "+o.Reason, "A firewall of this machine may block it: see the check firewall")
		case d.info.Peers > 0:
			check.set(OK, "the node answers")
		default:
			check.set(OK, "the node answers from this machine. Whether others reach it can be tested only on another machine", "There: foxchain doctor --peer "+addr)
		}
		return check
	})
}
