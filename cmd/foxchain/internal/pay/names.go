package pay

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/names"
	"foxchain/cmd/foxchain/internal/term"
)

// A namesFlag is the file with the names.
type namesFlag struct{ file string }

// with returns what reads the names, calls f, and prints what that returns.
func (n *namesFlag) with(f func(l *names.List, args []string) (string, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		l, err := names.Read(n.file)
		if err != nil {
			return err
		}
		text, err := f(l, args)
		if err == nil {
			_, err = fmt.Fprint(cmd.OutOrStdout(), term.Clean(text))
		}
		return err
	}
}

// NewNamesCmd returns the command names.
func NewNamesCmd() *cobra.Command {
	var n namesFlag
	cmd := &cobra.Command{
		Use:     "names",
		Short:   "List, add and remove your own names of accounts",
		GroupID: term.GroupPay,
		Args:    term.Commands("add or remove, or nothing"),
		Long: `List the names that you gave to accounts. They are in a file of this machine, for you
alone: no transaction and no node has them. Tables show a name instead of its account,
other texts show both. A command that takes an account takes a name, too.

A name has at most 32 letters, digits, ".", "-" and "_", and begins with a letter. It
cannot be "issuer" or "all". Four or more characters that are all from 0-9 and a-f
are no name, since an account may begin with them. No two names differ in case
alone. A name has one account, and an account one name.`,
		Example: `  foxchain names add ada 56475aa7-5463-874c-8285-df5dbf2bcab7
  foxchain names add desk KEY             KEY: its public key of 64 hex digits
  foxchain names                          lists them
  foxchain account ada
  foxchain names remove ada               forgets the name; the account stays as it is`,
		RunE: n.with(func(l *names.List, _ []string) (string, error) {
			if len(l.Names) == 0 {
				return "No names yet. They would be in " + cmp.Or(l.File, "the file of --names FILE") + "\n", nil
			}
			text := ""
			for _, name := range l.Names {
				account, _ := l.Account(name)
				text += fmt.Sprintf("%s  %s\n", account, name)
			}
			return text, nil
		}),
	}
	cmd.AddCommand(n.addCmd(), n.removeCmd())
	cmd.PersistentFlags().StringVar(&n.file, "names", names.DefaultFile(), "`file` with the names")
	return cmd
}

func (n *namesFlag) addCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME ACCOUNT",
		Short: "Give an account a name; its public key will do, too",
		Args:  term.NArgs(2, 2, "a name, and an account's UUID or public key"),
		RunE: n.with(func(l *names.List, args []string) (string, error) {
			if err := l.Add(args[0], args[1]); err != nil {
				return "", term.Hint(term.HintSystem(err), "To list the names: foxchain names. Their rules: foxchain names --help")
			}
			account, _ := l.Account(args[0])
			return fmt.Sprintf("%s is %s\n", args[0], account), nil
		}),
	}
}

func (n *namesFlag) removeCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Forget a name",
		Args:  term.NArgs(1, 1, "a name"),
		RunE: n.with(func(l *names.List, args []string) (string, error) {
			account, _ := l.Account(args[0])
			if err := l.Remove(args[0]); err != nil {
				return "", term.Hint(err, "To list the names: foxchain names")
			}
			return fmt.Sprintf("%s is only %s again\n", args[0], account), nil
		}),
	}
}
