package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"foxchain/builder"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

// A builderConfig holds the flags of a builder in a process of its own.
type builderConfig struct {
	nodeFlags
	blockTxs          int
	interval, maxWait node.Duration
	logLevel, format  string
}

func newBuilderCmd() *cobra.Command {
	var cfg builderConfig
	cmd := &cobra.Command{
		Use:     "builder [URL]",
		Short:   "Build blocks for a running node, in a process of its own",
		GroupID: groupRun,
		Args:    nArgs(0, 1, "at most the URL of a node's WebSocket"),
		Long: `Build blocks for a running node, in a process of its own. The node decides what
is in a block and signs it. This process decides when a block is built, and
searches the proof of work. Nodes build by themselves unless they were started
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
	cfg.addNodeFlags(flags)
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
	remote := newRemoteNode(func() (node.Endpoint, error) { return c.endpoint(flags) }, log)
	group, ctx := errgroup.WithContext(cmd.Context())
	group.Go(func() error { return remote.run(ctx) })
	group.Go(func() error {
		err := builder.Run(ctx, builder.Config{
			Node:      remote,
			MinTxs:    c.blockTxs,
			LeastTime: time.Duration(c.interval),
			MaxWait:   time.Duration(node.MaxWaitOf(flags, c.maxWait)),
			Log:       log,
		})
		if err == nil && ctx.Err() == nil {
			err = errors.New("the builder ended by itself")
		}
		return err
	})
	return group.Wait()
}
