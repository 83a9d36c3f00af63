package main

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"foxchain/ledger"
)

func newRepairCmd() *cobra.Command {
	var dir, network string
	cmd := &cobra.Command{
		Use:     "repair -r DIR",
		Short:   "Make a damaged ledger anew from what is whole in it",
		GroupID: groupTools,
		Args:    noArgs,
		Long: `Move the ledger's files aside, to a dated directory beside them, and make it
anew from every block and transaction that can be read: through the same checks
as anything that comes from another node. Key, token, port and address book
stay. What is missing comes from the other nodes when the node runs again. The
old files are only read; remove them when you need them no more.

The node on the directory must be stopped. A second repair starts from what the
first one made.`,
		Example: `  foxchain repair -r 9000.db
  foxchain repair -r office.db --network office.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, net, err := stoppedLedger(cmd, dir, network)
			if err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr())
			r, err := ledger.Repair(cmd.Context(), ledger.RepairConfig{
				Network:  net,
				Dir:      d.chain(),
				Log:      slog.New(slog.DiscardHandler),
				Now:      time.Now(),
				Progress: func(n uint64) { show.line("%d blocks", n) },
			})
			show.end()
			if err != nil {
				return d.explain(err)
			}
			return printRepaired(cmd.OutOrStdout(), d, r)
		},
	}
	addLedgerFlags(cmd, &dir, &network)
	return cmd
}

func printRepaired(w io.Writer, d *dataDir, r *ledger.Repaired) error {
	f := newFacts()
	f.add("kept", fmt.Sprintf("%s, %s in the pool, %s, the address book (%d); key, token and port",
		count(r.Blocks, "block"), count(r.Pool, "transaction"), count(r.Receipts, "receipt"), r.Book))
	switch {
	case r.Had > r.Blocks:
		f.add("lost", fmt.Sprintf("%d blocks of %d: the other nodes have them; what could be read of their transactions waits in the pool", r.Had-r.Blocks, r.Had))
	case r.Parts+r.Broken+r.Apart+r.Unread == 0:
		f.add("lost", "nothing")
	}
	if r.Parts > 0 {
		f.add("damaged", fmt.Sprintf("%d files: transactions that were in no block yet may be among what could not be read", r.Parts))
	}
	if r.Broken+r.Apart+r.Unread > 0 {
		f.add("not used", fmt.Sprintf("%d blocks that are not whole, %d that hang on one of those, %d other records", r.Broken, r.Apart, r.Unread))
	}
	f.add("old files", r.Old)
	f.add("next", "foxchain node -r "+d.path)
	return f.writeTo(w)
}
