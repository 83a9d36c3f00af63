package node

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/multiformats/go-multiaddr"
	"github.com/spf13/pflag"

	"foxchain/ledger"
	"foxchain/p2p"
	"foxchain/rpc"
)

// A Config is what a person sets of a node. addFlags fills in the defaults,
// complete those that depend on other settings, validate checks it all.
type Config struct {
	Port      int      // of the WebSocket and the page; 0: any free one, then Dir must be set
	Dir       string   // data directory; empty: <port>.db
	BlockTxs  int      // transactions that make a block, 1 to ledger.MaxBlockTxs
	Interval  Duration // least time between two blocks that are not full
	MaxWait   Duration // after which the oldest payable one makes a block alone; 0: never
	Expiry    Duration // running time after which a waiting transaction expires
	Build     bool     // false: only follow
	Name      string   // for people; empty: the host's
	Listen    []string // multiaddrs for other nodes; empty: every interface, the directory's port
	Peers     []string // multiaddrs or ws URLs to dial
	LANRanges []string // address ranges that count as the local network, besides the private ones
	MDNS      bool
	QUIC      bool
	Network   string // name of a network, or a file that describes one
	PSK       string // file with the pre-shared key; empty: none
	WSListen  []string
	WSHosts   []string
	WSOrigins []string
	LogLevel  string
	LogFormat string
	Debug     bool

	KeepIdentity bool // a copied data directory keeps its key: the one it was copied from is gone for good

	Loopback bool // listen for other nodes on this machine only, at the directory's port
}

const (
	DefaultPort    = 9000
	defaultMaxWait = Duration(5 * time.Minute)
	maxName        = 64 // bytes
)

// AddBuildFlags adds the settings of a builder, which a node and a builder in a
// process of its own share.
func AddBuildFlags(flags *pflag.FlagSet, blockTxs *int, interval, maxWait *Duration) {
	*interval, *maxWait = Duration(time.Second), defaultMaxWait
	flags.IntVarP(blockTxs, "block-txs", "k", 4, "transactions that make a block")
	flags.VarP(interval, "interval", "t", "least time between two blocks that are not full")
	flags.Var(maxWait, "max-wait", "how long a payable transaction waits for others at most; 0: as long as it takes, also when -k is set without --max-wait")
}

func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.IntVarP(&c.Port, "port", "p", DefaultPort, "port of the WebSocket and the page")
	flags.StringVarP(&c.Dir, "dir", "r", "", "data directory (default <port>.db)")
	c.AddCommonFlags(flags)
	flags.StringVar(&c.Name, "name", "", "the node's name, for people (default: this machine's)")
	flags.StringArrayVar(&c.Listen, "listen", nil, "multiaddr to listen on for other nodes, repeatable (default: every interface, port + 10000 if free, else any, then always the same)")
	flags.StringArrayVar(&c.Peers, "peer", nil, "multiaddr or ws URL of a node to connect to, repeatable")
	flags.StringArrayVar(&c.LANRanges, "lan-range", nil, "addresses, such as 203.0.113.0/24, that count as the local network besides the private ones and this machine's subnets, repeatable: many nodes may come from one of them")
	flags.BoolVar(&c.MDNS, "mdns", true, "find other nodes on the local network")
	flags.BoolVar(&c.QUIC, "quic", false, "also speak QUIC (UDP) with other nodes")
	flags.StringVar(&c.PSK, "psk", "", "pre-shared key file (swarm.key format): keeps all nodes without it out")
	flags.StringArrayVar(&c.WSListen, "ws-listen", nil, "IP address for WebSocket and page, repeatable; off loopback everybody needs the token (default 127.0.0.1 and ::1)")
	flags.StringArrayVar(&c.WSHosts, "ws-host", nil, "name, beside localhost, by which this node may be asked, repeatable")
	flags.StringArrayVar(&c.WSOrigins, "ws-origin", nil, "origin of a web page that may speak to this node, such as https://example.org, repeatable")
	flags.BoolVar(&c.KeepIdentity, "keep-identity", false, "the data directory was moved or restored, and the one it was copied from is gone for good: keep its identity")
	flags.BoolVar(&c.Debug, "debug", false, "serve Go's profiles on a port of this machine only; the log says which")
}

// AddCommonFlags adds the settings that each node of a devnet has, too.
func (c *Config) AddCommonFlags(flags *pflag.FlagSet) {
	AddBuildFlags(flags, &c.BlockTxs, &c.Interval, &c.MaxWait)
	c.Expiry = Duration(24 * time.Hour)
	flags.Var(&c.Expiry, "expiry", "running time after which a transaction that cannot be paid expires")
	flags.BoolVar(&c.Build, "build", true, "build blocks; --build=false only follows")
	flags.StringVar(&c.Network, "network", "foxchain", "name of a network, or a file (JSON) that describes one; only nodes of one network see each other")
	AddLogFlags(flags, &c.LogLevel, &c.LogFormat)
}

func AddLogFlags(flags *pflag.FlagSet, level, format *string) {
	flags.StringVar(level, "log-level", "info", "debug, info, warn or error")
	flags.StringVar(format, "log-format", "text", "text or json")
}

// MaxWaitOf is the rule of --max-wait. A user that asks for k transactions a block,
// as the original's users do, gets blocks of k unless --max-wait is set too.
func MaxWaitOf(flags *pflag.FlagSet, maxWait Duration) Duration {
	if HowGiven(flags, "block-txs") != ByDefault && HowGiven(flags, "max-wait") == ByDefault {
		return 0
	}
	return maxWait
}

// Complete fills in the defaults that depend on other settings.
func (c *Config) Complete(flags *pflag.FlagSet) {
	c.MaxWait = MaxWaitOf(flags, c.MaxWait)
	if c.Dir == "" && c.Port != 0 {
		c.Dir = strconv.Itoa(c.Port) + ".db"
	}
	if c.Name == "" {
		c.Name = hostName()
	}
}

// hostName is this machine's name in a form that a node's name may have.
func hostName() string {
	host, err := os.Hostname()
	host, _, _ = strings.Cut(host, ".")
	if err != nil || checkName(host) != nil {
		return "node"
	}
	return host
}

// validate checks each setting. Errors name the flag, the value and the rule.
func (c *Config) validate() error {
	if c.Port < 0 || c.Port > 65535 {
		return fmt.Errorf("-p is %d: a port is a number from 1 to 65535, or 0 for any free one", c.Port)
	}
	if c.Dir == "" {
		return fmt.Errorf("-p 0 needs -r: with any free port, the data directory cannot be named by it")
	}
	if err := CheckBuild(c.BlockTxs); err != nil {
		return err
	}
	if c.Expiry == 0 {
		return fmt.Errorf("--expiry is 0: must be a time span such as 24h")
	}
	if c.QUIC && c.PSK != "" {
		return fmt.Errorf("--quic and --psk cannot go together: QUIC has no place for the pre-shared key")
	}
	if err := checkName(c.Name); err != nil {
		return fmt.Errorf("--name is %q: %w", c.Name, err)
	}
	for _, check := range []struct {
		flag   string
		values []string
		rule   func(string) error
	}{
		{"--listen", c.Listen, checkMultiaddr},
		{"--peer", c.Peers, p2p.CheckAddr},
		{"--lan-range", c.LANRanges, checkRange},
		{"--ws-listen", c.WSListen, checkListenIP},
	} {
		for _, value := range check.values {
			if err := check.rule(value); err != nil {
				return fmt.Errorf("%s is %q: %w", check.flag, value, err)
			}
		}
	}
	return nil
}

func CheckBuild(blockTxs int) error {
	if blockTxs < 1 || blockTxs > ledger.MaxBlockTxs {
		return fmt.Errorf("-k is %d: a block is made of 1 to %d transactions", blockTxs, ledger.MaxBlockTxs)
	}
	return nil
}

func checkName(name string) error {
	printable := !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || !printable {
		return fmt.Errorf("a name is 1 to %d bytes of printable text", maxName)
	}
	return nil
}

func checkMultiaddr(text string) error {
	if _, err := multiaddr.NewMultiaddr(text); err != nil {
		return fmt.Errorf("must be a multiaddr such as /ip4/0.0.0.0/tcp/19000: %w", err)
	}
	return nil
}

func checkRange(text string) error {
	if _, err := netip.ParsePrefix(text); err != nil {
		return fmt.Errorf("must be a range of addresses such as 203.0.113.0/24")
	}
	return nil
}

func checkListenIP(text string) error {
	if _, err := netip.ParseAddr(text); err != nil {
		return fmt.Errorf("must be an IP address of this machine, or 0.0.0.0 for all")
	}
	return nil
}

// ranges are LANRanges as package p2p takes them, once they are validated.
func (c *Config) ranges() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range c.LANRanges {
		if r, err := netip.ParsePrefix(text); err == nil {
			list = append(list, r.Masked())
		}
	}
	return list
}

// wsListen is where the WebSocket listens, host:port each.
func (c *Config) wsListen() []string {
	if len(c.WSListen) == 0 {
		return rpc.LoopbackAddrs(c.Port)
	}
	addrs := make([]string, len(c.WSListen))
	for i, host := range c.WSListen {
		addrs[i] = net.JoinHostPort(host, strconv.Itoa(c.Port))
	}
	return addrs
}

// WSURL is the WebSocket as programs on this machine reach it.
func (c *Config) WSURL(port int) string {
	host := "localhost"
	for _, listen := range c.WSListen {
		ip, err := netip.ParseAddr(listen)
		if err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			host = "localhost"
			break
		}
		host = listen
	}
	return "ws://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/ws"
}
