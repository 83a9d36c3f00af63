package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newWatchCmd() *cobra.Command {
	var a nodeFlags
	var kinds []string
	var from int64
	cmd := &cobra.Command{
		Use:     "watch",
		Short:   "Follow events, like tail -f",
		GroupID: groupAsk,
		Args:    noArgs,
		Long: `Print the events of a node, one a line, until Ctrl-C: blocks that join or leave
the chain, transactions that enter the pool, nodes that connect or disconnect.
With --json each event is printed as the node sends it.

When the connection is lost, watch connects again and continues behind the last
block that it printed, even if that block has left the chain. It reports this on
standard error.`,
		Example: `  foxchain watch
  foxchain watch --events block --from 0            all blocks from the first on, then new ones
  foxchain watch --json --events block,status | jq .data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if i := slices.IndexFunc(kinds, func(k string) bool { return !slices.Contains(eventKinds(), k) }); i >= 0 {
				return term.Usagef("--events has %q: the kinds of events are %s", kinds[i], strings.Join(eventKinds(), ", "))
			}
			f := &follower{cmd: cmd, nodeFlags: &a, kinds: kinds, printer: &eventPrinter{nodeFlags: &a, w: cmd.OutOrStdout()}}
			if node.HowGiven(cmd.Flags(), "from") != node.ByDefault {
				f.from = &from
			}
			return f.run(cmd.Context())
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&kinds, "events", []string{"block", "pool", "peers"}, "kinds of events: "+strings.Join(eventKinds(), ", "))
	cmd.Flags().Int64Var(&from, "from", 0, "height of the first block; negative: counted from the end (default the next block)")
	return cmd
}

func eventKinds() []string { return []string{"block", "pool", "peers", "status"} }
