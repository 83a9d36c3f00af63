package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"time"

	"foxchain/builder"
	"foxchain/ledger"
	"foxchain/ledger/chain"
	"foxchain/ledger/store"
	"foxchain/p2p"
	"foxchain/rpc"
	"foxchain/rpc/api"
)

// stopGrace is how long a node may take to end.
const stopGrace = 5 * time.Second

// A node is all parts of one node, wired together. This file is the one place
// that knows them all.
type node struct {
	cfg     nodeConfig
	log     *slog.Logger
	out     io.Writer // for people; nil: nothing is said of loneliness
	live    *liveLine // shows how sync goes; nil: the log does
	dir     *dataDir
	isNew   bool // the directory held no ledger
	token   string
	key     ledger.PublicKey
	chain   *chain.Chain
	p2p     *p2p.Node
	desk    *desk
	listen  *rpc.Listener
	rpc     *rpc.Server
	profile *profiler // nil without --debug
}

// newNode opens everything that a node needs: its port and its directory are
// then taken. It serves nobody before run.
func newNode(ctx context.Context, cfg nodeConfig, log *slog.Logger) (_ *node, err error) {
	if err := cfg.validate(); err != nil {
		return nil, &usageError{err}
	}
	psk, err := loadPSK(cfg.PSK) // before anything is made
	if err != nil {
		return nil, &usageError{err}
	}
	n := &node{cfg: cfg, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if n.listen, err = rpc.Listen(ctx, cfg.wsListen(), log); err != nil {
		return nil, err
	}
	if cfg.Debug {
		if n.profile, err = newProfiler(ctx, log); err != nil {
			return nil, err
		}
	}
	if err := n.openLedger(); err != nil {
		return nil, err
	}
	if err := n.wire(psk); err != nil {
		return nil, err
	}
	return n, n.dir.writeEndpoint(endpoint{URL: n.cfg.wsURL(n.listen.Port()), Token: n.token})
}

// close closes what newNode opened, of a node that is not run.
func (n *node) close() error {
	var errs []error
	if n.rpc != nil { // else the endpoint file is another node's
		errs = append(errs, n.removeEndpoint())
	}
	if n.listen != nil {
		errs = append(errs, n.listen.Close())
	}
	if n.profile != nil {
		errs = append(errs, n.profile.listener.Close())
	}
	if n.p2p != nil {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		errs = append(errs, n.p2p.Run(ended)) // closes what p2p.New opened
	}
	if n.chain != nil {
		errs = append(errs, n.chain.Close())
	}
	return errors.Join(errs...)
}

// openLedger opens the data directory. From then on the store's lock keeps
// every other process off it.
func (n *node) openLedger() error {
	network, err := loadNetwork(n.cfg.Network)
	if err != nil {
		return err
	}
	if n.dir, err = openDataDir(n.cfg.Dir); err != nil {
		return err
	}
	_, err = os.Stat(n.dir.chain())
	n.isNew = errors.Is(err, fs.ErrNotExist)
	n.chain, err = chain.Open(chain.Config{
		Network: network,
		Dir:     n.dir.chain(),
		Log:     n.log,
		Expiry:  time.Duration(n.cfg.Expiry),
	})
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("another node uses the data directory %s: stop it, or choose another directory with -r and another port with -p", n.dir.path)
	case err != nil:
		return fmt.Errorf("data directory %s: %w", n.dir.path, n.dir.explain(err))
	}
	return nil
}

// wire makes the parts and joins them.
func (n *node) wire(psk []byte) error {
	status := n.chain.Status()
	id, err := n.dir.identity(status.Tip.Blocks > 0 || status.NextArrival > 0, n.cfg.KeepIdentity)
	if err != nil {
		return err
	}
	if id.notice != "" {
		n.log.Warn(id.notice)
	}
	key := id.key
	n.key = publicKey(key)
	if n.token, err = n.dir.token(); err != nil {
		return err
	}
	listen, err := n.p2pListen()
	if err != nil {
		return err
	}
	n.desk = &desk{inside: n.cfg.Build}
	if n.p2p, err = p2p.New(p2p.Config{
		Chain:   n.chain,
		Key:     key,
		Name:    n.cfg.Name,
		Version: programVersion,
		Listen:  listen,
		Peers:   n.cfg.Peers,
		Ranges:  n.cfg.ranges(),
		MDNS:    n.cfg.MDNS,
		QUIC:    n.cfg.QUIC,
		PSK:     psk,
		WS:      p2p.WSInfo{Port: n.listen.Port(), Loopback: n.listen.Loopback()},
		Builds:  n.desk.builds,
		Resolve: resolveWS,
		Log:     n.log,
	}); err != nil {
		return err
	}
	if n.desk.Desk, err = builder.NewDesk(builder.DeskConfig{
		Chain:    n.chain,
		Key:      key,
		Live:     n.p2p.Builders,
		Coming:   n.p2p.Coming,
		Announce: n.p2p.Announce,
		Log:      n.log,
	}); err != nil {
		return err
	}
	return n.makeRPC()
}

func (n *node) makeRPC() (err error) {
	n.rpc, err = rpc.New(rpc.Config{
		Listener: n.listen,
		Chain:    n.chain,
		Network:  peerSide{n.p2p},
		Sealer:   n.desk,
		Key:      n.key,
		Name:     n.cfg.Name,
		Version:  programVersion,
		Token:    n.token,
		Hosts:    n.cfg.WSHosts,
		Origins:  n.cfg.WSOrigins,
		Builds:   n.p2p.Builds,
		Copied:   n.p2p.Copied,
		Sync:     n.sync,
		DiskFree: n.diskFree,
		Ready:    n.chain.Err,
		Log:      n.log,
	})
	return err
}

// diskFree is what is left for the data directory, nil when that is not known.
func (n *node) diskFree() *uint64 {
	free, err := diskFree(n.dir.path)
	if err != nil {
		return nil
	}
	return &free
}

// p2pListen is where the node listens for other nodes.
func (n *node) p2pListen() ([]string, error) {
	if len(n.cfg.Listen) > 0 {
		return n.cfg.Listen, nil
	}
	port, err := n.dir.p2pPort(n.listen.Port())
	if err != nil {
		return nil, err
	}
	p := strconv.Itoa(port)
	if n.cfg.loopback {
		return []string{"/ip4/127.0.0.1/tcp/" + p}, nil
	}
	listen := []string{"/ip4/0.0.0.0/tcp/" + p, "/ip6/::/tcp/" + p}
	if n.cfg.QUIC {
		listen = append(listen, "/ip4/0.0.0.0/udp/"+p+"/quic-v1", "/ip6/::/udp/"+p+"/quic-v1")
	}
	return listen, nil
}

// run runs the node until ctx ends or a part of it fails. It ends its parts in
// the order in which they depend on each other: first nobody is served any
// more, last the ledger is closed.
func (n *node) run(ctx context.Context) error {
	stages := []stage{
		{"the log of events", n.watch},
		{"the WebSocket server", n.serve},
		{"the network", n.p2p.Run},
		{"the builder", n.build},
		{"the ledger", n.keepLedger},
	}
	if n.profile != nil {
		stages = append([]stage{{"the profiles", n.profile.run}}, stages...)
	}
	err := runStages(ctx, stopGrace, stages...)
	n.log.Info("the node ended", "blocks", n.chain.Tip().Blocks)
	if err != nil {
		return n.dir.explain(err)
	}
	return nil
}

func (n *node) serve(ctx context.Context) error {
	return errors.Join(n.rpc.Run(ctx), n.removeEndpoint())
}

// removeEndpoint shows programs that the node does not run any more.
func (n *node) removeEndpoint() error {
	err := n.dir.removeEndpoint()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// watch writes the log of events.
func (n *node) watch(ctx context.Context) error {
	w := newWatcher(n.chain, n.key, n.log)
	w.sync, w.live = n.sync, n.live
	return w.run(ctx, n.tellLonely)
}

// sync is how far the node has caught up, nil when it is not behind.
func (n *node) sync() *api.Sync {
	p, behind := n.p2p.Progress()
	if !behind {
		return nil
	}
	return &api.Sync{Best: p.Best, Behind: p.Best - p.Blocks}
}

// tellLonely says why nobody is there. It reports false when that is not known
// yet.
func (n *node) tellLonely() bool {
	hasPeer := slices.ContainsFunc(n.p2p.Peers(), func(p p2p.Peer) bool { return p.Connected })
	if hasPeer || n.out == nil {
		return true
	}
	reasons := n.p2p.Diagnosis()
	if len(reasons) == 0 {
		return false
	}
	line := n.greeting().neighbourLine()
	if n.cfg.LogFormat == "json" {
		n.log.Warn("no other node is there", "reasons", reasons, "neighbour", line)
		return true
	}
	fmt.Fprint(n.out, lonelyText(reasons, line))
	return true
}

// build builds blocks, or, where the node only follows, waits.
func (n *node) build(ctx context.Context) error {
	if !n.cfg.Build {
		<-ctx.Done()
		return nil
	}
	return builder.Run(ctx, builder.Config{
		Node:      n.desk.Desk,
		MinTxs:    n.cfg.BlockTxs,
		LeastTime: time.Duration(n.cfg.Interval),
		MaxWait:   time.Duration(n.cfg.MaxWait),
		Log:       n.log,
	})
}

// keepLedger runs the chain and closes it. A write that fails ends the node:
// Run then returns the reason.
func (n *node) keepLedger(ctx context.Context) error {
	err := n.chain.Run(ctx)
	return errors.Join(err, n.chain.Close())
}

// greeting is what the node says when it starts.
func (n *node) greeting() *greeting {
	return &greeting{
		Name:      n.cfg.Name,
		Network:   n.chain.Network().Name,
		NetworkID: n.chain.Network().ID().String(),
		NetworkBy: n.cfg.Network,
		Dir:       n.dir.path,
		Blocks:    n.chain.Tip().Blocks,
		New:       n.isNew,
		URL:       n.cfg.wsURL(n.listen.Port()),
		Loopback:  n.listen.Loopback(),
		Addrs:     n.p2p.Addrs(),
		MDNS:      n.cfg.MDNS,
		PSK:       n.cfg.PSK,
		Builds:    n.cfg.Build,
		Program:   calledAs(os.Args[0]),
	}
}
