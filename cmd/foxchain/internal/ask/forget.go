package ask

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/client"
)

// NewForgetCmd returns the command forget.
func NewForgetCmd() *cobra.Command {
	var a Flags
	cmd := &cobra.Command{
		Use:     "forget NODE",
		Short:   "Drop a node that is gone for good",
		GroupID: term.GroupAsk,
		Args:    term.NArgs(1, 1, "one node: its peer ID or the end of it, its name, or its registered address"),
		Long: `Drop a node that is gone for good, with its registered addresses, so that it is
neither dialed nor missing any more. NODE is its peer ID or the end of it as peers
shows it, its name, or its registered address. A node that is still there is added
again.

Its name and when it was last seen stay, for the blocks that it built. To drop these
too, forget it a second time.`,
		Example: `  foxchain forget mia
  foxchain forget …kW3xQ9Ab
  foxchain forget --node 9000 ws://192.168.1.7:9000/ws`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				if err := c.Forget(ctx, args[0]); err != nil {
					return err
				}
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "Forgotten. If it comes back, it is added again.")
				return err
			})
		},
	}
	a.AddNodeFlags(cmd.Flags())
	return cmd
}
