package main

import (
	"github.com/spf13/cobra"
)

func newTopCmd() *cobra.Command {
	var a ask
	cmd := &cobra.Command{
		Use:     "top",
		Short:   "Show the whole network live, one row a node",
		GroupID: groupAsk,
		Args:    noArgs,
		Long: `Show the whole network live, as one node sees it: one row a node, with its
height, its tip (the same tip has the same colour, so a fork is seen at once),
its pool and its peers, how many blocks it lags behind, and when it was last
heard of. Above it stands how the asked node itself is doing.

q or Ctrl-C ends it. Where the output is no terminal it is printed once.`,
		Example: `  foxchain top
  foxchain top --node 9001
  foxchain top | cat                     print it once`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !isTerminal(cmd.OutOrStdout()) {
				return a.printWall(cmd)
			}
			return a.runTop(cmd)
		},
	}
	a.addNodeFlags(cmd.Flags())
	a.addColorFlag(cmd.Flags())
	return cmd
}
