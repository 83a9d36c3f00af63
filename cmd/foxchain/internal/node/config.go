package node

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/multiformats/go-multiaddr"
	"github.com/spf13/pflag"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/finality"
	"foxchain/p2p"
	"foxchain/rpc"
)

// A Config holds the settings of a node. AddFlags sets the defaults, Complete those that
// depend on other settings, and validate checks it all.
type Config struct {
	Port      int      // of the WebSocket and the page; 0 for any free one, and Dir must be set
	Dir       string   // data directory; empty for <port>.db
	BlockTxs  int      // transactions that make a block, 1 to ledger.MaxBlockTxs
	Interval  Duration // least time between two blocks that are not full
	MaxWait   Duration // after which the oldest payable one makes a block alone; 0 for never
	Expiry    Duration // running time after which a waiting transaction expires
	Build     bool     // if not set, the node only follows
	Name      string   // for people; empty for the host's
	Listen    []string // multiaddrs for other nodes; empty for every interface, the directory's port
	Peers     []string // multiaddrs or ws URLs to dial
	LANRanges []string // address ranges that count as the local network, besides the private ones
	MDNS      bool
	QUIC      bool
	Network   string // name of a network, or a file that describes one
	PSK       string // file with the pre-shared key; empty for none
	WSListen  []string
	WSHosts   []string
	WSOrigins []string
	LogLevel  string
	LogFormat string

	VoteAgain    bool // a builder that lost its record votes once all others have answered
	KeepIdentity bool // a copied data directory keeps its key, since its original is gone for good

	Loopback bool // listen for other nodes on this machine only, at the directory's port

	Hooks Hooks
}

// Hooks let a lab make faults and lies. No flag sets one. Each may be nil.
type Hooks struct {
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // connects to another node
	Now   func() time.Time                                                     // the clock that the node shows and publishes
	Build func(context.Context, builder.Config) error                          // in place of builder.Run
	Vote  func(finality.Vote) []finality.Vote                                  // the votes to publish in place of an own vote
}

const (
	DefaultPort    = 9000
	defaultMaxWait = Duration(5 * time.Minute)
	maxName        = 64 // bytes
)

// AddBuildFlags adds the flags that a node shares with a builder in a process of its own.
func AddBuildFlags(flags *pflag.FlagSet, blockTxs *int, interval, maxWait *Duration) {
	*interval, *maxWait = Duration(time.Second), defaultMaxWait
	flags.IntVarP(blockTxs, "block-txs", "k", 4, "number of transactions that make a block")
	flags.VarP(interval, "interval", "t", "least time between two blocks that are not full")
	flags.Var(maxWait, "max-wait", "time after which a payable transaction makes a block even if there are fewer than -k; 0: never, the default when -k is set")
}

func (c *Config) AddFlags(flags *pflag.FlagSet) {
	flags.IntVarP(&c.Port, "port", "p", DefaultPort, "port of the WebSocket and the page")
	flags.StringVarP(&c.Dir, "dir", "r", "", "data `directory` (default <port>.db)")
	c.AddCommonFlags(flags)
	flags.StringVar(&c.Name, "name", "", "the node's `name`, for people (default this machine's, with the port if that is not 9000)")
	flags.StringArrayVar(&c.Listen, "listen", nil, "`multiaddr` to listen on for other nodes, repeatable (default every interface, at a port that the data directory keeps: --port + 10000, or any free one)")
	flags.StringArrayVar(&c.Peers, "peer", nil, "multiaddr or ws URL, the `address` of a node to connect to, repeatable")
	flags.StringArrayVar(&c.LANRanges, "lan-range", nil, "`range` of addresses that counts as the local network, such as 203.0.113.0/24, repeatable; private ranges and this machine's subnets always do")
	flags.BoolVar(&c.MDNS, "mdns", true, "find other nodes on the local network")
	flags.BoolVar(&c.QUIC, "quic", false, "connect to other nodes by QUIC (UDP) too")
	flags.StringVar(&c.PSK, "psk", "", "`file` with a pre-shared key (swarm.key format); nodes without the key cannot connect")
	flags.StringArrayVar(&c.WSListen, "ws-listen", nil, "`IP` address of WebSocket and page, repeatable; clients of other machines need the token (default 127.0.0.1 and ::1)")
	flags.StringArrayVar(&c.WSHosts, "ws-host", nil, "`host` name, besides localhost, that clients may use for this node, repeatable")
	flags.StringArrayVar(&c.WSOrigins, "ws-origin", nil, "`origin` of a web page that may use this node, such as https://example.org, repeatable")
	flags.BoolVar(&c.VoteAgain, "vote-again", false, "vote again although this node's record of votes is lost, once all other builders have answered; only if more builders lost theirs than may be away, and no copy runs")
	flags.BoolVar(&c.KeepIdentity, "keep-identity", false, "keep the identity of a moved or restored data directory; only if the original is gone for good")
}

// AddCommonFlags adds the flags that a node shares with the nodes of a devnet.
func (c *Config) AddCommonFlags(flags *pflag.FlagSet) {
	AddBuildFlags(flags, &c.BlockTxs, &c.Interval, &c.MaxWait)
	c.Expiry = Duration(24 * time.Hour)
	flags.Var(&c.Expiry, "expiry", "running time after which a transaction that cannot be paid expires")
	flags.BoolVar(&c.Build, "build", true, "build blocks; --build=false only follows")
	flags.StringVar(&c.Network, "network", "foxchain", "`name` of a network, or a JSON file that describes one; only nodes of one network connect")
	AddLogFlags(flags, &c.LogLevel, &c.LogFormat)
}

func AddLogFlags(flags *pflag.FlagSet, level, format *string) {
	flags.StringVar(level, "log-level", "info", "`level`: debug, info, warn or error")
	flags.StringVar(format, "log-format", "text", "`format`: text or json")
}

// MaxWaitOf returns the value of --max-wait, or 0 if only -k was set, so that every block
// has k transactions.
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
		// A node at another port is most likely another node of this machine.
		if own := fmt.Sprintf("%s-%d", c.Name, c.Port); c.Port != DefaultPort && c.Port != 0 && checkName(own) == nil {
			c.Name = own
		}
	}
}

// hostName returns this machine's name, or "node" if that is no valid name.
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
		return fmt.Errorf("-p 0 needs -r, because the data directory cannot be named by the port")
	}
	if err := CheckBuild(c.BlockTxs); err != nil {
		return err
	}
	if c.Expiry == 0 {
		return fmt.Errorf("--expiry is 0: must be a time span such as 24h")
	}
	if c.QUIC && c.PSK != "" {
		return fmt.Errorf("--quic and --psk cannot go together: QUIC cannot use the pre-shared key")
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
		{"--ws-host", c.WSHosts, rpc.CheckHost},
		{"--ws-origin", c.WSOrigins, rpc.CheckOrigin},
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
		return fmt.Errorf("-k is %d: a block has 1 to %d transactions", blockTxs, ledger.MaxBlockTxs)
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
	if ip, err := netip.ParseAddr(text); err != nil || ip.Zone() != "" { // no URL of a page has a zone
		return fmt.Errorf("must be an IP address of this machine without a zone, or 0.0.0.0 for all")
	}
	return nil
}

// ranges returns the validated LANRanges.
func (c *Config) ranges() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range c.LANRanges {
		if r, err := netip.ParsePrefix(text); err == nil {
			list = append(list, r.Masked())
		}
	}
	return list
}

// wsListen returns the addresses of the WebSocket, host:port each.
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

// WSURL returns the WebSocket's URL for programs on this machine.
func (c *Config) WSURL(port int) string {
	host := "localhost"
	for _, listen := range c.WSListen {
		ip, err := netip.ParseAddr(listen)
		if err == nil && (ip.IsUnspecified() || slices.Contains([]string{"127.0.0.1", "::1"}, ip.String())) {
			host = "localhost"
			break
		}
		host = listen
	}
	return "ws://" + net.JoinHostPort(host, strconv.Itoa(port)) + "/ws"
}
