package files

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger/chain"
	"foxchain/ledger/durable"
)

// NewRepairCmd returns the command repair.
func NewRepairCmd() *cobra.Command {
	var dir, network string
	cmd := &cobra.Command{
		Use:     "repair -r DIR",
		Short:   "Rebuild a damaged ledger from what is whole",
		GroupID: term.GroupFiles,
		Args:    term.NoArgs,
		Long: `Rebuild the ledger of a stopped node from every block and transaction that is
whole. They pass the same checks as those of other nodes. Key, token, port and
address book stay. The node gets missing blocks from other nodes when it runs
again. A ledger that is not damaged is not changed.

The old files are only read, and are kept in a dated directory beside the new
ones. Remove it when you do not need it. The disk needs room for the ledger once
more. An interrupted repair can be run again.`,
		Example: `  foxchain repair -r 9000.db
  foxchain repair -r office.db --network office.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, net, err := stoppedLedger(cmd, dir, network)
			if err != nil {
				return err
			}
			live := term.NewLiveLine(cmd.ErrOrStderr())
			report, err := verified(cmd, d, net, live)
			live.Set("")
			if err == nil && len(report.Problems) == 0 {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "the ledger is sound, with %s: nothing was changed\n", term.Count(report.Blocks, "block"))
				return err
			} else if cmd.Context().Err() != nil {
				return err
			}
			r, err := chain.Repair(cmd.Context(), chain.RepairConfig{
				Network:  net,
				Dir:      d.Chain(),
				Log:      slog.New(slog.DiscardHandler),
				Now:      time.Now(),
				Progress: func(n uint64) { live.Show("%d blocks read", n) },
			})
			live.Set("")
			if err != nil {
				return d.Explain(err)
			}
			err = printRepaired(cmd.OutOrStdout(), where(d, network), r)
			return errors.Join(err, durable.SameOwner(d.Path, filepath.Base(r.Old), filepath.Base(d.Chain())))
		},
	}
	addLedgerFlags(cmd, &dir, &network)
	return cmd
}

// where returns the flags for the data directory, and for the network if that was given.
func where(d *node.DataDir, network string) string {
	flags := "-r " + term.ShellWord(d.Path)
	if network != "" {
		flags += " --network " + term.ShellWord(network)
	}
	return flags
}

func printRepaired(w io.Writer, where string, r *chain.Repaired) error {
	f := term.NewFacts()
	if r.Resumed {
		f.Add("note", "an earlier repair was interrupted at its end: what it could not use is not known")
	}
	f.Add("kept", fmt.Sprintf("%s, %s in the pool, %s, the address book (%d); key, token and port",
		term.Count(r.Blocks, "block"), term.Count(r.Pool, "transaction"), term.Count(r.Receipts, "receipt"), r.Book))
	switch {
	case r.Had > r.Blocks:
		f.Add("lost", fmt.Sprintf("%d blocks of %d: other nodes have them; the transactions of theirs that could be read are in the pool", r.Had-r.Blocks, r.Had))
	case r.Whole():
		f.Add("lost", "nothing")
	}
	if r.Damaged+r.Missing > 0 {
		f.Add("damaged", fmt.Sprintf("%s, and %d missing: transactions that were in no block may be lost", term.Count(r.Damaged, "file"), r.Missing))
	}
	if r.Unused+r.Unread > 0 {
		f.Add("not used", fmt.Sprintf("%s that are not whole or follow one that is not, %s", term.Count(r.Unused, "block"), term.Count(r.Unread, "other record")))
	}
	if r.Pool > chain.MaxPool {
		f.Add("pool", fmt.Sprintf("%d transactions are more than the limit of %d: the node keeps them all and accepts new ones when enough of them are in blocks", r.Pool, chain.MaxPool))
	}
	f.Add("old files", r.Old)
	f.Add("next", "foxchain node "+where)
	return f.Print(w)
}
