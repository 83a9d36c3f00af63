package p2p

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	lonelyTime   = 30 * time.Second
	maxStrangers = 32
	strangerTime = 10 * time.Minute // how long a stranger is shown after its last try
)

// Diagnosis says, line by line and for people, why this node may be alone. It
// is empty while the node has peers, and in its first 30 s alone.
func (n *Node) Diagnosis() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.alone.IsZero() || time.Since(n.alone) < lonelyTime {
		return nil
	}
	lines := []string{fmt.Sprintf("no other node for %s", time.Since(n.alone).Round(time.Second))}
	lines = append(lines, n.diagnoseMDNS()...)
	switch tries := n.gate.inbound.Load(); {
	case tries == 0:
		lines = append(lines, "nobody tried to reach this node: a firewall may block its port, or nobody is there")
	case len(n.strangers) > 0:
		lines = append(lines, fmt.Sprintf("%d connections came in, and failed their handshake: the private network's key (--psk) may differ", tries))
	default:
		lines = append(lines, fmt.Sprintf("%d connections came in, none of a node of this network", tries))
	}
	for _, e := range n.known {
		if len(lines) == 8 {
			break
		}
		if reason := e.trouble; e.until.After(time.Now()) {
			lines = append(lines, fmt.Sprintf("%s is refused: %s", e.label(), e.reason))
		} else if reason != "" {
			lines = append(lines, fmt.Sprintf("%s is known and not reached: %s", e.label(), reason))
		}
	}
	return lines
}

func (n *Node) diagnoseMDNS() []string {
	switch answers := n.stats.DiscoveryAnswers.Load(); {
	case !n.cfg.MDNS:
		return []string{"discovery (mDNS) is off: give --peer"}
	case n.mdnsTrouble != "":
		return []string{"discovery (mDNS) does not run: " + n.mdnsTrouble}
	case answers == 0:
		return []string{fmt.Sprintf("discovery (mDNS) asks on %s and nobody answers: a guest Wi-Fi may keep devices apart, "+
			"a firewall may block UDP port 5353, or a VPN may be in between", multicastInterfaces())}
	default:
		return []string{fmt.Sprintf("discovery (mDNS) found nodes (%d answers), none could be connected", answers)}
	}
}

func (e *entry) label() string {
	id := e.id.String()
	if e.name == "" {
		return "node …" + id[max(0, len(id)-8):]
	}
	return fmt.Sprintf("node %q (…%s)", e.name, id[max(0, len(id)-8):])
}

// multicastInterfaces names the interfaces that discovery can use.
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

// noteStrangers takes over from the gate whose handshakes failed. It is called
// under the lock.
func (n *Node) noteStrangers(now time.Time) {
	for ip, at := range n.strangers {
		if now.Sub(at) > strangerTime {
			delete(n.strangers, ip)
			n.notify()
		}
	}
	for _, ip := range n.gate.failed(now) {
		if _, known := n.strangers[ip]; !known {
			if len(n.strangers) >= maxStrangers {
				continue
			}
			n.log.Warn("somebody connects and fails the handshake: the private network's key (--psk) may be another, or on one side only", "ip", ip)
			n.notify()
		}
		n.strangers[ip] = now
	}
}

// noteAlone keeps since when there are no peers. It is called under the lock.
func (n *Node) noteAlone(now time.Time) {
	for _, e := range n.known {
		if e.session != nil && e.session.greeted {
			n.alone = time.Time{}
			return
		}
	}
	if n.alone.IsZero() {
		n.alone = now
	}
}

type strangers map[netip.Addr]time.Time
