package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

// maxDevnet bounds the nodes of one devnet. Each has its own store and sockets.
const maxDevnet = 32

func newDevnetCmd() *cobra.Command {
	var cfg node.Config
	var nodes int
	cmd := &cobra.Command{
		Use:     "devnet",
		Short:   "Run several nodes in one process, to try things",
		GroupID: term.GroupRun,
		Args:    term.NoArgs,
		Long: `Run several nodes in one process. They are connected with each other and with no
other node, and listen on this machine only. Their data are in one directory.
Remove it to start afresh.`,
		Example: `  foxchain devnet -n 3                 ports 9000, 9001 and 9002
  foxchain devnet -n 3 -p 9100 -r try -k 2
  foxchain send --node 9001 --from issuer --to 00000000-0000-0000-0000-000000000003 --amount 5`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if nodes < 1 || nodes > maxDevnet {
				return term.Usagef("-n is %d: a devnet has 1 to %d nodes", nodes, maxDevnet)
			}
			if cfg.Port < 1 || cfg.Port+nodes-1 > 65535 {
				return term.Usagef("-p is %d: the nodes' ports must be from 1 to 65535", cfg.Port)
			}
			cfg.MaxWait = node.MaxWaitOf(cmd.Flags(), cfg.MaxWait)
			log, err := node.NewLogger(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return term.Usagef("%w", err)
			}
			node.QuietLibraries()
			return runDevnet(cmd.Context(), cmd.OutOrStdout(), cfg, nodes, log)
		},
	}
	flags := cmd.Flags()
	flags.IntVarP(&nodes, "nodes", "n", 3, "number of nodes")
	flags.IntVarP(&cfg.Port, "port", "p", node.DefaultPort, "port of the first node's WebSocket and page; the others use the next ports")
	flags.StringVarP(&cfg.Dir, "dir", "r", "devnet", "`directory` of the nodes' data directories")
	cfg.AddCommonFlags(flags)
	return cmd
}

func runDevnet(ctx context.Context, out io.Writer, base node.Config, size int, log *slog.Logger) error {
	var nodes []*node.Node
	var addrs []string
	for i := range size {
		cfg := base
		cfg.Port = base.Port + i
		cfg.Dir = filepath.Join(base.Dir, strconv.Itoa(cfg.Port)+".db")
		cfg.Name = fmt.Sprintf("dev-%d", cfg.Port)
		cfg.Peers = addrs
		cfg.Loopback = true
		n, err := node.New(ctx, cfg, log.With("port", cfg.Port))
		if err != nil {
			err = fmt.Errorf("node %s: %w", cfg.Name, err)
			for _, other := range nodes {
				err = errors.Join(err, other.Close())
			}
			return err
		}
		nodes = append(nodes, n)
		if own := n.P2P.Addrs(); len(own) > 0 {
			addrs = append(addrs, own[0])
		}
	}
	if err := devnetBanner(out, nodes); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, n := range nodes {
		group.Go(func() error {
			if err := n.Run(ctx); err != nil {
				return fmt.Errorf("node %s: %w", n.Cfg.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

func devnetBanner(w io.Writer, nodes []*node.Node) error {
	t := term.NewTable("NODE", "PAGE", "WEBSOCKET", "DATA")
	for _, n := range nodes {
		url := n.Cfg.WSURL(n.Listen.Port())
		t.Add(n.Cfg.Name, node.PageURL(url), url, n.Dir.Path)
	}
	_, err := fmt.Fprintf(w, "foxchain %s: %s of the network %s, on this machine only. Ctrl-C ends them.\n\n",
		node.ProgramVersion, term.Count(len(nodes), "node"), nodes[0].Chain.Network().Name)
	if err == nil {
		err = t.Print(w)
	}
	if err == nil {
		_, err = fmt.Fprintln(w)
	}
	return err
}
