package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/lab"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newLabCmd() *cobra.Command {
	var cfg lab.Config
	var check, chinese bool
	cmd := &cobra.Command{
		Use:     "lab [lesson]",
		Short:   "Run a network to teach with: split it, heal it, let nodes lie",
		GroupID: term.GroupRun,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			node.QuietLibraries()
			if cfg.Dir == "" {
				dir, err := os.MkdirTemp("", "foxchain-lab-")
				if err != nil {
					return err
				}
				defer os.RemoveAll(dir)
				cfg.Dir = dir
			}
			if check {
				return lab.Check(cmd.Context(), cfg, args[0], cmd.OutOrStdout(), chinese)
			}
			return runLab(cmd, cfg, args)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&cfg.Nodes, "nodes", "n", 4, "number of nodes")
	flags.BoolVar(&cfg.Voters, "voters", false, "make every node a builder of the network, so that blocks become final")
	flags.IntVarP(&cfg.Port, "port", "p", 8990, "port of the page; the nodes use the next ones")
	flags.StringVarP(&cfg.Dir, "dir", "r", "", "`directory` of the nodes' data directories, which stay there (default: a temporary one)")
	flags.BoolVar(&check, "check", false, "run the lesson without a page, and report whether it ends as written")
	return cmd
}

func runLab(cmd *cobra.Command, cfg lab.Config, args []string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	var listen net.ListenConfig
	on, err := listen.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(cfg.Port)))
	if err != nil {
		return err
	}
	l, err := lab.New(ctx, cfg)
	if err != nil {
		return errors.Join(err, on.Close())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "foxchain %s: a lab of %d nodes, on this machine only: http://localhost:%d/  Ctrl-C ends it.\n", node.ProgramVersion, cfg.Nodes, on.Addr().(*net.TCPAddr).Port)
	if len(args) > 0 {
		if err := l.Lesson(args[0]); err != nil {
			return errors.Join(err, on.Close(), l.Close())
		}
	}
	return errors.Join(l.Serve(ctx, on), l.Close())
}
