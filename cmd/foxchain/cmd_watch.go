package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
)

func newWatchCmd() *cobra.Command {
	var a ask
	var kinds []string
	var from int64
	cmd := &cobra.Command{
		Use:     "watch",
		Short:   "Follow what happens, like tail -f",
		GroupID: groupAsk,
		Args:    noArgs,
		Long: `Follow what happens on a node, one line an event, until Ctrl-C: new blocks and
those that left the chain, transactions that came into the pool, nodes that came
and went. With --json each event is printed as the node sent it.

It outlives restarts of the node: it connects again and goes on behind the last
block that it showed, also when that left the chain meanwhile, and reports it on
standard error.`,
		Example: `  foxchain watch
  foxchain watch --events block --from 0            all blocks from the first one on, then new ones
  foxchain watch --json --events block,status | jq .data`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if i := slices.IndexFunc(kinds, func(k string) bool { return !slices.Contains(eventKinds(), k) }); i >= 0 {
				return term.Usagef("--events has %q: the kinds of events are %s", kinds[i], strings.Join(eventKinds(), ", "))
			}
			f := &follower{cmd: cmd, ask: &a, kinds: kinds, printer: &eventPrinter{ask: &a, w: cmd.OutOrStdout()}}
			if node.HowGiven(cmd.Flags(), "from") != node.ByDefault {
				f.from = &from
			}
			return f.run(cmd.Context())
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().StringSliceVar(&kinds, "events", []string{"block", "pool", "peers"}, "kinds of events: "+strings.Join(eventKinds(), ", "))
	cmd.Flags().Int64Var(&from, "from", 0, "begin with the block at this height, negative: so many before the end (default: the next block)")
	return cmd
}

func eventKinds() []string { return []string{"block", "pool", "peers", "status"} }
