package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/libp2p/go-netroute"
	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/p2p"
)

const (
	maxTried  = 16 // addresses that are tried at once
	maxOthers = 8  // nodes that are heard or known and not connected

	stepURL = "websocket" // of an address that is a URL: the node there names its multiaddrs
)

// eachAddress tries addresses, maxTried at once.
func eachAddress(addrs []string, try func(string) Check) []Check {
	checks := make([]Check, len(addrs))
	var group errgroup.Group
	group.SetLimit(maxTried)
	for i, addr := range addrs {
		group.Go(func() error { checks[i] = try(addr); return nil })
	}
	_ = group.Wait() // no try is an error
	return checks
}

// tryAll tries addresses, step by step.
func (d *doctor) tryAll(ctx context.Context, addrs []string) []Check {
	return eachAddress(addrs, func(addr string) Check { return d.tryOne(ctx, addr) })
}

// others tries an address of each node that is heard or known, and not connected.
func (d *doctor) others(ctx context.Context) []Check {
	connected, addr := make(map[string]bool), make(map[string]string)
	for _, n := range d.nodes {
		connected[n.ID] = n.Here() || n.State == p2p.Itself
		if len(n.Addrs) > 0 && n.ID != "" {
			addr[n.ID] = n.Addrs[0]
		}
	}
	for _, n := range d.heard {
		if len(n.Addrs) > 0 {
			addr[n.ID] = n.Addrs[0]
		}
		connected[n.ID] = connected[n.ID] || d.isHere(n)
	}
	var all []string
	for id, a := range addr {
		if !connected[id] && !slices.Contains(d.cfg.Peers, a) {
			all = append(all, a)
		}
	}
	slices.Sort(all)
	checks := d.tryAll(ctx, all[:min(len(all), maxOthers)])
	for i := range checks {
		if checks[i].State == Fail && d.info != nil && d.info.Peers > 0 {
			checks[i].State = Note // one of many, and it may be off
		}
	}
	return checks
}

// tryOne tries an address, or those of the node behind a URL.
func (d *doctor) tryOne(ctx context.Context, addr string) Check {
	if !strings.HasPrefix(addr, "ws:") && !strings.HasPrefix(addr, "wss:") {
		return d.judge(addr, d.trial.Run(ctx, addr))
	}
	shown := node.WithoutToken(addr)
	if err := p2p.CheckAddr(addr); err != nil {
		return Check{Name: shown, State: Fail, Step: p2p.StepAddress, Reason: err.Error(), Advice: []string{whereAddress}}
	}
	addrs, err := node.ResolveWS(ctx, addr)
	if err != nil {
		return Check{Name: shown, State: Fail, Step: stepURL, Reason: p2p.URLWords(err), Detail: err.Error(),
			Advice: []string{"The page of a node is for its own machine unless it has --ws-listen. Better give the address that it prints when it starts: /ip4/…/p2p/…"}}
	}
	best := d.trial.Run(ctx, addrs[0])
	for _, a := range addrs[1:min(len(addrs), maxOthers)] {
		if best.Step != "" {
			if o := d.trial.Run(ctx, a); o.Step == "" {
				best = o
			}
		}
	}
	return d.judge(shown, best)
}

const whereAddress = "The node prints its whole address when it starts; later, on its machine: foxchain info"

// judge puts the outcome of a trial into words, with what to do.
func (d *doctor) judge(addr string, o *p2p.Outcome) Check {
	check := Check{Name: addr, State: Fail, Step: o.Step, Reason: o.Reason, Passed: p2p.Steps()}
	if o.Step != "" {
		check.Passed = check.Passed[:slices.Index(check.Passed, o.Step)]
	}
	if o.Cause != nil {
		check.Detail = o.Cause.Error()
		if cause := errors.Unwrap(o.Cause); cause != nil {
			check.Detail = cause.Error()
		}
	}
	if own := d.ownID(); own != "" && (o.ID == own || o.Other == own) {
		check.itself(o, own)
		return check
	}
	if o.Clocked {
		d.mu.Lock()
		d.clocks[o.ID] = clock{o.Name, o.Clock}
		d.mu.Unlock()
	}
	switch o.Step {
	case "":
		check.set(OK, fmt.Sprintf("%s answers, in %s: a node here connects with it", o.Name, o.RTT.Round(100*time.Microsecond)))
	case p2p.StepConnection:
		check.silent(o)
	case p2p.StepHandshake:
		if o.Other == "" && !strings.Contains(o.Reason, "--psk") { // what comes from a private network looks like anything
			check.Reason += ", or it is on a private network (--psk)"
		}
		check.Advice = d.advice(o)
	default:
		check.Advice = d.advice(o)
	}
	return check
}

// advice returns what to do about the step that failed.
func (d *doctor) advice(o *p2p.Outcome) []string {
	switch {
	case o.Step == p2p.StepRoute && !o.IP.IsValid():
		return []string{"Give its IP address in place of the name: /ip4/…, as foxchain info there shows it"}
	case o.Step == p2p.StepHandshake && o.Other != "":
		return []string{"Its data directory was replaced, or its address is another node's now. " + whereAddress}
	case o.Step == p2p.StepHandshake:
		given := map[bool]string{true: "none", false: "one"}[d.cfg.PSK == nil]
		return []string{"Start both nodes with the same --psk FILE, or both without; here the doctor was given " + given + " (--psk)"}
	}
	return []string{map[string]string{
		p2p.StepAddress: whereAddress,
		p2p.StepRoute:   "Join the network that it is on (same Wi-Fi or cable, VPN on or off), and try again",
		p2p.StepHello:   "Compare the programs: foxchain version on both. If they are the same, it may be starting: try again",
		p2p.StepNetwork: "Start both nodes with the same --network NAME or FILE; a file must be the same on both",
	}[o.Step]}
}

// ownID returns the peer ID of the node on this machine, "" if it is not known.
func (d *doctor) ownID() string {
	if d.info != nil {
		return d.info.PeerID
	}
	key, err := node.ReadKey(filepath.Join(d.cfg.Dir, "node.key"), nil)
	if err != nil {
		return ""
	}
	id, _ := p2p.IDOf(key) // an Ed25519 key has one
	return id
}

// itself explains an address that is this node's own, or that leads back to it.
func (c *Check) itself(o *p2p.Outcome, own string) {
	swap := "Give this line to the node on the other machine. Here give that node's own line. " + whereAddress
	switch {
	case o.ID != own:
		c.set(Fail, fmt.Sprintf("this node itself answers there: %s is this machine's, or its router leads it back here (hairpin NAT)", o.IP),
			"Use the address that the other node has on its own network: foxchain info there")
	case o.Step == "":
		c.set(Fail, "this is the line of this node itself, and it answers", swap)
	case isOwn(o.IP):
		c.set(Fail, "this is the line of this node itself, which does not answer: "+o.Reason, swap)
	default:
		c.set(Fail, fmt.Sprintf("this is the line of this node itself, by an address that this machine does not have: %s is its router's, or an old one. "+
			"Few routers lead a machine back to itself (hairpin NAT), so from here it shows nothing", o.IP),
			"On one local network use the address that foxchain info shows here. From elsewhere the router must lead TCP port "+o.Port+" to this machine: try the line there")
	}
}

// silent explains that nothing answers at an address, by what else does.
func (c *Check) silent(o *p2p.Outcome) {
	opens := fmt.Sprintf("There: foxchain doctor, which names the firewall and what to type (with ufw: sudo ufw allow %s/tcp)", o.Port)
	const wsaConnRefused = syscall.Errno(10061)
	around, at := neighbours(), "this name"
	if o.IP.IsValid() {
		at = o.IP.String()
	}
	gateway := onlyGateway(around, o.IP)
	switch {
	case errors.Is(o.Cause, syscall.ECONNREFUSED), errors.Is(o.Cause, wsaConnRefused):
		c.set(Fail, fmt.Sprintf("its machine is on, and refuses TCP port %s: no node runs there at this port, or its firewall rejects", o.Port),
			"There: foxchain node, and compare the port in the line that it prints", opens)
	case around[o.IP]:
		c.set(Fail, fmt.Sprintf("its machine is on, since it answers for its address, and TCP port %s stays silent: a firewall there drops it", o.Port), opens)
	case !o.Near:
		c.set(Fail, fmt.Sprintf("nothing answers, and %s is no address of a local network: it is a router's, or lies on the internet", o.IP),
			"On one local network use the node's own address: foxchain info there", "From elsewhere its router must lead TCP port "+o.Port+" to it")
	case gateway.IsValid() && gateway != o.IP:
		c.set(Fail, fmt.Sprintf("nothing answers for %s, and of all machines only the gateway %s does: the Wi-Fi may keep its devices apart (client isolation, guest network), or that machine is off", o.IP, gateway),
			"Switch client isolation (AP isolation, guest mode) off in the access point, use another Wi-Fi, or a cable", "Check that the machine is on and has this address: foxchain info there")
	default:
		c.set(Fail, fmt.Sprintf("nothing answers at %s: its machine is off, asleep, on another network, or has another address now", at), "Switch it on or wake it. "+whereAddress)
	}
}

// neighbours returns the machines that lately answered for their addresses on a cable or
// Wi-Fi (Linux, IPv4).
func neighbours() map[netip.Addr]bool {
	text, _ := os.ReadFile("/proc/net/arp") // an error lists none
	all := make(map[netip.Addr]bool)
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != "0x2" || f[3] == "00:00:00:00:00:00" {
			continue
		}
		if ip, err := netip.ParseAddr(f[0]); err == nil {
			all[ip] = true
		}
	}
	return all
}

// onlyGateway returns the default gateway if it alone answers on the network of ip.
func onlyGateway(around map[netip.Addr]bool, ip netip.Addr) netip.Addr {
	table, err := netroute.New()
	if err != nil {
		return netip.Addr{}
	}
	_, hop, _, err := table.Route(net.IPv4(192, 0, 2, 1)) // for documentation (RFC 5737)
	gateway, ok := netip.AddrFromSlice(hop.To4())
	if err != nil || !ok {
		return netip.Addr{}
	}
	// A port that nothing listens on makes it answer for its address, at least.
	if c, err := net.DialTimeout("tcp", net.JoinHostPort(gateway.String(), "9"), time.Second); err == nil {
		c.Close()
	}
	for other := range around {
		if other != gateway && other != ip {
			return netip.Addr{}
		}
	}
	if !neighbours()[gateway] {
		return netip.Addr{}
	}
	return gateway
}
