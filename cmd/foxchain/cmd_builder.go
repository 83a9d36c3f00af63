package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"foxchain/builder"
)

// A builderConfig is what a person sets of a builder in a process of its own.
type builderConfig struct {
	ask
	blockTxs          int
	interval, maxWait duration
	logLevel, format  string
}

func newBuilderCmd() *cobra.Command {
	var cfg builderConfig
	cmd := &cobra.Command{
		Use:     "builder [URL]",
		Short:   "Build blocks for a running node, in a process of its own",
		GroupID: groupRun,
		Args:    nArgs(0, 1, "at most the URL of a node's WebSocket"),
		Long: `Build blocks for a running node, in a process of its own, as the original's
builder did. The node decides what is in a block and signs it; this process
decides when, and searches the proof of work. Nodes build by themselves unless
they were started with --build=false.`,
		Example: `  foxchain builder -r 9000.db
  foxchain builder ws://localhost:9000/ws -k 4 -t 1s
  foxchain node --build=false & foxchain builder -r 9000.db`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if howGiven(cmd.Flags(), "node") == byFlag {
					return usagef("the node is named twice: by %s and by --node", args[0])
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
	addBuildFlags(flags, &cfg.blockTxs, &cfg.interval, &cfg.maxWait)
	addLogFlags(flags, &cfg.logLevel, &cfg.format)
	return cmd
}

func (c *builderConfig) run(cmd *cobra.Command) error {
	if err := checkBuild(c.blockTxs); err != nil {
		return usagef("%w", err)
	}
	log, err := newLogger(cmd.ErrOrStderr(), c.logLevel, c.format)
	if err != nil {
		return usagef("%w", err)
	}
	flags := cmd.Flags()
	remote := newRemoteNode(func() (endpoint, error) { return c.endpoint(flags) }, log)
	group, ctx := errgroup.WithContext(cmd.Context())
	group.Go(func() error { return remote.run(ctx) })
	group.Go(func() error {
		err := builder.Run(ctx, builder.Config{
			Node:      remote,
			MinTxs:    c.blockTxs,
			LeastTime: time.Duration(c.interval),
			MaxWait:   time.Duration(maxWaitOf(flags, c.maxWait)),
			Log:       log,
		})
		if err == nil && ctx.Err() == nil {
			err = errors.New("the builder ended by itself")
		}
		return err
	})
	return group.Wait()
}
