package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"foxchain/cmd/foxchain/internal/term"
	"foxchain/cmd/foxchain/internal/tokens"
	"foxchain/rpc"
)

func newTokenCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:     "token",
		Short:   "Make, list and revoke tokens for programs that use a node",
		GroupID: term.GroupSetup,
		Args:    term.Commands("add, list or revoke"),
		Long: `Make, list and revoke tokens for the programs that use a node. A token has a name
and a scope. The scope is what its program may do:

  read         ask what the node knows, follow its events, and read its metrics
  submit       submit transactions
  read,submit  both
  all          all that the node's own token, in the file "token", admits to

A running node knows at once of a token that is added or revoked, and closes the
connections of one that is revoked, its downloads too. Only its SHA-256 is kept, in
the directory "tokens" of the data directory, so a token is printed once. There are at
most 256.`,
		Example: `  foxchain token add wallboard --scope read -r 9000.db
  foxchain token list -r 9000.db
  foxchain token revoke wallboard -r 9000.db
  foxchain info --node ws://office.lan:9000/ws --token TOKEN      use it`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	// with finds the tokens of -r, and calls f.
	with := func(f func(w io.Writer, s tokens.Store, args []string) error) func(*cobra.Command, []string) error {
		return func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return term.Usagef("%s needs -r DIR, the node's data directory", term.Name(cmd))
			}
			if _, err := os.Stat(filepath.Join(dir, "node.key")); err != nil {
				return term.Hint(fmt.Errorf("%s is not the data directory of a node: %w", dir, err),
					"A node prints its directory when it starts. To start one: foxchain node -r %s", term.ShellWord(dir))
			}
			return f(cmd.OutOrStdout(), tokens.Store{Path: dir}, args)
		}
	}
	cmd.AddCommand(newTokenAddCmd(with), newTokenListCmd(with), &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a token: its connections are closed at once",
		Args:  term.NArgs(1, 1, "the name of a token"),
		RunE: with(func(w io.Writer, s tokens.Store, args []string) error {
			if err := s.Revoke(args[0]); err != nil {
				return term.Hint(err, "To list the tokens: foxchain token list -r %s", term.ShellWord(s.Path))
			}
			_, err := fmt.Fprintf(w, "%s is revoked\n", args[0])
			return err
		}),
	})
	cmd.PersistentFlags().StringVarP(&dir, "dir", "r", "", "data `directory` of the node, which may run")
	return cmd
}

type withTokens func(func(io.Writer, tokens.Store, []string) error) func(*cobra.Command, []string) error

func newTokenAddCmd(with withTokens) *cobra.Command {
	var scope string
	cmd := &cobra.Command{
		Use:   "add NAME --scope SCOPE",
		Short: "Make a token and print it, this once",
		Args:  term.NArgs(1, 1, "a name for the token"),
		RunE: with(func(w io.Writer, s tokens.Store, args []string) error {
			if scope == "" {
				return term.Usagef("say what the token is for: --scope read, submit, read,submit or all")
			}
			may, err := rpc.ParseScope(scope)
			if err != nil {
				return term.Usagef("--scope: %w", err)
			}
			token, err := s.Add(args[0], may)
			if err != nil {
				return term.Hint(err, "To list the tokens: foxchain token list -r %s", term.ShellWord(s.Path))
			}
			_, err = fmt.Fprintf(w, "%s\n", token)
			return term.Hint(err, "The token was made, but could not be printed. To revoke it: foxchain token revoke %s -r %s", args[0], term.ShellWord(s.Path))
		}),
	}
	cmd.Flags().StringVar(&scope, "scope", "", "what its program may do: read, submit, read,submit or all")
	return cmd
}

func newTokenListCmd(with withTokens) *cobra.Command {
	var asJSON bool
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "list",
		Short: "List the tokens: name, scope, when made and last used",
		Args:  term.NoArgs,
		RunE: with(func(w io.Writer, s tokens.Store, _ []string) error {
			list, damaged, err := s.List()
			if err != nil {
				return err
			}
			defer func() {
				for _, err := range damaged {
					cmd.PrintErrln("warning:", err)
				}
			}()
			t := term.NewTable("NAME", "SCOPE", "MADE", "LAST USED")
			for _, tok := range list {
				used := "never"
				if !tok.Used.IsZero() {
					used = tok.Used.Format(time.DateTime)
				}
				t.Add(tok.Name, tok.Scope, time.Unix(tok.Created, 0).Format(time.DateTime), used)
				if asJSON {
					if err := term.PrintJSON(w, tok); err != nil {
						return err
					}
				}
			}
			switch {
			case asJSON:
				return nil
			case len(list)+len(damaged) == 0:
				_, err := fmt.Fprintln(w, "No tokens beside the node's own. To make one: foxchain token add NAME --scope read")
				return err
			}
			return t.Print(w)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return cmd
}
