package ask

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewAccountCmd returns the command account.
func NewAccountCmd() *cobra.Command {
	var a Flags
	var limit int
	cmd := a.asks(&cobra.Command{
		Use:        "account ACCOUNT",
		SuggestFor: []string{"balance"},
		Short:      "Show an account's balance and history",
		Args:       term.NArgs(1, 1, `an account's UUID or its first digits, your name of it, or the word "issuer"`),
		Long: `Show an account's balance on the chain and its transactions, the newest first.
Transactions in the pool are not counted. To list all transactions of an account:
foxchain statement.`,
		Example: `  foxchain account 00000000-0000-0000-0000-000000000003
  foxchain account d83c01b5…d3ae          as other commands show it
  foxchain account ada                    by the name that you gave it: foxchain names
  foxchain account issuer                 all that was minted and redeemed`,
		PreRunE: func(*cobra.Command, []string) error {
			if limit < 1 || limit > maxPage {
				return term.Usagef("--limit is %d: must be a number of transactions from 1 to %d", limit, maxPage)
			}
			return nil
		},
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		request := map[string]any{"account": args[0], "limit": limit}
		if !term.IsShort(args[0]) {
			account, err := a.Resolve(ctx, c, args[0])
			if err != nil {
				return term.Usagef("%w", err)
			}
			request["account"] = account
		}
		return show(ctx, &a, w, c, "account", request, printAccount)
	})
	cmd.Flags().IntVar(&limit, "limit", 20, "most transactions to list, 1 to 1000")
	return cmd
}

func printAccount(a *Flags, w io.Writer, acc *api.Account) error {
	f := term.NewFacts()
	id, _ := ledger.ParseUUID(acc.Account) // an account that is no UUID has no name
	f.Add("account", besides(acc.Account, a.Names.Of(id)))
	f.Add("kind", map[string]string{
		"issuer": "issuer: what it sends is minted, what it receives is redeemed",
		"keyed":  "keyed: only the holder of its key can send from it",
		"open":   "open: anyone can send from it",
	}[acc.Kind])
	if acc.Balance != nil {
		f.Add("balance", *acc.Balance)
		if acc.MayOwe > 0 {
			f.Add("may owe", acc.MayOwe)
		}
	} else {
		f.Add("minted", acc.Minted)
		f.Add("redeemed", acc.Redeemed)
	}
	if err := f.Print(w); err != nil || len(acc.History) == 0 {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	columns := []string{">BLOCK", ">AGE", ">AMOUNT", ">BALANCE", "WITH", "ID"}
	if acc.Balance == nil { // an issuer has none
		columns[3] = ">REDEEMED LESS MINTED"
	}
	if acc.History[0].Final != nil {
		columns = append(columns, "FINAL")
	}
	t, balance := term.NewTable(columns...), acc.Held()
	for _, h := range acc.History {
		amount, with := term.Styled{Value: fmt.Sprintf("+%d", h.Tx.Amount), Style: term.Green}, a.account(h.Tx.Sender)
		switch h.Direction {
		case "out":
			amount, with = term.Styled{Value: fmt.Sprintf("-%d", h.Tx.Amount), Style: term.Red}, a.account(h.Tx.Receiver)
		case "self":
			amount, with = term.Styled{Value: fmt.Sprintf("±%d", h.Tx.Amount), Style: term.Plain}, "itself"
		}
		row := []any{h.Block.Height, term.Styled{Value: since(txTime(&h.Tx)), Style: term.Dim}, amount, balance.String(), with, h.Tx.ID}
		api.Undo(balance, h.Direction, h.Tx.Amount)
		if h.Final != nil {
			row = append(row, finalMark(*h.Final))
		}
		t.Add(row...)
	}
	if err := t.Print(w); err != nil || acc.Next == nil {
		return err
	}
	_, err := fmt.Fprintf(w, "To list all: foxchain statement %s%s\n", acc.Account, a.same)
	return err
}
