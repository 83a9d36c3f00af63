package ask

import (
	"context"
	"fmt"
	"io"
	"math/big"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// NewAccountCmd returns the command account.
func NewAccountCmd() *cobra.Command {
	var a Flags
	var limit int
	var from string
	cmd := &cobra.Command{
		Use:     "account ACCOUNT",
		Short:   "Show an account's balance and history",
		GroupID: term.GroupAsk,
		Args:    term.NArgs(1, 1, `an account's UUID or its first digits, your name of it, or the word "issuer"`),
		Long: `Show an account's balance on the chain and its transactions, the newest first.
Transactions in the pool are not counted.`,
		Example: `  foxchain account 00000000-0000-0000-0000-000000000003
  foxchain account d83c01b5…d3ae          as other commands show it
  foxchain account ada                    by the name that you gave it: foxchain names
  foxchain account issuer                 all that was minted and redeemed`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return term.Usagef("--limit is %d: must be a number of transactions, 1 or more", limit)
			}
			return a.WithNode(cmd, func(ctx context.Context, c *client.Client) error {
				var behind *api.TxPlace
				request := map[string]any{"account": args[0], "limit": limit}
				if !term.IsShort(args[0]) {
					account, err := a.Resolve(ctx, c, args[0])
					if err != nil {
						return term.Usagef("%w", err)
					}
					request["account"] = account
				}
				if from != "" {
					place, err := parsePlace(from)
					if err != nil {
						return term.Usagef("--from is %q: %w", from, err)
					}
					request["from"], behind = place, &place
				}
				return show(ctx, &a, cmd.OutOrStdout(), c, "account", request, func(w io.Writer, acc *api.Account) error {
					balance, err := balanceAt(ctx, c, acc, behind)
					if err != nil {
						return err
					}
					return a.printAccount(w, acc, balance)
				})
			})
		},
	}
	a.addFlags(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 20, "most transactions to list, 1 to 1000")
	cmd.Flags().StringVar(&from, "from", "", "continue from this `HEIGHT/INDEX` of the history")
	node.WithoutEnv(cmd.Flags(), "from")
	return cmd
}

func parsePlace(text string) (p api.TxPlace, err error) {
	if n, err := fmt.Sscanf(text, "%d/%d", &p.Height, &p.Index); n != 2 || err != nil || fmt.Sprintf("%d/%d", p.Height, p.Index) != text {
		return p, fmt.Errorf("must be HEIGHT/INDEX, such as 17/3")
	}
	return p, nil
}

// balanceAt returns the balance behind the transaction at a place, nil: the last one. An
// account's statement has all that came after it.
func balanceAt(ctx context.Context, c *client.Client, acc *api.Account, at *api.TxPlace) (*big.Int, error) {
	balance := acc.Held()
	if at == nil {
		return balance, nil
	}
	request := map[string]any{"account": acc.Account}
	for first := true; ; first = false {
		var page api.Statement
		if err := Question(ctx, c, "statement", request, &page); err != nil {
			return nil, err
		}
		if first {
			balance = page.Held()
		}
		for _, l := range page.Lines {
			if l.Height < at.Height || l.Height == at.Height && l.Index <= at.Index {
				return balance, nil
			}
			api.Undo(balance, l.Direction, l.Amount)
		}
		if page.Next == nil {
			return balance, nil
		}
		request["from"] = page.Next
	}
}

// printAccount prints an account, with balance behind the first transaction of its
// history.
func (a *Flags) printAccount(w io.Writer, acc *api.Account, balance *big.Int) error {
	f := a.facts()
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
	if acc.History[0].Final != nil {
		columns = append(columns, "FINAL")
	}
	t := a.table(columns...)
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
	_, err := fmt.Fprintf(w, "More: foxchain account %s --from %d/%d\n", acc.Account, acc.Next.Height, acc.Next.Index)
	return err
}
