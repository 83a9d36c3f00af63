package ask

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/node"
	"foxchain/cmd/foxchain/internal/term"
	"foxchain/ledger"
	"foxchain/rpc/api"
	"foxchain/rpc/client"
)

// maxPage is how many accounts or transactions of an account a node lists at once.
const maxPage = 1000

// Resolve parses an account or a name of one. The word "issuer" is the first issuer of
// the node's network.
func (a *Flags) Resolve(ctx context.Context, c *client.Client, text string) (uuid.UUID, error) {
	if text != term.IssuerWord {
		return AccountOf(a.Names, text)
	}
	in, err := c.Info(ctx)
	if err != nil {
		return uuid.UUID{}, err
	}
	if len(in.Network.Issuers) == 0 {
		return uuid.UUID{}, term.Hint(fmt.Errorf("the network %s has no issuer", in.Network.Name), "Give the account's UUID")
	}
	return ledger.ParseUUID(in.Network.Issuers[0])
}

// AccountOf returns the account that text is, or that has it as its name, for a command
// that knows the word "issuer", too.
func AccountOf(known *names.List, text string) (uuid.UUID, error) {
	id, err := NamedAccount(known, text)
	if err != nil {
		err = fmt.Errorf(`the account %q %w, or the word "issuer"`, text, err)
	}
	return id, err
}

// NamedAccount returns the account that text is, or that has it as its name. Its error
// says what an account must be.
func NamedAccount(known *names.List, text string) (uuid.UUID, error) {
	id, err := ledger.ParseUUID(text)
	if err == nil {
		return id, nil
	}
	if named, ok := known.Account(text); ok {
		return named, nil
	}
	return id, fmt.Errorf("%w, or a name of yours (foxchain names)", err)
}

// NewAccountsCmd returns the command accounts.
func NewAccountsCmd() *cobra.Command {
	var a Flags
	var limit int
	var by, from string
	cmd := a.asks(&cobra.Command{
		Use:   "accounts [DIGITS]",
		Short: "List accounts with their balances, the richest first",
		Args:  term.NArgs(0, 1, "the first digits of accounts, or nothing"),
		Long: `List the accounts of the chain with what they hold. Issuers come first, since they
have no balance. Accounts that only the pool knows are not listed.

--by balance lists the richest first, --by account in the order of the accounts,
and --by name those that you gave a name (foxchain names), in the order of names.
While balances change between two pages by balance, an account may move from one to
the other. More than 1,000,000 accounts cannot be listed by balance, only by account.`,
		Example: `  foxchain accounts                       the 20 richest
  foxchain accounts --by account --json --limit 1000
  foxchain accounts --by name             those that you gave names
  foxchain accounts d83c                  those that begin so`,
		PreRunE: func(cmd *cobra.Command, args []string) error {
			digits := strings.Join(args, "")
			switch {
			case strings.Trim(digits, "0123456789abcdefABCDEF-") != "":
				return term.Usagef("%q is not the first hex digits of accounts. To show one by name: foxchain account NAME", digits)
			case limit < 1 || limit > maxPage:
				return term.Usagef("--limit is %d: must be a number of accounts from 1 to %d", limit, maxPage)
			case by != "balance" && by != "account" && by != "name":
				return term.Usagef("--by is %q: must be balance, account or name", by)
			case by == "name" && (len(digits)+len(from) > 0 || node.HowGiven(cmd.Flags(), "limit") == node.ByFlag):
				return term.Usagef("--by name lists all your names: leave the rest out")
			}
			return nil
		},
	}, func(ctx context.Context, w io.Writer, c *client.Client, args []string) error {
		if by == "name" {
			return printNamed(ctx, &a, w, c)
		}
		request := map[string]any{"by": by, "limit": limit}
		for key, value := range map[string]string{"prefix": strings.Join(args, ""), "from": from} {
			if value != "" {
				request[key] = value
			}
		}
		next, err := printAccounts(ctx, &a, w, c, request)
		if err == nil && next != "" && !a.JSON {
			_, err = fmt.Fprintf(w, "More: foxchain accounts %s--by %s --from %s%s\n", strings.Join(append(args, ""), " "), by, next, a.same)
		}
		return err
	})
	cmd.Flags().StringVar(&by, "by", "balance", "`order`: balance, account or name")
	cmd.Flags().IntVar(&limit, "limit", 20, "most accounts to list, 1 to 1000")
	cmd.Flags().StringVar(&from, "from", "", "continue from `here`, as the page before ended")
	node.WithoutEnv(cmd.Flags(), "from")
	return cmd
}

// printAccounts prints a page, and returns where the rest begins.
func printAccounts(ctx context.Context, a *Flags, w io.Writer, c *client.Client, request map[string]any) (next string, err error) {
	var page api.AccountsOf[jsontext.Value]
	if err := c.Get(ctx, "accounts", request, &page); err != nil {
		return "", err
	}
	return page.Next, printHoldings(a, w, page.Accounts)
}

// printNamed prints the accounts that have a name.
func printNamed(ctx context.Context, a *Flags, w io.Writer, c *client.Client) error {
	if len(a.Names.Names) == 0 && !a.JSON {
		_, err := fmt.Fprintln(w, "You gave no account a name yet: foxchain names add NAME ACCOUNT")
		return err
	}
	var list []jsontext.Value
	for _, name := range slices.Sorted(slices.Values(a.Names.Names)) {
		account, _ := a.Names.Account(name)
		var page api.AccountsOf[jsontext.Value]
		if err := c.Get(ctx, "accounts", map[string]any{"prefix": account, "limit": 1}, &page); err != nil {
			return err
		}
		if len(page.Accounts) == 0 { // it has had no transaction yet
			page.Accounts = []jsontext.Value{fmt.Appendf(nil, `{"account":"%s","kind":"","balance":0}`, account)}
		}
		list = append(list, page.Accounts...)
	}
	return printHoldings(a, w, list)
}

func printHoldings(a *Flags, w io.Writer, list []jsontext.Value) error {
	if len(list) == 0 && !a.JSON {
		_, err := fmt.Fprintln(w, "No accounts.")
		return err
	}
	t := term.NewTable("ACCOUNT", "NAME", "KIND", ">BALANCE")
	return printList(a, w, list, t, func(h *api.Holding) {
		id, _ := ledger.ParseUUID(h.Account)
		name, holds := a.Names.Of(id), fmt.Sprint("minted ", h.Minted, ", redeemed ", h.Redeemed)
		if h.Balance != nil {
			holds = strconv.FormatInt(*h.Balance, 10)
		}
		if name == "" && h.Kind == "issuer" {
			name = term.IssuerWord
		}
		t.Add(h.Account, name, cmp.Or(h.Kind, "new"), holds)
	})
}
