package ask

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewTxCmd returns the command tx.
func NewTxCmd() *cobra.Command {
	var a Flags
	return a.asks(&cobra.Command{
		Use:   "tx ID",
		Short: "Show the state of a transaction",
		Args:  term.NArgs(1, 1, "the ID of a transaction, or its first digits"),
		Example: `  foxchain tx 7f9c24e5-2f0a-4b6e-9d55-0c3d6f1b2a90
  foxchain tx 7f9c24e5                    its first digits are enough
  foxchain tx 7f9c24e5 --json | jq -r .state`,
		PreRunE: func(_ *cobra.Command, args []string) error { return term.CheckID(args[0]) },
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		return show(ctx, &a, w, c, "tx", map[string]string{"id": args[0]}, func(_ *Flags, w io.Writer, r *api.Receipt) error {
			var way api.Travel // empty of an older node
			_ = c.Get(ctx, "told", map[string]any{"id": r.Tx.ID, "sender": r.Tx.Sender}, &way)
			return printReceipts(&a, w, r, &way)
		})
	})
}

// printReceipts prints the transactions of one ID. The way is the first one's.
func printReceipts(a *Flags, w io.Writer, first *api.Receipt, way *api.Travel) error {
	for i, r := range append([]api.Receipt{*first}, first.Others...) {
		if i > 0 {
			if _, err := fmt.Fprintln(w, "\nAnother transaction with this ID:"); err != nil {
				return err
			}
		}
		f := term.NewFacts()
		f.Add("transaction", r.Tx.ID)
		f.Add("state", term.Styled{Value: r.State, Style: stateStyles()[r.State]})
		f.Add("", "it "+a.ReceiptWords(&r))
		f.Add("from", a.Whole(r.Tx.Sender))
		f.Add("to", a.Whole(r.Tx.Receiver))
		f.Add("amount", r.Tx.Amount)
		f.Add("time", fmt.Sprintf("%s (%s)", txTime(&r.Tx).Format(time.RFC3339), sinceAgo(txTime(&r.Tx))))
		if r.Arrival != nil {
			f.Add("arrival", fmt.Sprintf("number %d, here for %s", *r.Arrival, term.Age(api.Duration(*r.Age))))
		}
		if r.Block != nil {
			f.Add("block", fmt.Sprintf("%d, item %d, hash %s", r.Block.Height, r.Block.Index, r.Block.Hash))
		}
		if i == 0 {
			addTravel(f, way)
		}
		if err := f.Print(w); err != nil {
			return err
		}
	}
	return nil
}

// addTravel adds how a transaction came to the peers of the node.
func addTravel(f *term.Facts, way *api.Travel) {
	label := "peers"
	for _, p := range way.Peers {
		f.Add(label, cmp.Or(p.Name, shortPeerID(p.ID))+": "+p.Words(way.Here))
		label = ""
	}
}

func stateStyles() map[string]term.Style {
	return map[string]term.Style{api.StateWaiting: term.Yellow, api.StatePooled: term.Yellow, api.StateConfirmed: term.Green, api.StateGone: term.Red}
}

// ReceiptWords returns the state of a transaction in words.
func (l *Labels) ReceiptWords(r *api.Receipt) string {
	switch r.State {
	case api.StateWaiting:
		return "waits in the pool, since it cannot be paid yet: " + r.Reason
	case api.StatePooled:
		if l.in != nil {
			return "is in the pool and ready for a block: " + l.in.NextBlock()
		}
		return "is in the pool and ready for a block"
	case api.StateConfirmed:
		if r.Block == nil {
			return "is in a block"
		}
		words := fmt.Sprintf("is in block %d", r.Block.Height)
		if r.Confirmations > 1 {
			words += fmt.Sprintf(", %d above it", r.Confirmations-1)
		}
		return words + " · " + l.settledWords(&r.Settled)
	case api.StateGone:
		return "is gone: " + r.Reason
	}
	return "is " + r.State
}
