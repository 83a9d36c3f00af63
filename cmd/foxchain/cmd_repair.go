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
		Long: `Make the ledger anew from every block and transaction that can be read: through
the same checks as anything that comes from another node. Key, token, port and
address book stay. What is missing comes from the other nodes when the node runs
again. The old files are only read, and stay in a dated directory beside the new
ones; remove them when you need them no more.

The new ledger takes the place of the old one when it is complete, so a repair
may be interrupted at any moment: the next start, of the node or of a repair,
finds the old ledger as it was or the whole new one. It needs room on the disk
for about twice the old ledger.

The node on the directory must be stopped.`,
		Example: `  foxchain repair -r 9000.db
  foxchain repair -r office.db --network office.json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, net, err := stoppedLedger(cmd, dir, network)
			if err != nil {
				return err
			}
			show := newProgress(cmd.ErrOrStderr())
			_, err = ledger.Repair(cmd.Context(), ledger.RepairConfig{
				Network:  net,
				Dir:      d.chain(),
				Log:      slog.New(slog.DiscardHandler),
				Now:      time.Now(),
				Progress: func(n uint64) { show.line("%d blocks read", n) },
				Tell: func(r *ledger.Repaired) error {
					show.end()
					return printRepaired(cmd.OutOrStdout(), d, r)
				},
			})
			show.end()
			if err != nil {
				return d.explain(err)
			}
			return nil
		},
	}
	addLedgerFlags(cmd, &dir, &network)
	return cmd
}

func printRepaired(w io.Writer, d *dataDir, r *ledger.Repaired) error {
	f := newFacts()
	if r.Resumed {
		f.add("note", "an earlier repair had made this ledger and was interrupted before it said so")
	}
	f.add("kept", fmt.Sprintf("%s, %s in the pool, %s, the address book (%d); key, token and port",
		count(r.Blocks, "block"), count(r.Pool, "transaction"), count(r.Receipts, "receipt"), r.Book))
	switch {
	case r.Had > r.Blocks:
		f.add("lost", fmt.Sprintf("%d blocks of %d: the other nodes have them; what could be read of their transactions waits in the pool", r.Had-r.Blocks, r.Had))
	case r.Whole():
		f.add("lost", "nothing")
	}
	if r.Parts+r.Missing > 0 {
		f.add("damaged", fmt.Sprintf("%s, and %d missing: transactions that were in no block yet may be among what could not be read", count(r.Parts, "file"), r.Missing))
	}
	if r.Broken+r.Apart+r.Unread > 0 {
		f.add("not used", fmt.Sprintf("%s not whole, %d that hang on one of those, %s", count(r.Broken, "block"), r.Apart, count(r.Unread, "other record")))
	}
	if r.Pool > ledger.MaxPool {
		f.add("pool", fmt.Sprintf("%d transactions are more than the %d that a pool takes: the node keeps them all, and takes no new ones until enough of them are in blocks", r.Pool, ledger.MaxPool))
	}
	f.add("old files", r.Old)
	f.add("next", "foxchain node -r "+d.path)
	return f.writeTo(w)
}
