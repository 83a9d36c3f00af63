package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/p2p"
)

const (
	maxTried  = 16 // addresses that are tried at once
	maxOthers = 8  // nodes that are heard or known and not connected

	stepURL = "websocket" // of an address that is a URL: the node there names its multiaddrs
)

// tryAll tries addresses, step by step.
func (d *doctor) tryAll(ctx context.Context, about string, addrs []string) []Check {
	checks := make([]Check, len(addrs))
	turns := make(chan struct{}, maxTried)
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			checks[i] = d.tryOne(ctx, addr)
			checks[i].About = about
			if about == "other" && checks[i].State == Fail && d.info != nil && d.info.Peers > 0 {
				checks[i].State = Note // one of many, and it may be off
			}
		})
	}
	wg.Wait()
	return checks
}

// tryOne tries an address, or those of the node behind a URL.
func (d *doctor) tryOne(ctx context.Context, addr string) Check {
	if !strings.HasPrefix(addr, "ws:") && !strings.HasPrefix(addr, "wss:") {
		return d.judge(addr, d.trial.Run(ctx, addr))
	}
	shown, _, _ := strings.Cut(addr, "?")
	if err := p2p.CheckAddr(addr); err != nil {
		return Check{Name: shown, State: Fail, Step: p2p.StepAddress, Reason: err.Error(), Advice: []string{whereAddress}}
	}
	addrs, err := node.ResolveWS(ctx, addr)
	if err != nil {
		return Check{Name: shown, State: Fail, Step: stepURL, Reason: p2p.URLWords(err), Detail: err.Error(),
			Advice: []string{"The page of a node is for its own machine unless it has --ws-listen. Better give the address that it prints when it starts: /ip4/…/p2p/…"}}
	}
	var best Check
	for i, a := range addrs[:min(len(addrs), maxOthers)] {
		if o := d.trial.Run(ctx, a); i == 0 || o.Step == "" {
			best = d.judge(shown, o)
		}
		if best.Step == "" {
			break
		}
	}
	return best
}

const whereAddress = "The node prints its whole address when it starts; later, on its machine: foxchain info"

// judge puts the outcome of a trial into words, and says what to do.
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
		d.itself(&check, o, own)
		return check
	}
	if o.Clocked {
		d.mu.Lock()
		d.clocks[o.ID] = clock{o.Name, o.Clock}
		d.mu.Unlock()
	}
	switch o.Step {
	case "":
		check.State, check.Reason = OK, fmt.Sprintf("%s answers, in %s: a node here connects with it", o.Name, o.RTT.Round(100*time.Microsecond))
	case p2p.StepAddress:
		check.Advice = []string{whereAddress}
	case p2p.StepRoute:
		check.Advice = []string{"Join the network that it is on (same Wi-Fi or cable, VPN on or off), and try again"}
		if !o.IP.IsValid() {
			check.Advice = []string{"Give its IP address in place of the name: /ip4/…, as foxchain info there shows it"}
		}
	case p2p.StepConnection:
		check.silent(o)
	case p2p.StepHandshake:
		if o.Other == "" && !strings.Contains(o.Reason, "--psk") { // what comes from a private network looks like anything
			check.Reason += ", or it is on a private network (--psk)"
		}
		check.Advice = []string{"Start both nodes with the same --psk FILE, or both without; here the doctor was given " + d.keyWords()}
		if o.Other != "" {
			check.Advice = []string{"Its data directory was replaced, or its address is another node's now. " + whereAddress}
		}
	case p2p.StepHello:
		check.Advice = []string{"Compare the programs: foxchain version on both. If they are the same, it may be starting: try again"}
	case p2p.StepNetwork:
		check.Advice = []string{"Start both nodes with the same --network NAME or FILE; a file must be the same on both"}
	}
	return check
}

func (d *doctor) keyWords() string {
	if d.cfg.PSK == nil {
		return "none (--psk)"
	}
	return "one (--psk)"
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
func (d *doctor) itself(check *Check, o *p2p.Outcome, own string) {
	check.Advice = []string{"Give this line to the node on the other machine. Here give that node's own line. " + whereAddress}
	switch {
	case o.ID != own:
		check.Reason = fmt.Sprintf("this node itself answers there: %s is this machine's, or its router leads it back here (hairpin NAT)", o.IP)
		check.Advice = []string{"Use the address that the other node has on its own network: foxchain info there"}
	case o.Step == "":
		check.Reason = "this is the line of this node itself, and it answers"
	case isOwn(o.IP):
		check.Reason = "this is the line of this node itself, which does not answer: " + o.Reason
	default:
		check.Reason = fmt.Sprintf("this is the line of this node itself, by an address that this machine does not have: %s is its router's, or an old one. "+
			"Few routers lead a machine back to itself (hairpin NAT), so from here it shows nothing", o.IP)
		check.Advice = []string{"On one local network use the address that foxchain info shows here. From elsewhere the router must lead TCP port " + o.Port + " to this machine: try the line there"}
	}
	check.State = Fail
}

// silent says what it means that nothing answers at an address, by what else does.
func (c *Check) silent(o *p2p.Outcome) {
	opens := fmt.Sprintf("There: foxchain doctor, which names the firewall and what to type (with ufw: sudo ufw allow %s/tcp)", o.Port)
	around := neighbours()
	gateway := gatewayOf(around, o)
	switch {
	case refused(o.Cause):
		c.Reason = fmt.Sprintf("its machine is on, and refuses TCP port %s: no node runs there at this port, or its firewall rejects", o.Port)
		c.Advice = []string{"There: foxchain node, and compare the port in the line that it prints", opens}
	case around[o.IP]:
		c.Reason = fmt.Sprintf("its machine is on, since it answers for its address, and TCP port %s stays silent: a firewall there drops it", o.Port)
		c.Advice = []string{opens}
	case !o.Near:
		c.Reason = fmt.Sprintf("nothing answers, and %s is no address of a local network: it is a router's, or lies on the internet", o.IP)
		c.Advice = []string{"On one local network use the node's own address: foxchain info there", "From elsewhere its router must lead TCP port " + o.Port + " to it"}
	case gateway.IsValid() && gateway != o.IP:
		c.Reason = fmt.Sprintf("nothing answers for %s, and of all machines only the gateway %s does: the Wi-Fi may keep its devices apart (client isolation, guest network), or that machine is off", o.IP, gateway)
		c.Advice = []string{"Switch client isolation (AP isolation, guest mode) off in the access point, use another Wi-Fi, or a cable", "Check that the machine is on and has this address: foxchain info there"}
	default:
		c.Reason = fmt.Sprintf("nothing answers at %s: its machine is off, asleep, on another network, or has another address now", cmpName(o))
		c.Advice = []string{"Switch it on or wake it. " + whereAddress}
	}
}

func cmpName(o *p2p.Outcome) string {
	if o.IP.IsValid() {
		return o.IP.String()
	}
	return "this name"
}

func refused(err error) bool {
	const wsaConnRefused = syscall.Errno(10061)
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, wsaConnRefused)
}

// neighbours returns the machines that lately answered for their addresses on a cable or
// Wi-Fi (Linux, IPv4).
func neighbours() map[netip.Addr]bool {
	text, _ := os.ReadFile("/proc/net/arp") // an error lists none
	all := make(map[netip.Addr]bool)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 {
			continue
		}
		if ip, err := netip.ParseAddr(f[0]); err == nil && f[2] == "0x2" && f[3] != "00:00:00:00:00:00" {
			all[ip] = true
		}
	}
	return all
}

// gatewayOf returns the gateway if it alone answers on the network that o is on.
func gatewayOf(around map[netip.Addr]bool, o *p2p.Outcome) netip.Addr {
	text, _ := os.ReadFile("/proc/net/route") // an error lists none
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 3 || f[1] != "00000000" {
			continue
		}
		raw, err := hex.DecodeString(f[2])
		if err != nil || len(raw) != 4 {
			continue
		}
		var ip [4]byte
		binary.NativeEndian.PutUint32(ip[:], binary.BigEndian.Uint32(raw))
		gateway := netip.AddrFrom4(ip)
		// A port that nothing listens on makes it answer for its address, at least.
		if c, err := net.DialTimeout("tcp", net.JoinHostPort(gateway.String(), "9"), time.Second); err == nil {
			c.Close()
		}
		if !neighbours()[gateway] {
			return netip.Addr{}
		}
		for other := range around {
			if other != gateway && other != o.IP {
				return netip.Addr{}
			}
		}
		return gateway
	}
	return netip.Addr{}
}
