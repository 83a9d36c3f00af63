package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"time"

	"foxchain/builder"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/cmd/foxchain/internal/tokens"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/finality"
	"foxchain/ledger/store"
	"foxchain/p2p"
	"foxchain/p2p/vote"
	"foxchain/rpc"
	"foxchain/rpc/api"
)

// ProgramVersion is the version that nodes report.
const ProgramVersion = "0.1.0"

const (
	// stopSlow is after how long Run logs what it waits for at the end. stopGrace is the
	// longest time that a node may take to end, since a busy disk can stand still for some
	// 20 s.
	stopSlow  = 5 * time.Second
	stopGrace = 35 * time.Second
	// slowOpen is after how long noteSlow logs that opening takes long.
	slowOpen = 2 * time.Second
)

// A Node holds all parts of one node, wired together.
type Node struct {
	Cfg    Config
	log    *slog.Logger
	Out    io.Writer      // for people; nil to print nothing when the node is alone
	Live   *term.LiveLine // shows the progress of sync; nil to log it
	Dir    *DataDir
	isNew  bool // the directory held no ledger
	Token  string
	key    ledger.PublicKey
	Chain  *chain.Chain
	P2P    *p2p.Node
	sealer *sealer
	voter  *builder.Voter // nil on a network without finality
	Listen *rpc.Listener
	rpc    *rpc.Server
}

// New opens everything that a node needs, its port and directory too. The node serves no
// client before Run.
func New(ctx context.Context, cfg Config, log *slog.Logger) (_ *Node, err error) {
	if err := cfg.validate(); err != nil {
		return nil, &term.UsageError{Err: err}
	}
	psk, err := LoadPSK(cfg.PSK) // first, before anything is made
	if err != nil {
		return nil, &term.UsageError{Err: err}
	}
	n := &Node{Cfg: cfg, log: log}
	defer noteSlow(log, cfg.Dir).Stop()
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
		}
	}()
	if n.Listen, err = rpc.Listen(ctx, cfg.wsListen(), log); err != nil {
		return nil, err
	}
	if err := n.openLedger(); err != nil {
		return nil, err
	}
	if err := n.wire(psk); err != nil {
		return nil, err
	}
	return n, n.Dir.writeEndpoint(Endpoint{URL: n.Cfg.WSURL(n.Listen.Port()), Token: n.Token})
}

// noteSlow logs after slowOpen that opening a directory takes long, unless the timer is
// stopped. A slow disk may take two seconds for each new file, and a first start makes
// some twenty.
func noteSlow(log *slog.Logger, dir string) *time.Timer {
	return time.AfterFunc(slowOpen, func() {
		log.Info("opening the data directory takes long, on a slow disk up to a minute; the node starts as soon as it is open", "dir", dir)
	})
}

// Close closes what New opened, if the node is not run.
func (n *Node) Close() error {
	var errs []error
	if n.rpc != nil { // else the endpoint file is another node's
		errs = append(errs, n.Dir.removeEndpoint())
	}
	if n.Listen != nil {
		errs = append(errs, n.Listen.Close())
	}
	if n.P2P != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		errs = append(errs, n.P2P.Run(ended)) // closes what p2p.New opened
	}
	if n.Chain != nil {
		errs = append(errs, n.Chain.Close())
	}
	return errors.Join(errs...)
}

// openLedger opens the data directory. From then on the store's lock keeps out every
// other process.
func (n *Node) openLedger() error {
	network, err := LoadNetwork(n.Cfg.Network)
	if err != nil {
		return err
	}
	if n.Dir, err = OpenDataDir(n.Cfg.Dir); err != nil {
		return err
	}
	if err := n.Dir.Restored(); err != nil {
		return err
	}
	_, err = os.Stat(n.Dir.Chain())
	n.isNew = errors.Is(err, fs.ErrNotExist)
	n.Chain, err = chain.Open(chain.Config{
		Network: network,
		Dir:     n.Dir.Chain(),
		Log:     n.log,
		Expiry:  time.Duration(n.Cfg.Expiry),
		Now:     n.Cfg.Hooks.Now,
	})
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("another node uses the data directory %s: stop it, or choose another directory with -r and another port with -p", n.Dir.Path)
	case err != nil:
		return fmt.Errorf("data directory %s: %w", n.Dir.Path, n.Dir.Explain(err))
	}
	// Older versions made it open to all, and its address book has the tokens of other nodes.
	_ = os.Chmod(n.Dir.Chain(), 0o700) // fails for one of another owner
	return nil
}

// wire makes the parts and connects them.
func (n *Node) wire(psk []byte) error {
	status := n.Chain.Status()
	id, err := n.Dir.identity(status.Tip.Blocks > 0 || status.NextArrival > 0, n.Cfg.KeepIdentity)
	if err != nil {
		return err
	}
	if id.notice != "" {
		n.log.Warn(id.notice)
	}
	key := id.key
	n.key = PublicKey(key)
	if n.Token, err = n.Dir.token(); err != nil {
		return err
	}
	listen, err := n.p2pListen()
	if err != nil {
		return err
	}
	n.sealer = &sealer{}
	n.sealer.inside.Store(n.Cfg.Build)
	voter, err := n.makeVoter(key)
	if err != nil {
		return err
	}
	if n.P2P, err = p2p.New(p2p.Config{
		Chain:   n.Chain,
		Key:     key,
		Name:    n.Cfg.Name,
		Version: ProgramVersion,
		Listen:  listen,
		Peers:   n.Cfg.Peers,
		Ranges:  n.Cfg.ranges(),
		MDNS:    n.Cfg.MDNS,
		QUIC:    n.Cfg.QUIC,
		PSK:     psk,
		WS:      p2p.WSInfo{Port: n.Listen.Port(), Loopback: n.Listen.Loopback()},
		Builds:  n.sealer.builds,
		Voter:   voter,
		Resolve: ResolveWS,
		Dial:    n.Cfg.Hooks.Dial,
		Now:     n.Cfg.Hooks.Now,
		Log:     n.log,
	}); err != nil {
		return err
	}
	if n.sealer.Sealer, err = builder.NewSealer(builder.SealerConfig{
		Chain:    n.Chain,
		Key:      key,
		Live:     n.P2P.Builders,
		Coming:   n.P2P.Coming,
		Announce: n.P2P.Announce,
		Log:      n.log,
	}); err != nil {
		return err
	}
	return n.makeRPC()
}

// makeVoter makes the voter, which only watches if the key is no builder's. It returns
// nil on a network without finality.
func (n *Node) makeVoter(key ed25519.PrivateKey) (vote.Voter, error) {
	votes := n.Dir.votes(n.key, n.Chain.Network().ID())
	record, err := votes.load()
	if err != nil {
		return nil, err
	}
	n.voter = builder.NewVoter(builder.VoterConfig{
		Chain:     n.Chain,
		Key:       key,
		Record:    record,
		Restored:  n.Cfg.KeepIdentity,
		VoteAgain: n.Cfg.VoteAgain,
		Save:      votes.save,
		Publish:   n.publishVote,
		Away:      func(k ledger.PublicKey) bool { return n.P2P.Away(k) },
		Log:       n.log,
	})
	if n.voter == nil {
		return nil, nil
	}
	return n.voter, nil
}

func (n *Node) publishVote(v finality.Vote) {
	votes := []finality.Vote{v}
	if n.Cfg.Hooks.Vote != nil {
		votes = n.Cfg.Hooks.Vote(v)
	}
	for _, v := range votes {
		n.P2P.PublishVote(v)
	}
}

func (n *Node) makeRPC() (err error) {
	blockTxs, maxWait := n.Cfg.BlockTxs, time.Duration(n.Cfg.MaxWait)
	if !n.Cfg.Build {
		blockTxs, maxWait = 0, 0
	}
	known := &tokens.Index{Store: tokens.Store{Path: n.Dir.Path}, Failed: func(err error) {
		n.log.Warn("tokens cannot be read, so they stay as they last were", "error", err)
	}}
	cfg := rpc.Config{
		BlockTxs: blockTxs,
		MaxWait:  maxWait,
		Listener: n.Listen,
		Chain:    n.Chain,
		Peers:    n.P2P,
		Sealer:   n.sealer,
		Key:      n.key,
		Name:     n.Cfg.Name,
		Version:  ProgramVersion,
		Token:    n.Token,
		Tokens:   known.Find,
		Hosts:    n.Cfg.WSHosts,
		Origins:  n.Cfg.WSOrigins,
		Voting:   n.voting,
		Backup:   n.backup,
		Sync:     n.sync,
		DiskFree: n.diskFree,
		Now:      n.Cfg.Hooks.Now,
		Log:      n.log,
	}
	if n.voter != nil {
		cfg.Certify = n.voter.Take
	}
	n.rpc, err = rpc.New(cfg)
	return err
}

// diskFree returns the free bytes for the data directory, nil if not known.
func (n *Node) diskFree() *uint64 {
	free, err := DiskFree(n.Dir.Path)
	if err != nil {
		return nil
	}
	return &free
}

// p2pListen returns where the node listens for other nodes.
func (n *Node) p2pListen() ([]string, error) {
	if len(n.Cfg.Listen) > 0 {
		return n.Cfg.Listen, nil
	}
	port, err := n.Dir.p2pPort(n.Listen.Port())
	if err != nil {
		return nil, err
	}
	p := strconv.Itoa(port)
	if n.Cfg.Loopback {
		return []string{"/ip4/127.0.0.1/tcp/" + p}, nil
	}
	listen := []string{"/ip4/0.0.0.0/tcp/" + p, "/ip6/::/tcp/" + p}
	if n.Cfg.QUIC {
		listen = append(listen, "/ip4/0.0.0.0/udp/"+p+"/quic-v1", "/ip6/::/udp/"+p+"/quic-v1")
	}
	return listen, nil
}

// Run runs the node until ctx ends or a part of it fails. Then it stops the parts in the
// order of the package doc, the ledger last.
func (n *Node) Run(ctx context.Context) error {
	if caution := n.Chain.Network().Caution(); caution != "" {
		n.log.Warn(caution)
	}
	stages := []stage{
		{"the log of events", n.watch},
		{"the WebSocket server", n.serve},
		{"the network", n.P2P.Run},
	}
	if n.Cfg.Build {
		stages = append(stages, stage{"the builder", n.build})
	}
	if n.voter != nil {
		stages = append(stages, stage{"the votes", n.voter.Run})
	}
	stages = append(stages, stage{"the ledger", n.keepLedger})
	err := runStages(ctx, stopSlow, stopGrace, func(names string) {
		n.log.Warn("ending takes long; a second Ctrl-C ends the node at once", "waits_for", names)
	}, stages...)
	n.log.Info("the node ended", "blocks", n.Chain.Tip().Blocks)
	if err != nil {
		return n.Dir.Explain(err)
	}
	return nil
}

func (n *Node) serve(ctx context.Context) error {
	return errors.Join(n.rpc.Run(ctx), n.Dir.removeEndpoint())
}

// watch writes the log of events.
func (n *Node) watch(ctx context.Context) error {
	w := newWatcher(n.Chain, n.key, n.log)
	w.sync = n.sync
	if n.Live != nil {
		w.show = n.Live.Set
	}
	w.nodes = nodeWatcher{aloneSince: n.P2P.AloneSince, alone: n.printLonely, all: n.P2P.Nodes}
	return w.run(ctx)
}

// sync returns how far the node has caught up, nil if it is not behind.
func (n *Node) sync() *api.Sync {
	best, lacks := n.P2P.Behind()
	if lacks == 0 {
		return nil
	}
	return &api.Sync{Best: best, Behind: lacks}
}

// printLonely prints why no other node is connected.
func (n *Node) printLonely() {
	reasons, line := n.P2P.Diagnosis(), n.Banner().neighbourLine()
	switch {
	case n.Out == nil || len(reasons) == 0: // a peer may just have connected
	case n.Cfg.LogFormat == "json":
		n.log.Warn("no other node is connected", "reasons", reasons, "neighbour", line)
	default:
		fmt.Fprint(n.Out, lonelyText(reasons, line))
	}
}

func (n *Node) build(ctx context.Context) error {
	run := builder.Run
	if n.Cfg.Hooks.Build != nil {
		run = n.Cfg.Hooks.Build
	}
	return run(ctx, builder.Config{
		Node:      n.sealer.Sealer,
		MinTxs:    n.Cfg.BlockTxs,
		LeastTime: time.Duration(n.Cfg.Interval),
		MaxWait:   time.Duration(n.Cfg.MaxWait),
		Log:       n.log,
	})
}

// Key returns the node's public key.
func (n *Node) Key() ledger.PublicKey { return n.key }

// SetBuilds changes whether the node reports that it builds.
func (n *Node) SetBuilds(on bool) { n.sealer.inside.Store(on) }

// keepLedger runs the chain and closes it. A failed write ends the node, and Run
// returns the reason.
func (n *Node) keepLedger(ctx context.Context) error {
	err := n.Chain.Run(ctx)
	return errors.Join(err, n.Chain.Close())
}

// Banner returns the first lines of the node on start.
func (n *Node) Banner() *Banner {
	return &Banner{
		Name:      n.Cfg.Name,
		Network:   n.Chain.Network().Name,
		NetworkID: n.Chain.Network().ID().String(),
		NetworkBy: n.Cfg.Network,
		Dir:       n.Dir.Path,
		Blocks:    n.Chain.Tip().Blocks,
		New:       n.isNew,
		URL:       n.Cfg.WSURL(n.Listen.Port()),
		Loopback:  n.Listen.Loopback(),
		Listen:    n.Cfg.WSListen,
		Token:     n.Token,
		Addrs:     n.P2P.Addrs(),
		MDNS:      n.Cfg.MDNS,
		PSK:       n.Cfg.PSK,
		Builds:    n.Cfg.Build,
		Program:   calledAs(os.Args[0]),
	}
}
