package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/p2p"
	"foxchain/rpc"
)

// nodePort returns the port for other nodes: that of the running node, else the one that
// its directory keeps, else the default.
func (d *doctor) nodePort() int {
	if d.info != nil {
		for _, text := range d.info.Multiaddrs {
			if a, err := ma.NewMultiaddr(text); err == nil {
				if port, err := a.ValueForProtocol(ma.P_TCP); err == nil {
					n, _ := strconv.Atoi(port) // a multiaddr has a number there
					return n
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(d.cfg.Dir, "port"))
	if port, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
		return port
	}
	return d.cfg.Port + 10000
}

// ports looks at both ports of the node.
func (d *doctor) ports(ctx context.Context) []Check {
	if d.info != nil {
		return d.ownAddresses(ctx)
	}
	ws := Check{About: "port", Name: strconv.Itoa(d.cfg.Port), State: OK, Reason: "free, for the WebSocket and the page"}
	if l, err := rpc.Listen(ctx, rpc.LoopbackAddrs(d.cfg.Port), nil); err != nil {
		ws.State, ws.Reason, ws.Detail = Fail, "another program uses it, so that no node can have it for its WebSocket", err.Error()
		ws.Advice = []string{fmt.Sprintf("Stop that program (%s), or start the node at another port: foxchain node -p %d", whoHas(d.cfg.Port), d.cfg.Port+1)}
	} else {
		l.Close()
	}
	port := d.nodePort()
	nodes := Check{About: "port", Name: strconv.Itoa(port), State: OK, Reason: "free, for other nodes"}
	if l, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(port))); err != nil {
		nodes.State, nodes.Reason, nodes.Detail = Note, "another program uses it: a node would take any free port for other nodes, which a firewall may not admit", err.Error()
		nodes.Advice = []string{fmt.Sprintf("Stop that program (%s), or choose a port: foxchain node --listen /ip4/0.0.0.0/tcp/19001", whoHas(port))}
	} else {
		l.Close()
	}
	return []Check{ws, nodes}
}

// whoHas returns what shows which program uses a port.
func whoHas(port int) string {
	switch runtime.GOOS {
	case "windows":
		return fmt.Sprintf("to find it: Get-NetTCPConnection -State Listen -LocalPort %d", port)
	case "darwin":
		return fmt.Sprintf("to find it: sudo lsof -iTCP:%d -sTCP:LISTEN", port)
	}
	return fmt.Sprintf("to find it: sudo ss -ltnp 'sport = :%d'", port)
}

// ownAddresses tries the addresses of the node here as another node would, but from here.
func (d *doctor) ownAddresses(ctx context.Context) []Check {
	var addrs []string
	for _, text := range d.info.Multiaddrs {
		if a, err := ma.NewMultiaddr(text); err == nil && !manet.IsIPLoopback(a) && len(addrs) < maxTried {
			addrs = append(addrs, text)
		}
	}
	if len(addrs) == 0 {
		return []Check{{About: "port", State: Fail, Reason: "the node has no address but loopback ones: only nodes on this machine can connect",
			Advice: []string{"Plug in the cable or join the Wi-Fi. A node that was started with --listen, start without"}}}
	}
	checks := make([]Check, len(addrs))
	var wg sync.WaitGroup
	for i, addr := range addrs {
		wg.Go(func() { checks[i] = d.ownAddress(ctx, addr) })
	}
	wg.Wait()
	return checks
}

func (d *doctor) ownAddress(ctx context.Context, addr string) Check {
	short, _, _ := strings.Cut(addr, "/p2p/")
	o := d.trial.Run(ctx, addr)
	check := Check{About: "port", Name: short, State: OK,
		Reason: "the node answers from this machine. Whether others reach it shows on one of them",
		Advice: []string{"There: foxchain doctor --peer " + addr}}
	switch {
	case o.Step == p2p.StepHandshake:
		check.State, check.Reason = Note, "something answers, and the handshake fails: "+o.Reason
		check.Advice = []string{"Where the node has --psk FILE, give the doctor the same"}
	case o.Step != "":
		check.State, check.Reason = Fail, "the node does not answer at its own address: "+o.Reason
		check.Advice = []string{"A firewall of this machine may keep it: see the check firewall"}
	case d.info.Peers > 0:
		check.Reason, check.Advice = "the node answers", nil
	}
	return check
}

// connected tells how many nodes the one here is connected to.
func (d *doctor) connected() Check {
	check := Check{About: "peers", State: OK}
	if d.info == nil {
		check.State, check.Reason = Note, "not known: no node runs here"
		return check
	}
	known := 0
	for _, n := range d.nodes {
		if n.State != p2p.Itself {
			known++
		}
	}
	check.Reason = fmt.Sprintf("%d connected of %d known", d.info.Peers, known)
	switch {
	case d.info.Peers > 0:
	case known == 0:
		check.State, check.Reason = Note, "no other node is known"
	default:
		check.State = Fail
		check.Advice = []string{"Why each is not: foxchain peers, and the checks other below"}
	}
	return check
}

// suspects returns an address of each node that is heard or known, and not connected.
func (d *doctor) suspects() []string {
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
	}
	var all []string
	for id, a := range addr {
		if !connected[id] && (d.info == nil || id != d.info.PeerID) && !slices.Contains(d.cfg.Peers, a) {
			all = append(all, a)
		}
	}
	slices.Sort(all)
	return all[:min(len(all), maxOthers)]
}

// A clock is that of another node.
type clock struct {
	name  string
	ahead time.Duration
}

const clockOff = time.Minute

// clock compares this machine's clock with those of the others.
func (d *doctor) clock() []Check {
	check := Check{About: "clock", State: OK}
	for _, n := range d.nodes {
		// One that was never timed has not answered yet, so that its clock is not known.
		if _, tried := d.clocks[n.ID]; n.Connected && n.LatencyMS > 0 && !tried {
			d.clocks[n.ID] = clock{d.nameOf(n.ID), time.Duration(n.Clock * float64(time.Second))}
		}
	}
	var all, off []clock
	for _, c := range d.clocks {
		all = append(all, c)
		if c.ahead.Abs() > clockOff {
			off = append(off, c)
		}
	}
	switch {
	case len(all) == 0:
		check.State, check.Reason = Note, "not compared: no other node has answered"
		return []Check{check}
	case len(off) == 0:
		check.Reason = "within a minute of that of " + term.Count(len(all), "other node")
		return []Check{check}
	}
	check.State = Fail
	slices.SortFunc(off, func(a, b clock) int { return cmp.Compare(a.ahead, b.ahead) })
	first, last := off[0], off[len(off)-1]
	const harmless = ". Nodes connect and agree all the same, and times are shown wrong"
	set := "To set a clock: " + setClock()
	switch {
	case 2*len(off) > len(all) && last.ahead-first.ahead <= 2*clockOff:
		check.Reason = fmt.Sprintf("this machine's clock is %s that of %s%s", offBy(-first.ahead), nodesOf(len(off), len(all), first.name), harmless)
		if len(all) == 1 {
			check.Reason = fmt.Sprintf("this machine's clock is %s that of %s: one of the two is wrong%s", offBy(-first.ahead), first.name, harmless)
		}
	default:
		var names []string
		for _, c := range off[:min(len(off), maxOthers)] {
			names = append(names, fmt.Sprintf("%s (%s this machine's)", c.name, offBy(c.ahead)))
		}
		check.Reason, set = "wrong on "+strings.Join(names, ", ")+harmless, "There, set the clock, such as by: "+setClock()
	}
	check.Advice = []string{set}
	return []Check{check}
}

func nodesOf(off, all int, name string) string {
	if off == 1 {
		return name
	}
	return fmt.Sprintf("%d of %s", off, term.Count(all, "other node"))
}

// offBy returns "2 h ahead of".
func offBy(d time.Duration) string {
	way := "ahead of"
	if d < 0 {
		way = "behind"
	}
	return strings.TrimSuffix(term.Age(d.Abs().Round(time.Minute)), "s") + " " + way
}

func setClock() string {
	switch runtime.GOOS {
	case "windows":
		return "w32tm /resync"
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	}
	return "sudo timedatectl set-ntp true (without internet: sudo date -s '2026-11-29 17:00')"
}
