package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newNodeCmd() *cobra.Command {
	var cfg nodeConfig
	cmd := &cobra.Command{
		Use:     "node",
		Short:   "Run a node",
		GroupID: groupRun,
		Args:    noArgs,
		Long: `Run a node: it finds the others on the local network, takes transactions on
its WebSocket, packs them into blocks, and serves a page that shows it all.

Everything it keeps is in its data directory. Ctrl-C ends it cleanly.`,
		Example: `  foxchain node                                   port 9000, data in ./9000.db
  foxchain node -p 9001                           another one on the same machine
  foxchain node --peer /ip4/192.168.1.7/tcp/19000/p2p/12D3KooW…   where discovery cannot reach
  foxchain node --network class-3b                apart from all other classes
  foxchain node -k 4 -t 1s --max-wait 5m          when it builds a block
  FOXCHAIN_NAME=fox foxchain node                 every flag also as FOXCHAIN_…`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.complete(cmd.Flags())
			errs, out := cmd.ErrOrStderr(), cmd.OutOrStdout()
			var live *liveLine
			if cfg.LogFormat == "text" && isTerminal(errs) {
				live = newLiveLine(errs.(*os.File)) // isTerminal: it is one
				errs = live
				if isTerminal(out) {
					out = live
				}
			}
			log, err := newLogger(errs, cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return usagef("%w", err)
			}
			quietLibraries()
			collectSooner()
			n, err := newNode(cmd.Context(), cfg, log)
			if err != nil {
				return err
			}
			n.out, n.live = out, live
			hello := n.greeting()
			if cfg.LogFormat == "json" {
				log.Info("the node starts", "name", hello.Name, "network", hello.Network, "networkID", hello.NetworkID,
					"dir", hello.Dir, "new", hello.New, "blocks", hello.Blocks, "url", hello.URL, "addrs", hello.Addrs)
			} else if _, err := fmt.Fprint(out, hello.text()); err != nil {
				return err
			}
			return n.run(cmd.Context())
		},
	}
	cfg.addFlags(cmd.Flags())
	return cmd
}
