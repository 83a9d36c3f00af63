package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"foxchain/builder"
	"foxchain/cmd/foxchain/internal/ask"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// A builderConfig holds the flags of a builder in a process of its own.
type builderConfig struct {
	ask.Flags
	blockTxs          int
	interval, maxWait node.Duration
	logLevel, format  string
}

func newBuilderCmd() *cobra.Command {
	var cfg builderConfig
	cmd := &cobra.Command{
		Use:     "builder [URL]",
		Short:   "Build blocks for a running node, in a process of its own",
		GroupID: term.GroupRun,
		Args:    term.NArgs(0, 1, "at most the URL of a node's WebSocket"),
		Long: `Build blocks for a running node, in a process of its own. The node decides what
is in a block and signs it. This process decides when a block is built, and
searches the proof of work. A node needs no such process unless it was started
with --build=false.`,
		Example: `  foxchain builder -r 9000.db
  foxchain builder ws://localhost:9000/ws -k 4 -t 1s
  foxchain node --build=false & foxchain builder -r 9000.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if node.HowGiven(cmd.Flags(), "node") == node.ByFlag {
					return term.Usagef("the node is given twice: as %s and with --node", args[0])
				}
				if err := cmd.Flags().Set("node", args[0]); err != nil {
					return err
				}
			}
			return cfg.run(cmd)
		},
	}
	flags := cmd.Flags()
	cfg.AddNodeFlags(flags)
	node.AddBuildFlags(flags, &cfg.blockTxs, &cfg.interval, &cfg.maxWait)
	node.AddLogFlags(flags, &cfg.logLevel, &cfg.format)
	return cmd
}

func (c *builderConfig) run(cmd *cobra.Command) error {
	if err := node.CheckBuild(c.blockTxs); err != nil {
		return term.Usagef("%w", err)
	}
	log, err := node.NewLogger(cmd.ErrOrStderr(), c.logLevel, c.format)
	if err != nil {
		return term.Usagef("%w", err)
	}
	flags := cmd.Flags()
	session := client.Session{
		Dial: func(ctx context.Context) (*client.Client, error) {
			at, err := c.Endpoint(flags)
			if err != nil {
				return nil, err
			}
			remote, err := ask.Dial(ctx, at)
			if err != nil {
				log.Debug("the node cannot be reached", "reason", err)
				return nil, err
			}
			log.Info("building for the node", "url", at.URL)
			return remote, nil
		},
		Use: func(ctx context.Context, remote *client.Client) error {
			return c.build(ctx, remote, time.Duration(node.MaxWaitOf(flags, c.maxWait)), log)
		},
		Lost: func(reason error) { log.Warn("lost the node, connecting again", "reason", reason) },
	}
	return session.Run(cmd.Context())
}

// build builds blocks over one connection until it ends. A node that cannot be
// reached the first time is an error: most likely its address is wrong.
func (c *builderConfig) build(ctx context.Context, remote *client.Client, maxWait time.Duration, log *slog.Logger) error {
	events, err := remote.Subscribe(ctx, api.Subscription{Events: []string{"block", "pool"}})
	if err != nil {
		return err
	}
	r := &remoteNode{Client: remote, changed: make(chan struct{})}
	followed := make(chan struct{})
	go func() {
		defer close(followed)
		r.follow(ctx, events)
	}()
	err = builder.Run(ctx, builder.Config{Node: r, MinTxs: c.blockTxs, LeastTime: time.Duration(c.interval), MaxWait: maxWait, Log: log})
	_ = remote.Close() // ends the events, too
	<-followed
	return err
}

// remoteAsk is the time after which a builder asks its node for the state even if
// nothing changes. It shows that the builder lives.
const remoteAsk = 5 * time.Second

// A remoteNode is a builder's node over one connection. It implements builder.Node.
type remoteNode struct {
	*client.Client

	mu      sync.Mutex
	changed chan struct{} // closed at the next change of the node
}

// follow announces each event, and the end of the connection, until ctx or the
// connection ends.
func (r *remoteNode) follow(ctx context.Context, events <-chan api.Event) {
	tick := time.NewTicker(remoteAsk)
	defer tick.Stop()
	for open := true; open; {
		select {
		case _, open = <-events:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		r.mu.Lock()
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
	}
}

// Changed returns a channel that is closed at the next change of the node.
func (r *remoteNode) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// State returns what a builder decides by.
func (r *remoteNode) State(ctx context.Context) (api.BuildState, error) { return r.BuildState(ctx) }
