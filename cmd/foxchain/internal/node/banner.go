package node

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"foxchain/cmd/foxchain/internal/term"
)

// A Banner is the first lines of a node on start.
type Banner struct {
	Name      string
	Network   string // name
	NetworkID string // hex
	NetworkBy string // as --network was set; "foxchain" needs no flag
	Dir       string // absolute
	Blocks    uint64
	New       bool     // the directory was made just now
	URL       string   // of the WebSocket
	Loopback  bool     // the WebSocket can be reached from this machine only
	Listen    []string // IP addresses of the WebSocket, as --ws-listen was set
	Token     string   // for other machines
	Addrs     []string // multiaddrs for other nodes, with /p2p/
	MDNS      bool
	PSK       string // as --psk was set
	Builds    bool
	Program   string // how it was called
}

// Text returns the first lines that a node prints.
func (g *Banner) Text() string {
	holds := term.Count(g.Blocks, "block")
	if g.New {
		holds = "new"
	}
	var b strings.Builder
	line := func(label, value string) { fmt.Fprintf(&b, "  %-10s %s\n", label, term.OneLine(value)) }
	fmt.Fprintf(&b, "foxchain %s\n", ProgramVersion)
	line("name", g.Name)
	line("network", fmt.Sprintf("%s (%s)", g.Network, term.ShortHash(g.NetworkID)))
	line("data", fmt.Sprintf("%s (%s)", g.Dir, holds))
	line("page", PageURL(g.URL))
	line("websocket", g.URL)
	if !g.Loopback {
		line("from afar", g.pageFromAfar()+"#token="+g.Token)
		line("", "(the page, for other machines; this line admits to everything, so keep it secret: "+filepath.Join(g.Dir, "token")+")")
	}
	best, err := multiaddr.NewMultiaddr(bestAddr(g.Addrs, netip.Addr{}))
	alone := err == nil && manet.IsIPLoopback(best)
	if alone {
		line("reach", "only nodes on this machine can connect: the node has no other address (see --listen)")
	}
	if !g.Builds {
		line("builder", "off: this node only follows, so other nodes must build")
	}
	line("join", g.neighbourLine())
	if alone {
		line("", "(on this machine, with another port: -p)")
	} else if g.MDNS {
		line("", "(on another machine; nodes of one local network find each other without --peer)")
	} else {
		line("", "(on another machine)")
	}
	line("stop", "Ctrl-C")
	return b.String()
}

// pageFromAfar returns the URL of the page for other machines, with the address that was
// set, or this machine's if it listens on all.
func (g *Banner) pageFromAfar() string {
	u, err := url.Parse(PageURL(g.URL))
	if err != nil {
		return g.URL
	}
	host := outgoingIP()
	for _, text := range g.Listen {
		if ip, err := netip.ParseAddr(text); err == nil && !ip.IsLoopback() && !ip.IsUnspecified() {
			host = ip
			break
		}
	}
	if host.IsValid() {
		u.Host = net.JoinHostPort(host.String(), u.Port())
	}
	return u.String()
}

// PageURL returns the URL of the page for that of a node's WebSocket.
func PageURL(wsURL string) string {
	return strings.Replace(strings.TrimSuffix(wsURL, "ws"), "ws://", "http://", 1)
}

// neighbourLine returns the command that starts a node on another machine and
// connects it to this one.
func (g *Banner) neighbourLine() string {
	line := cmp.Or(g.Program, "foxchain") + " node"
	if g.NetworkBy != "" && g.NetworkBy != "foxchain" {
		line += " --network " + term.ShellWord(g.NetworkBy)
	}
	if g.PSK != "" {
		line += " --psk " + term.ShellWord(g.PSK)
	}
	if best := bestAddr(g.Addrs, outgoingIP()); best != "" {
		line += " --peer " + best
	}
	return line
}

// calledAs returns how to call this program, given its first argument. That is by a path,
// unless a shell finds the program without. A shell may have made the path absolute,
// which may not exist on another machine.
func calledAs(arg string) string {
	base := filepath.Base(arg)
	if base == arg || !filepath.IsAbs(arg) {
		return term.ShellWord(arg)
	}
	if _, err := exec.LookPath(base); err == nil {
		return term.ShellWord(base)
	}
	return term.ShellWord("./" + base) // in PowerShell too
}

// lonelyText returns why a node may be alone, and the command that connects another one
// to it.
func lonelyText(reasons []string, neighbour string) string {
	var b strings.Builder
	b.WriteString("No other node is connected. Possible reasons (foxchain doctor finds out more):\n")
	for _, reason := range reasons {
		fmt.Fprintf(&b, "  - %s\n", term.OneLine(reason))
	}
	fmt.Fprintf(&b, "To connect another node to this one without discovery:\n  %s\n", term.OneLine(neighbour))
	return b.String()
}

// bestAddr returns the multiaddr that a neighbour most likely reaches, which is the one
// on the interface of outgoing traffic, else a private IPv4 address, else one off
// loopback, else any.
func bestAddr(addrs []string, outgoing netip.Addr) string {
	best, bestRank := "", 0
	for _, text := range addrs {
		if rank := addrRank(text, outgoing); rank > bestRank {
			best, bestRank = text, rank
		}
	}
	return best
}

func addrRank(text string, outgoing netip.Addr) int {
	addr, err := multiaddr.NewMultiaddr(text)
	if err != nil {
		return 0
	}
	rank := 0
	if std, err := manet.ToIP(addr); err == nil {
		ip, _ := netip.AddrFromSlice(std)
		switch ip = ip.Unmap(); {
		case ip == outgoing:
			rank = 10
		case ip.IsLoopback():
			rank = 2
		case ip.IsLinkLocalUnicast():
			rank = 4
		case ip.Is4() && ip.IsPrivate():
			rank = 8
		default:
			rank = 6
		}
	}
	if _, err := addr.ValueForProtocol(multiaddr.P_TCP); err == nil {
		rank++ // every node has TCP, but not QUIC
	}
	return rank
}

// outgoingIP returns this machine's address on the interface of outgoing traffic, or the
// zero Addr. Connecting a UDP socket sends nothing, and the address is one for
// documentation (RFC 5737).
func outgoingIP() netip.Addr {
	conn, err := net.Dial("udp4", "192.0.2.1:9")
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	addr, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return addr.AddrPort().Addr().Unmap()
}
