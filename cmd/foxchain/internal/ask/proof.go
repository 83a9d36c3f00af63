package ask

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/ledger/proof"
	"foxchain/rpc/client"
)

// NewProofCmd returns the command proof.
func NewProofCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "proof",
		Short:   "Make or check a file that proves a payment, or that a builder lied",
		GroupID: term.GroupPay,
		Args:    term.Commands("get, evidence or check"),
		Long: `Make a file that proves that a payment is in a block, and final where the network
has finality. The receiver checks it without a node or a network, and need not trust
the sender: with proof check, or on the page /verify of any node, which can be saved.
go doc foxchain/ledger/proof has the format.`,
		Example: `  foxchain proof get 7f9c24e5 > proof.json
  foxchain proof check proof.json --network office.json
  foxchain proof evidence > evidence.json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newProofGetCmd(), newProofEvidenceCmd(), newProofCheckCmd())
	return cmd
}

func newProofGetCmd() *cobra.Command {
	var a Flags
	var sender string
	cmd := &cobra.Command{
		Use:     "get ID > proof.json",
		Short:   "Print the proof of a transaction",
		Args:    term.NArgs(1, 1, "the ID of a transaction, or its first digits"),
		Example: `  foxchain proof get 7f9c24e5 > proof.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := term.CheckID(args[0]); err != nil {
				return err
			}
			ask := map[string]string{"id": args[0]}
			if sender != "" {
				ask["sender"] = sender
			}
			return printAnswer(&a, cmd, "proof", ask)
		},
	}
	a.AddNodeFlags(cmd.Flags())
	cmd.Flags().StringVar(&sender, "sender", "", "`account` that sent it, where several have a transaction with this ID")
	return cmd
}

func newProofEvidenceCmd() *cobra.Command {
	var a Flags
	cmd := &cobra.Command{
		Use:     "evidence > evidence.json",
		Short:   "Print the proofs that builders broke the rules of voting",
		Args:    term.NoArgs,
		Example: `  foxchain proof evidence > evidence.json`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return printAnswer(&a, cmd, "evidence", nil) },
	}
	a.AddNodeFlags(cmd.Flags())
	return cmd
}

// printAnswer prints the response of an op as a file for people and programs.
func printAnswer(a *Flags, cmd *cobra.Command, op string, args any) error {
	return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
		var raw jsontext.Value
		if err := c.Get(ctx, op, args, &raw); err != nil {
			return err
		}
		if err := raw.Indent(); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", raw)
		return err
	})
}

func newProofCheckCmd() *cobra.Command {
	var network string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Check a proof offline, and report what it proves and what it does not",
		Args:  term.NArgs(1, 1, "the file of a proof, or - for standard input"),
		Long: `Check a file that proof get or proof evidence printed, without a node and without a
network. With --network the proof must be of that network. Without it, compare the
network's ID yourself: the file may be of any network. The exit code is 1 if anything
is wrong.`,
		Example: `  foxchain proof check proof.json --network office.json
  foxchain proof get 7f9c24e5 | foxchain proof check -`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var own *ledger.Network
			if network != "" {
				var err error
				if own, err = node.LoadNetwork(network); err != nil {
					return err
				}
			}
			in, err := node.OpenText(cmd.Context(), args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			file, err := io.ReadAll(io.LimitReader(in, proof.MaxSize+1))
			if err != nil {
				return err
			}
			finding, err := proof.Check(file, own)
			if err != nil {
				return term.Hint(fmt.Errorf("%s proves nothing: %w", args[0], err),
					"It was changed, is no proof, or is one of another network. Ask for it again: foxchain proof get ID")
			}
			return printFinding(cmd.OutOrStdout(), finding)
		},
	}
	cmd.Flags().StringVar(&network, "network", "", "`name` or file of the network that the proof must be of")
	return cmd
}

func printFinding(w io.Writer, f *proof.Finding) error {
	var text strings.Builder
	for _, part := range []struct {
		title string
		list  []string
	}{{"This is proven:", f.Proven}, {"This is NOT proven:", f.NotProven}} {
		fmt.Fprintln(&text, part.title)
		for _, s := range part.list {
			fmt.Fprintf(&text, "- %s\n", term.OneLine(s))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}
