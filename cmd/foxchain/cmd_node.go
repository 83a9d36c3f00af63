package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newNodeCmd() *cobra.Command {
	var cfg node.Config
	cmd := &cobra.Command{
		Use:        "node",
		SuggestFor: []string{"start", "run"},
		Short:      "Run a node",
		GroupID:    term.GroupRun,
		Args:       term.NoArgs,
		Long: `Run a node. It finds others on the local network, accepts transactions on its
WebSocket, packs them into blocks, and serves a page that shows it all.

Its data directory holds everything that it keeps. Ctrl-C ends it cleanly.`,
		Example: `  foxchain node                                   port 9000, data in ./9000.db
  foxchain node -p 9001                           a second one on the same machine
  foxchain node --peer ws://192.168.1.7:9000/ws   a node beyond the reach of discovery
  foxchain node --network class-3b                a network of its own
  foxchain node -k 4 -t 1s --max-wait 5m          blocks of 4, at most one a second
  FOXCHAIN_NAME=fox foxchain node                 every flag is also a variable`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Complete(cmd.Flags())
			errs, out := cmd.ErrOrStderr(), cmd.OutOrStdout()
			var live *term.LiveLine
			if cfg.LogFormat == "text" {
				live = term.NewLiveLine(errs)
			}
			if live != nil {
				errs = live
				if term.IsTerminal(out) {
					out = live
				}
			}
			log, err := node.NewLogger(errs, cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return term.Usagef("%w", err)
			}
			node.QuietLibraries()
			node.CollectSooner()
			n, err := node.New(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			n.Out, n.Live = out, live
			hello := n.Banner()
			if cfg.LogFormat == "json" {
				log.Info("the node starts", "name", hello.Name, "network", hello.Network, "networkID", hello.NetworkID,
					"dir", hello.Dir, "new", hello.New, "blocks", hello.Blocks, "url", hello.URL, "addrs", hello.Addrs)
			} else if _, err := fmt.Fprint(out, hello.Text()); err != nil {
				return err
			}
			return n.Run(cmd.Context())
		},
	}
	cfg.AddFlags(cmd.Flags())
	return cmd
}
