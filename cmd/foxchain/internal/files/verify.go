package files

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/chain"
)

// NewVerifyCmd returns the command verify.
func NewVerifyCmd() *cobra.Command {
	var dir, network string
	cmd := &cobra.Command{
		Use:     "verify -r DIR",
		Short:   "Check a ledger from its first block and report what is wrong",
		GroupID: term.GroupFiles,
		Args:    term.NoArgs,
		Long: `Check the ledger of a stopped node. Everything is derived again from the first
block and compared with the data directory: proofs of work, signatures, Merkle
roots, all rules, balances, index, histories, pool, receipts, and what is final.
Nothing is written. The exit code is 1 if anything is wrong.`,
		Example: `  foxchain verify -r 9000.db
  foxchain verify -r office.db --network office.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, net, err := stoppedLedger(cmd, dir, network)
			if err != nil {
				return err
			}
			live := term.NewLiveLine(cmd.ErrOrStderr())
			report, err := verified(cmd, d, net, live)
			live.Set("")
			if err != nil {
				return d.Explain(err)
			}
			return printReport(cmd.OutOrStdout(), d, where(d, network), report)
		},
	}
	addLedgerFlags(cmd, &dir, &network)
	return cmd
}

func verified(cmd *cobra.Command, d *node.DataDir, net *ledger.Network, live *term.LiveLine) (*chain.Report, error) {
	return chain.Verify(cmd.Context(), chain.VerifyConfig{Network: net, Dir: d.Chain(), Progress: func(n, all uint64) {
		live.Show("block %d of %d verified", n, all)
	}})
}

func addLedgerFlags(cmd *cobra.Command, dir, network *string) {
	cmd.Flags().StringVarP(dir, "dir", "r", "", "data `directory` of a stopped node")
	cmd.Flags().StringVar(network, "network", "", "`name` or file of the network, as for the node (default the directory's)")
}

// stoppedLedger returns the data directory that a tool works on, and the network of
// --network, nil if the directory names it.
func stoppedLedger(cmd *cobra.Command, dir, network string) (*node.DataDir, *ledger.Network, error) {
	if dir == "" {
		return nil, nil, term.Usagef("%s needs -r DIR, the data directory of a node", cmd.Name())
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, nil, term.Hint(fmt.Errorf("data directory %s: %w", dir, err), "A node prints its data directory when it starts")
	}
	d, err := node.OpenDataDir(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := d.Restored(); err != nil {
		return nil, nil, err
	}
	if network == "" {
		return d, nil, nil
	}
	net, err := node.LoadNetwork(network)
	return d, net, err
}

func printReport(w io.Writer, d *node.DataDir, where string, r *chain.Report) error {
	_, err := fmt.Fprintf(w, "network %q: %s, %s, %s derived again; %d in the pool, %s, %s off the chain\n",
		term.Clean(r.Network.Name), term.Count(r.Blocks, "block"), term.Count(r.Txs, "transaction"), term.Count(r.Accounts, "account"),
		r.Pool, term.Count(r.Receipts, "receipt"), term.Count(r.Side, "block"))
	if err != nil {
		return err
	}
	if r.Awaited > 0 {
		if _, err := fmt.Fprintf(w, "%s of another branch: the node takes that branch when it has got its blocks\n", term.Count(r.Awaited, "final block")); err != nil {
			return err
		}
	}
	if len(r.Problems) == 0 {
		_, err := fmt.Fprintln(w, "everything is right")
		return err
	}
	for _, p := range r.Problems {
		if _, err := fmt.Fprintf(w, "wrong: %s\n", term.Clean(p.String())); err != nil {
			return err
		}
	}
	if r.More > 0 {
		if _, err := fmt.Fprintf(w, "and %d more\n", r.More); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d things are wrong in %s. To keep what is whole: foxchain repair %s", len(r.Problems)+r.More, d.Path, where)
}
